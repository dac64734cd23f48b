// xtp-jail: keeps UDP sockets, starts services in stage 1 of the sandbox, and
// dies with its parent. One thread around one poll; no memory is allocated
// after the start. The contract is spec/xtp-jail.md.
#include <sys/un.h>

#include "jail.h"

enum { BACKLOG = 16, TAG_BYTES = 8, TAG_MS = 5000 };

static pid_t parent;
struct options options = {.nofile = 1024};

static bool parse_option(const char *name, const char *value) {
  const struct {
    const char *name;
    uint64_t most;
    uint64_t *value;
  } numbers[] = {
      // (uid_t)-1 means "no change" to the kernel
      {"--uid", UINT32_MAX - 1, &options.uid},
      {"--gid", UINT32_MAX - 1, &options.gid},
      {"--nofile", INT64_MAX, &options.nofile},
      {"--data-bytes", INT64_MAX, &options.data_bytes},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (strcmp(numbers[i].name, name) == 0) {
      return parse_number(value, 1, numbers[i].most, numbers[i].value);
    }
  }
  const bool cgroup = strcmp(name, "--cgroup") == 0;
  if (cgroup) options.cgroup = value;
  const bool ro = strcmp(name, "--ro") == 0 && options.ro_count < MAX_RO_PATHS;
  if (ro) options.ro[options.ro_count++] = value;
  return (cgroup || ro) && value[0] == '/';
}

// A wrong option is the parent's defect: it is told on stderr, and nothing
// starts.
static bool parse_options(int argc, char **argv) {
  int i = 1;
  for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
    if (!parse_option(argv[i], argv[i + 1])) {
      fprintf(stderr, "xtp-jail: no option: %s %s\n", argv[i], argv[i + 1]);
      return false;
    }
  }
  options.command = argv + i + 1;
  const bool user = options.uid != 0;
  if (i + 1 >= argc || argv[i + 1][0] != '/') {
    fprintf(stderr, "xtp-jail: no absolute path of a program behind --\n");
  } else if (user != (options.gid != 0) || (user && geteuid() != 0)) {
    fprintf(stderr, "xtp-jail: --uid and --gid go together, and need root\n");
  } else {
    return true;
  }
  return false;
}

static void need(bool done, const char *step) {
  if (done) return;
  event("fatal %s %d\n", step, errno);
  _exit(1);
}

static _Noreturn void end(void) {
  incarnations_end();
  _exit(0);
}

// Nothing inherited, no descriptor where one of a service's will be, nothing
// readable by others, no life without the parent.
static void close_ourselves_in(void) {
  need(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "pdeathsig");
  // In another pid namespace the parent has no number, and no link could be
  // told to be its.
  errno = ESRCH;
  need(parent != 0 && getppid() == parent, "parent");
  need(syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0, "close_range");
  int fd = 0;
  while (fd < FD_DEV_NULL) {
    need((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0, "null");
  }
  const struct rlimit none = {0, 0};
  need(setrlimit(RLIMIT_CORE, &none) == 0, "rlimit_core");
  need(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
  // The terminal's Ctrl-C is the parent's. Not a session of its own: the
  // scheduler would count it as another user of the machine, and a yield to
  // the parent would be none (sched_autogroup).
  setpgid(0, 0);
  umask(077);
  // Signals end us, and with us all that we started. Inherited SIG_IGN would
  // lose the exit statuses.
  sigset_t set;
  sigemptyset(&set);
  need(sigprocmask(SIG_SETMASK, &set, NULL) == 0, "sigprocmask");
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

// Says hello, with the name that the kernel picks for our socket.
static int open_listener(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  socklen_t size = sizeof name - 1;  // keeps the last byte 0
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  need(fd >= 0 &&
           bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) == 0 &&
           listen(fd, BACKLOG) == 0 &&
           getsockname(fd, (struct sockaddr *)&name, &size) == 0,
       "listen");
  event("hello %d %d %s landlock=%d uid=%u\n", PROTOCOL_VERSION, getpid(),
        name.sun_path + 1, landlock_abi(), geteuid());
  return fd;
}

// Reads the tag and no byte more: what is behind it is for the service. While
// we wait for it, we wait for the parent alone, which has just connected.
static bool take_link(int fd) {
  unsigned char tag[TAG_BYTES];  // "XTP", kind, number (little endian)
  struct pollfd polls[] = {{fd, POLLIN, 0}, {STDIN_FILENO, POLLRDHUP, 0}};
  if (poll(polls, 2, TAG_MS) < 1 ||
      recv(fd, tag, sizeof tag, MSG_DONTWAIT) != sizeof tag) {
    return false;
  }
  const uint32_t number =
      tag[4] | tag[5] << 8 | tag[6] << 16 | (uint32_t)tag[7] << 24;
  return memcmp(tag, "XTP", 3) == 0 && incarnation_link(number, tag[3], fd);
}

static void accept_link(int listener) {
  const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  struct ucred peer;
  socklen_t size = sizeof peer;
  const bool known =
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
      peer.pid == parent;
  if (known && take_link(fd)) return;
  close(fd);
  event("refused %s\n", known ? "tag" : "peer");
}

// All that there are.
static void read_commands(void) {
  static struct line_reader reader;
  struct pollfd readable = {STDIN_FILENO, POLLIN, 0};
  while (poll(&readable, 1, 0) == 1) {
    char bytes[4096];
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) end();
    if (got > 0) lines_feed(&reader, bytes, (size_t)got, command_run);
  }
}

int main(int argc, char **argv) {
  parent = getppid();
  if (!parse_options(argc, argv)) return 2;
  close_ourselves_in();
  enum { STDOUT, LISTENER, STDIN, PLACE };
  struct pollfd polls[PLACE + MAX_INCARNATIONS * POLLED] = {
      {STDOUT_FILENO, 0, 0},
      {open_listener(), POLLIN, 0},
      {STDIN_FILENO, POLLIN, 0}};
  for (;;) {
    incarnations_poll(polls + PLACE);
    need(poll(polls, sizeof polls / sizeof *polls, -1) >= 0 || errno == EINTR,
         "poll");
    // nobody hears us any more
    if (polls[STDOUT].revents != 0) end();
    incarnations_settle();
    // a link's start was written before it connected: it is known then
    read_commands();
    if (polls[LISTENER].revents != 0) accept_link(polls[LISTENER].fd);
  }
}
