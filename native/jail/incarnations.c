// The jail's side of every launch: it collects the links, forks, hears from
// stage 1, lets it into its user namespace, lends sockets, signals, and tells
// the exact end.
#include <limits.h>
#include <sys/time.h>

#include "jail.h"

// Our ends of FD_SOCKETS, FD_STATUS (-1 when stage 1 is over) and FD_END, and
// the pidfds of `main` and `service`.
enum { SOCKETS, STATUS, END, MAIN, SERVICE, OURS };

static struct incarnation {
  enum { FREE, WAITING, LAUNCHED } state;  // WAITING: for its links
  uint32_t number;                         // 0: a probe
  int level;
  int child[FD_DEV_NULL];  // the descriptors it will have: ours until then
  int ours[OURS];
  pid_t main;     // our child: the service (L0, L2) or its init; 0: reaped
  pid_t service;  // 0 until it is about to exec
  bool started;   // told
  int exit_status;
  struct rusage usage;
  char failure[64];  // "STEP ERRNO"
} table[MAX_INCARNATIONS];

#define FOR_EACH(it) \
  for (struct incarnation *it = table; it < table + MAX_INCARNATIONS; it++)

static uint32_t highest;  // the greatest number ever started

static void drop(int *fds, int count) {
  for (int i = 0; i < count; i++) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
  }
}

static bool pair(int *ours, int *theirs) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return false;
  }
  *ours = fds[0];
  *theirs = fds[1];
  return true;
}

// NULL: there is none, as for number 0.
static struct incarnation *find(uint32_t number) {
  FOR_EACH(it) {
    if (number != 0 && it->state != FREE && it->number == number) return it;
  }
  return NULL;
}

static void fail(struct incarnation *it, const char *step, int error) {
  if (it->failure[0] != '\0') return;  // the first one is the cause
  snprintf(it->failure, sizeof it->failure, "%s %d", step, error);
}

// Init takes its whole namespace along.
static void kill_all(const struct incarnation *it) {
  if (it->main > 0) kill(it->main, SIGKILL);
}

// Nothing of it is left when its end is told.
static void finish(struct incarnation *it) {
  drop(it->ours, OURS);
  drop(it->child, FD_DEV_NULL);
  it->state = FREE;
  const bool failed = it->failure[0] != '\0';
  if (it->number == 0) {
    event("probed L%d %s\n", it->level, failed ? it->failure : "ok");
  } else if (failed) {
    event("failed %u %s\n", it->number, it->failure);
  }
  if (it->number == 0 || failed) return;
  const int status = it->exit_status;
  const bool signalled = WIFSIGNALED(status);
  struct timeval cpu;
  timeradd(&it->usage.ru_utime, &it->usage.ru_stime, &cpu);
  event("exit %u %s %d %ld %ld\n", it->number, signalled ? "signal" : "code",
        signalled ? WTERMSIG(status) : WEXITSTATUS(status), it->usage.ru_maxrss,
        cpu.tv_sec * 1000 + cpu.tv_usec / 1000);
}

// --- launching ------------------------------------------------------------

// In the child. No source is where a target is: the jail's own descriptors
// are behind them. A probe has no links.
static void place_descriptors(const struct incarnation *it) {
  for (int i = 0; i < FD_DEV_NULL; i++) {
    const int from = it->child[i == FD_OUT ? FD_LOG : i];
    const int flags = i >= FD_STATUS ? O_CLOEXEC : 0;
    if (dup3(from < 0 ? FD_DEV_NULL : from, i, flags) < 0) _exit(126);
  }
  if (syscall(SYS_close_range, FD_DEV_NULL, ~0U, 0) != 0) _exit(126);
}

static void launch(struct incarnation *it) {
  it->state = LAUNCHED;
  // As fork, but into new namespaces.
  it->main = (pid_t)syscall(
      SYS_clone, stage1_namespaces(it->level) | CLONE_PIDFD | SIGCHLD, 0,
      &it->ours[MAIN], 0, 0);
  if (it->main == 0) {
    place_descriptors(it);
    stage1(it->level, it->number == 0);
  }
  if (it->main < 0) fail(it, it->level >= 3 ? "namespaces" : "fork", errno);
  // Our copies must go: the end of file of the links is what tells the parent
  // of a crash.
  drop(it->child, FD_DEV_NULL);
  if (it->main > 0) return;
  it->ours[MAIN] = -1;  // of a clone that failed late
  finish(it);
}

// 0 or an errno.
static int open_ends(int ours[OURS], int child[FD_DEV_NULL]) {
  const int one = 1;
  const bool done =
      pair(&ours[SOCKETS], &child[FD_SOCKETS]) &&
      pair(&ours[STATUS], &child[FD_STATUS]) &&
      pair(&ours[END], &child[FD_END]) &&
      pair(&child[FD_LOCK_PEER], &child[FD_LOCK]) &&
      setsockopt(ours[STATUS], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0;
  return done ? 0 : errno;
}

void incarnation_start(uint32_t number, int level) {
  struct incarnation none, *it = &none;
  FOR_EACH(place) if (place->state == FREE) it = place;
  *it = (struct incarnation){WAITING, .number = number, .level = level};
  memset(it->ours, -1, sizeof it->ours);
  memset(it->child, -1, sizeof it->child);
  const int error = level < 0                          ? EINVAL
                    : number != 0 && number <= highest ? EEXIST
                    : it == &none                      ? ENFILE
                                  : open_ends(it->ours, it->child);
  if (level >= 0 && number > highest) highest = number;
  if (error != 0) {
    fail(it, "start", error);
    finish(it);
  } else if (number == 0) {
    launch(it);
  }
}

bool incarnation_link(uint32_t number, unsigned char kind, int link) {
  struct incarnation *it = find(number);
  const int at = kind == 'c'   ? FD_CONTROL
                 : kind == 'd' ? FD_DATA
                 : kind == 'l' ? FD_LOG
                               : -1;
  if (at < 0 || it == NULL || it->state != WAITING || it->child[at] >= 0) {
    return false;
  }
  int *const child = it->child;
  child[at] = link;
  if (child[FD_CONTROL] >= 0 && child[FD_DATA] >= 0 && child[FD_LOG] >= 0) {
    launch(it);
  }
  return true;
}

// --- while it lives -------------------------------------------------------

int incarnation_give(uint32_t number, const char *id, int socket) {
  const struct incarnation *it = find(number);
  if (it == NULL) return ESRCH;
  struct {
    struct cmsghdr header;
    int socket;
  } control = {{.cmsg_len = CMSG_LEN(sizeof socket),
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS},
               socket};
  struct iovec text = {(void *)(uintptr_t)id, strlen(id)};
  const struct msghdr message = {.msg_iov = &text,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (sendmsg(it->ours[SOCKETS], &message, flags) >= 0) return 0;
  return errno == EPIPE ? ESRCH : errno;  // it has ended
}

void incarnation_kill(uint32_t number, int signal) {
  struct incarnation *it = find(number);
  if (it == NULL) return;  // it may have ended meanwhile
  if (!it->started) fail(it, "start", ECANCELED);
  if (it->state == WAITING) {
    finish(it);
  } else if (!it->started || signal == SIGKILL) {
    kill_all(it);
  } else if (it->ours[SERVICE] >= 0) {
    syscall(SYS_pidfd_send_signal, it->ours[SERVICE], signal, NULL, 0);
  }
}

// False with errno.
static bool write_file(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text, strlen(text)) > 0;
  close(fd);  // which leaves errno as it is
  return done;
}

// What only somebody outside can do: the maps of the user namespace, and at L4
// the group of which the cgroup namespace will be the root. NULL, or the step
// that failed, with errno.
static const char *admit(const struct incarnation *it) {
  const bool root = geteuid() == 0;
  const unsigned ids[] = {root ? (unsigned)options.uid : geteuid(),
                          root ? (unsigned)options.gid : getegid()};
  static const char *const kFiles[] = {"setgroups", "uid_map", "gid_map"};
  char path[PATH_MAX], text[48] = "deny";
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", it->main, kFiles[i]);
    if (i > 0) snprintf(text, sizeof text, "%d %u 1", INSIDE_ID, ids[i - 1]);
    if (!write_file(path, text)) return kFiles[i];
  }
  if (it->level < 4) return NULL;
  errno = EINVAL;
  if (options.cgroup == NULL) return "cgroup";
  snprintf(path, sizeof path, "%s%u/cgroup.procs", options.cgroup, it->number);
  snprintf(text, sizeof text, "%d", it->main);
  return write_file(path, text) ? NULL : "cgroup";
}

// One message of stage 1. `sender` is its pid as we see it.
static void hear(struct incarnation *it, const char *text, pid_t sender) {
  if (text[0] == 'N') {  // it is in its namespaces, and waits
    const char *failed = admit(it);
    if (failed == NULL) {
      send(it->ours[STATUS], "G", 1, MSG_NOSIGNAL);
    } else {  // or it has been killed
      fail(it, failed, errno);
      kill_all(it);
    }
  } else if (text[0] == 'C') {  // everything done: it execs now
    it->service = sender;
    it->ours[SERVICE] = (int)syscall(SYS_pidfd_open, sender, 0);
  } else if (text[0] == 'F' && it->failure[0] == '\0') {
    snprintf(it->failure, sizeof it->failure, "%s", text + 1);
  }
}

// False when there is no more: nothing now, or (status is -1) never.
static bool read_status(struct incarnation *it) {
  char text[64];
  struct {
    struct cmsghdr header;
    struct ucred sender;
  } control = {.sender = {0, 0, 0}};
  struct iovec into = {text, sizeof text - 1};
  struct msghdr message = {.msg_iov = &into,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  const ssize_t got =
      recvmsg(it->ours[STATUS], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EINTR;
  if (got == 0) {  // exec was done, or all that held it have ended
    drop(&it->ours[STATUS], 1);
    return false;
  }
  text[got] = '\0';
  hear(it, text, control.sender.pid);
  return true;
}

// Takes an incarnation as far as it has come: tells its start, and its end
// when none of its processes is left.
static void settle(struct incarnation *it) {
  while (it->ours[STATUS] >= 0 && read_status(it)) continue;
  if (it->main > 0 &&
      wait4(it->main, &it->exit_status, WNOHANG, &it->usage) == it->main) {
    it->main = 0;
    drop(&it->ours[MAIN], 1);
  }
  if (it->ours[STATUS] >= 0) return;
  const bool launched = it->service > 0 && it->failure[0] == '\0';
  if (launched && !it->started && it->number != 0) {
    it->started = true;
    event("started %u %d\n", it->number, it->service);
  }
  if (it->main > 0) return;
  if (!launched) fail(it, "start", EIO);
  // Init tells how the service ended; init's own end counts where it was
  // killed, and the service with it.
  int status;
  if (recv(it->ours[END], &status, sizeof status, MSG_DONTWAIT) ==
      sizeof status) {
    it->exit_status = status;
  }
  finish(it);
}

void incarnations_poll(struct pollfd entries[MAX_INCARNATIONS * POLLED]) {
  FOR_EACH(it) {
    const bool lives = it->state == LAUNCHED;
    *entries++ = (struct pollfd){lives ? it->ours[STATUS] : -1, POLLIN, 0};
    *entries++ = (struct pollfd){lives ? it->ours[MAIN] : -1, POLLIN, 0};
  }
}

void incarnations_settle(void) {
  FOR_EACH(it) if (it->state == LAUNCHED) settle(it);
}

void incarnations_end(void) {
  FOR_EACH(it) if (it->state == LAUNCHED) kill_all(it);
  FOR_EACH(it) while (it->state == LAUNCHED) {
    settle(it);
    poll(NULL, 0, 1);
  }
}
