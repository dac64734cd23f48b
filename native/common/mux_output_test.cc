#include "common/mux_output.h"

#include <cstring>
#include <string>
#include <vector>

#include "common/testing/test.h"

namespace xtp {
namespace {

struct Parsed {
  YamuxFrame frame;
  std::string payload;
};

std::vector<Parsed> Frames(const MuxOutput& output) {
  std::vector<Parsed> result;
  const uint8_t* at = output.data();
  const uint8_t* end = at + output.size();
  while (at < end) {
    Parsed parsed;
    CHECK(DecodeYamuxFrame(at, &parsed.frame).ok());
    at += kYamuxHeaderBytes;
    if (parsed.frame.type == YamuxType::kData) {
      parsed.payload.assign(reinterpret_cast<const char*>(at),
                            parsed.frame.length);
      at += parsed.frame.length;
    }
    result.push_back(parsed);
  }
  CHECK(at == end);
  return result;
}

void Put(MuxOutput* output, uint32_t id, const std::string& text) {
  output->Data(id, 0, reinterpret_cast<const uint8_t*>(text.data()),
               text.size());
}

TEST(SmallWritesBecomeOneFrame) {
  MuxOutput output(4096);
  for (int i = 0; i < 100; i++) Put(&output, 2, "abc");
  const auto frames = Frames(output);
  REQUIRE(frames.size() == 1);
  CHECK_EQ(frames[0].frame.length, uint32_t{300});
  CHECK_EQ(frames[0].payload.substr(0, 6), "abcabc");
}

TEST(AnotherStreamOrFrameEndsIt) {
  MuxOutput output(4096);
  Put(&output, 2, "a");
  Put(&output, 4, "b");
  Put(&output, 2, "c");
  YamuxFrame ping;
  ping.type = YamuxType::kPing;
  output.Frame(ping);
  Put(&output, 2, "d");
  CHECK_EQ(Frames(output).size(), size_t{5});
}

TEST(AFrameThatHasBegunToLeaveDoesNotGrow) {
  MuxOutput output(4096);
  Put(&output, 2, "abc");
  output.Sent(1);
  Put(&output, 2, "def");
  output.Sent(14);  // the rest of the first frame
  const auto frames = Frames(output);
  REQUIRE(frames.size() == 1);
  CHECK_EQ(frames[0].payload, "def");
}

TEST(GrowsWhileItIsWholeEvenIfEarlierOnesLeft) {
  MuxOutput output(4096);
  Put(&output, 4, "x");
  Put(&output, 2, "abc");
  output.Sent(13);
  Put(&output, 2, "def");
  const auto frames = Frames(output);
  REQUIRE(frames.size() == 1);
  CHECK_EQ(frames[0].payload, "abcdef");
}

TEST(FinRidesOnTheLastFrame) {
  MuxOutput output(4096);
  Put(&output, 2, "abc");
  output.Fin(2);
  Put(&output, 2, "never");  // a caller's mistake must not extend it
  auto frames = Frames(output);
  REQUIRE(frames.size() == 2);
  CHECK_EQ(frames[0].frame.flags, kYamuxFin);
  CHECK_EQ(frames[0].payload, "abc");
}

TEST(FinOnItsOwnIsAWindowUpdate) {
  MuxOutput output(4096);
  Put(&output, 2, "abc");
  Put(&output, 4, "abc");
  output.Fin(2);
  auto frames = Frames(output);
  REQUIRE(frames.size() == 3);
  CHECK_EQ(frames[2].frame.type, YamuxType::kWindowUpdate);
  CHECK_EQ(frames[2].frame.flags, kYamuxFin);
  CHECK_EQ(frames[2].frame.stream_id, uint32_t{2});
  CHECK_EQ(frames[2].frame.length, uint32_t{0});
}

TEST(RoomCountsTheHeader) {
  MuxOutput output(4096);
  CHECK_EQ(output.room(), size_t{4096 - 12});
  Put(&output, 2, std::string(4096 - 12, 'x'));
  CHECK_EQ(output.room(), size_t{0});
  CHECK_EQ(output.size(), size_t{4096});
  output.Sent(100);
  CHECK_EQ(output.room(), size_t{88});
}

TEST(ControlFramesAlwaysFit) {
  MuxOutput output(4096);
  Put(&output, 2, std::string(4000, 'x'));
  YamuxFrame ping;
  ping.type = YamuxType::kPing;
  for (uint32_t i = 0; i < 10000; i++) {
    ping.length = i;
    output.Frame(ping);
  }
  CHECK_EQ(output.room(), size_t{0});
  const auto frames = Frames(output);
  REQUIRE(frames.size() == 10001);
  CHECK_EQ(frames[10000].frame.length, uint32_t{9999});
  output.Sent(output.size());
  CHECK_EQ(output.room(), size_t{4096 - 12});
}

// Random appends and partial sends against a plain string.
TEST(NoByteIsLostOrTwice) {
  test::Random random(5);
  MuxOutput output(4096);
  std::string wire;
  uint64_t written[3] = {}, total = 0;
  for (int i = 0; i < 200000; i++) {
    const uint32_t stream = random.Below(3);
    std::string bytes(random.Below(300), '\0');
    if (bytes.size() > output.room()) bytes.resize(output.room());
    for (char& byte : bytes) {
      byte = static_cast<char>(written[stream]++ * 7 + stream);
    }
    if (!bytes.empty()) Put(&output, 2 * stream + 2, bytes);
    if (random.OneIn(3)) {
      const size_t sent = random.Below(output.size() + 1);
      wire.append(reinterpret_cast<const char*>(output.data()), sent);
      output.Sent(sent);
      total += sent;
    }
    if (wire.size() < 100000 && i < 199999) continue;
    // Parse whole frames of what went out.
    static uint64_t read[3];
    size_t at = 0;
    while (wire.size() - at >= kYamuxHeaderBytes) {
      YamuxFrame frame;
      REQUIRE(DecodeYamuxFrame(
                  reinterpret_cast<const uint8_t*>(wire.data()) + at, &frame)
                  .ok());
      if (wire.size() - at < kYamuxHeaderBytes + frame.length) break;
      at += kYamuxHeaderBytes;
      const uint32_t from = frame.stream_id / 2 - 1;
      REQUIRE(from < 3);
      for (uint32_t k = 0; k < frame.length; k++) {
        REQUIRE(wire[at + k] == static_cast<char>(read[from]++ * 7 + from));
      }
      at += frame.length;
    }
    wire.erase(0, at);
  }
  CHECK(total > 1000000);
  CHECK_EQ(output.total() - output.size(), total);
}

}  // namespace
}  // namespace xtp
