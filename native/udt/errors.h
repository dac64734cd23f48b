// libudt's errors as those of xtp-ctl.
#ifndef XTP_UDT_ERRORS_H_
#define XTP_UDT_ERRORS_H_

#include <string>

#include "common/status.h"

namespace xtp::udt {

// Of the calling thread's last call into libudt.
Status LastError(const std::string& what);
// It only was too early: there is nothing, or no room.
bool LastErrorIsAgain();

}  // namespace xtp::udt

#endif  // XTP_UDT_ERRORS_H_
