// xtp-jail: keeps UDP sockets, starts services in stage 1 of the sandbox, and
// dies with its parent. One thread around one poll; no memory is allocated
// after the start. The contract is spec/xtp-jail.md.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commands.h"
#include "incarnations.h"
#include "jail.h"
#include "lines.h"
#include "links.h"
#include "names.h"

static _Noreturn void fatal(const char *step) {
  event("fatal %s %s", step, errno_name(errno));
  _exit(1);
}

static _Noreturn void end(void) {
  incarnations_end();
  _exit(0);
}

// Nothing inherited, nothing readable by others, no life without the parent.
static void close_ourselves_in(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fatal("pdeathsig");
  // In another pid namespace the parent has no number, and no link could be
  // told to be its.
  if (parent == 0 || getppid() != parent) {
    errno = ESRCH;
    fatal("parent");
  }
  if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0) {
    fatal("close_range");
  }
  const struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) fatal("rlimit_core");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) fatal("dumpable");
  // The terminal's Ctrl-C is the parent's. Not a session of its own: the
  // scheduler would count it as another user of the machine, and a yield to
  // the parent would be none (sched_autogroup).
  setpgid(0, 0);
  umask(077);
}

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (sigprocmask(SIG_SETMASK, &set, NULL) != 0) fatal("sigprocmask");
  // Inherited SIG_IGN would lose the exit statuses, or a service's SIGPIPE.
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) fatal("signalfd");
  return fd;
}

static void read_signals(int fd) {
  struct signalfd_siginfo info;
  bool asked_to_end = false;
  while (read(fd, &info, sizeof info) == sizeof info) {
    asked_to_end |= info.ssi_signo != SIGCHLD;
  }
  if (asked_to_end) end();
  incarnations_reap();
}

static void handle_line(char *line, void *context) {
  (void)context;
  command_run(line);
}

static void read_commands(void) {
  static struct line_reader reader;
  char bytes[4096];
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got > 0) {
    lines_feed(&reader, bytes, (size_t)got, handle_line, NULL);
  } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    end();
  }
}

static _Noreturn void loop(int signals) {
  enum { STDIN, STDOUT, SIGNALS, LINK, PLACE = LINK + LINK_POLLS };
  struct pollfd polls[PLACE + MAX_INCARNATIONS];
  for (;;) {
    polls[STDIN] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    polls[STDOUT] = (struct pollfd){STDOUT_FILENO, 0, 0};
    polls[SIGNALS] = (struct pollfd){signals, POLLIN, 0};
    links_poll(polls + LINK);
    incarnations_poll(polls + PLACE);
    if (poll(polls, sizeof polls / sizeof *polls, -1) < 0) {
      if (errno == EINTR) continue;
      fatal("poll");
    }
    // nobody hears us any more
    if (polls[STDOUT].revents != 0) end();
    incarnations_polled(polls + PLACE);
    if (polls[SIGNALS].revents != 0) read_signals(signals);
    links_polled(polls + LINK);
    if (polls[STDIN].revents != 0) read_commands();
  }
}

int main(int argc, char **argv) {
  static struct options options;
  const pid_t parent = getppid();
  if (!options_parse(argc, argv, &options)) return 2;
  close_ourselves_in(parent);
  const int signals = open_signals();
  cgroup_sweep(&options);
  incarnations_init(&options);
  const char *name = links_listen(parent);
  if (name == NULL) fatal("listen");
  event("hello %d %d %s landlock=%d uid=%u", PROTOCOL_VERSION, getpid(), name,
        landlock_abi(), geteuid());
  loop(signals);
}
