#include "quic/path_mtu.h"

#include <algorithm>

#include "common/address.h"

namespace xtp::quic {
namespace {

// MTU less 48 bytes of IPv6 and UDP headers, which also fits IPv4: Ethernet,
// PPPoE, VPNs and tunnels, the rest.
constexpr uint16_t kUsual[] = {1452, 1444, 1406, 1342, 1280};
// Jumbo frames, 9000 and less; loopback (MTU 65536) leaves 65507 over IPv4.
constexpr uint16_t kJumbo = 8952;
constexpr uint16_t kLoopback4 = 65507;
constexpr uint16_t kLoopback6 = 65487;
constexpr size_t kMinBytes = 1200;

}  // namespace

std::vector<uint16_t> MtuProbes(const Endpoint& peer,
                                const Settings& settings) {
  const bool loopback = IsLoopback(peer.address());
  const size_t most = loopback ? settings.max_loopback_udp_payload_bytes
                               : settings.max_udp_payload_bytes;
  std::vector<uint16_t> wanted;
  if (loopback) {
    wanted.push_back(peer.family() == AF_INET6 ? kLoopback6 : kLoopback4);
    wanted.push_back(kJumbo);
  }
  wanted.insert(wanted.end(), std::begin(kUsual), std::end(kUsual));
  // Beyond the Internet's 1452, after it: most paths end there, and a size
  // that failed rules out the larger ones.
  if (!loopback) {
    wanted.insert(wanted.begin() + 1, {kJumbo, kLoopback4});
  }
  std::vector<uint16_t> result;
  for (const uint16_t size : wanted) {
    const auto capped = static_cast<uint16_t>(std::min<size_t>(size, most));
    const bool first_of_its_size =
        std::find(result.begin(), result.end(), capped) == result.end();
    if (capped > kMinBytes && first_of_its_size) result.push_back(capped);
  }
  return result;
}

}  // namespace xtp::quic
