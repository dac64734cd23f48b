#include "common/lockdown.h"

#if defined(__linux__)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "common/seccomp_compiler.h"
#include "common/seccomp_policy.h"

namespace xtp {
namespace {

// Of landlock(7); the headers of the build machine may be older than its
// kernel, and than that of the user. The numbers are those of all machines.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockRestrictSelf = 446;
constexpr uint32_t kLandlockVersion = 1;
constexpr uint32_t kLandlockAllThreads = 1u << 3;

struct LandlockRuleset {
  uint64_t files;
  uint64_t network;
  uint64_t scoped;
};

Status Failed(const char* step) {
  return Status::FromErrno(errno, std::string("lock-down: ") + step);
}

int LandlockAbi() {
  const long abi =
      syscall(kLandlockCreateRuleset, nullptr, 0, kLandlockVersion);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

// A ruleset without a rule: no file, no TCP, no abstract socket and no signal
// out of the sandbox, as far as the kernel's version goes.
Status DenyFiles(int abi) {
  if (abi == 0) return Status();
  LandlockRuleset ruleset = {};
  ruleset.files = abi >= 5   ? 0xffff
                  : abi >= 3 ? 0x7fff
                  : abi >= 2 ? 0x3fff
                             : 0x1fff;
  if (abi >= 4) ruleset.network = 3;
  if (abi >= 6) ruleset.scoped = 3;
  const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const long fd = syscall(kLandlockCreateRuleset, &ruleset, size, 0);
  if (fd < 0) return Failed("landlock_create_ruleset");
  // Before version 8 for this thread only, and those that it will start: the
  // others have what the launcher gave them, and the filter below.
  const uint32_t flags = abi >= 8 ? kLandlockAllThreads : 0;
  const long result = syscall(kLandlockRestrictSelf, fd, flags);
  const int error = errno;
  close(static_cast<int>(fd));
  errno = error;
  return result == 0 ? Status() : Failed("landlock_restrict_self");
}

// The launcher's half: it answers when the tree is gone.
Status GiveUpFileTree(int fd) {
  if (fd < 0) return Status();
  char answer = 0;
  if (send(fd, "L", 1, MSG_NOSIGNAL) != 1) return Failed("lock request");
  ssize_t got;
  do {
    got = recv(fd, &answer, 1, 0);
  } while (got < 0 && errno == EINTR);
  if (got != 1 || answer != 'K') {
    if (got >= 0) errno = EPERM;
    return Failed("the launcher did not take the file tree away");
  }
  close(fd);
  return Status();
}

Status Filter(bool strict) {
  const std::vector<seccomp::Instruction> program = seccomp::Compile(
      seccomp::Policy(), strict, static_cast<uint32_t>(getpid()));
  static_assert(sizeof(seccomp::Instruction) == sizeof(sock_filter),
                "the same in memory");
  sock_fprog filter = {};
  filter.len = static_cast<unsigned short>(program.size());
  filter.filter = reinterpret_cast<sock_filter*>(
      const_cast<seccomp::Instruction*>(program.data()));
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (result == 0) return Status();
  if (result > 0) errno = EBUSY;  // a thread has a filter of its own
  return Failed("seccomp");
}

}  // namespace

Status Lockdown(const LockdownOptions& options, LockdownReport* report) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failed("prctl");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Failed("dumpable");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return Failed("prctl");
  report->landlock_abi = LandlockAbi();
  Status status = DenyFiles(report->landlock_abi);
  if (status.ok()) status = GiveUpFileTree(options.lock_fd);
  return status.ok() ? Filter(options.strict) : status;
}

}  // namespace xtp

#else

namespace xtp {
Status Lockdown(const LockdownOptions&, LockdownReport*) {
  return Status(Code::kUnsupported, "lock-down: this system has no sandbox");
}
}  // namespace xtp

#endif
