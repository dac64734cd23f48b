#include "common/status.h"

#include <cerrno>
#include <cstring>

namespace xtp {
namespace {

Code CodeOf(int error) {
  switch (error) {
    case 0:
      return Code::kOk;
    case EADDRINUSE:
      return Code::kAddressInUse;
    case EADDRNOTAVAIL:
      return Code::kAddressNotAvailable;
    case EACCES:
    case EPERM:
      return Code::kPermissionDenied;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:  // pthread_create: no room for another thread
      return Code::kResourceExhausted;
    case ECONNREFUSED:
      return Code::kConnectionRefused;
    case ECONNRESET:
    case EPIPE:
      return Code::kConnectionReset;
    case ECONNABORTED:
      return Code::kConnectionAborted;
    case ETIMEDOUT:
      return Code::kConnectionTimedOut;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return Code::kNetworkUnreachable;
    case EINVAL:
    case EBADF:
    case EMSGSIZE:
    case EDESTADDRREQ:
      return Code::kInvalidArgument;
    case ECANCELED:
      return Code::kCancelled;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOPROTOOPT:
      return Code::kUnsupported;
    default:
      return Code::kInternal;
  }
}

}  // namespace

Status Status::FromErrno(int error, const std::string& what) {
  if (error == 0) return Status();
  return Status(CodeOf(error), what + ": " + strerror(error), error);
}

}  // namespace xtp
