// Stage 1 of the sandbox: from the jail's fork to the exec of the service, and
// the init of its pid namespace. One thread; every failure is reported to the
// jail by name, and nothing is weakened.
//
// At L3 three processes take part. The helper (the fork) creates the
// namespaces with a clone whose child is the jail's own child (CLONE_PARENT),
// writes the user map, and is gone. That child is init: it builds the file
// tree, forks the service, answers the lock request, and reports how the
// service ended. Root builds the tree in the helper already, where it can read
// what root can; the mounts are locked in the namespaces below, but may be left
// by pivot_root. Root itself is not mapped: init and service are --user from
// the first step.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "names.h"

// The only user and group inside the user namespace.
enum { INSIDE_ID = 65533 };

_Noreturn void stage1_fail(const char *step) {
  char text[64];
  const int length =
      snprintf(text, sizeof text, "F%s %s", step, errno_name(errno));
  send(FD_STATUS, text, (size_t)length, MSG_NOSIGNAL);
  _exit(126);
}

// The jail learns our pid from the kernel (SO_PASSCRED), also from within the
// pid namespace.
static void tell(char what) {
  if (send(FD_STATUS, &what, 1, MSG_NOSIGNAL) != 1) _exit(1);
}

// To be called after every change of uid, which disarms it. The jail may have
// died before: then the other end of `link` is closed.
static void die_with_the_jail(int link) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    stage1_fail("pdeathsig");
  }
  struct pollfd other = {link, 0, 0};
  if (poll(&other, 1, 0) != 0) _exit(1);
}

static void drop_bounding_set(void) {
  // EPERM without CAP_SETPCAP: then there is nothing in it that exec could
  // give, because of no_new_privs. EINVAL behind the last one.
  for (int cap = 0; cap < 64; cap++) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static void drop_capabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
      syscall(SYS_capset, &header, none) != 0) {
    stage1_fail("capset");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    stage1_fail("no_new_privs");
  }
}

static void become(uid_t uid, gid_t gid) {
  if (setresgid(gid, gid, gid) != 0) stage1_fail("setgid");
  if (setresuid(uid, uid, uid) != 0) stage1_fail("setuid");
}

static void drop_groups(void) {
  if (setgroups(0, NULL) != 0) stage1_fail("setgroups");
}

// Both limits; never above what the jail itself has.
static void limit(int resource, uint64_t value, const char *step) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) stage1_fail(step);
  const rlim_t to = value < now.rlim_max ? (rlim_t)value : now.rlim_max;
  const struct rlimit both = {to, to};
  if (setrlimit(resource, &both) != 0) stage1_fail(step);
}

static void set_limits(const struct options *options) {
  limit(RLIMIT_CORE, 0, "rlimit_core");
  limit(RLIMIT_NOFILE, options->nofile, "rlimit_nofile");
  if (options->data_bytes != 0) {
    limit(RLIMIT_DATA, options->data_bytes, "rlimit_data");
  }
}

static _Noreturn void finish_probe(const struct options *options, int level) {
  // No exec, but the tree has to have the program.
  if (access(options->command[0], X_OK) != 0) stage1_fail("execve");
  char answer = 'E';
  if (level >= 3 && (send(FD_LOCK, "L", 1, MSG_NOSIGNAL) != 1 ||
                     recv(FD_LOCK, &answer, 1, 0) != 1 || answer != 'K')) {
    stage1_fail("lock");
  }
  tell('C');
  _exit(0);
}

static _Noreturn void exec_service(const struct options *options,
                                   const struct launch *launch) {
  if (setpgid(0, 0) != 0) stage1_fail("setpgid");
  if (launch->level > 0) {
    set_limits(options);
    drop_bounding_set();
    drop_capabilities();
    landlock_restrict(options);
    prefilter_install();
  }
  if (launch->probe) finish_probe(options, launch->level);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  tell('C');
  execve(options->command[0], options->command, environ);
  stage1_fail("execve");
}

// --- L3: namespaces -------------------------------------------------------

static void write_map(int proc, pid_t pid, const char *file, const char *text) {
  char path[48];
  snprintf(path, sizeof path, "%d/%s", pid, file);
  const int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
  const ssize_t length = (ssize_t)strlen(text);
  if (fd < 0 || write(fd, text, (size_t)length) != length) stage1_fail(file);
  close(fd);
}

static void write_maps(int proc, pid_t pid, uid_t uid, gid_t gid) {
  char map[48];
  write_map(proc, pid, "setgroups", "deny");
  snprintf(map, sizeof map, "%d %u 1", INSIDE_ID, uid);
  write_map(proc, pid, "uid_map", map);
  snprintf(map, sizeof map, "%d %u 1", INSIDE_ID, gid);
  write_map(proc, pid, "gid_map", map);
}

// Init must not hold the links: the parent would not see their end of file
// when the service dies.
static void release_links(void) {
  for (int fd = 0; fd <= FD_STATUS; fd++) {
    if (fd > FD_LOG) {
      close(fd);
    } else if (fd > 0) {
      dup2(0, fd);
    }
  }
}

// Answers one lock request, or sees the service end before.
static void serve_lock(pid_t service) {
  const int end = (int)syscall(SYS_pidfd_open, service, 0);
  struct pollfd wait[] = {{FD_LOCK_PEER, POLLIN, 0}, {end, POLLIN, 0}};
  while (poll(wait, 2, -1) < 0 && errno == EINTR) continue;
  char letter = 0;
  if (wait[0].revents != 0 &&
      recv(FD_LOCK_PEER, &letter, 1, MSG_DONTWAIT) == 1 && letter == 'L') {
    letter = tree_take_away() ? 'K' : 'E';
    send(FD_LOCK_PEER, &letter, 1, MSG_NOSIGNAL);
  }
  close(FD_LOCK_PEER);
  close(end);
}

static _Noreturn void run_init(pid_t service) {
  release_links();
  serve_lock(service);
  drop_capabilities();
  int status = 0;
  pid_t ended;
  do {  // orphans of the service are init's too
    ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) _exit(1);
  } while (ended != service);
  send(FD_END, &status, sizeof status, MSG_NOSIGNAL);
  _exit(0);
}

static _Noreturn void inside(const struct options *options,
                             const struct launch *launch, bool tree_built) {
  become(INSIDE_ID, INSIDE_ID);
  die_with_the_jail(FD_END);
  tell('I');
  if (!tree_built) tree_build(options);
  tree_add_empty();
  if (sethostname("xtp", 3) != 0) stage1_fail("sethostname");
  const pid_t service = fork();
  if (service < 0) stage1_fail("fork");
  if (service > 0) run_init(service);
  close(FD_LOCK_PEER);
  close(FD_END);
  die_with_the_jail(FD_STATUS);
  exec_service(options, launch);
}

static _Noreturn void enter_namespaces(const struct options *options,
                                       const struct launch *launch) {
  const bool root = geteuid() == 0;
  const int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) stage1_fail("proc");
  if (root) {
    drop_groups();
    if (unshare(CLONE_NEWNS) != 0) stage1_fail("unshare_mount");
    tree_build(options);
  }
  int mapped[2];
  if (pipe2(mapped, O_CLOEXEC) != 0) stage1_fail("pipe");
  // Of a process that is not dumpable the maps belong to root.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  const pid_t init = (pid_t)syscall(
      SYS_clone,
      CLONE_PARENT | CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
          CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | SIGCHLD,
      0, 0, 0, 0);
  if (init < 0) stage1_fail("namespaces");
  char go = 1;
  if (init > 0) {
    write_maps(proc, init, root ? options->uid : geteuid(),
               root ? options->gid : getegid());
    if (write(mapped[1], &go, 1) != 1) stage1_fail("pipe");
    _exit(0);
  }
  close(proc);
  close(mapped[1]);
  if (read(mapped[0], &go, 1) != 1) _exit(1);  // the helper told why
  close(mapped[0]);
  inside(options, launch, root);
}

_Noreturn void stage1(const struct options *options,
                      const struct launch *launch) {
  const bool root = geteuid() == 0;
  die_with_the_jail(FD_STATUS);
  if (chdir("/") != 0) stage1_fail("chdir");
  if (launch->level >= 2 && root && !options->has_user) {
    errno = EINVAL;
    stage1_fail("user");
  }
  if (launch->level >= 4) cgroup_join(options, launch->group);
  if (launch->level >= 3) enter_namespaces(options, launch);
  close(FD_LOCK);
  close(FD_LOCK_PEER);
  close(FD_END);
  if (launch->level >= 2 && root) {
    drop_bounding_set();
    drop_groups();
    become(options->uid, options->gid);
    die_with_the_jail(FD_STATUS);
  }
  exec_service(options, launch);
}
