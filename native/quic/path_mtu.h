// Which UDP payload sizes path MTU discovery tries (RFC 9000, section 14.3).
#ifndef XTP_QUIC_PATH_MTU_H_
#define XTP_QUIC_PATH_MTU_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/endpoint.h"
#include "quic/settings.h"

namespace xtp::quic {

// In the order in which they are tried; none where nothing above 1200 may be
// sent. ngtcp2 refers to it for the life of a connection.
std::vector<uint16_t> MtuProbes(const Endpoint& peer, const Settings& settings);

}  // namespace xtp::quic

#endif  // XTP_QUIC_PATH_MTU_H_
