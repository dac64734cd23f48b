// What can be set from JavaScript, by these names in snake_case.
#ifndef XTP_UTP_SETTINGS_H_
#define XTP_UTP_SETTINGS_H_

#include <cstdint>

#include "common/byte_engine.h"
#include "common/controlled_transport.h"
#include "common/status.h"

namespace xtp::utp {

// libutp itself accepts no more than 3000 connections per UDP socket.
struct Settings : ByteEngine::Limits {
  // What a peer may send before the parent takes it. 64 KiB to 16 MiB.
  uint32_t receive_window_bytes = 1024 * 1024;
  // What may be under way to a peer. On a short path a window arrives as one
  // burst, and a socket buffer of the usual 208 KiB holds 166 packets: with
  // 256 KiB a peer that did not enlarge it loses some of every burst.
  uint32_t send_window_bytes = 128 * 1024;
  // What it grows to while nothing is lost (send_window.h).
  uint32_t max_send_window_bytes = 512 * 1024;
  // The same where the round trip takes 5 ms or more. libutp keeps at most
  // 1024 packets, so that more than 1.4 MiB has no effect.
  uint32_t long_path_send_window_bytes = 1024 * 1024;
  // The queueing delay that LEDBAT aims at (RFC 6817, TARGET). 5 to 1000.
  uint32_t target_delay_ms = 100;
  // The largest IP packet. 1420 also fits the usual tunnels: libutp cannot
  // split a packet again when a path turns out to be narrower. 632 to 9000.
  uint32_t mtu_bytes = 1420;
  // The same towards loopback addresses. 632 to 65535.
  uint32_t loopback_mtu_bytes = 1500;
  // A connection that hears nothing for so long is over; libutp peers send a
  // keep-alive every 29 s. 0: never.
  uint32_t idle_timeout_ms = 300000;
};

// kInvalidArgument for an unknown name or a value out of range.
Status ParseSettings(const TransportSettings& given, Settings* out);

}  // namespace xtp::utp

#endif  // XTP_UTP_SETTINGS_H_
