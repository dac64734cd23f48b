// Links (spec/xtp-jail.md, section Links): accepted from the parent alone, and
// handed to their incarnation by an 8-byte tag.
#include "links.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "incarnations.h"

enum { TAG_BYTES = 8 };

static int listener = -1;
static pid_t parent;
static struct pending {
  bool used;
  int fd;
  size_t have;
  unsigned char tag[TAG_BYTES];
} pending[MAX_PENDING];

const char *links_listen(pid_t allowed) {
  static struct sockaddr_un name = {.sun_family = AF_UNIX};
  socklen_t size = sizeof(sa_family_t);  // autobind: the kernel picks a name
  parent = allowed;
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&name, size) != 0 ||
      listen(listener, MAX_PENDING) != 0) {
    return NULL;
  }
  size = sizeof name - 1;  // keeps the last byte 0
  if (getsockname(listener, (struct sockaddr *)&name, &size) != 0) return NULL;
  return name.sun_path + 1;
}

static void refuse(int fd, const char *reason) {
  close(fd);
  event("refused %s", reason);
}

static void take(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.pid != parent) {
    refuse(fd, "peer");
    return;
  }
  for (int i = 0; i < MAX_PENDING; i++) {
    if (pending[i].used) continue;
    pending[i] = (struct pending){.used = true, .fd = fd};
    return;
  }
  refuse(fd, "full");
}

// Reads the tag and no byte more: what is behind it is for the service.
static void read_tag(struct pending *link) {
  const ssize_t got = recv(link->fd, link->tag + link->have,
                           TAG_BYTES - link->have, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    link->used = false;
    refuse(link->fd, "closed");
    return;
  }
  link->have += (size_t)got;
  if (link->have < TAG_BYTES) return;
  link->used = false;
  const unsigned char *n = link->tag + 4;
  const uint32_t number = (uint32_t)n[0] | (uint32_t)n[1] << 8 |
                          (uint32_t)n[2] << 16 | (uint32_t)n[3] << 24;
  if (memcmp(link->tag, "XTP", 3) != 0 ||
      !incarnation_take_link(number, (char)link->tag[3], link->fd)) {
    refuse(link->fd, "tag");
  }
}

void links_poll(struct pollfd entries[LINK_POLLS]) {
  entries[0] = (struct pollfd){listener, POLLIN, 0};
  for (int i = 0; i < MAX_PENDING; i++) {
    entries[1 + i] =
        (struct pollfd){pending[i].used ? pending[i].fd : -1, POLLIN, 0};
  }
}

void links_polled(const struct pollfd entries[LINK_POLLS]) {
  for (int i = 0; i < MAX_PENDING; i++) {
    if (entries[1 + i].revents != 0) read_tag(&pending[i]);
  }
  if (entries[0].revents == 0) return;
  // The backlog at most: the rest of the loop must have its turn.
  for (int i = 0; i < MAX_PENDING; i++) {
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    take(fd);
  }
}
