// Big-endian integers at any address.
#ifndef XTP_COMMON_BYTE_ORDER_H_
#define XTP_COMMON_BYTE_ORDER_H_

#include <cstdint>

namespace xtp {

inline void PutU16(uint8_t* out, uint16_t value) {
  out[0] = static_cast<uint8_t>(value >> 8);
  out[1] = static_cast<uint8_t>(value);
}

inline void PutU32(uint8_t* out, uint32_t value) {
  PutU16(out, static_cast<uint16_t>(value >> 16));
  PutU16(out + 2, static_cast<uint16_t>(value));
}

inline uint16_t GetU16(const uint8_t* in) {
  return static_cast<uint16_t>(in[0] << 8 | in[1]);
}

inline uint32_t GetU32(const uint8_t* in) {
  return uint32_t{GetU16(in)} << 16 | GetU16(in + 2);
}

}  // namespace xtp

#endif  // XTP_COMMON_BYTE_ORDER_H_
