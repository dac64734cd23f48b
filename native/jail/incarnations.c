// The jail's side of every launch: it forks, hears from stage 1, lets it into
// its user namespace, lends sockets, signals, and tells the exact end.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "jail.h"

static struct incarnation {
  enum { FREE, WAITING, LAUNCHED } state;  // WAITING: for its links
  uint32_t number;                         // 0: a probe
  int level;
  int sockets[2];  // lends sockets: our end, the service's
  int status;      // our end of FD_STATUS; -1 when stage 1 is over
  int end;         // our end of FD_END
  pid_t main;      // our child: the service (L0, L2) or its init; 0: reaped
  pid_t service;   // 0 until it is about to exec
  int pidfd;       // of the service
  bool started;    // told
  bool killed;     // on request, or at our end
  int exit_status;
  struct rusage usage;
  char failure[64];  // "STEP ERRNO"
} table[MAX_INCARNATIONS];

static uint32_t highest;  // the greatest number ever started

static void drop(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static bool pair(int fds[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0;
}

// NULL: there is none, as for number 0.
static struct incarnation *find(uint32_t number) {
  for (int i = 0; i < MAX_INCARNATIONS && number != 0; i++) {
    if (table[i].state != FREE && table[i].number == number) return &table[i];
  }
  return NULL;
}

static void release(struct incarnation *it) {
  drop(&it->sockets[0]);
  drop(&it->sockets[1]);
  drop(&it->status);
  drop(&it->end);
  drop(&it->pidfd);
  it->state = FREE;
}

// NULL with errno.
static struct incarnation *create(uint32_t number, int level) {
  struct incarnation *it = table;
  while (it < table + MAX_INCARNATIONS && it->state != FREE) it++;
  errno = ENFILE;
  if (it == table + MAX_INCARNATIONS) return NULL;
  *it = (struct incarnation){.state = WAITING,
                             .number = number,
                             .level = level,
                             .sockets = {-1, -1},
                             .status = -1,
                             .end = -1,
                             .pidfd = -1};
  if (pair(it->sockets)) return it;
  it->state = FREE;
  return NULL;
}

static void fail(struct incarnation *it, const char *step, int error) {
  if (it->failure[0] != '\0') return;  // the first one is the cause
  snprintf(it->failure, sizeof it->failure, "%s %d", step, error);
}

static void tell_failure(uint32_t number, int level, const char *failure) {
  if (number == 0) {
    event("probed L%d %s\n", level, failure);
  } else {
    event("failed %u %s\n", number, failure);
  }
}

// Nothing of it is left when its end is told.
static void finish(struct incarnation *it) {
  release(it);
  if (it->number == 0 || it->failure[0] != '\0') {
    const char *failure = it->failure[0] != '\0' ? it->failure : "ok";
    tell_failure(it->number, it->level, failure);
    return;
  }
  const int status = it->exit_status;
  const bool signalled = WIFSIGNALED(status);
  struct timeval cpu;
  timeradd(&it->usage.ru_utime, &it->usage.ru_stime, &cpu);
  event("exit %u %s %d %ld %ld\n", it->number, signalled ? "signal" : "code",
        signalled ? WTERMSIG(status) : WEXITSTATUS(status), it->usage.ru_maxrss,
        cpu.tv_sec * 1000 + cpu.tv_usec / 1000);
}

// --- launching ------------------------------------------------------------

// In the child. Everything out of the way first, then into place: no source
// may be where a target is.
static void place_descriptors(const struct incarnation *it, const int links[],
                              int null, int status, int end,
                              const int lock[2]) {
  int at[FD_FIRST_FREE] = {null,     links[2],       links[2], links[0],
                           links[1], it->sockets[1], lock[0],  status,
                           end,      lock[1]};
  for (int i = 0; i < FD_FIRST_FREE; i++) {
    // a probe has no links
    at[i] = fcntl(at[i] < 0 ? null : at[i], F_DUPFD_CLOEXEC, FD_FIRST_FREE);
    if (at[i] < 0) _exit(126);
  }
  for (int i = 0; i < FD_FIRST_FREE; i++) {
    if (dup3(at[i], i, i >= FD_STATUS ? O_CLOEXEC : 0) < 0) _exit(126);
  }
  if (syscall(SYS_close_range, FD_FIRST_FREE, ~0U, 0) != 0) _exit(126);
}

static void launch(struct incarnation *it, int links[LINKS]) {
  int status[2] = {-1, -1}, end[2] = {-1, -1}, lock[2] = {-1, -1};
  // Not in the child, where it could be of a mount that goes.
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int one = 1;
  pid_t pid = -1;
  if (null >= 0 && pair(status) && pair(end) && pair(lock) &&
      setsockopt(status[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0) {
    // As fork, but into new namespaces.
    pid = (pid_t)syscall(SYS_clone, stage1_namespaces(it->level) | SIGCHLD, 0,
                         0, 0, 0);
  }
  const int error = errno;
  if (pid == 0) {
    place_descriptors(it, links, null, status[1], end[1], lock);
    stage1(it->level, it->number == 0);
  }
  // Our copies of the service's ends must go: their end of file is what tells
  // the parent of a crash.
  for (int i = 0; i < LINKS; i++) drop(&links[i]);
  drop(&null);
  drop(&it->sockets[1]);
  drop(&status[1]);
  drop(&end[1]);
  drop(&lock[0]);
  drop(&lock[1]);
  it->status = status[0];
  it->end = end[0];
  it->state = LAUNCHED;
  it->main = pid;
  if (pid >= 0) return;
  fail(it, it->level >= 3 ? "namespaces" : "fork", error);
  finish(it);
}

bool incarnation_expects_links(uint32_t number) {
  const struct incarnation *it = find(number);
  return number > highest || (it != NULL && it->state == WAITING);
}

void incarnations_launch(void) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    struct incarnation *it = &table[i];
    int links[LINKS] = {-1, -1, -1};
    if (it->state == WAITING &&
        (it->number == 0 || links_take(it->number, links))) {
      launch(it, links);
    }
  }
}

void incarnation_start(uint32_t number, int level) {
  char failure[32];
  struct incarnation *it = NULL;
  errno = level < 0 ? EINVAL : EEXIST;
  if (level >= 0 && (number == 0 || number > highest)) {
    it = create(number, level);
    if (number > highest) highest = number;
  }
  if (it == NULL) {
    snprintf(failure, sizeof failure, "start %d", errno);
    tell_failure(number, level, failure);
  }
  links_sweep();
}

// --- while it lives -------------------------------------------------------

int incarnation_give(uint32_t number, const char *id, int socket) {
  const struct incarnation *it = find(number);
  if (it == NULL) return ESRCH;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof socket)];
  } control = {.bytes = {0}};
  struct iovec text = {(void *)(uintptr_t)id, strlen(id)};
  struct msghdr message = {.msg_iov = &text,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof socket);
  memcpy(CMSG_DATA(&control.header), &socket, sizeof socket);
  const ssize_t sent =
      sendmsg(it->sockets[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 ? errno : 0;
}

// Init takes its whole namespace along.
static void kill_all(struct incarnation *it) {
  it->killed = true;
  if (it->main > 0) kill(it->main, SIGKILL);
}

void incarnation_kill(uint32_t number, int signal) {
  struct incarnation *it = find(number);
  if (it == NULL) {
    return;  // it may have ended meanwhile
  }
  if (it->state == WAITING) {
    fail(it, "start", ECANCELED);
    finish(it);
    links_sweep();
  } else if (!it->started || signal == SIGKILL) {
    kill_all(it);
  } else if (it->pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, it->pidfd, signal, NULL, 0);
  }
}

// False with errno.
static bool write_file(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t length = (ssize_t)strlen(text);
  const bool done = write(fd, text, (size_t)length) == length;
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

// What only somebody outside can do: the maps of the user namespace, and at L4
// the group of which the cgroup namespace will be the root.
static bool admit(struct incarnation *it, const char **step) {
  const bool root = geteuid() == 0;
  const unsigned ids[] = {root ? (unsigned)options.uid : geteuid(),
                          root ? (unsigned)options.gid : getegid()};
  static const char *const kFiles[] = {"setgroups", "uid_map", "gid_map"};
  char path[PATH_MAX], text[48] = "deny";
  for (int i = 0; i < 3; i++) {
    *step = kFiles[i];
    snprintf(path, sizeof path, "/proc/%d/%s", it->main, *step);
    if (i > 0) snprintf(text, sizeof text, "%d %u 1", INSIDE_ID, ids[i - 1]);
    if (!write_file(path, text)) return false;
  }
  if (it->level < 4) return true;
  *step = "cgroup";
  errno = EINVAL;
  if (options.cgroup == NULL) return false;
  snprintf(path, sizeof path, "%s%u/cgroup.procs", options.cgroup, it->number);
  snprintf(text, sizeof text, "%d", it->main);
  return write_file(path, text);
}

// One message of stage 1. `sender` is its pid as we see it.
static void hear(struct incarnation *it, const char *text, pid_t sender) {
  const char *step;
  switch (text[0]) {
    case 'N':  // it is in its namespaces, and waits
      if (it->killed) break;
      if (admit(it, &step)) {
        send(it->status, "G", 1, MSG_NOSIGNAL);  // or it has been killed
      } else {
        fail(it, step, errno);
        kill_all(it);
      }
      break;
    case 'C':  // everything done: it execs now
      it->service = sender;
      it->pidfd = (int)syscall(SYS_pidfd_open, sender, 0);
      break;
    case 'F':
      if (it->failure[0] != '\0') break;
      snprintf(it->failure, sizeof it->failure, "%s", text + 1);
      break;
  }
}

// False when there is no more: nothing now, or (status is -1) never.
static bool read_status(struct incarnation *it) {
  char text[64];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec into = {text, sizeof text - 1};
  struct msghdr message = {.msg_iov = &into,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  const ssize_t got =
      recvmsg(it->status, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EINTR;
  if (got == 0) {  // exec was done, or all that held it have ended
    drop(&it->status);
    return false;
  }
  text[got] = '\0';
  struct ucred sender = {0, 0, 0};
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_type == SCM_CREDENTIALS) {
    memcpy(&sender, CMSG_DATA(header), sizeof sender);
  }
  hear(it, text, sender.pid);
  return true;
}

// Takes an incarnation as far as it has come: tells its start, and its end
// when none of its processes is left.
static void settle(struct incarnation *it) {
  if (it->state != LAUNCHED) return;
  while (it->status >= 0 && read_status(it)) continue;
  if (it->status >= 0) return;
  const bool launched = it->service > 0 && it->failure[0] == '\0';
  if (launched && !it->started && it->number != 0) {
    it->started = true;
    event("started %u %d\n", it->number, it->service);
  }
  if (it->main > 0) return;
  if (!launched) fail(it, "start", it->killed ? ECANCELED : EIO);
  // Init tells how the service ended; init's own end counts where it was
  // killed, and the service with it.
  int status;
  if (recv(it->end, &status, sizeof status, MSG_DONTWAIT) == sizeof status) {
    it->exit_status = status;
  }
  finish(it);
}

void incarnations_poll(struct pollfd entries[MAX_INCARNATIONS]) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    const bool listens = table[i].state == LAUNCHED;
    entries[i] = (struct pollfd){listens ? table[i].status : -1, POLLIN, 0};
  }
}

void incarnations_polled(const struct pollfd entries[MAX_INCARNATIONS]) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    if (entries[i].revents != 0) settle(&table[i]);
  }
}

void incarnations_reap(void) {
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    for (int i = 0; i < MAX_INCARNATIONS; i++) {
      struct incarnation *it = &table[i];
      if (it->state != LAUNCHED || it->main != pid) continue;
      it->main = 0;
      it->exit_status = status;
      it->usage = usage;
      settle(it);
    }
  }
}

void incarnations_end(void) {
  for (int round = 0; round < 2000; round++) {
    bool any = false;
    for (int i = 0; i < MAX_INCARNATIONS; i++) {
      if (table[i].state != LAUNCHED) continue;
      any = true;
      kill_all(&table[i]);
    }
    if (!any) return;
    incarnations_reap();
    poll(NULL, 0, 1);
  }
}
