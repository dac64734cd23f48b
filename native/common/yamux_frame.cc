#include "common/yamux_frame.h"

#include "common/byte_order.h"

namespace xtp {
namespace {

Status Violation(const char* what, uint32_t value) {
  return Status(Code::kProtocolViolation,
                std::string("yamux: ") + what + " " + std::to_string(value));
}

}  // namespace

void EncodeYamuxFrame(const YamuxFrame& frame, uint8_t* out) {
  out[0] = 0;
  out[1] = static_cast<uint8_t>(frame.type);
  PutU16(out + 2, frame.flags);
  PutU32(out + 4, frame.stream_id);
  PutU32(out + 8, frame.length);
}

Status DecodeYamuxFrame(const uint8_t* header, YamuxFrame* out) {
  if (header[0] != 0) return Violation("unknown version", header[0]);
  if (header[1] > static_cast<uint8_t>(YamuxType::kGoAway)) {
    return Violation("unknown frame type", header[1]);
  }
  out->type = static_cast<YamuxType>(header[1]);
  out->flags = GetU16(header + 2);
  out->stream_id = GetU32(header + 4);
  out->length = GetU32(header + 8);
  const bool session =
      out->type == YamuxType::kPing || out->type == YamuxType::kGoAway;
  if (session != (out->stream_id == 0)) {
    return Violation("frame type does not go with stream", out->stream_id);
  }
  if (out->type == YamuxType::kData && out->length > kYamuxMaxDataBytes) {
    return Violation("data frame too long:", out->length);
  }
  return Status();
}

}  // namespace xtp
