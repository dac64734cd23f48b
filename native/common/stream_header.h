// StreamHeader of spec/xtp-ctl.proto: the first bytes of every data stream,
// from its opener: uvarint length, then the message.
#ifndef XTP_COMMON_STREAM_HEADER_H_
#define XTP_COMMON_STREAM_HEADER_H_

#include <cstddef>
#include <cstdint>

#include "common/status.h"

namespace xtp {

constexpr size_t kMaxStreamHeaderBytes = 64;  // of the message
// With its length prefix: one byte, as 64 is less than 128.
constexpr size_t kMaxStreamHeaderPrefixed = kMaxStreamHeaderBytes + 1;

struct StreamHeader {
  uint32_t connection = 0;  // never 0 on the wire
  uint32_t kind = 0;
};

// Writes prefix and message to `out` (kMaxStreamHeaderPrefixed bytes of room)
// and returns their number.
size_t EncodeStreamHeader(const StreamHeader& header, uint8_t* out);

// Reads the message, without its prefix. Unknown fields are skipped.
Status DecodeStreamHeader(const uint8_t* data, size_t length,
                          StreamHeader* out);

}  // namespace xtp

#endif  // XTP_COMMON_STREAM_HEADER_H_
