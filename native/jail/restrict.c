// What a service may do from its first instruction on: the last two steps of
// stage 1. Its own stage 2 comes on top before it hears of anybody
// (spec/xtp-service.md).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "jail.h"

// --- Landlock: it reads and executes the --ro paths, and that is all it can do
// with files, as far as the kernel's ABI goes. Where the kernel has no Landlock
// nothing is done: the level does not promise it (spec, Levels).

// The kernel's interface, from linux/landlock.h, which may be older than the
// kernel. The numbers are the same on every architecture.
enum {
  CREATE_RULESET = 444,
  ADD_RULE,
  RESTRICT_SELF,
  ASK_VERSION = 1,
  RULE_PATH_BENEATH = 1,
  FS_EXECUTE = 1 << 0,
  FS_READ_FILE = 1 << 2,
  FS_READ_DIR = 1 << 3,
  NET_BIND_CONNECT = 3,  // TCP
  SCOPE_ALL = 3,         // abstract unix sockets and signals
};
struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

int landlock_abi(void) {
  const long abi = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

static void allow(int ruleset, const char *path) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return;  // not there, or not for this user: not allowed either
  struct stat about;
  must(fstat(fd, &about) == 0, "landlock_stat");
  const struct path_beneath rule = {
      FS_EXECUTE | FS_READ_FILE | (S_ISDIR(about.st_mode) ? FS_READ_DIR : 0),
      fd};
  must(syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0,
       "landlock_add_rule");
  close(fd);
}

void landlock_restrict(void) {
  // Of an ABI: all accesses to files, which are so many bits; and how much of
  // the struct it knows.
  static const int kFsBits[] = {0, 13, 14, 15, 15, 16};
  const int abi = landlock_abi();
  if (abi == 0) return;
  // struct landlock_ruleset_attr: files, network, scope
  const uint64_t all[] = {(1u << kFsBits[abi < 5 ? abi : 5]) - 1,
                          NET_BIND_CONNECT, SCOPE_ALL};
  const size_t size = abi < 4 ? 8 : abi < 6 ? 16 : 24;
  const int ruleset = (int)syscall(CREATE_RULESET, all, size, 0);
  must(ruleset >= 0, "landlock_create_ruleset");
  for (int i = 0; i < options.ro_count; i++) allow(ruleset, options.ro[i]);
  must(syscall(RESTRICT_SELF, ruleset, 0) == 0, "landlock_restrict_self");
  close(ruleset);
}

// --- The pre-filter: there is no io_uring, as in a kernel built without it.
// Node makes one as it starts: refused later it would abort, allowed it would
// pass by every filter.

#if defined(__x86_64__)
enum { NATIVE_ARCH = AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { NATIVE_ARCH = AUDIT_ARCH_AARCH64 };
#else
#error "xtp-jail knows x86_64 and aarch64"
#endif

enum {
  // the same on every architecture
  IO_URING_SETUP = 425,
  IO_URING_REGISTER = 427,
  X32_BIT = 0x40000000,  // the second set of numbers of x86-64
};

#define LOAD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define JUMP(test, value, yes, no) \
  BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))

void prefilter_install(void) {
  struct sock_filter code[] = {
      LOAD(arch),
      JUMP(BPF_JEQ, NATIVE_ARCH, 1, 0),
      ANSWER(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      JUMP(BPF_JGE, X32_BIT, 2, 0),
      JUMP(BPF_JGE, IO_URING_SETUP, 0, 2),
      JUMP(BPF_JGT, IO_URING_REGISTER, 1, 0),
      ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof code / sizeof *code, code};
  must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "prefilter");
}
