#include "utp/settings.h"

#include "common/setting_fields.h"

namespace xtp::utp {
namespace {

constexpr uint32_t kMiB = 1024 * 1024;

constexpr SettingField<Settings> kFields[] = {
    {"receive_window_bytes", &Settings::receive_window_bytes, 65536, 16 * kMiB},
    {"send_window_bytes", &Settings::send_window_bytes, 16384, 16 * kMiB},
    {"max_send_window_bytes", &Settings::max_send_window_bytes, 16384,
     16 * kMiB},
    {"long_path_send_window_bytes", &Settings::long_path_send_window_bytes,
     16384, 16 * kMiB},
    {"target_delay_ms", &Settings::target_delay_ms, 5, 1000},
    // libutp assumes that 576 bytes of UDP payload always fit; IPv6 and UDP
    // headers take 48.
    {"mtu_bytes", &Settings::mtu_bytes, 632, 9000},
    {"loopback_mtu_bytes", &Settings::loopback_mtu_bytes, 632, 65535},
    {"idle_timeout_ms", &Settings::idle_timeout_ms, 0, 86400000},
};

}  // namespace

Status ParseSettings(const TransportSettings& given, Settings* out) {
  return ParseSettingFields(given, out, kFields, ByteEngine::kLimitFields);
}

}  // namespace xtp::utp
