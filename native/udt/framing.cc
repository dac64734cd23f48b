#include "udt/framing.h"

#include <cstring>
#include <string>

#include "common/byte_order.h"

namespace xtp::udt {

void PutFrameHeader(uint8_t* out, FrameType type, uint32_t length) {
  PutU32(out, length);
  out[0] = static_cast<uint8_t>(type);
}

Status FrameReader::Took(size_t length) {
  have_ += length;
  if (have_ < want_) return Status::Ok();
  have_ = 0;
  switch (state_) {
    case State::kPreface:
      if (memcmp(buffer_, kPreface, kPrefaceBytes) != 0) {
        return Status(Code::kHandshakeFailed,
                      "the peer speaks UDT, but not XTP's framing above it");
      }
      break;
    case State::kHeader:
      return OnHeader();
    case State::kCode:
      aborted_ = true;
      code_ = GetU32(buffer_);
      break;
  }
  state_ = State::kHeader;
  want_ = kFrameHeaderBytes;
  return Status::Ok();
}

Status FrameReader::OnHeader() {
  const auto type = static_cast<FrameType>(buffer_[0]);
  const uint32_t length = GetU32(buffer_) & 0xffffff;
  if (aborted_) {
    return Status(Code::kRemoteMisbehaved, "a frame after an abort");
  }
  switch (type) {
    case FrameType::kData:
      if (length == 0 || length > kMaxDataBytes || ended_) break;
      data_left_ = length;
      return Status::Ok();
    case FrameType::kEnd:
      if (length != 0 || ended_) break;
      ended_ = true;
      return Status::Ok();
    case FrameType::kEndTaken:
      if (length != 0 || end_taken_) break;
      end_taken_ = true;
      return Status::Ok();
    case FrameType::kAbort:
      if (length != 4) break;
      state_ = State::kCode;
      want_ = 4;
      return Status::Ok();
  }
  return Status(Code::kRemoteMisbehaved,
                "frame of type " + std::to_string(buffer_[0]) + " and length " +
                    std::to_string(length) + " is not allowed here");
}

}  // namespace xtp::udt
