// xtp-jail: keeps UDP sockets, starts services in stage 1 of the sandbox, and
// dies with its parent. One thread around one poll; no memory is allocated
// after the start. The contract is spec/xtp-jail.md.
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "jail.h"

static void need(bool done, const char *step) {
  if (done) return;
  event("fatal %s %d\n", step, errno);
  _exit(1);
}

static _Noreturn void end(void) {
  incarnations_end();
  _exit(0);
}

// Nothing inherited, nothing readable by others, no life without the parent.
static void close_ourselves_in(pid_t parent) {
  need(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "pdeathsig");
  // In another pid namespace the parent has no number, and no link could be
  // told to be its.
  errno = ESRCH;
  need(parent != 0 && getppid() == parent, "parent");
  need(syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0, "close_range");
  const struct rlimit none = {0, 0};
  need(setrlimit(RLIMIT_CORE, &none) == 0, "rlimit_core");
  need(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
  // The terminal's Ctrl-C is the parent's. Not a session of its own: the
  // scheduler would count it as another user of the machine, and a yield to
  // the parent would be none (sched_autogroup).
  setpgid(0, 0);
  umask(077);
}

// SIGCHLD alone: other signals end us, and with us all that we started.
static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  need(sigprocmask(SIG_SETMASK, &set, NULL) == 0, "sigprocmask");
  // Inherited SIG_IGN would lose the exit statuses, or a service's SIGPIPE.
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  need(fd >= 0, "signalfd");
  return fd;
}

static void read_commands(void) {
  static struct line_reader reader;
  char bytes[4096];
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got > 0) {
    lines_feed(&reader, bytes, (size_t)got, command_run);
  } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    end();
  }
}

static _Noreturn void loop(int signals) {
  enum { STDIN, STDOUT, SIGNALS, LINK, PLACE = LINK + MAX_LINKS + 1 };
  struct pollfd polls[PLACE + MAX_INCARNATIONS] = {
      {STDIN_FILENO, POLLIN, 0}, {STDOUT_FILENO, 0, 0}, {signals, POLLIN, 0}};
  struct signalfd_siginfo info;
  for (;;) {
    links_poll(polls + LINK);
    incarnations_poll(polls + PLACE);
    if (poll(polls, sizeof polls / sizeof *polls, -1) < 0) {
      need(errno == EINTR, "poll");
      continue;
    }
    // nobody hears us any more
    if (polls[STDOUT].revents != 0) end();
    incarnations_polled(polls + PLACE);
    while (read(signals, &info, sizeof info) > 0) incarnations_reap();
    links_polled(polls + LINK);
    if (polls[STDIN].revents != 0) read_commands();
    incarnations_launch();
  }
}

int main(int argc, char **argv) {
  const pid_t parent = getppid();
  if (!options_parse(argc, argv)) return 2;
  close_ourselves_in(parent);
  const int signals = open_signals();
  const char *name = links_listen(parent);
  need(name != NULL, "listen");
  event("hello %d %d %s landlock=%d uid=%u\n", PROTOCOL_VERSION, getpid(), name,
        landlock_abi(), geteuid());
  loop(signals);
}
