// What can be set from JavaScript, by these names in snake_case.
#ifndef XTP_UDT_SETTINGS_H_
#define XTP_UDT_SETTINGS_H_

#include <cstdint>

#include "common/byte_engine.h"
#include "common/controlled_transport.h"
#include "common/status.h"

namespace xtp::udt {

struct Settings : ByteEngine::Limits {
  // What libudt holds of a connection: sent and not acknowledged, received and
  // not taken. 128 KiB to 64 MiB.
  uint32_t send_buffer_bytes = 2560 * 1024;
  uint32_t receive_buffer_bytes = 2560 * 1024;
  // The largest IP packet. 576 to 9000.
  uint32_t mtu_bytes = 1500;
  // How long an inbound connection may take for its preface. 100 to 600,000.
  uint32_t handshake_timeout_ms = 10000;
  // Inbound connections at a time whose preface has not come. 1 to 4096.
  uint32_t max_half_open = 256;
  // UDP sockets at a time; each has two threads. 1 to 256.
  uint32_t max_ports = 16;
};

// kInvalidArgument for an unknown name or a value out of range.
Status ParseSettings(const TransportSettings& given, Settings* out);

}  // namespace xtp::udt

#endif  // XTP_UDT_SETTINGS_H_
