// The kept UDP sockets: bound on the parent's request, lent to services,
// closed on request or with the jail only.
#ifndef XTP_JAIL_SOCKETS_H_
#define XTP_JAIL_SOCKETS_H_

#include <stdint.h>

#include "lines.h"

struct bind_request {
  const char *id;
  int family;
  union socket_address address;
  int receive_bytes;  // 0: the system's default
  int send_bytes;
};

struct bind_result {
  uint16_t port;
  int receive_bytes;  // in the unit of the request
  int send_bytes;
};

// 0 or an errno.
int sockets_bind(const struct bind_request *request,
                 struct bind_result *result);
int sockets_close(const char *id);

// The descriptor of a kept socket; -1: there is none of that ID.
int sockets_find(const char *id);

#endif  // XTP_JAIL_SOCKETS_H_
