// The kept UDP sockets (spec/xtp-jail.md, section Kept sockets).
#include "sockets.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jail.h"

static struct kept {
  char id[MAX_ID_BYTES + 1];  // empty: a free place
  int fd;
} kept[MAX_SOCKETS];

static struct kept *find(const char *id) {
  for (int i = 0; i < MAX_SOCKETS; i++) {
    if (strcmp(kept[i].id, id) == 0) return &kept[i];
  }
  return NULL;
}

// As much as asked for: FORCE passes the system's limit and is root's.
static void set_buffer(int fd, int force, int plain, int bytes) {
  if (bytes == 0) return;
  if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) {
    setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
  }
}

// The kernel doubles what it is asked for, to have room for its bookkeeping,
// and tells the doubled number.
static int granted(int fd, int option) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  getsockopt(fd, SOL_SOCKET, option, &bytes, &size);
  return bytes / 2;
}

static int fail(int fd) {
  const int error = errno;
  close(fd);
  return error;
}

int sockets_bind(const struct bind_request *request,
                 struct bind_result *result) {
  if (find(request->id) != NULL) return EEXIST;
  struct kept *place = find("");
  if (place == NULL) return ENFILE;
  const int fd =
      socket(request->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int one = 1;
  const bool v6 = request->family == AF_INET6;
  if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0) {
    return fail(fd);
  }
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, request->receive_bytes);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, request->send_bytes);
  if (bind(fd, &request->address.any,
           v6 ? sizeof request->address.v6 : sizeof request->address.v4) != 0) {
    return fail(fd);
  }
  union socket_address bound;
  socklen_t size = sizeof bound;
  if (getsockname(fd, &bound.any, &size) != 0) return fail(fd);
  result->port = ntohs(v6 ? bound.v6.sin6_port : bound.v4.sin_port);
  result->receive_bytes = granted(fd, SO_RCVBUF);
  result->send_bytes = granted(fd, SO_SNDBUF);
  strcpy(place->id, request->id);  // is_id holds
  place->fd = fd;
  return 0;
}

int sockets_close(const char *id) {
  struct kept *socket = find(id);
  if (socket == NULL) return ENOENT;
  close(socket->fd);
  socket->id[0] = '\0';
  return 0;
}

int sockets_find(const char *id) {
  const struct kept *socket = find(id);
  return socket == NULL ? -1 : socket->fd;
}
