#include "common/status.h"

#include <cerrno>

#include "common/testing/test.h"

namespace xtp {
namespace {

TEST(DefaultIsOk) {
  CHECK(Status().ok());
  CHECK(Status::Ok().ok());
  CHECK(Status::FromErrno(0, "bind").ok());
}

TEST(CarriesWhatWasGiven) {
  const Status status(Code::kInternal, "why", 5);
  CHECK(!status.ok());
  CHECK_EQ(status.message(), "why");
  CHECK_EQ(status.error(), 5);
}

TEST(MapsErrno) {
  const struct {
    int error;
    Code code;
  } kTable[] = {
      {EADDRINUSE, Code::kAddressInUse},
      {EADDRNOTAVAIL, Code::kAddressNotAvailable},
      {EACCES, Code::kPermissionDenied},
      {EPERM, Code::kPermissionDenied},
      {EMFILE, Code::kResourceExhausted},
      {ENFILE, Code::kResourceExhausted},
      {ENOBUFS, Code::kResourceExhausted},
      {ENOMEM, Code::kResourceExhausted},
      {ECONNREFUSED, Code::kConnectionRefused},
      {ECONNRESET, Code::kConnectionReset},
      {ECONNABORTED, Code::kConnectionAborted},
      {ETIMEDOUT, Code::kConnectionTimedOut},
      {ENETUNREACH, Code::kNetworkUnreachable},
      {EHOSTUNREACH, Code::kNetworkUnreachable},
      {EINVAL, Code::kInvalidArgument},
      {ECANCELED, Code::kCancelled},
      {EAFNOSUPPORT, Code::kUnsupported},
      {EXDEV, Code::kInternal},  // stands for all that is not listed
  };
  for (const auto& row : kTable) {
    const Status status = Status::FromErrno(row.error, "bind 1.2.3.4:5");
    CHECK_EQ(status.code(), row.code);
    CHECK_EQ(status.error(), row.error);
    CHECK(status.message().rfind("bind 1.2.3.4:5: ", 0) == 0);
  }
}

}  // namespace
}  // namespace xtp
