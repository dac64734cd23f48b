// The listening socket, and connections that have not said their tag.
#ifndef XTP_JAIL_LINKS_H_
#define XTP_JAIL_LINKS_H_

#include <poll.h>
#include <sys/types.h>

#include "jail.h"

enum { LINK_POLLS = 1 + MAX_PENDING };

// Listens; only `parent` may connect. The socket's name, or NULL with errno.
const char *links_listen(pid_t parent);

void links_poll(struct pollfd entries[LINK_POLLS]);
void links_polled(const struct pollfd entries[LINK_POLLS]);

#endif  // XTP_JAIL_LINKS_H_
