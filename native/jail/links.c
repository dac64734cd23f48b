// Links (spec/xtp-jail.md, section Links): accepted from the parent alone, and
// kept by their 8-byte tag until their incarnation takes them.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "jail.h"

enum { TAG_BYTES = 8 };

static int listener = -1;
static pid_t parent;
static struct link {
  int fd;  // 0: a free place
  size_t have;
  unsigned char tag[TAG_BYTES];  // "XTP", kind, number (little endian)
} table[MAX_LINKS];

const char *links_listen(pid_t allowed) {
  static struct sockaddr_un name = {.sun_family = AF_UNIX};
  socklen_t size = sizeof(sa_family_t);  // autobind: the kernel picks a name
  parent = allowed;
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&name, size) != 0 ||
      listen(listener, MAX_LINKS) != 0) {
    return NULL;
  }
  size = sizeof name - 1;  // keeps the last byte 0
  if (getsockname(listener, (struct sockaddr *)&name, &size) != 0) return NULL;
  return name.sun_path + 1;
}

static uint32_t number_of(const struct link *link) {
  const unsigned char *n = link->tag + 4;
  return n[0] | n[1] << 8 | n[2] << 16 | (uint32_t)n[3] << 24;
}

static bool is_complete(const struct link *link) {
  return link->fd > 0 && link->have == TAG_BYTES;
}

static struct link *find(unsigned char kind, uint32_t number) {
  for (int i = 0; i < MAX_LINKS; i++) {
    struct link *link = &table[i];
    if (is_complete(link) && link->tag[3] == kind &&
        number_of(link) == number) {
      return link;
    }
  }
  return NULL;
}

static void refuse(int *fd, const char *reason) {
  close(*fd);
  *fd = 0;
  event("refused %s\n", reason);
}

static void accept_link(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.pid != parent) {
    refuse(&fd, "peer");
    return;
  }
  struct link *link = table;
  while (link < table + MAX_LINKS && link->fd > 0) link++;
  if (link < table + MAX_LINKS) {
    *link = (struct link){.fd = fd};
  } else {
    refuse(&fd, "full");
  }
}

// Reads the tag and no byte more: what is behind it is for the service.
static void read_tag(struct link *link) {
  const ssize_t got = recv(link->fd, link->tag + link->have,
                           TAG_BYTES - link->have, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const unsigned char kind = link->tag[3];
  if (got <= 0) {
    refuse(&link->fd, "closed");
  } else if (link->have + (size_t)got < TAG_BYTES ||
             (memcmp(link->tag, "XTP", 3) == 0 &&
              (kind == 'c' || kind == 'd' || kind == 'l') &&
              incarnation_expects_links(number_of(link)) &&
              find(kind, number_of(link)) == NULL)) {
    link->have += (size_t)got;
  } else {
    refuse(&link->fd, "tag");
  }
}

void links_poll(struct pollfd entries[MAX_LINKS + 1]) {
  for (int i = 0; i < MAX_LINKS; i++) {
    const bool reads = table[i].fd > 0 && !is_complete(&table[i]);
    entries[i] = (struct pollfd){reads ? table[i].fd : -1, POLLIN, 0};
  }
  entries[MAX_LINKS] = (struct pollfd){listener, POLLIN, 0};
}

void links_polled(const struct pollfd entries[MAX_LINKS + 1]) {
  for (int i = 0; i < MAX_LINKS; i++) {
    if (entries[i].revents != 0) read_tag(&table[i]);
  }
  // The backlog at most: the rest of the loop must have its turn.
  for (int i = 0; i < MAX_LINKS && entries[MAX_LINKS].revents != 0; i++) {
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    accept_link(fd);
  }
}

bool links_take(uint32_t number, int fds[LINKS]) {
  struct link *found[LINKS] = {find('c', number), find('d', number),
                               find('l', number)};
  if (found[0] == NULL || found[1] == NULL || found[2] == NULL) return false;
  for (int i = 0; i < LINKS; i++) {
    fds[i] = found[i]->fd;
    found[i]->fd = 0;
  }
  return true;
}

void links_sweep(void) {
  for (int i = 0; i < MAX_LINKS; i++) {
    struct link *link = &table[i];
    if (!is_complete(link) || incarnation_expects_links(number_of(link))) {
      continue;
    }
    close(link->fd);
    link->fd = 0;
  }
}
