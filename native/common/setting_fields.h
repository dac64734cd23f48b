// Settings of a transport, by the names that JavaScript uses.
#ifndef XTP_COMMON_SETTING_FIELDS_H_
#define XTP_COMMON_SETTING_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/controlled_transport.h"
#include "common/status.h"

namespace xtp {

template <typename Settings>
struct SettingField {
  const char* name;
  uint32_t Settings::*member;
  uint32_t min;
  uint32_t max;
};

// Does nothing if `name` is none of `fields`.
template <typename Fields, size_t n, typename Settings>
void SetField(const SettingField<Fields> (&fields)[n], const std::string& name,
              double value, Settings* out, bool* known, Status* status) {
  for (const auto& field : fields) {
    if (name != field.name) continue;
    *known = true;
    // Also for NaN.
    if (!(value >= field.min && value <= field.max)) {
      *status = Status(Code::kInvalidArgument,
                       "setting " + name + " must be between " +
                           std::to_string(field.min) + " and " +
                           std::to_string(field.max));
      return;
    }
    out->*field.member = static_cast<uint32_t>(value);
  }
}

// The tables are of `Settings`, or of what it derives from. kInvalidArgument
// for an unknown name or a value out of range.
template <typename Settings, typename... Tables>
Status ParseSettingFields(const TransportSettings& given, Settings* out,
                          const Tables&... tables) {
  for (const auto& [name, value] : given) {
    bool known = false;
    Status status;
    (SetField(tables, name, value, out, &known, &status), ...);
    if (!status.ok()) return status;
    if (!known) {
      return Status(Code::kInvalidArgument, "unknown setting " + name);
    }
  }
  return Status::Ok();
}

}  // namespace xtp

#endif  // XTP_COMMON_SETTING_FIELDS_H_
