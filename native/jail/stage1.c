// Stage 1 of the sandbox: from the jail's fork to the exec of the service, and
// the init of its pid namespace. One thread; every failure is reported to the
// jail by name, and nothing is weakened.
//
// At L3 the jail's child is init: it builds the file tree, forks the service,
// answers the lock request, and reports how the service ended. Root builds the
// tree before it enters the user namespace, where it can read what root can;
// mounts from before are locked in there, but may be left by pivot_root. Root
// itself is not mapped: init and service are --uid from then on.
#include <grp.h>
#include <linux/capability.h>

#include "jail.h"

void must(bool done, const char *step) {
  char text[64];
  if (done) return;
  const int length = snprintf(text, sizeof text, "F%s %d", step, errno);
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
  must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "pdeathsig");
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
  must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           syscall(SYS_capset, &header, none) == 0,
       "capset");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
}

static void become(uid_t uid, gid_t gid) {
  must(setresgid(gid, gid, gid) == 0, "setgid");
  must(setresuid(uid, uid, uid) == 0, "setuid");
}

// Both limits; never above what the jail itself has.
static void limit(int resource, uint64_t value) {
  struct rlimit now;
  must(getrlimit(resource, &now) == 0, "rlimit");
  if (value < now.rlim_max) now.rlim_max = (rlim_t)value;
  now.rlim_cur = now.rlim_max;
  must(setrlimit(resource, &now) == 0, "rlimit");
}

static _Noreturn void finish_probe(int level) {
  // No exec, but the tree has to have the program.
  must(access(options.command[0], X_OK) == 0, "execve");
  char answer = 'E';
  must(level < 3 || (send(FD_LOCK, "L", 1, MSG_NOSIGNAL) == 1 &&
                     recv(FD_LOCK, &answer, 1, 0) == 1 && answer == 'K'),
       "lock");
  tell('C');
  _exit(0);
}

static _Noreturn void exec_service(int level, bool probe) {
  must(setpgid(0, 0) == 0, "setpgid");
  if (level > 0) {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, options.nofile);
    if (options.data_bytes != 0) limit(RLIMIT_DATA, options.data_bytes);
    drop_bounding_set();
    drop_capabilities();
    landlock_restrict();
    prefilter_install();
  }
  if (probe) finish_probe(level);
  signal(SIGPIPE, SIG_DFL);
  tell('C');
  must(execve(options.command[0], options.command, environ) == 0, "execve");
  _exit(126);
}

// --- L3: namespaces -------------------------------------------------------

int stage1_namespaces(int level) {
  if (level < 3) return 0;
  const int user = geteuid() == 0 ? 0 : CLONE_NEWUSER;  // root does it later
  return user | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
         CLONE_NEWUTS;
}

// Init must not hold the links: the parent would not see their end of file
// when the service dies.
static void release_links(void) {
  for (int fd = 1; fd <= FD_LOG; fd++) dup2(0, fd);
  for (int fd = FD_CONTROL; fd <= FD_STATUS; fd++) close(fd);
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
}

static _Noreturn void run_init(pid_t service) {
  release_links();
  serve_lock(service);
  drop_capabilities();
  int status = 0;
  pid_t ended;  // orphans of the service are init's too
  while ((ended = waitpid(-1, &status, 0)) != service) {
    if (ended < 0 && errno != EINTR) _exit(1);
  }
  send(FD_END, &status, sizeof status, MSG_NOSIGNAL);
  _exit(0);
}

// Returns in the service's process.
static void enter_namespaces(bool root) {
  must(sethostname("xtp", 3) == 0, "sethostname");
  if (root) {
    must(setgroups(0, NULL) == 0, "setgroups");
    tree_build();
    must(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "namespaces");
  }
  // Of a process that is not dumpable the maps belong to root.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  char go;
  tell('N');
  if (recv(FD_STATUS, &go, 1, 0) != 1) _exit(1);
  must(unshare(CLONE_NEWCGROUP) == 0, "namespaces");
  become(INSIDE_ID, INSIDE_ID);
  die_with_the_jail(FD_END);
  if (!root) tree_build();
  tree_add_empty();
  const pid_t service = fork();
  must(service >= 0, "fork");
  if (service > 0) run_init(service);
  die_with_the_jail(FD_STATUS);
}

_Noreturn void stage1(int level, bool probe) {
  const bool root = geteuid() == 0;
  die_with_the_jail(FD_STATUS);
  must(chdir("/") == 0, "chdir");
  errno = EINVAL;
  must(level < 2 || !root || options.uid != 0, "user");
  if (level >= 3) {
    enter_namespaces(root);
  } else if (level > 0 && root) {
    drop_bounding_set();
    must(setgroups(0, NULL) == 0, "setgroups");
    become((uid_t)options.uid, (gid_t)options.gid);
    die_with_the_jail(FD_STATUS);
  }
  if (level < 3) close(FD_LOCK);
  close(FD_LOCK_PEER);
  close(FD_END);
  exec_service(level, probe);
}
