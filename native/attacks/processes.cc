// Other processes, new ones, and who this one is.
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attacks.h"

namespace xtp::attacks {
namespace {

// In a child of its own where there can be one; otherwise here.
template <typename Body>
Outcome InChild(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(errno == 0 ? 1 : errno);
  }
  if (pid < 0) {
    body();
    return Failed();
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Done();
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
  return Failed();
}

Outcome Reap(long pid) {
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return Tried(pid);
}

Outcome Namespace(int flag) {
  return InChild([flag] {
    if (unshare(flag) == 0) _exit(0);
  });
}

int Capset() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct all[2];
  memset(all, 0xff, sizeof all);
  all[1].effective = all[1].permitted = all[1].inheritable = 0x1ff;
  return static_cast<int>(syscall(SYS_capset, &header, all));
}

}  // namespace

void AddProcesses(std::vector<Attack>* all) {
  const Attack attacks[] = {
      {"fork", [](const Context&) { return Reap(fork()); }},
      {"clone a process",
       [](const Context&) {
         return Reap(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
       }},
      {"clone3 a process",
       [](const Context&) {
         uint64_t arguments[11] = {};
         arguments[4] = SIGCHLD;  // exit_signal
         return Reap(syscall(SYS_clone3, arguments, sizeof arguments));
       }},
      {"execute a shell",
       [](const Context&) {
         return InChild([] {
           char name[] = "/bin/true";
           char* arguments[] = {name, nullptr};
           execve(name, arguments, nullptr);
         });
       }},
      {"execute an anonymous file",
       [](const Context&) {
         return InChild([] {
           const long fd = syscall(SYS_memfd_create, "x", 0);
           const char script[] = "#!/bin/true\n";
           if (write(static_cast<int>(fd), script, sizeof script - 1) < 0) {
             return;
           }
           char* arguments[] = {nullptr};
           syscall(SYS_execveat, fd, "", arguments, arguments, 0x1000);
         });
       }},
      {"a user namespace",
       [](const Context&) { return Namespace(CLONE_NEWUSER); }},
      {"a network namespace",
       [](const Context&) { return Namespace(CLONE_NEWNET); }},
      {"a mount namespace",
       [](const Context&) { return Namespace(CLONE_NEWNS); }},
      {"join another namespace",
       [](const Context&) {
         return Permitted(syscall(SYS_setns, -1, 0), EBADF);
       }},
      {"trace the parent",
       [](const Context& c) {
         return InChild([&c] {
           if (ptrace(PTRACE_SEIZE, c.parent, 0, 0) == 0) _exit(0);
         });
       }},
      {"signal the parent",
       [](const Context& c) { return Tried(kill(c.parent, 0)); }},
      {"signal a thread of the parent",
       [](const Context& c) {
         return Tried(syscall(SYS_tgkill, c.parent, c.parent, 0));
       }},
      {"open the parent's pidfd",
       [](const Context& c) {
         return Tried(syscall(SYS_pidfd_open, c.parent, 0));
       }},
      {"signal through a pidfd",
       [](const Context&) {
         return Permitted(syscall(SYS_pidfd_send_signal, -1, 0, nullptr, 0),
                          EBADF);
       }},
      {"take the parent's descriptors",
       [](const Context&) {
         return Permitted(syscall(SYS_pidfd_getfd, -1, 0, 0), EBADF);
       }},
      {"read the parent's memory",
       [](const Context& c) {
         char byte;
         iovec local = {&byte, 1}, remote = {&byte, 1};
         return Permitted(process_vm_readv(c.parent, &local, 1, &remote, 1, 0),
                          EFAULT);
       }},
      {"write the parent's memory",
       [](const Context& c) {
         char byte = 0;
         iovec local = {&byte, 0}, remote = {nullptr, 0};
         return Tried(process_vm_writev(c.parent, &local, 1, &remote, 1, 0));
       }},
      {"become root",
       [](const Context&) {
         return InChild([] {
           if (setuid(0) == 0) _exit(0);
         });
       }},
      {"become root at once",
       [](const Context&) {
         return InChild([] {
           if (setresuid(0, 0, 0) == 0) _exit(0);
         });
       }},
      {"take all capabilities",
       [](const Context&) {
         return InChild([] {
           if (Capset() == 0) _exit(0);
         });
       }},
      {"realtime priority",
       [](const Context&) {
         return InChild([] {
           const sched_param first = {1};
           if (sched_setscheduler(0, SCHED_FIFO, &first) == 0) _exit(0);
         });
       }},
      {"higher priority",
       [](const Context&) {
         const Outcome outcome = Tried(setpriority(PRIO_PROCESS, 0, -5));
         if (outcome.possible) setpriority(PRIO_PROCESS, 0, 0);
         return outcome;
       }},
      {"be dumpable again",
       [](const Context&) {
         return Tried(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
       }},
      {"another seccomp mode",
       [](const Context&) {
         // an empty program: whoever may install one is told of the pointer
         return Permitted(syscall(SYS_seccomp, 1, 0, nullptr), EFAULT);
       }},
      {"another personality",
       [](const Context&) {
         const int before = personality(0xffffffff);
         if (before < 0) return Failed();
         return Tried(personality(static_cast<unsigned long>(before)));
       }},
      {"mount",
       [](const Context&) {
         return InChild([] {
           if (unshare(CLONE_NEWNS) == 0 &&
               mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ==
                   0) {
             _exit(0);
           }
         });
       }},
      {"unmount",
       [](const Context&) {
         return Permitted(umount2("/xtp-none", MNT_DETACH), ENOENT);
       }},
      {"change the root",
       [](const Context&) {
         return InChild([] {
           if (chroot("/") == 0) _exit(0);
         });
       }},
      {"pivot the root",
       [](const Context&) {
         return Permitted(syscall(SYS_pivot_root, "/xtp-none", "/xtp-none"),
                          ENOENT);
       }},
      {"writable and executable memory",
       [](const Context&) {
         void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         if (page == MAP_FAILED) return Failed();
         munmap(page, 4096);
         return Done();
       }},
      {"start a thread",
       [](const Context&) {
         pthread_t thread;
         errno = pthread_create(
             &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
         if (errno != 0) return Failed();
         pthread_join(thread, nullptr);
         return Done();
       }},
  };
  all->insert(all->end(), std::begin(attacks), std::end(attacks));
}

}  // namespace xtp::attacks
