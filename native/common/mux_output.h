// The bytes of the mux on their way to the link: one flat queue of frames.
#ifndef XTP_COMMON_MUX_OUTPUT_H_
#define XTP_COMMON_MUX_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/yamux_frame.h"

namespace xtp {

// Payload is bounded by `limit`; control frames always fit, so that their
// sender needs no retry. Data of one stream extends the last frame as long as
// nothing of it has left: a thousand small writes become one frame.
class MuxOutput {
 public:
  explicit MuxOutput(size_t limit);

  size_t limit() const { return limit_; }
  // Payload bytes that Data may be given now.
  size_t room() const {
    const size_t used = size() + kYamuxHeaderBytes;
    return used < limit_ ? limit_ - used : 0;
  }

  void Frame(const YamuxFrame& frame);
  void Data(uint32_t stream_id, uint16_t flags, const uint8_t* data,
            size_t length);
  // FIN: on the last frame if that is the stream's own and still here.
  void Fin(uint32_t stream_id);

  const uint8_t* data() const { return buffer_.get() + head_; }
  size_t size() const { return tail_ - head_; }
  void Sent(size_t length);
  uint64_t total() const { return total_; }  // bytes ever queued

 private:
  static constexpr size_t kNone = SIZE_MAX;

  uint8_t* Extend(size_t length);
  bool OpenFrame(uint32_t stream_id) const;

  const size_t limit_;
  std::unique_ptr<uint8_t[]> buffer_;
  size_t capacity_;
  size_t head_ = 0;
  size_t tail_ = 0;
  size_t last_ = kNone;       // where the last frame starts, if it is data
  uint32_t last_stream_ = 0;  // whose data it is
  uint64_t total_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_MUX_OUTPUT_H_
