// Which local address can talk to which peer.
#ifndef XTP_COMMON_ADDRESS_H_
#define XTP_COMMON_ADDRESS_H_

#include <sys/socket.h>

#include "common/endpoint.h"

namespace xtp {

bool IsLoopback(const sockaddr* address);

// A socket bound to `local` is good for dialing `to`: the same family, not the
// peer itself, and not loopback towards elsewhere or the other way round.
bool CanReach(const Endpoint& local, const Endpoint& to);

Endpoint AnyAddress(int family);  // with port 0

}  // namespace xtp

#endif  // XTP_COMMON_ADDRESS_H_
