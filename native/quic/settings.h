// What can be set from JavaScript, by these names in snake_case.
#ifndef XTP_QUIC_SETTINGS_H_
#define XTP_QUIC_SETTINGS_H_

#include <cstdint>

#include "common/controlled_transport.h"
#include "common/status.h"

namespace xtp::quic {

struct Settings {
  // What a peer may send on all streams of a connection before the parent
  // grants more, at first. 4 MiB to 64 MiB: the parent keeps grants back, up
  // to 1 MiB in sum (spec/xtp-ctl.md, section 7.5).
  uint32_t connection_window_bytes = 4 * 1024 * 1024;
  // What that grows to on a path that needs it.
  uint32_t max_connection_window_bytes = 16 * 1024 * 1024;
  // What a stream may hold unacknowledged, where the path needs more than the
  // data link's window. 256 KiB to 64 MiB.
  uint32_t max_send_window_bytes = 8 * 1024 * 1024;
  // The same for all streams of a connection, beyond the link's window of
  // each.
  uint32_t max_extra_send_bytes = 16 * 1024 * 1024;
  // What a peer may send on a stream, and on all streams beyond the parent's
  // windows, where the path needs more than those. 256 KiB to 64 MiB, and 0 to
  // 256 MiB.
  uint32_t max_receive_window_bytes = 8 * 1024 * 1024;
  uint32_t max_extra_receive_bytes = 8 * 1024 * 1024;
  // Bidirectional streams that a peer may have open. 1 to 4096.
  uint32_t max_streams = 256;
  // 1000 to 600,000.
  uint32_t idle_timeout_ms = 30000;
  // PING after so long without a packet. 0: never.
  uint32_t keep_alive_ms = 15000;
  // For a dial that names no time, and for the handshake of an inbound
  // connection. 100 to 600,000.
  uint32_t dial_timeout_ms = 20000;
  uint32_t handshake_timeout_ms = 10000;
  // How long a close waits for acknowledgements. 100 to 600,000.
  uint32_t linger_ms = 10000;
  // 0 CUBIC, 1 BBR, 2 NewReno.
  uint32_t congestion = 0;
  // The largest UDP payload that path MTU discovery tries, on loopback and
  // elsewhere. 1200 to 65507; 1200 tries nothing.
  uint32_t max_udp_payload_bytes = 8952;
  uint32_t max_loopback_udp_payload_bytes = 65507;
  // Connections at a time, dials included. 1 to 60,000.
  uint32_t max_connections = 3000;
  // Inbound handshakes at a time, and how many make a peer prove its address
  // with a Retry first. 0: always.
  uint32_t max_half_open = 256;
  uint32_t retry_half_open = 32;
};

// kInvalidArgument for an unknown name or a value out of range.
Status ParseSettings(const TransportSettings& given, Settings* out);

}  // namespace xtp::quic

#endif  // XTP_QUIC_SETTINGS_H_
