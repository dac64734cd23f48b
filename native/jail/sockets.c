// The kept UDP sockets (spec/xtp-jail.md, section Kept sockets).
#include <errno.h>
#include <string.h>

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

// As much as asked for: FORCE passes the system's limit and is root's. The
// kernel doubles it, to have room for its bookkeeping, and tells that number.
static int set_buffer(int fd, int force, int plain, int bytes) {
  socklen_t size = sizeof bytes;
  if (bytes != 0 && setsockopt(fd, SOL_SOCKET, force, &bytes, size) != 0) {
    setsockopt(fd, SOL_SOCKET, plain, &bytes, size);
  }
  return getsockopt(fd, SOL_SOCKET, plain, &bytes, &size) == 0 ? bytes / 2 : 0;
}

static bool set_up(int fd, union socket_address *address,
                   struct buffers *buffers) {
  const int one = 1;
  const bool v6 = address->any.sa_family == AF_INET6;
  socklen_t size = v6 ? sizeof address->v6 : sizeof address->v4;
  if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0) {
    return false;
  }
  buffers->receive =
      set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffers->receive);
  buffers->send = set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffers->send);
  return bind(fd, &address->any, size) == 0 &&
         getsockname(fd, &address->any, &size) == 0;
}

int socket_bind(const char *id, union socket_address *address,
                struct buffers *buffers) {
  if (find(id) != NULL) return EEXIST;
  struct kept *place = find("");
  if (place == NULL) return ENFILE;
  const int fd = socket(address->any.sa_family,
                        SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  if (!set_up(fd, address, buffers)) {
    const int error = errno;
    close(fd);
    return error;
  }
  strcpy(place->id, id);  // is_id holds
  place->fd = fd;
  return 0;
}

int socket_close(const char *id) {
  struct kept *socket = find(id);
  if (socket == NULL) return ENOENT;
  close(socket->fd);
  socket->id[0] = '\0';
  return 0;
}

int socket_find(const char *id) {
  const struct kept *socket = find(id);
  return socket == NULL ? -1 : socket->fd;
}
