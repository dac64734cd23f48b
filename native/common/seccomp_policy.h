// Which system calls a service may make once it is locked in: one table, with
// the reason for each entry. What is not in it fails with ENOSYS, or kills the
// process where the policy is strict. Linux; x86-64 and arm64.
#ifndef XTP_COMMON_SECCOMP_POLICY_H_
#define XTP_COMMON_SECCOMP_POLICY_H_

#include <cstddef>
#include <cstdint>

namespace xtp::seccomp {

enum class Action : uint8_t {
  kAllow,
  kDeny,          // EPERM: libraries ask for it, and live without
  kUnavailable,   // ENOSYS: libraries then take another way
  kNotATerminal,  // ENOTTY: the ordinary answer of ioctl
  kKill,          // nobody has a reason to try
};

// When an entry's action holds; else its `otherwise` does.
enum class When : uint8_t {
  kAlways,
  kOneOf,         // argument `argument` is one of `values`
  kWithoutBits,   // argument `argument` has none of the bits of `values`
  kThread,        // clone() of a thread, without a new namespace
  kOwnProcess,    // argument 0 is this process
  kOnlyRead,      // prlimit64 of this process that sets nothing
  kSocketOption,  // setsockopt(level, name) is one of `options`
};

struct SocketOption {
  uint32_t level;
  uint32_t name;
};

struct Entry {
  int number;
  const char* name;
  const char* reason;
  Action action;
  When when;
  Action otherwise;
  uint8_t argument;
  const uint32_t* values;
  const SocketOption* options;
  size_t count;  // of values, or of options
};

struct Table {
  const Entry* entries;
  size_t count;
};

// The order is that of the comparisons: what is frequent comes first.
Table Policy();

}  // namespace xtp::seccomp

#endif  // XTP_COMMON_SECCOMP_POLICY_H_
