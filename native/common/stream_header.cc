#include "common/stream_header.h"

namespace xtp {
namespace {

// Protobuf wire types.
enum : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t kConnectionField = 1;
constexpr uint32_t kKindField = 2;

uint8_t* PutVarint(uint8_t* out, uint32_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

class Reader {
 public:
  Reader(const uint8_t* data, size_t length) : at_(data), left_(length) {}

  bool empty() const { return left_ == 0; }

  bool Varint(uint64_t* out) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && left_ > 0; shift += 7) {
      const uint8_t byte = *at_;
      Advance(1);
      if (shift == 63 && byte > 1) return false;
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        *out = value;
        return true;
      }
    }
    return false;
  }

  bool Skip(uint64_t count) {
    if (count > left_) return false;
    Advance(static_cast<size_t>(count));
    return true;
  }

  bool SkipField(uint32_t wire_type) {
    uint64_t value;
    switch (wire_type) {
      case kVarint:
        return Varint(&value);
      case kFixed64:
        return Skip(8);
      case kBytes:
        return Varint(&value) && Skip(value);
      case kFixed32:
        return Skip(4);
      default:  // groups are gone from protobuf
        return false;
    }
  }

 private:
  void Advance(size_t count) {
    at_ += count;
    left_ -= count;
  }

  const uint8_t* at_;
  size_t left_;
};

Status Malformed(const char* why) {
  return Status(Code::kProtocolViolation, std::string("stream header: ") + why);
}

}  // namespace

size_t EncodeStreamHeader(const StreamHeader& header, uint8_t* out) {
  uint8_t* end = out + 1;
  *end++ = kConnectionField << 3 | kVarint;
  end = PutVarint(end, header.connection);
  if (header.kind != 0) {
    *end++ = kKindField << 3 | kVarint;
    end = PutVarint(end, header.kind);
  }
  out[0] = static_cast<uint8_t>(end - out - 1);
  return static_cast<size_t>(end - out);
}

Status DecodeStreamHeader(const uint8_t* data, size_t length,
                          StreamHeader* out) {
  *out = StreamHeader();
  Reader reader(data, length);
  while (!reader.empty()) {
    uint64_t tag;
    if (!reader.Varint(&tag) || tag > UINT32_MAX || tag >> 3 == 0) {
      return Malformed("bad tag");
    }
    const uint32_t field = static_cast<uint32_t>(tag) >> 3;
    const uint32_t wire_type = tag & 7;
    if (field != kConnectionField && field != kKindField) {
      if (!reader.SkipField(wire_type)) return Malformed("truncated");
      continue;
    }
    uint64_t value;
    if (wire_type != kVarint || !reader.Varint(&value)) {
      return Malformed("bad integer");
    }
    if (value > UINT32_MAX) return Malformed("integer too large");
    (field == kConnectionField ? out->connection : out->kind) =
        static_cast<uint32_t>(value);
  }
  if (out->connection == 0) return Malformed("no connection");
  return Status();
}

}  // namespace xtp
