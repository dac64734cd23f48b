// Stage 2 of the sandbox: what a service gives up for good, after it has
// loaded its addon and before it touches the network (spec/xtp-service.md).
// JavaScript's thread, before the I/O thread exists.
#ifndef XTP_COMMON_LOCKDOWN_H_
#define XTP_COMMON_LOCKDOWN_H_

#include <string>

#include "common/status.h"

namespace xtp {

struct LockdownOptions {
  // Kill the process for every system call that the policy does not name.
  bool strict = false;
  // Where the launcher takes the file tree away; -1: it does not.
  int lock_fd = -1;
};

struct LockdownReport {
  int landlock_abi = 0;  // 0: the kernel has none
};

// Fails closed: after an error the process must end. The message names the
// step that failed.
Status Lockdown(const LockdownOptions& options, LockdownReport* report);

}  // namespace xtp

#endif  // XTP_COMMON_LOCKDOWN_H_
