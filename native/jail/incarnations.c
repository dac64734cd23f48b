// The jail's side of every launch: it collects the links, forks, hears from
// stage 1, lends sockets, signals, and tells the exact end.
#include "incarnations.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "names.h"

enum { LINKS = 3 };
static const char kLinkKinds[LINKS + 1] = "cdl";

enum state {
  FREE,
  LINKS_ONLY,  // a link was first; no start yet
  WAITING,     // started; waits for its links
  LAUNCHED,    // forked; stage 1 or the service runs
};

static struct incarnation {
  enum state state;
  uint32_t number;  // 0: a probe
  struct launch launch;
  int links[LINKS];
  int sockets[2];  // lends sockets: our end, the service's
  int status;      // our end of FD_STATUS; -1 when stage 1 is over
  int end;         // our end of FD_END
  pid_t helper;    // L3: the fork, until it is reaped
  pid_t main;      // our child that is service (L0, L2) or init; 0: none (yet)
  bool main_ended;
  pid_t service;  // 0 until it is about to exec
  int pidfd;      // of the service
  bool started;   // told
  bool killed;    // on request, or at our end
  int exit_status;
  struct rusage usage;
  char failure[64];  // "STEP ERRNO"
} table[MAX_INCARNATIONS];

static const struct options *options;
static uint32_t highest;  // the greatest number ever started
static uint32_t probes;

static void drop(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static struct incarnation *find(uint32_t number) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    if (table[i].state != FREE && table[i].number == number) return &table[i];
  }
  return NULL;
}

static struct incarnation *create(uint32_t number, enum state state) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    struct incarnation *it = &table[i];
    if (it->state != FREE) continue;
    *it = (struct incarnation){.state = state,
                               .number = number,
                               .links = {-1, -1, -1},
                               .sockets = {-1, -1},
                               .status = -1,
                               .end = -1,
                               .pidfd = -1};
    return it;
  }
  return NULL;
}

static void release(struct incarnation *it) {
  for (int i = 0; i < LINKS; i++) drop(&it->links[i]);
  drop(&it->sockets[0]);
  drop(&it->sockets[1]);
  drop(&it->status);
  drop(&it->end);
  drop(&it->pidfd);
  if (it->launch.group[0] != '\0') cgroup_remove(options, it->launch.group);
  it->state = FREE;
}

static void fail(struct incarnation *it, const char *step, int error) {
  if (it->failure[0] != '\0') return;  // the first one is the cause
  snprintf(it->failure, sizeof it->failure, "%s %s", step, errno_name(error));
}

static void tell_end(const struct incarnation *it) {
  if (it->launch.probe) {
    event("probed L%d %s", it->launch.level,
          it->failure[0] != '\0' ? it->failure : "ok");
  } else if (it->failure[0] != '\0') {
    event("failed %u %s", it->number, it->failure);
  } else {
    const int status = it->exit_status;
    const struct timeval *user = &it->usage.ru_utime;
    const struct timeval *system = &it->usage.ru_stime;
    const long ms = (user->tv_sec + system->tv_sec) * 1000 +
                    (user->tv_usec + system->tv_usec) / 1000;
    event("exit %u %s %d %ld %ld", it->number,
          WIFSIGNALED(status) ? "signal" : "code",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
          it->usage.ru_maxrss, ms);
  }
}

// Nothing of it is left when its end is told.
static void finish(struct incarnation *it) {
  release(it);
  tell_end(it);
}

// --- launching ------------------------------------------------------------

// In the child. Everything out of the way first, then into place: no source
// may be where a target is.
static void place_descriptors(const struct incarnation *it, int status, int end,
                              const int lock[2]) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int at[FD_FIRST_FREE] = {
      null,           it->links[2], it->links[2], it->links[0], it->links[1],
      it->sockets[1], lock[0],      status,       end,          lock[1]};
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

static bool pair(int fds[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0;
}

static void launch(struct incarnation *it) {
  int status[2] = {-1, -1}, end[2] = {-1, -1}, lock[2] = {-1, -1};
  const int one = 1;
  pid_t pid = -1;
  if (it->launch.level >= 4) {
    snprintf(it->launch.group, sizeof it->launch.group,
             it->launch.probe ? "xtp-%d-p%u" : "xtp-%d-%u", getpid(),
             it->launch.probe ? ++probes : it->number);
  }
  if (pair(status) && pair(end) && pair(lock) &&
      setsockopt(status[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0) {
    pid = fork();
  }
  const int error = errno;
  if (pid == 0) {
    place_descriptors(it, status[1], end[1], lock);
    stage1(options, &it->launch);
  }
  // Our copies of the service's ends must go: their end of file is what tells
  // the parent of a crash.
  for (int i = 0; i < LINKS; i++) drop(&it->links[i]);
  drop(&it->sockets[1]);
  drop(&status[1]);
  drop(&end[1]);
  drop(&lock[0]);
  drop(&lock[1]);
  it->status = status[0];
  it->end = end[0];
  it->state = LAUNCHED;
  if (pid < 0) {
    fail(it, "fork", error);
    finish(it);
  } else if (it->launch.level >= 3) {
    it->helper = pid;
  } else {
    it->main = pid;
  }
}

static void launch_if_complete(struct incarnation *it) {
  if (it->state != WAITING) return;
  for (int i = 0; i < LINKS; i++) {
    if (it->links[i] < 0) return;
  }
  launch(it);
}

bool incarnation_take_link(uint32_t number, char kind, int fd) {
  const char *at = kind == '\0' ? NULL : strchr(kLinkKinds, kind);
  if (at == NULL || number == 0) return false;
  struct incarnation *it = find(number);
  if (it == NULL && number > highest) it = create(number, LINKS_ONLY);
  if (it == NULL || it->state == LAUNCHED) return false;
  int *place = &it->links[at - kLinkKinds];
  if (*place >= 0) return false;
  *place = fd;
  launch_if_complete(it);
  return true;
}

void incarnation_start(uint32_t number, int level) {
  if (level < 0 || number <= highest) {
    event("failed %u start %s", number, level < 0 ? "EINVAL" : "EEXIST");
    return;
  }
  highest = number;
  // Links of lower numbers that were never started never will be.
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    struct incarnation *old = &table[i];
    if (old->state == LINKS_ONLY && old->number < number) release(old);
  }
  struct incarnation *it = find(number);
  if (it == NULL) it = create(number, WAITING);
  if (it == NULL || !pair(it->sockets)) {
    event("failed %u start %s", number, errno_name(it ? errno : ENFILE));
    if (it != NULL) release(it);
    return;
  }
  it->state = WAITING;
  it->launch.level = level;
  launch_if_complete(it);
}

void incarnation_probe(int level) {
  struct incarnation *it = create(0, LAUNCHED);
  if (it == NULL || !pair(it->sockets)) {
    event("probed L%d start %s", level, errno_name(it ? errno : ENFILE));
    if (it != NULL) release(it);
    return;
  }
  it->launch = (struct launch){.level = level, .probe = true};
  launch(it);
}

// --- while it lives -------------------------------------------------------

int incarnation_give(uint32_t number, const char *id, int socket) {
  const struct incarnation *it = number == 0 ? NULL : find(number);
  if (it == NULL || it->sockets[0] < 0) return ESRCH;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof socket)];
  } control;
  memset(&control, 0, sizeof control);
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

// SIGKILL to all that is known of it. What is not known yet is killed as it
// reports (hear), or ends with its helper.
static void kill_all(struct incarnation *it) {
  it->killed = true;
  if (it->helper > 0) kill(it->helper, SIGKILL);
  if (it->main > 0 && !it->main_ended) kill(it->main, SIGKILL);
}

void incarnation_kill(uint32_t number, int signal) {
  struct incarnation *it = number == 0 ? NULL : find(number);
  if (it == NULL) return;  // it may have ended meanwhile
  if (it->state != LAUNCHED) {
    if (it->state == WAITING) event("failed %u start ECANCELED", number);
    if (number > highest) highest = number;
    release(it);
  } else if (!it->started || signal == SIGKILL) {
    kill_all(it);
  } else if (it->pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, it->pidfd, signal, NULL, 0);
  }
}

// One message of stage 1. `sender` is its pid as we see it.
static void hear(struct incarnation *it, const char *text, pid_t sender) {
  switch (text[0]) {
    case 'I':  // init lives
      it->main = sender;
      break;
    case 'C':  // everything done: it execs now
      it->service = sender;
      it->pidfd = (int)syscall(SYS_pidfd_open, sender, 0);
      break;
    case 'F':
      if (it->failure[0] == '\0') {
        snprintf(it->failure, sizeof it->failure, "%s", text + 1);
      }
      break;
  }
  if (it->killed) kill_all(it);
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
  if (launched && !it->started && !it->launch.probe) {
    it->started = true;
    event("started %u %d", it->number, it->service);
  }
  if (it->helper > 0 || (it->main > 0 && !it->main_ended)) return;
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

static void note_end(pid_t pid, int status, const struct rusage *usage) {
  for (int i = 0; i < MAX_INCARNATIONS; i++) {
    struct incarnation *it = &table[i];
    if (it->state != LAUNCHED) continue;
    if (it->helper == pid) it->helper = 0;
    if (it->main == pid) {
      it->main_ended = true;
      it->exit_status = status;
      it->usage = *usage;
    }
  }
}

void incarnations_reap(void) {
  // What stage 1 said comes first: it names the children.
  for (int i = 0; i < MAX_INCARNATIONS; i++) settle(&table[i]);
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    for (int i = 0; i < MAX_INCARNATIONS; i++) settle(&table[i]);
    note_end(pid, status, &usage);
  }
  for (int i = 0; i < MAX_INCARNATIONS; i++) settle(&table[i]);
}

void incarnations_end(void) {
  for (int round = 0; round < 2000; round++) {
    bool any = false;
    for (int i = 0; i < MAX_INCARNATIONS; i++) {
      if (table[i].state == LAUNCHED) {
        any = true;
        kill_all(&table[i]);
      }
    }
    if (!any) return;
    incarnations_reap();
    poll(NULL, 0, 1);
  }
}

void incarnations_init(const struct options *given) { options = given; }
