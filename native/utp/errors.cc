#include "utp/errors.h"

#include <utp.h>

#include <cerrno>

namespace xtp::utp {

Status StatusOfLibutpError(int error, bool refused, const std::string& peer) {
  if (error == UTP_ETIMEDOUT) {
    return Status(Code::kConnectionTimedOut, peer + " does not answer",
                  ETIMEDOUT);
  }
  if (error == UTP_ECONNREFUSED || refused) {
    return Status(Code::kConnectionRefused, peer + " refused the connection",
                  ECONNREFUSED);
  }
  return Status(Code::kConnectionReset, peer + " reset the connection",
                ECONNRESET);
}

}  // namespace xtp::utp
