// The parent's commands: a table of words, and one function for each, which
// checks every argument before anything is done. With the UDP sockets that some
// of them are about (spec/xtp-jail.md, section Kept sockets).
#include "jail.h"

enum { MAX_SOCKETS = 64, MAX_BUFFER_BYTES = 1 << 30, NO_COMMAND = -1 };

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

// `buffers`: bytes to receive and to send, as asked for (0: the system's
// default) and then as granted. `address` becomes the one it is bound to.
static bool set_up(int fd, union socket_address *address, int buffers[2]) {
  const int one = 1;
  const bool v6 = address->any.sa_family == AF_INET6;
  socklen_t size = v6 ? sizeof address->v6 : sizeof address->v4;
  if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0) {
    return false;
  }
  buffers[0] = set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffers[0]);
  buffers[1] = set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffers[1]);
  return bind(fd, &address->any, size) == 0 &&
         getsockname(fd, &address->any, &size) == 0;
}

// Every function gets the words behind the command's own, and gives 0, an
// errno which is told with the first of them, or NO_COMMAND.

static int run_bind(char **words) {
  uint64_t port, bytes[2];
  union socket_address address;
  if (!is_id(words[0])) return NO_COMMAND;
  if (!parse_number(words[3], 0, UINT16_MAX, &port) ||
      !parse_number(words[4], 0, MAX_BUFFER_BYTES, &bytes[0]) ||
      !parse_number(words[5], 0, MAX_BUFFER_BYTES, &bytes[1])) {
    return EINVAL;
  }
  int buffers[] = {(int)bytes[0], (int)bytes[1]};
  const int error = parse_address(words[1], words[2], (uint16_t)port, &address);
  struct kept *place = find("");
  if (error != 0) return error;
  if (find(words[0]) != NULL) return EEXIST;
  if (place == NULL) return ENFILE;
  place->fd = socket(address.any.sa_family,
                     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (place->fd < 0) return errno;
  if (!set_up(place->fd, &address, buffers)) {
    close(place->fd);  // which leaves errno as it is
    return errno;
  }
  strcpy(place->id, words[0]);
  // the port is at the same place in both families
  event("bound %s %u %d %d\n", words[0], ntohs(address.v4.sin_port), buffers[0],
        buffers[1]);
  return 0;
}

static int run_close(char **words) {
  if (!is_id(words[0])) return NO_COMMAND;
  struct kept *socket = find(words[0]);
  if (socket == NULL) return ENOENT;
  close(socket->fd);
  socket->id[0] = '\0';
  event("closed %s\n", words[0]);
  return 0;
}

static int run_give(char **words) {
  uint64_t number;
  char *id = words[1];
  if (!parse_number(words[0], 1, UINT32_MAX, &number) || !is_id(id)) {
    return NO_COMMAND;
  }
  const struct kept *socket = find(id);
  const int error = socket == NULL
                        ? ENOENT
                        : incarnation_give((uint32_t)number, id, socket->fd);
  if (error == 0) event("given %s %s\n", words[0], id);
  id[-1] = ' ';  // an error is told with both, which are one word again
  return error;
}

static int run_start(char **words) {
  uint64_t number;
  if (!parse_number(words[0], 1, UINT32_MAX, &number)) return NO_COMMAND;
  incarnation_start((uint32_t)number, parse_level(words[1]));
  return 0;
}

static int run_kill(char **words) {
  uint64_t number, signal;
  if (!parse_number(words[0], 1, UINT32_MAX, &number) ||
      !parse_number(words[1], 1, 64, &signal)) {
    return NO_COMMAND;
  }
  incarnation_kill((uint32_t)number, (int)signal);
  return 0;
}

static int run_probe(char **words) {
  const int level = parse_level(words[0]);
  if (level < 0) return NO_COMMAND;
  incarnation_start(0, level);
  return 0;
}

static const struct command {
  const char *word;
  int arguments;
  int (*run)(char **words);
} kCommands[] = {
    {"bind", 6, run_bind}, {"close", 1, run_close}, {"start", 2, run_start},
    {"give", 2, run_give}, {"kill", 2, run_kill},   {"probe", 1, run_probe},
};

void command_run(char *line) {
  char *words[MAX_WORDS];
  int error = NO_COMMAND;
  const int count = line == NULL ? 0 : split_words(line, words);
  for (size_t i = 0; i < sizeof kCommands / sizeof *kCommands; i++) {
    const struct command *command = &kCommands[i];
    if (count == 1 + command->arguments &&
        strcmp(command->word, words[0]) == 0) {
      error = command->run(words + 1);
    }
  }
  if (error == NO_COMMAND) {
    event("error - %d\n", EINVAL);
  } else if (error != 0) {
    event("error %s %s %d\n", words[0], words[1], error);
  }
}
