#include "common/seccomp_compiler.h"

#if defined(__linux__)

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace xtp::seccomp {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kX32Bit = 0x40000000;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr uint32_t kX32Bit = 0;
#else
#error "the sandbox knows x86-64 and arm64"
#endif

constexpr uint32_t kNeeded = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                             CLONE_THREAD | CLONE_SYSVSEM;
constexpr uint32_t kPermitted = kNeeded | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID |
                                CLONE_DETACHED;

uint32_t Result(Action action) {
  switch (action) {
    case Action::kAllow:
      return SECCOMP_RET_ALLOW;
    case Action::kDeny:
      return SECCOMP_RET_ERRNO | EPERM;
    case Action::kUnavailable:
      return SECCOMP_RET_ERRNO | ENOSYS;
    case Action::kNotATerminal:
      return SECCOMP_RET_ERRNO | ENOTTY;
    case Action::kKill:
      break;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

class Program {
 public:
  void LoadNumber() { Load(offsetof(seccomp_data, nr)); }
  void LoadArchitecture() { Load(offsetof(seccomp_data, arch)); }
  // Both architectures are little endian.
  void LoadLow(int argument) { Load(Argument(argument)); }
  void LoadHigh(int argument) { Load(Argument(argument) + 4); }
  void Return(Action action) { Add(BPF_RET | BPF_K, 0, 0, Result(action)); }
  void ReturnIfEqual(uint32_t value, Action action) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    Return(action);
  }
  void ReturnUnlessEqual(uint32_t value, Action action) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
    Return(action);
  }
  void ReturnIfAbove(uint32_t value, Action action) {
    Add(BPF_JMP | BPF_JGE | BPF_K, 0, 1, value);
    Return(action);
  }
  void ReturnIfAnyBit(uint32_t bits, Action action) {
    Add(BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    Return(action);
  }
  void And(uint32_t bits) { Add(BPF_ALU | BPF_AND | BPF_K, 0, 0, bits); }

  // `body`, which ends with Return, where the loaded word is `value`.
  void Splice(uint32_t value, const std::vector<Instruction>& body) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 0, static_cast<uint8_t>(body.size()), value);
    code_.insert(code_.end(), body.begin(), body.end());
  }
  // The same for a body that may also fall out at its end.
  void PassUnlessEqual(uint32_t value, uint8_t instructions) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, 0, instructions, value);
  }

  std::vector<Instruction> Take() { return std::move(code_); }

 private:
  static uint32_t Argument(int index) {
    return static_cast<uint32_t>(offsetof(seccomp_data, args) + 8u * index);
  }
  void Load(size_t offset) {
    Add(BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset));
  }
  void Add(int code, uint8_t jump_true, uint8_t jump_false, uint32_t value) {
    code_.push_back(
        {static_cast<uint16_t>(code), jump_true, jump_false, value});
  }

  std::vector<Instruction> code_;
};

// Flags and numbers are ints to the kernel, which ignores their upper half.
void Body(const Entry& entry, uint32_t pid, Program* program) {
  switch (entry.when) {
    case When::kAlways:
      break;
    case When::kOneOf:
      program->LoadLow(entry.argument);
      for (size_t i = 0; i < entry.count; i++) {
        program->ReturnIfEqual(entry.values[i], entry.action);
      }
      program->Return(entry.otherwise);
      return;
    case When::kWithoutBits:
      program->LoadLow(entry.argument);
      for (size_t i = 0; i < entry.count; i++) {
        program->ReturnIfAnyBit(entry.values[i], entry.otherwise);
      }
      break;
    case When::kThread:
      program->LoadLow(0);
      program->ReturnIfAnyBit(~kPermitted, entry.otherwise);
      program->And(kNeeded);
      program->ReturnUnlessEqual(kNeeded, entry.otherwise);
      break;
    case When::kOwnProcess:
      program->LoadLow(0);
      program->ReturnUnlessEqual(pid, entry.otherwise);
      break;
    case When::kOnlyRead:
      program->LoadLow(0);
      program->ReturnUnlessEqual(0, entry.otherwise);
      program->LoadLow(2);
      program->ReturnUnlessEqual(0, entry.otherwise);
      program->LoadHigh(2);
      program->ReturnUnlessEqual(0, entry.otherwise);
      break;
    case When::kSocketOption:
      for (size_t i = 0; i < entry.count; i++) {
        program->LoadLow(1);
        program->PassUnlessEqual(entry.options[i].level, 3);
        program->LoadLow(2);
        program->ReturnIfEqual(entry.options[i].name, entry.action);
      }
      program->Return(entry.otherwise);
      return;
  }
  program->Return(entry.action);
}

}  // namespace

std::vector<Instruction> Compile(const Table& table, bool strict,
                                 uint32_t pid) {
  Program program;
  program.LoadArchitecture();
  program.ReturnUnlessEqual(kArchitecture, Action::kKill);
  program.LoadNumber();
  if (kX32Bit != 0) program.ReturnIfAbove(kX32Bit, Action::kKill);
  for (size_t i = 0; i < table.count; i++) {
    const Entry& entry = table.entries[i];
    Program body;
    Body(entry, pid, &body);
    program.Splice(static_cast<uint32_t>(entry.number), body.Take());
  }
  program.Return(strict ? Action::kKill : Action::kUnavailable);
  return program.Take();
}

}  // namespace xtp::seccomp

#else

namespace xtp::seccomp {
std::vector<Instruction> Compile(const Table&, bool, uint32_t) { return {}; }
}  // namespace xtp::seccomp

#endif
