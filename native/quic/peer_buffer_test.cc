// Many connections to one socket of this machine: what they have on its way
// fits into its buffer, everybody has a turn, and nobody waits for the dead.
#include <algorithm>
#include <set>

#include "quic/testing/sim.h"

namespace xtp::quic {
namespace {

using sim::FakeStream;
using sim::kMs;
using sim::kSecond;
using sim::Pair;

constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint32_t kConnections = 90;

// The socket's buffer, and who empties it, for which the simulated network has
// a queue that anybody's packets wait in.
constexpr uint64_t kBufferBytes = 5 * kMiB;
constexpr uint64_t kBytesPerSecond = 500 * kMiB;

struct Crowd {
  explicit Crowd(bool loopback) : pair(Settings(), 3, loopback) {
    pair.sim.link.rate = kBytesPerSecond;
    pair.sim.link.queue_bytes = kBufferBytes;
    for (uint32_t i = 0; i < kConnections; i++) {
      CHECK(pair.Connect(2 * i + 1));
    }
    pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  }

  void SendFromAll(uint64_t bytes) {
    for (uint32_t i = 0; i < kConnections; i++) {
      FakeStream* const stream = pair.client->Open(2 * i + 1);
      stream->SendPattern(5, bytes);
      stream->End();
    }
  }

  // Adding up takes longer than a step of the network.
  bool Due() { return ++steps % 50 == 0; }

  uint64_t Sum(const char* key) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < kConnections; i++) {
      sum += pair.client->Stat(key, 2 * i + 1);
    }
    return sum;
  }

  Pair pair;
  uint64_t steps = 0;
};

TEST(TheBufferHoldsWhatAllConnectionsSend) {
  Crowd crowd(true);
  crowd.SendFromAll(2 * kMiB);
  const auto& streams = crowd.pair.server->incoming();
  uint64_t least = UINT64_MAX, most = 0;
  uint64_t in_flight = 0;
  CHECK(crowd.pair.sim.Run(60 * kSecond, [&] {
    size_t done = 0;
    for (const FakeStream* stream : streams) done += stream->ended;
    if (done == 0 && streams.size() == kConnections) {
      least = UINT64_MAX;
      most = 0;
      for (const FakeStream* stream : streams) {
        least = std::min(least, stream->received);
        most = std::max(most, stream->received);
      }
    }
    if (crowd.Due()) {
      in_flight = std::max(in_flight, crowd.Sum("in_flight_bytes"));
    }
    return done == kConnections;
  }));
  for (const FakeStream* stream : streams) CHECK(stream->complete(2 * kMiB));
  CHECK_EQ(crowd.Sum("lost_packets"), 0u);
  // Batches that were begun are sent, and what asks for acknowledgements.
  CHECK(in_flight < PeerBuffer::kBytes + kMiB / 2);
  CHECK(in_flight > PeerBuffer::kBytes / 2);
  // Just before the first one had everything.
  CHECK(least > most / 2);
}

// As of an ordinary user of Linux, by default: then packets are lost, and all
// bytes arrive.
TEST(ASmallerBufferLosesPacketsAndNoBytes) {
  Crowd crowd(true);
  crowd.pair.sim.link.queue_bytes = 425984;
  crowd.SendFromAll(kMiB / 2);
  const auto& streams = crowd.pair.server->incoming();
  CHECK(crowd.pair.sim.Run(120 * kSecond, [&] {
    size_t done = 0;
    for (const FakeStream* stream : streams) done += stream->ended;
    return done == kConnections;
  }));
  for (const FakeStream* stream : streams) CHECK(stream->complete(kMiB / 2));
  CHECK(crowd.Sum("lost_packets") > 0);
}

// Over a network it is the window of each that counts.
TEST(ElsewhereThereIsNoSuchLimit) {
  Crowd crowd(false);
  crowd.pair.sim.link.rate = 0;
  crowd.pair.sim.link.delay_us = 50 * kMs;
  crowd.SendFromAll(kMiB);
  CHECK(crowd.pair.sim.Run(10 * kSecond, [&] {
    return crowd.Due() && crowd.Sum("in_flight_bytes") > 2 * PeerBuffer::kBytes;
  }));
}

// The process behind the socket has forgotten them, and there is another one.
TEST(TheDeadTakeNoRoomFromTheLiving) {
  std::set<std::string> dead;
  bool died = false;
  Crowd crowd(true);
  Pair& pair = crowd.pair;
  pair.sim.filter = [&](xtp::sim::Datagram& datagram) {
    if (datagram.to != pair.server->At(4000)) return true;
    if ((datagram.bytes[0] & 0x80) != 0) return true;
    const std::string id = datagram.bytes.substr(1, kCidBytes);
    if (!died) dead.insert(id);
    return dead.count(id) == 0 || !died;
  };
  crowd.SendFromAll(kMiB);
  REQUIRE(pair.sim.Run(10 * kSecond, [&] {
    return crowd.Due() && crowd.Sum("in_flight_bytes") > PeerBuffer::kBytes / 2;
  }));
  died = true;
  pair.sim.Run(kSecond);
  CHECK(crowd.Sum("in_flight_bytes") >= PeerBuffer::kBytes / 2);
  constexpr uint32_t kNew = 2 * kConnections + 1;
  REQUIRE(pair.Connect(kNew));
  FakeStream* const stream = pair.client->Open(kNew);
  stream->SendPattern(5, 8 * kMiB);
  stream->End();
  CHECK(pair.sim.Run(kSecond, [&] {
    return pair.server->incoming().back()->complete(8 * kMiB);
  }));
}

}  // namespace
}  // namespace xtp::quic
