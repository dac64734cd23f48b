// A network device whose packets a process reads and writes. It ends with its
// descriptor.
#ifndef XTP_BENCH_NETWORKS_TUN_DEVICE_H_
#define XTP_BENCH_NETWORKS_TUN_DEVICE_H_

#include <cstdint>
#include <string>

#include "common/status.h"

namespace xtp::networks {

struct TunSettings {
  // IPv4 addresses of the device and of the only host behind it.
  std::string address;
  std::string peer;
  int mtu = 1500;
  // Of TCP towards the peer, as net.ipv4.tcp_available_congestion_control names
  // them. Empty: the system's.
  std::string congestion;
};

// A device in the current network namespace, and its loopback device, both up.
// Gives a non-blocking descriptor.
Status OpenTun(const TunSettings& settings, int* out);

}  // namespace xtp::networks

#endif  // XTP_BENCH_NETWORKS_TUN_DEVICE_H_
