// libutp's errors as those of xtp-ctl.
#ifndef XTP_UTP_ERRORS_H_
#define XTP_UTP_ERRORS_H_

#include <string>

#include "common/status.h"

namespace xtp::utp {

// `refused`: a reset means that nobody listens there.
Status StatusOfLibutpError(int error, bool refused, const std::string& peer);

}  // namespace xtp::utp

#endif  // XTP_UTP_ERRORS_H_
