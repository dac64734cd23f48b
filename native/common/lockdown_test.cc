// In forked children: what is given up is given up for good.
#include "common/lockdown.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "common/seccomp_compiler.h"
#include "common/seccomp_policy.h"
#include "common/testing/test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace xtp {
namespace {

// How a child ended that ran `body`: its exit code, or minus the signal.
int Run(const std::function<int()>& body) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    _exit(body());
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 255;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// The same behind a lock-down that succeeded; 100 where it did not.
int Locked(const std::function<int()>& body, bool strict = false,
           int lock_fd = -1) {
  return Run([&] {
    LockdownOptions options;
    options.strict = strict;
    options.lock_fd = lock_fd;
    LockdownReport report;
    const Status status = Lockdown(options, &report);
    if (!status.ok()) {
      fprintf(stderr, "%s\n", status.message().c_str());
      return 100;
    }
    return body();
  });
}

// 0: it worked; else the errno.
int Error(long result) { return result < 0 ? errno : 0; }

TEST(PlainWorkGoesOn) {
  CHECK_EQ(Locked([] {
             int failed = 0;
             void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
             failed += page == MAP_FAILED;
             failed += mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
             failed += munmap(page, 4096) != 0;
             failed += eventfd(0, EFD_CLOEXEC) < 0;
             int ends[2];
             failed += pipe2(ends, O_CLOEXEC) != 0;
             failed += fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0;
             failed += write(ends[1], "x", 1) != 1;
             const timespec nap = {0, 1000};
             failed += nanosleep(&nap, nullptr) != 0;
             int value = 0;
             std::thread other([&] { value = 7; });
             other.join();
             failed += value != 7;
             return failed;
           }),
           0);
}

struct Denied {
  const char* what;
  std::function<long()> call;
};

TEST(RefusedButNotDeadly) {
  if (kSanitized) std::printf("     one process per call: slow here\n");
  const int udp = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* address = reinterpret_cast<const sockaddr*>(&any);
  REQUIRE(bind(udp, address, sizeof any) == 0);
  const int one = 1;
  sock_filter pass[] = {BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
  sock_fprog program = {1, pass};
  const Denied calls[] = {
      {"open", [] { return open("/etc/passwd", O_RDONLY); }},
      {"open /proc", [] { return open("/proc/self/maps", O_RDONLY); }},
      {"creat", [] { return open("/tmp/xtp-x", O_CREAT | O_WRONLY, 0600); }},
      {"unlink", [] { return unlink("/tmp/xtp-x"); }},
      {"memfd", [] { return syscall(SYS_memfd_create, "x", 0); }},
      {"fork", [] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
      {"udp", [] { return socket(AF_INET, SOCK_DGRAM, 0); }},
      {"tcp", [] { return socket(AF_INET, SOCK_STREAM, 0); }},
      {"unix", [] { return socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"netlink", [] { return socket(AF_NETLINK, SOCK_RAW, 0); }},
      {"bind", [=] { return bind(udp, address, sizeof any); }},
      {"connect", [=] { return connect(udp, address, sizeof any); }},
      {"shutdown", [=] { return shutdown(udp, SHUT_RDWR); }},
      {"reuseaddr",
       [&] { return setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &one, 4); }},
      {"rcvbuf",
       [&] { return setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &one, 4); }},
      {"filter",
       [&] {
         return setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                           sizeof program);
       }},
      {"kill", [] { return kill(getppid(), 0); }},
      {"rlimit",
       [] {
         const rlimit limit = {1 << 20, 1 << 20};
         return syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
       }},
      {"dumpable", [] { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }},
      {"setown", [=] { return fcntl(udp, F_SETOWN, getpid()); }},
      {"io_uring", [] { return syscall(SYS_io_uring_setup, 8, 0); }},
  };
  for (const Denied& denied : calls) {
    const int error = Locked([&] { return Error(denied.call()); });
    if (error != EPERM && error != ENOSYS)
      std::printf("     %s\n", denied.what);
    CHECK(error == EPERM || error == ENOSYS);
  }
  // Without the lock-down the same calls do something else.
  CHECK_EQ(Run([&] { return Error(calls[0].call()); }), 0);
  CHECK_EQ(Run([&] { return Error(calls[6].call()); }), 0);
}

TEST(KeptOptionsWork) {
  const int udp = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK_EQ(
      Locked([=] {
        const int on = 1, probe = IP_PMTUDISC_PROBE;
        return Error(setsockopt(udp, IPPROTO_UDP, UDP_GRO, &on, 4)) +
               Error(setsockopt(udp, IPPROTO_IP, IP_RECVERR, &on, 4)) +
               Error(setsockopt(udp, IPPROTO_IP, IP_MTU_DISCOVER, &probe, 4));
      }),
      0);
}

// A begun datagram stays in a socket that others hold, and takes their next
// bytes to its own address.
TEST(NoDatagramIsBegunAndLeft) {
  const auto bound = [](sockaddr_in* address) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    *address = {};
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof *address;
    if (bind(fd, reinterpret_cast<sockaddr*>(address), length) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(address), &length) != 0) {
      std::abort();
    }
    return fd;
  };
  sockaddr_in self, right, wrong;
  const int reader = bound(&right);
  const int thief = bound(&wrong);
  const auto send_to = [](int fd, const sockaddr_in& to, int flags) {
    return sendto(fd, "x", 1, flags, reinterpret_cast<const sockaddr*>(&to),
                  sizeof to);
  };
  for (const bool locked : {false, true}) {
    const int kept = bound(&self);
    const auto begin = [&] { return Error(send_to(kept, wrong, MSG_MORE)); };
    CHECK_EQ(locked ? Locked(begin) : Run(begin), locked ? EPERM : 0);
    CHECK_EQ(send_to(kept, right, 0), 1);  // the next service
    char bytes[4];
    CHECK_EQ(recv(reader, bytes, sizeof bytes, 0), locked ? 1 : -1);
    CHECK_EQ(recv(thief, bytes, sizeof bytes, 0), locked ? -1 : 2);
    close(kept);
  }
  // The other two ways to send, and each without the flag.
  const int udp = bound(&self);
  CHECK_EQ(Locked([&] {
             iovec byte = {const_cast<char*>("x"), 1};
             msghdr message = {};
             message.msg_name = &right;
             message.msg_namelen = sizeof right;
             message.msg_iov = &byte;
             message.msg_iovlen = 1;
             mmsghdr messages[] = {{message, 0}};
             int failed = 0;
             failed += sendmsg(udp, &message, MSG_MORE) >= 0 || errno != EPERM;
             failed +=
                 sendmmsg(udp, messages, 1, MSG_MORE) >= 0 || errno != EPERM;
             failed += sendmsg(udp, &message, 0) != 1;
             failed += sendmmsg(udp, messages, 1, MSG_DONTWAIT) != 1;
             failed += send_to(udp, right, 0) != 1;
             return failed;
           }),
           0);
  close(reader);
  close(thief);
  close(udp);
}

TEST(DeadlyCalls) {
  const std::function<long()> calls[] = {
      [] {
        char* none[] = {nullptr};
        return execve("/bin/true", none, none);
      },
      [] { return ptrace(PTRACE_ATTACH, getppid(), 0, 0); },
      [] { return unshare(CLONE_NEWUSER); },
      [] { return syscall(SYS_pidfd_open, getppid(), 0); },
      [] { return syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0); },
      [] { return syscall(SYS_bpf, 0, 0, 0); },
      [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); },
      [] { return syscall(SYS_tgkill, getppid(), getppid(), 0); },
      [] { return setuid(0); },
  };
  for (const auto& call : calls) {
    CHECK_EQ(Locked([&] { return Error(call()); }), -SIGSYS);
  }
}

TEST(StrictKillsTheUnlisted) {
  const auto call = [] { return Error(syscall(SYS_sync)); };
  CHECK_EQ(Locked(call), ENOSYS);
  CHECK_EQ(Locked(call, true), -SIGSYS);
  // What libraries ask for does not kill in either.
  CHECK_EQ(Locked([] { return Error(open("/", O_RDONLY)); }, true), EPERM);
}

TEST(ThreadsThatRunAlreadyAreLockedInToo) {
  CHECK_EQ(Run([] {
             std::atomic<int> stage{0};
             std::atomic<int> error{-1};
             std::thread other([&] {
               while (stage != 1) sched_yield();
               error = Error(socket(AF_INET, SOCK_DGRAM, 0));
             });
             LockdownReport report;
             if (!Lockdown(LockdownOptions(), &report).ok()) return 100;
             stage = 1;
             other.join();
             return error.load();
           }),
           EPERM);
}

TEST(TheLauncherIsAskedAndMustAnswer) {
  for (const char answer : {'K', 'E', '\0'}) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    std::thread launcher([&] {
      char letter = 0;
      if (recv(ends[0], &letter, 1, 0) == 1 && letter == 'L' && answer) {
        send(ends[0], &answer, 1, 0);
      }
      shutdown(ends[0], SHUT_WR);
    });
    const int result = Locked(
        [&] { return fcntl(ends[1], F_GETFD) < 0 ? 0 : 1; }, false, ends[1]);
    CHECK_EQ(result, answer == 'K' ? 0 : 100);
    launcher.join();
    close(ends[0]);
    close(ends[1]);
  }
}

TEST(TheTableIsInOrder) {
  const seccomp::Table table = seccomp::Policy();
  for (size_t i = 0; i < table.count; i++) {
    for (size_t j = i + 1; j < table.count; j++) {
      // the first one would win
      CHECK(table.entries[i].number != table.entries[j].number);
    }
    CHECK(std::string(table.entries[i].reason).size() > 5);
  }
  // The kernel takes 4096 instructions.
  CHECK(seccomp::Compile(table, false, 1).size() < 1000);
}

}  // namespace
}  // namespace xtp
