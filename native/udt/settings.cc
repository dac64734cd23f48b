#include "udt/settings.h"

#include "common/setting_fields.h"

namespace xtp::udt {
namespace {

constexpr uint32_t kMiB = 1024 * 1024;

constexpr SettingField<Settings> kFields[] = {
    {"send_buffer_bytes", &Settings::send_buffer_bytes, kMiB / 8, 64 * kMiB},
    {"receive_buffer_bytes", &Settings::receive_buffer_bytes, kMiB / 8,
     64 * kMiB},
    {"mtu_bytes", &Settings::mtu_bytes, 576, 9000},
    {"handshake_timeout_ms", &Settings::handshake_timeout_ms, 100, 600000},
    {"max_half_open", &Settings::max_half_open, 1, 4096},
    {"max_ports", &Settings::max_ports, 1, 256},
};

}  // namespace

Status ParseSettings(const TransportSettings& given, Settings* out) {
  return ParseSettingFields(given, out, kFields, ByteEngine::kLimitFields);
}

}  // namespace xtp::udt
