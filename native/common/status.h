// Result of an operation: a code of xtp-ctl's closed list, errno, a message.
#ifndef XTP_COMMON_STATUS_H_
#define XTP_COMMON_STATUS_H_

#include <cstdint>
#include <string>
#include <utility>

namespace xtp {

// The numbers are the wire values of spec/xtp-ctl.md, section Status.
enum class Code : uint32_t {
  kOk = 0,
  kCancelled = 1,
  kDeadlineExceeded = 2,
  kInvalidArgument = 3,
  kUnsupported = 4,
  kProtocolViolation = 5,
  kInternal = 6,
  kResourceExhausted = 7,
  kUnavailable = 8,
  kNotFound = 9,
  kAlreadyExists = 10,
  kAddressInUse = 16,
  kAddressNotAvailable = 17,
  kPermissionDenied = 18,
  kConnectionRefused = 19,
  kConnectionReset = 20,
  kConnectionTimedOut = 21,
  kNetworkUnreachable = 22,
  kConnectionClosed = 23,
  kConnectionAborted = 24,
  kRemoteMisbehaved = 25,
  kHandshakeFailed = 26,
  kNoCommonAlpn = 27,
  kPeerCertificate = 28,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, int error = 0)
      : code_(code), errno_(error), message_(std::move(message)) {}

  static Status Ok() { return Status(); }
  // Maps a system error to the code that a caller can act on.
  static Status FromErrno(int error, const std::string& what);

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  int error() const { return errno_; }  // 0 where the system gave none
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  int errno_ = 0;
  std::string message_;
};

}  // namespace xtp

#endif  // XTP_COMMON_STATUS_H_
