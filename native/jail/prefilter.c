// The seccomp filter that is in force before node starts: there is no io_uring,
// as in a kernel built without it. Node makes one as it starts: refused later
// it would abort, allowed it would pass by every filter. The service's own
// filter, an allow list, comes on top before it hears of anybody
// (spec/xtp-service.md, Stage 2).
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "jail.h"

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
