#include "quic/settings.h"

#include "common/setting_fields.h"

namespace xtp::quic {
namespace {

constexpr uint32_t kMiB = 1024 * 1024;

constexpr SettingField<Settings> kFields[] = {
    {"connection_window_bytes", &Settings::connection_window_bytes, 4 * kMiB,
     64 * kMiB},
    {"max_connection_window_bytes", &Settings::max_connection_window_bytes,
     4 * kMiB, 64 * kMiB},
    {"max_send_window_bytes", &Settings::max_send_window_bytes, kMiB / 4,
     64 * kMiB},
    {"max_extra_send_bytes", &Settings::max_extra_send_bytes, 0, 256 * kMiB},
    {"max_receive_window_bytes", &Settings::max_receive_window_bytes, kMiB / 4,
     64 * kMiB},
    {"max_extra_receive_bytes", &Settings::max_extra_receive_bytes, 0,
     256 * kMiB},
    {"max_streams", &Settings::max_streams, 1, 4096},
    {"idle_timeout_ms", &Settings::idle_timeout_ms, 1000, 600000},
    {"keep_alive_ms", &Settings::keep_alive_ms, 0, 600000},
    {"dial_timeout_ms", &Settings::dial_timeout_ms, 100, 600000},
    {"handshake_timeout_ms", &Settings::handshake_timeout_ms, 100, 600000},
    {"linger_ms", &Settings::linger_ms, 100, 600000},
    {"congestion", &Settings::congestion, 0, 2},
    {"max_udp_payload_bytes", &Settings::max_udp_payload_bytes, 1200, 65507},
    {"max_loopback_udp_payload_bytes",
     &Settings::max_loopback_udp_payload_bytes, 1200, 65507},
    {"max_connections", &Settings::max_connections, 1, 60000},
    {"max_half_open", &Settings::max_half_open, 1, 60000},
    {"retry_half_open", &Settings::retry_half_open, 0, 60000},
};

}  // namespace

Status ParseSettings(const TransportSettings& given, Settings* out) {
  const Status status = ParseSettingFields(given, out, kFields);
  if (out->max_connection_window_bytes < out->connection_window_bytes) {
    out->max_connection_window_bytes = out->connection_window_bytes;
  }
  return status;
}

}  // namespace xtp::quic
