// The 12-byte header of a yamux frame. Pure codec: no state, no I/O.
#ifndef XTP_COMMON_YAMUX_FRAME_H_
#define XTP_COMMON_YAMUX_FRAME_H_

#include <cstddef>
#include <cstdint>

#include "common/status.h"

namespace xtp {

constexpr size_t kYamuxHeaderBytes = 12;
// Both directions of every stream start with this much credit.
constexpr uint32_t kYamuxInitialWindow = 256 * 1024;
constexpr uint32_t kYamuxMaxWindow = 0x7fffffff;
constexpr uint32_t kYamuxMaxDataBytes = 16 * 1024 * 1024;

enum class YamuxType : uint8_t {
  kData = 0,
  kWindowUpdate = 1,
  kPing = 2,
  kGoAway = 3,
};

// Bits of YamuxFrame::flags. Others are ignored on receipt.
constexpr uint16_t kYamuxSyn = 1;
constexpr uint16_t kYamuxAck = 2;
constexpr uint16_t kYamuxFin = 4;
constexpr uint16_t kYamuxRst = 8;

// Values of `length` in kGoAway.
constexpr uint32_t kYamuxGoAwayNormal = 0;
constexpr uint32_t kYamuxGoAwayProtocolError = 1;
constexpr uint32_t kYamuxGoAwayInternalError = 2;

struct YamuxFrame {
  YamuxType type = YamuxType::kData;
  uint16_t flags = 0;
  uint32_t stream_id = 0;  // 0 in kPing and kGoAway, and only there
  // kData: payload bytes behind the header. kWindowUpdate: credit added, or
  // with kYamuxRst the error code. kPing: opaque value. kGoAway: reason.
  uint32_t length = 0;
};

void EncodeYamuxFrame(const YamuxFrame& frame, uint8_t* out);

// Checks what can be checked without knowing the session: version, type, the
// stream id being zero or not, the length of data.
Status DecodeYamuxFrame(const uint8_t* header, YamuxFrame* out);

}  // namespace xtp

#endif  // XTP_COMMON_YAMUX_FRAME_H_
