#include "common/seccomp_policy.h"

#if defined(__linux__)

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

namespace xtp::seccomp {
namespace {

constexpr uint32_t kFcntl[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD,
                               F_DUPFD_CLOEXEC};
// MSG_MORE: a datagram that is begun stays in the kept socket, and takes what
// the next service sends to where this one wanted.
constexpr uint32_t kSendFlags[] = {MSG_MORE};
constexpr uint32_t kIoctl[] = {FIONBIO, FIONREAD, FIOCLEX};
constexpr uint32_t kPrctl[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA,
                               PR_GET_DUMPABLE, PR_GET_SECCOMP};
// What UdpSocket::Adopt sets. Not SO_REUSEADDR, SO_RCVBUF, SO_SNDBUF, filters:
// the socket outlives this process, and must serve the next one.
constexpr SocketOption kSetsockopt[] = {
    {IPPROTO_UDP, UDP_SEGMENT},        {IPPROTO_UDP, UDP_GRO},
    {IPPROTO_IP, IP_MTU_DISCOVER},     {IPPROTO_IP, IP_RECVERR},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER}, {IPPROTO_IPV6, IPV6_RECVERR},
    {IPPROTO_IPV6, IPV6_DONTFRAG},
};

template <size_t N>
constexpr size_t Count(const uint32_t (&)[N]) {
  return N;
}

#define ALLOW(name, reason)                                                   \
  {                                                                           \
    SYS_##name, #name, reason, Action::kAllow, When::kAlways, Action::kAllow, \
        0, nullptr, nullptr, 0                                                \
  }
#define DENY(name, reason)                                                     \
  {                                                                            \
    SYS_##name, #name, reason, Action::kDeny, When::kAlways, Action::kDeny, 0, \
        nullptr, nullptr, 0                                                    \
  }
#define UNAVAILABLE(name, reason)                                   \
  {                                                                 \
    SYS_##name, #name, reason, Action::kUnavailable, When::kAlways, \
        Action::kUnavailable, 0, nullptr, nullptr, 0                \
  }
#define KILL(name, reason)                                                     \
  {                                                                            \
    SYS_##name, #name, reason, Action::kKill, When::kAlways, Action::kKill, 0, \
        nullptr, nullptr, 0                                                    \
  }
#define ALLOW_IF(name, when, otherwise, reason)                             \
  {                                                                         \
    SYS_##name, #name, reason, Action::kAllow, when, otherwise, 0, nullptr, \
        nullptr, 0                                                          \
  }
#define ALLOW_ONE_OF(name, argument, values, otherwise, reason)         \
  {                                                                     \
    SYS_##name, #name, reason, Action::kAllow, When::kOneOf, otherwise, \
        argument, values, nullptr, Count(values)                        \
  }
#define ALLOW_WITHOUT(name, argument, values, otherwise, reason)              \
  {                                                                           \
    SYS_##name, #name, reason, Action::kAllow, When::kWithoutBits, otherwise, \
        argument, values, nullptr, Count(values)                              \
  }

constexpr char kData[] = "data link, control link and UDP";
constexpr char kLoop[] = "libuv's loop and the I/O thread wait";
constexpr char kMemory[] = "memory of V8 and malloc";
constexpr char kJit[] = "V8 compiles: writable, then executable memory";
constexpr char kThreads[] = "threads and their locks";
constexpr char kTime[] = "clocks, where the vDSO does not answer";
constexpr char kSelf[] = "node and libc ask who they are";
constexpr char kSignals[] = "signal handlers of node and V8";
constexpr char kFiles[] = "files: there are none; libraries ask all the same";
constexpr char kProcess[] = "no other process is started";
constexpr char kSockets[] = "sockets are lent, none is made or moved";
constexpr char kOthers[] = "other processes are not reached";
constexpr char kPrivilege[] = "who and where it is does not change";
constexpr char kKernel[] = "parts of the kernel that nothing here needs";

constexpr Entry kEntries[] = {
    // --- per batch of packets or bytes
    ALLOW(recvmmsg, kData),
    ALLOW_WITHOUT(sendmmsg, 3, kSendFlags, Action::kDeny, kData),
    ALLOW(ppoll, kLoop),
    ALLOW(sched_yield, kLoop),
    ALLOW_WITHOUT(sendto, 3, kSendFlags, Action::kDeny, kData),
    ALLOW(recvfrom, kData),
    ALLOW(read, kData),
    ALLOW(write, kData),
    ALLOW(futex, kThreads),
    ALLOW(epoll_pwait, kLoop),
    ALLOW(recvmsg, kData),
    ALLOW_WITHOUT(sendmsg, 2, kSendFlags, Action::kDeny, kData),
    ALLOW(readv, kData),
    ALLOW(writev, kData),
    ALLOW(epoll_ctl, kLoop),
    ALLOW(clock_gettime, kTime),
    ALLOW(madvise, kMemory),
    ALLOW(munmap, kMemory),
    ALLOW(mmap, kJit),
    ALLOW(mprotect, kJit),
    // --- the rest of what is allowed
    ALLOW(mremap, kMemory),
    ALLOW(brk, kMemory),
    ALLOW(membarrier, kJit),
    ALLOW(pkey_mprotect, kJit),
    ALLOW(pkey_alloc, kJit),
    ALLOW(pkey_free, kJit),
#if defined(SYS_poll)
    ALLOW(poll, kLoop),
#endif
#if defined(SYS_epoll_wait)
    ALLOW(epoll_wait, kLoop),
#endif
    ALLOW(epoll_create1, kLoop),
    ALLOW(eventfd2, kLoop),
    ALLOW(pipe2, kLoop),
    ALLOW(timerfd_create, kLoop),
    ALLOW(timerfd_settime, kLoop),
    ALLOW(timerfd_gettime, kLoop),
    ALLOW(close, "descriptors of its own"),
    ALLOW(dup, "descriptors of its own"),
    ALLOW(fstat, "descriptors of its own"),
#if defined(SYS_newfstatat)
    DENY(newfstatat, kFiles),
#endif
    ALLOW(lseek, "descriptors of its own"),
    ALLOW_ONE_OF(fcntl, 1, kFcntl, Action::kDeny,
                 "non-blocking, close-on-exec, a copy; no signals, no leases"),
    ALLOW_ONE_OF(
        ioctl, 1, kIoctl, Action::kNotATerminal,
        "libuv's way of non-blocking; node asks whether fd 2 is a tty"),
    ALLOW(getsockname, kData),
    ALLOW(getpeername, kData),
    ALLOW(getsockopt, kData),
    {SYS_setsockopt, "setsockopt", "what UdpSocket::Adopt sets", Action::kAllow,
     When::kSocketOption, Action::kDeny, 0, nullptr, kSetsockopt,
     sizeof kSetsockopt / sizeof kSetsockopt[0]},
    UNAVAILABLE(clone3, "its flags cannot be looked at; libc uses clone then"),
    ALLOW_IF(clone, When::kThread, Action::kDeny, kThreads),
    ALLOW(set_robust_list, kThreads),
    ALLOW(rseq, kThreads),
    ALLOW(exit, kThreads),
    ALLOW(exit_group, "the end"),
    ALLOW(clock_getres, kTime),
    ALLOW(clock_nanosleep, kTime),
    ALLOW(nanosleep, kTime),
    ALLOW(gettimeofday, kTime),
    ALLOW(times, kTime),
    ALLOW(restart_syscall, kSignals),
    ALLOW(rt_sigaction, kSignals),
    ALLOW(rt_sigprocmask, kSignals),
    ALLOW(rt_sigreturn, kSignals),
    ALLOW(sigaltstack, kSignals),
    ALLOW_IF(tgkill, When::kOwnProcess, Action::kKill,
             "abort() and V8's profiler signal threads of their own"),
    ALLOW(getrandom, "keys, hash seeds, connection ids"),
    ALLOW(getpid, kSelf),
    ALLOW(gettid, kSelf),
    ALLOW(getppid, kSelf),
    ALLOW(getuid, kSelf),
    ALLOW(geteuid, kSelf),
    ALLOW(getgid, kSelf),
    ALLOW(getegid, kSelf),
    ALLOW(getcwd, "a Worker of node asks"),
    ALLOW(getcpu, kSelf),
    ALLOW(getrusage, kSelf),
    ALLOW(sysinfo, kSelf),
    ALLOW(uname, kSelf),
    ALLOW(sched_getaffinity, kSelf),
    ALLOW(sched_getparam, "libc, for the stack of a thread"),
    ALLOW(sched_getscheduler, "libc, for the stack of a thread"),
    ALLOW_IF(prlimit64, When::kOnlyRead, Action::kDeny,
             "libc, for the stack of a thread"),
    ALLOW_ONE_OF(prctl, 0, kPrctl, Action::kDeny,
                 "names of threads and mappings"),
    // --- asked for by libraries, refused
    UNAVAILABLE(io_uring_setup, "libuv uses epoll then"),
    UNAVAILABLE(io_uring_enter, "libuv uses epoll then"),
    UNAVAILABLE(io_uring_register, "libuv uses epoll then"),
    DENY(openat, kFiles),
    DENY(openat2, kFiles),
    DENY(statx, kFiles),
    DENY(faccessat, kFiles),
    DENY(faccessat2, kFiles),
    DENY(readlinkat, kFiles),
    DENY(getdents64, kFiles),
    DENY(unlinkat, kFiles),
    DENY(mkdirat, kFiles),
    DENY(statfs, kFiles),
    DENY(fstatfs, kFiles),
    DENY(fadvise64, kFiles),
    DENY(inotify_init1, kFiles),
    DENY(memfd_create, kFiles),
#if defined(SYS_open)
    DENY(open, kFiles),
    DENY(stat, kFiles),
    DENY(lstat, kFiles),
    DENY(access, kFiles),
    DENY(readlink, kFiles),
    DENY(unlink, kFiles),
    DENY(mkdir, kFiles),
    DENY(rename, kFiles),
    DENY(fork, kProcess),
    DENY(vfork, kProcess),
    DENY(getrlimit, kSelf),
#endif
    DENY(socket, kSockets),
    DENY(socketpair, kSockets),
    DENY(bind, kSockets),
    DENY(connect, kSockets),
    DENY(listen, kSockets),
    DENY(accept, kSockets),
    DENY(accept4, kSockets),
    DENY(shutdown, "it would be for good, and for all that hold the socket"),
    DENY(kill, kOthers),
    DENY(tkill, kOthers),
    DENY(setrlimit, kPrivilege),
    DENY(setpriority, kPrivilege),
    DENY(sched_setaffinity, kPrivilege),
    DENY(sched_setscheduler, kPrivilege),
    DENY(sched_setparam, kPrivilege),
    DENY(capget, kSelf),
    // --- nobody here has a reason
    KILL(execve, kProcess),
    KILL(execveat, kProcess),
    KILL(ptrace, kOthers),
    KILL(process_vm_readv, kOthers),
    KILL(process_vm_writev, kOthers),
    KILL(kcmp, kOthers),
    KILL(pidfd_open, kOthers),
    KILL(pidfd_getfd, kOthers),
    KILL(pidfd_send_signal, kOthers),
    KILL(rt_sigqueueinfo, kOthers),
    KILL(rt_tgsigqueueinfo, kOthers),
    KILL(unshare, kPrivilege),
    KILL(setns, kPrivilege),
    KILL(mount, kPrivilege),
    KILL(umount2, kPrivilege),
    KILL(pivot_root, kPrivilege),
    KILL(chroot, kPrivilege),
    KILL(setuid, kPrivilege),
    KILL(setgid, kPrivilege),
    KILL(setreuid, kPrivilege),
    KILL(setregid, kPrivilege),
    KILL(setresuid, kPrivilege),
    KILL(setresgid, kPrivilege),
    KILL(setgroups, kPrivilege),
    KILL(capset, kPrivilege),
    KILL(personality, kPrivilege),
    KILL(seccomp, kPrivilege),
    KILL(bpf, kKernel),
    KILL(perf_event_open, kKernel),
    KILL(userfaultfd, kKernel),
    KILL(keyctl, kKernel),
    KILL(add_key, kKernel),
    KILL(request_key, kKernel),
    KILL(init_module, kKernel),
    KILL(finit_module, kKernel),
    KILL(delete_module, kKernel),
    KILL(kexec_load, kKernel),
    KILL(reboot, kKernel),
    KILL(sethostname, kKernel),
    KILL(setdomainname, kKernel),
    KILL(settimeofday, kKernel),
    KILL(clock_settime, kKernel),
    KILL(swapon, kKernel),
    KILL(swapoff, kKernel),
    KILL(open_by_handle_at, kKernel),
    KILL(name_to_handle_at, kKernel),
    KILL(shmget, kKernel),
    KILL(shmat, kKernel),
    KILL(msgget, kKernel),
    KILL(semget, kKernel),
    KILL(mq_open, kKernel),
    KILL(vmsplice, kKernel),
    KILL(splice, kKernel),
    KILL(tee, kKernel),
};

}  // namespace

Table Policy() { return {kEntries, sizeof kEntries / sizeof kEntries[0]}; }

}  // namespace xtp::seccomp

#else

namespace xtp::seccomp {
Table Policy() { return {nullptr, 0}; }
}  // namespace xtp::seccomp

#endif
