#include "udt/errors.h"

#include <udt/udt.h>

namespace xtp::udt {
namespace {

// Majors of CUDTException: its constants are initialised at run time.
constexpr int kSetup = 1;
constexpr int kBroken = 2;
constexpr int kMemory = 3;
constexpr int kAgain = 6;

int Major(int code) { return code / 1000; }

}  // namespace

Status LastError(const std::string& what) {
  CUDTException& error = UDT::getlasterror();
  std::string message = error.getErrorMessage();
  while (!message.empty() &&
         (message.back() == '.' || message.back() == '\n')) {
    message.pop_back();
  }
  Code code = Code::kInternal;
  switch (Major(error.getErrorCode())) {
    case kSetup:
      code = Code::kConnectionRefused;
      break;
    case kBroken:
      code = Code::kConnectionReset;
      break;
    case kMemory:
      code = Code::kResourceExhausted;
      break;
    default:
      break;
  }
  return Status(code, what + ": " + message);
}

bool LastErrorIsAgain() {
  return Major(UDT::getlasterror().getErrorCode()) == kAgain;
}

}  // namespace xtp::udt
