// Parts of the kernel with a history.
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "attacks/attacks.h"

namespace xtp::attacks {

void AddKernel(std::vector<Attack>* all) {
  const Attack attacks[] = {
      {"bpf",
       [](const Context&) {
         return Permitted(syscall(SYS_bpf, 0, nullptr, 0), EINVAL);
       }},
      {"performance counters",
       [](const Context&) {
         return Permitted(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0),
                          EFAULT);
       }},
      {"io_uring",
       [](const Context&) {
         return Permitted(syscall(SYS_io_uring_setup, 0, nullptr), EFAULT);
       }},
      {"userfaultfd",
       [](const Context&) { return Tried(syscall(SYS_userfaultfd, 1)); }},
      {"the kernel's key ring",
       [](const Context&) { return Tried(syscall(SYS_keyctl, 0, -3, 0)); }},
      {"add a key",
       [](const Context&) {
         return Permitted(syscall(SYS_add_key, nullptr, nullptr, nullptr, 0, 0),
                          EFAULT);
       }},
      {"shared memory of System V",
       [](const Context&) {
         const int id = shmget(IPC_PRIVATE, 4096, 0600);
         if (id >= 0) shmctl(id, IPC_RMID, nullptr);
         return Tried(id);
       }},
      {"message queue of System V",
       [](const Context&) {
         const int id = msgget(IPC_PRIVATE, 0600);
         if (id >= 0) msgctl(id, IPC_RMID, nullptr);
         return Tried(id);
       }},
      {"semaphores of System V",
       [](const Context&) {
         const int id = semget(IPC_PRIVATE, 1, 0600);
         if (id >= 0) semctl(id, 0, IPC_RMID);
         return Tried(id);
       }},
      {"message queue of POSIX",
       [](const Context&) {
         return Permitted(syscall(SYS_mq_open, "xtp-none", 0, 0, nullptr),
                          ENOENT);
       }},
      {"load a module",
       [](const Context&) {
         return Permitted(syscall(SYS_init_module, nullptr, 0, nullptr),
                          ENOEXEC);
       }},
      {"load a module from a file",
       [](const Context&) {
         return Permitted(syscall(SYS_finit_module, -1, nullptr, 0), EBADF);
       }},
      {"another kernel",
       [](const Context&) {
         return Permitted(syscall(SYS_kexec_load, 0, 17, nullptr, 0xffff0000),
                          EINVAL);
       }},
      {"reboot (with a wrong word)",
       [](const Context&) {
         return Permitted(syscall(SYS_reboot, 0, 0, 0, nullptr), EINVAL);
       }},
      {"set the clock (to what it is)",
       [](const Context&) {
         timespec now;
         clock_gettime(CLOCK_REALTIME, &now);
         return Tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
       }},
      {"set the host's name (to what it is)",
       [](const Context&) {
         char name[256] = "";
         gethostname(name, sizeof name - 1);
         return Tried(sethostname(name, strlen(name)));
       }},
      {"swap off (what is not there)",
       [](const Context&) {
         return Permitted(syscall(SYS_swapoff, "/xtp-none"), ENOENT);
       }},
  };
  all->insert(all->end(), std::begin(attacks), std::end(attacks));
}

}  // namespace xtp::attacks
