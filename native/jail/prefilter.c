// The seccomp filter that is in force before node starts: the kernel's widest
// interfaces answer ENOSYS, as in a kernel built without them. It is here
// because node makes an io_uring as it starts: refused later it would abort,
// allowed it would pass by every filter. The service's own, far stricter
// filter comes on top (spec/xtp-service.md, Stage 2).
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "jail.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "xtp-jail knows x86_64 and aarch64"
#endif

// Numbers that all architectures share, and that older headers lack.
enum {
  NR_pidfd_send_signal = 424,
  NR_io_uring_setup,
  NR_io_uring_enter,
  NR_io_uring_register,
  NR_open_tree,
  NR_move_mount,
  NR_fsopen,
  NR_fsconfig,
  NR_fsmount,
  NR_fspick,
  NR_pidfd_open,
  NR_clone3,
  NR_pidfd_getfd = 438,
  NR_process_madvise = 440,
  NR_mount_setattr = 442,
};

static const int kAbsent[] = {
    NR_io_uring_setup,
    NR_io_uring_enter,
    NR_io_uring_register,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    // other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    NR_process_madvise,
    NR_pidfd_open,
    NR_pidfd_getfd,
    NR_pidfd_send_signal,
    // file systems and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    NR_open_tree,
    NR_move_mount,
    NR_fsopen,
    NR_fsconfig,
    NR_fsmount,
    NR_fspick,
    NR_mount_setattr,
    SYS_unshare,
    SYS_setns,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    // its flags are behind a pointer; libc falls back to clone
    NR_clone3,
    // the machine
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_acct,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

enum {
  ABSENT_COUNT = sizeof kAbsent / sizeof *kAbsent,
  NEW_NAMESPACE = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
                  CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
};

#define LOAD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define JUMP(test, value, yes, no) \
  BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))

void prefilter_install(void) {
  // The low half of the first argument (both architectures are little endian)
  // holds every flag of clone.
  const struct sock_filter head[] = {
      LOAD(arch),
      JUMP(BPF_JEQ, NATIVE_ARCH, 1, 0),
      ANSWER(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      JUMP(BPF_JEQ, SYS_clone, 0, 4),
      LOAD(args[0]),
      JUMP(BPF_JSET, NEW_NAMESPACE, 0, 1),
      ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  enum { HEAD = sizeof head / sizeof *head };
  static struct sock_filter code[HEAD + 2 * ABSENT_COUNT + 3];
  unsigned short n = 0;
  for (int i = 0; i < HEAD; i++) code[n++] = head[i];
#ifdef __x86_64__
  // x32, the second set of numbers
  code[n++] = (struct sock_filter)JUMP(BPF_JGE, 0x40000000, 0, 1);
  code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
#endif
  for (int i = 0; i < ABSENT_COUNT; i++) {
    code[n++] = (struct sock_filter)JUMP(BPF_JEQ, (unsigned)kAbsent[i], 0, 1);
    code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
  }
  code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
  const struct sock_fprog program = {n, code};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    stage1_fail("prefilter");
  }
}
