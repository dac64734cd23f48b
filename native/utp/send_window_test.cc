#include "utp/send_window.h"

#include <algorithm>

#include "utp/testing/sim.h"

namespace xtp::utp::sim {
namespace {

constexpr uint32_t kKiB = 1024;
constexpr uint32_t kMany = 1 << 20;

TEST(GrowsWhileNothingIsLost) {
  const Settings settings;
  SendWindow window(settings);
  CHECK_EQ(window.bytes(), 128 * kKiB);
  CHECK(!window.OnAcked(8191));
  CHECK(window.OnAcked(1));
  CHECK_EQ(window.bytes(), 256 * kKiB);
  CHECK(window.OnAcked(kMany));
  CHECK_EQ(window.bytes(), 512 * kKiB);
  CHECK(!window.OnAcked(kMany));
  CHECK_EQ(window.bytes(), 512 * kKiB);
}

TEST(FallsBackAndAsksLessOften) {
  const Settings settings;
  SendWindow window(settings);
  CHECK(!window.OnLoss());  // of the first window: nothing to take back
  CHECK(window.OnAcked(8192));
  CHECK(window.OnAcked(8192));
  CHECK(window.OnLoss());
  CHECK_EQ(window.bytes(), 128 * kKiB);
  CHECK(!window.OnAcked(4 * 8192 - 1));
  CHECK(!window.OnLoss());
  CHECK(!window.OnAcked(4 * 8192 - 1));
  CHECK(window.OnAcked(1));
  CHECK_EQ(window.bytes(), 256 * kKiB);
}

TEST(LongPathsHaveTheirOwn) {
  const Settings settings;
  SendWindow window(settings);
  CHECK(!window.OnMinimalRtt(4999));
  CHECK(window.OnMinimalRtt(5000));
  CHECK_EQ(window.bytes(), settings.long_path_send_window_bytes);
  CHECK(!window.OnAcked(kMany));  // counts for when the path gets short again
  CHECK(window.OnMinimalRtt(100));
  CHECK_EQ(window.bytes(), 256 * kKiB);
}

TEST(AGivenWindowIsAFloor) {
  Settings settings;
  settings.send_window_bytes = 1024 * kKiB;
  SendWindow window(settings);
  CHECK(!window.OnAcked(kMany));
  CHECK(!window.OnLoss());
  CHECK_EQ(window.bytes(), 1024 * kKiB);
}

// Bytes under way to the server: what was sent and has not been answered.
uint64_t LargestBurst(Sim* sim, Node* to, uint64_t bytes, FakeStream* stream) {
  uint64_t burst = 0;
  uint64_t largest = 0;
  uint64_t last = 0;
  sim->filter = [&](const Datagram& datagram) {
    if (!(datagram.to == to->At(4000))) return true;
    burst = sim->now_us == last ? burst + datagram.bytes.size() : 0;
    last = sim->now_us;
    largest = std::max(largest, burst);
    return true;
  };
  stream->SendPattern(1, bytes);
  sim->Run(600 * kSecond, [&] { return stream->unsent() == 0; });
  sim->filter = nullptr;
  return largest;
}

TEST(AConnectionThatLosesNothingSendsLargerBursts) {
  Pair pair;
  REQUIRE(pair.Connect());
  const uint64_t first =
      LargestBurst(&pair.sim, pair.server, 2048 * kKiB, pair.client->stream(1));
  LargestBurst(&pair.sim, pair.server, 64 * 1024 * kKiB,
               pair.client->stream(1));
  const uint64_t later =
      LargestBurst(&pair.sim, pair.server, 2048 * kKiB, pair.client->stream(1));
  CHECK(first <= 140 * kKiB);
  CHECK(later > 2 * first);
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.server->stream(2)->received, 68 * 1024 * uint64_t{kKiB});
}

}  // namespace
}  // namespace xtp::utp::sim
