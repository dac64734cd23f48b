// Which local address can talk to which peer.
#ifndef XTP_COMMON_ADDRESS_H_
#define XTP_COMMON_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>

#include "common/endpoint.h"

namespace xtp {

bool IsLoopback(const sockaddr* address);

// A socket bound to `local` is good for dialing `to`: the same family, not the
// peer itself, and not loopback towards elsewhere or the other way round.
bool CanReach(const Endpoint& local, const Endpoint& to);

Endpoint AnyAddress(int family);  // with port 0

// Bytes of the IP and UDP headers.
constexpr uint32_t UdpOverhead(int family) {
  return family == AF_INET6 ? 48 : 28;
}

}  // namespace xtp

#endif  // XTP_COMMON_ADDRESS_H_
