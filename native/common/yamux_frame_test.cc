#include "common/yamux_frame.h"

#include <cstring>

#include "common/testing/test.h"

namespace xtp {
namespace {

TEST(EncodesBigEndian) {
  YamuxFrame frame;
  frame.type = YamuxType::kWindowUpdate;
  frame.flags = kYamuxSyn | kYamuxFin;
  frame.stream_id = 0x01020304;
  frame.length = 0xfffefdfc;
  uint8_t bytes[kYamuxHeaderBytes];
  EncodeYamuxFrame(frame, bytes);
  const uint8_t kExpected[] = {0, 1, 0, 5, 1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc};
  CHECK(memcmp(bytes, kExpected, sizeof kExpected) == 0);
}

TEST(RoundTrips) {
  test::Random random(1);
  for (int i = 0; i < 10000; i++) {
    YamuxFrame in, out;
    in.type = static_cast<YamuxType>(random.Below(4));
    const bool session = static_cast<int>(in.type) >= 2;
    in.flags = static_cast<uint16_t>(random.Next());
    in.stream_id = session ? 0 : static_cast<uint32_t>(random.Next()) | 1;
    in.length = static_cast<uint32_t>(random.Next());
    if (in.type == YamuxType::kData) in.length &= 0xffffff;
    uint8_t bytes[kYamuxHeaderBytes];
    EncodeYamuxFrame(in, bytes);
    CHECK(DecodeYamuxFrame(bytes, &out).ok());
    CHECK_EQ(out.type, in.type);
    CHECK_EQ(out.flags, in.flags);
    CHECK_EQ(out.stream_id, in.stream_id);
    CHECK_EQ(out.length, in.length);
  }
}

TEST(RejectsWhatIsWrongByItself) {
  const struct {
    const char* name;
    uint8_t bytes[kYamuxHeaderBytes];
    bool ok;
  } kTable[] = {
      {"version", {1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, false},
      {"type", {0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, false},
      {"data, 16 MiB", {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0}, true},
      {"data, 16 MiB + 1", {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1}, false},
      {"data on stream 0", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false},
      {"window on stream 0", {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false},
      {"ping on a stream", {0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}, false},
      {"go away on a stream", {0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, false},
      {"ping", {0, 2, 0, 1, 0, 0, 0, 0, 0xff, 0, 0, 0}, true},
      {"unknown flags", {0, 1, 0xff, 0xf0, 0, 0, 0, 1, 0, 0, 0, 0}, true},
  };
  for (const auto& row : kTable) {
    YamuxFrame frame;
    const Status status = DecodeYamuxFrame(row.bytes, &frame);
    if (status.ok() != row.ok) test::Fail(__FILE__, __LINE__, row.name);
    if (!row.ok) CHECK_EQ(status.code(), Code::kProtocolViolation);
  }
}

}  // namespace
}  // namespace xtp
