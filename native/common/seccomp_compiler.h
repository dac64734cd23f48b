// Turns the policy into a program for seccomp(2).
#ifndef XTP_COMMON_SECCOMP_COMPILER_H_
#define XTP_COMMON_SECCOMP_COMPILER_H_

#include <cstdint>
#include <vector>

#include "common/seccomp_policy.h"

namespace xtp::seccomp {

// As struct sock_filter, which only Linux has.
struct Instruction {
  uint16_t code;
  uint8_t jump_true;
  uint8_t jump_false;
  uint32_t value;
};

// `pid` is that of this process, as it sees itself. With `strict` what the
// table does not name kills the process. Other architectures' calls and
// x86-64's x32 calls always do.
std::vector<Instruction> Compile(const Table& table, bool strict, uint32_t pid);

}  // namespace xtp::seccomp

#endif  // XTP_COMMON_SECCOMP_COMPILER_H_
