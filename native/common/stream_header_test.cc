#include "common/stream_header.h"

#include <cstring>
#include <vector>

#include "common/testing/test.h"

namespace xtp {
namespace {

using Bytes = std::vector<uint8_t>;

Status Decode(const Bytes& bytes, StreamHeader* out) {
  // A heap block of the exact size: the sanitizer sees a byte too far.
  std::vector<uint8_t> exact(bytes);
  return DecodeStreamHeader(exact.data(), exact.size(), out);
}

TEST(EncodesAsProtobuf) {
  uint8_t bytes[kMaxStreamHeaderPrefixed];
  CHECK_EQ(EncodeStreamHeader({300, 0}, bytes), size_t{4});
  CHECK(memcmp(bytes, "\x03\x08\xac\x02", 4) == 0);
  CHECK_EQ(EncodeStreamHeader({1, 2}, bytes), size_t{5});
  CHECK(memcmp(bytes, "\x04\x08\x01\x10\x02", 5) == 0);
  CHECK_EQ(EncodeStreamHeader({UINT32_MAX, UINT32_MAX}, bytes), size_t{13});
}

TEST(RoundTrips) {
  test::Random random(2);
  for (int i = 0; i < 10000; i++) {
    const StreamHeader in = {
        static_cast<uint32_t>(random.Next() >> random.Below(64)) | 1,
        static_cast<uint32_t>(random.Next() >> random.Below(64))};
    uint8_t bytes[kMaxStreamHeaderPrefixed];
    const size_t length = EncodeStreamHeader(in, bytes);
    StreamHeader out;
    CHECK(Decode(Bytes(bytes + 1, bytes + length), &out).ok());
    CHECK_EQ(bytes[0], length - 1);
    CHECK_EQ(out.connection, in.connection);
    CHECK_EQ(out.kind, in.kind);
  }
}

TEST(SkipsUnknownFields) {
  StreamHeader out;
  CHECK(Decode({0x18, 0xff, 0x01,                       // 3: varint
                0x21, 1,    2,    3,    4, 5, 6, 7, 8,  // 4: fixed64
                0x2a, 0x02, 'h',  'i',                  // 5: bytes
                0x35, 1,    2,    3,    4,              // 6: fixed32
                0x80, 0x80, 0x01, 0x00,                 // 2048: varint
                0x08, 0x05},
               &out)
            .ok());
  CHECK_EQ(out.connection, uint32_t{5});
  CHECK_EQ(out.kind, uint32_t{0});
}

TEST(LastOneWins) {
  StreamHeader out;
  CHECK(Decode({0x08, 0x05, 0x08, 0x06, 0x10, 0x01}, &out).ok());
  CHECK_EQ(out.connection, uint32_t{6});
  CHECK_EQ(out.kind, uint32_t{1});
}

TEST(RejectsTheMalformed) {
  const Bytes kTable[] = {
      {},                                    // no connection
      {0x08, 0x00},                          // connection 0
      {0x10, 0x01},                          // kind only
      {0x08},                                // tag without a value
      {0x08, 0x80},                          // varint cut off
      {0x80},                                // tag cut off
      {0x08, 0x80, 0x80, 0x80, 0x80, 0x10},  // 2^32
      {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
      {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
      {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
      {0x0a, 0x01, 0x05},              // field 1 as bytes
      {0x15, 0x01, 0x00, 0x00, 0x00},  // field 2 as fixed32
      {0x08, 0x01, 0x00, 0x01},        // field number 0
      {0x08, 0x01, 0x1b, 0x1c},        // a group
      {0x08, 0x01, 0x1f},              // wire type 7
      {0x08, 0x01, 0x2a, 0x05, 'x'},   // bytes cut off
      {0x08, 0x01, 0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
       0x01},                       // a length near 2^64
      {0x08, 0x01, 0x21, 1, 2, 3},  // fixed64 cut off
  };
  for (const Bytes& row : kTable) {
    StreamHeader out;
    CHECK_EQ(Decode(row, &out).code(), Code::kProtocolViolation);
  }
}

TEST(SurvivesRandomBytes) {
  test::Random random(3);
  int good = 0;
  for (int i = 0; i < 50000; i++) {
    Bytes bytes(random.Below(kMaxStreamHeaderBytes + 1));
    for (uint8_t& byte : bytes) {
      byte = static_cast<uint8_t>(random.Next() >> (random.OneIn(2) ? 4 : 0));
    }
    StreamHeader out;
    if (Decode(bytes, &out).ok()) good++;
  }
  CHECK(good > 0);
}

}  // namespace
}  // namespace xtp
