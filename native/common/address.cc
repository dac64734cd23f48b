#include "common/address.h"

#include <netinet/in.h>

namespace xtp {

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool CanReach(const Endpoint& local, const Endpoint& to) {
  if (local.family() != to.family()) return false;
  const bool to_loopback = IsLoopback(to.address());
  if (local.IsUnspecified()) return !to_loopback || local.port() != to.port();
  return local != to && IsLoopback(local.address()) == to_loopback;
}

Endpoint AnyAddress(int family) {
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  return family == AF_INET6 ? Endpoint::FromSockaddr(
                                  reinterpret_cast<sockaddr*>(&v6), sizeof v6)
                            : Endpoint::FromSockaddr(
                                  reinterpret_cast<sockaddr*>(&v4), sizeof v4);
}

}  // namespace xtp
