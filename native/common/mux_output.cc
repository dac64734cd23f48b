#include "common/mux_output.h"

#include <algorithm>
#include <cstring>

#include "common/byte_order.h"

namespace xtp {

MuxOutput::MuxOutput(size_t limit)
    : limit_(limit),
      // Twice the limit, so that making room at the end moves each byte at
      // most once. Not value-initialised: untouched pages cost nothing.
      buffer_(new uint8_t[2 * limit]),
      capacity_(2 * limit) {}

uint8_t* MuxOutput::Extend(size_t length) {
  if (tail_ + length > capacity_) {
    const size_t used = size();
    if (used + length <= capacity_ / 2) {
      memmove(buffer_.get(), data(), used);
    } else {
      capacity_ = std::max(2 * capacity_, used + length);
      std::unique_ptr<uint8_t[]> larger(new uint8_t[capacity_]);
      memcpy(larger.get(), data(), used);
      buffer_ = std::move(larger);
    }
    if (last_ != kNone) last_ -= head_;
    head_ = 0;
    tail_ = used;
  }
  uint8_t* at = buffer_.get() + tail_;
  tail_ += length;
  total_ += length;
  return at;
}

void MuxOutput::Frame(const YamuxFrame& frame) {
  EncodeYamuxFrame(frame, Extend(kYamuxHeaderBytes));
  last_ = kNone;
}

bool MuxOutput::OpenFrame(uint32_t stream_id) const {
  return last_ != kNone && last_stream_ == stream_id;
}

void MuxOutput::Data(uint32_t stream_id, uint16_t flags, const uint8_t* data,
                     size_t length) {
  if (flags == 0 && OpenFrame(stream_id)) {
    memcpy(Extend(length), data, length);
    uint8_t* field = buffer_.get() + last_ + 8;
    PutU32(field, GetU32(field) + static_cast<uint32_t>(length));
    return;
  }
  uint8_t* at = Extend(kYamuxHeaderBytes + length);
  YamuxFrame frame;
  frame.flags = flags;
  frame.stream_id = stream_id;
  frame.length = static_cast<uint32_t>(length);
  EncodeYamuxFrame(frame, at);
  memcpy(at + kYamuxHeaderBytes, data, length);
  last_ = static_cast<size_t>(at - buffer_.get());
  last_stream_ = stream_id;
}

void MuxOutput::Fin(uint32_t stream_id) {
  if (OpenFrame(stream_id)) {
    buffer_[last_ + 3] |= kYamuxFin;
    last_ = kNone;
    return;
  }
  YamuxFrame frame;
  frame.type = YamuxType::kWindowUpdate;
  frame.flags = kYamuxFin;
  frame.stream_id = stream_id;
  Frame(frame);
}

void MuxOutput::Sent(size_t length) {
  head_ += length;
  // A frame whose header has left cannot grow any more.
  if (last_ != kNone && last_ < head_) last_ = kNone;
  if (head_ != tail_) return;
  head_ = tail_ = 0;
  if (capacity_ > 4 * limit_) {  // a burst of control frames is over
    capacity_ = 2 * limit_;
    buffer_.reset(new uint8_t[capacity_]);
  }
}

}  // namespace xtp
