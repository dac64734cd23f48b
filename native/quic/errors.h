// ngtcp2's errors, and a peer's CONNECTION_CLOSE, as Status.
#ifndef XTP_QUIC_ERRORS_H_
#define XTP_QUIC_ERRORS_H_

#include <ngtcp2/ngtcp2.h>

#include <string>

#include "common/status.h"

namespace xtp::quic {

// `error` is negative. `alert` counts with NGTCP2_ERR_CRYPTO.
Status StatusOfError(int error, uint8_t alert, const std::string& peer);

// What a peer said that closed the connection. kOk: it was done, in good
// order.
Status StatusOfClose(const ngtcp2_ccerr& close, const std::string& peer);

// RFC 9001, section 4.8.
Status StatusOfAlert(uint8_t alert, bool ours, const std::string& peer);

}  // namespace xtp::quic

#endif  // XTP_QUIC_ERRORS_H_
