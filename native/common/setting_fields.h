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

// kInvalidArgument for an unknown name or a value out of range.
template <typename Settings, size_t n>
Status ParseSettingFields(const SettingField<Settings> (&fields)[n],
                          const TransportSettings& given, Settings* out) {
  for (const auto& [name, value] : given) {
    const SettingField<Settings>* field = nullptr;
    for (const auto& known : fields) {
      if (name == known.name) field = &known;
    }
    if (field == nullptr) {
      return Status(Code::kInvalidArgument, "unknown setting " + name);
    }
    // Also false for NaN.
    if (!(value >= field->min && value <= field->max)) {
      return Status(Code::kInvalidArgument,
                    "setting " + name + " must be between " +
                        std::to_string(field->min) + " and " +
                        std::to_string(field->max));
    }
    out->*field->member = static_cast<uint32_t>(value);
  }
  return Status::Ok();
}

}  // namespace xtp

#endif  // XTP_COMMON_SETTING_FIELDS_H_
