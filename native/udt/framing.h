// The framing above UDT (spec/udt.md): what tells data, an end and an abort
// apart. Pure: no I/O.
#ifndef XTP_UDT_FRAMING_H_
#define XTP_UDT_FRAMING_H_

#include <cstddef>
#include <cstdint>

#include "common/status.h"

namespace xtp::udt {

// Both sides send this first.
constexpr size_t kPrefaceBytes = 8;
constexpr uint8_t kPreface[kPrefaceBytes] = {'X', 'T', 'P', '-',
                                             'U', 'D', 'T', 1};

constexpr size_t kFrameHeaderBytes = 4;
constexpr uint32_t kMaxDataBytes = 1024 * 1024;

enum class FrameType : uint8_t {
  kData = 0,      // `length` bytes of the stream
  kEnd = 1,       // no more of them
  kEndTaken = 2,  // the peer's end has been taken, and all before it
  kAbort = 3,     // at once, with a code
};

// Writes kFrameHeaderBytes.
void PutFrameHeader(uint8_t* out, FrameType type, uint32_t length);

// Reads the frames of one direction, piece by piece. The caller asks how many
// bytes it wants, and where they belong.
class FrameReader {
 public:
  // Data that may be read straight to where it goes.
  uint32_t data_left() const { return data_left_; }
  void TookData(size_t length) { data_left_ -= static_cast<uint32_t>(length); }
  // Otherwise: bytes of preface, header or code, read to `into()`.
  uint8_t* into() { return buffer_ + have_; }
  size_t wanted() const { return want_ - have_; }
  // `length` bytes are there. A failure is the peer's.
  Status Took(size_t length);

  bool greeted() const { return state_ != State::kPreface; }
  bool ended() const { return ended_; }          // kEnd
  bool end_taken() const { return end_taken_; }  // kEndTaken
  bool aborted() const { return aborted_; }      // kAbort
  uint32_t code() const { return code_; }

 private:
  enum class State { kPreface, kHeader, kCode };

  Status OnHeader();

  State state_ = State::kPreface;
  uint8_t buffer_[kPrefaceBytes] = {};
  size_t have_ = 0;
  size_t want_ = kPrefaceBytes;
  uint32_t data_left_ = 0;
  bool ended_ = false;
  bool end_taken_ = false;
  bool aborted_ = false;
  uint32_t code_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_FRAMING_H_
