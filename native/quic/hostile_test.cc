// Datagrams that no honest peer sends. XTP_FUZZ_COUNT sets their number.
#include "quic/testing/sim.h"

namespace xtp::quic {
namespace {

using sim::FakeStream;
using sim::kMs;
using sim::kSecond;
using sim::Node;
using sim::Pair;
using sim::Sim;

constexpr uint64_t kMiB = 1024 * 1024;

std::string RandomBytes(test::Random* random, size_t length) {
  std::string result(length, '\0');
  for (char& c : result) c = static_cast<char>(random->Next());
  return result;
}

TEST(RandomDatagramsHarmNobody) {
  Pair pair;
  REQUIRE(pair.Connect());
  const uint64_t count = sim::CountFrom("XTP_FUZZ_COUNT", 20000);
  const Endpoint from[] = {sim::Address("10.0.0.9", 9),
                           pair.client->sockets.begin()->second};
  for (uint64_t i = 0; i < count; i++) {
    std::string bytes =
        RandomBytes(&pair.sim.random, pair.sim.random.Below(1500));
    if (!bytes.empty() && pair.sim.random.OneIn(2)) {
      // Something like a header of version 1.
      bytes[0] = static_cast<char>(bytes[0] | 0xc0);
      if (bytes.size() > 6) {
        bytes.replace(1, 4, std::string("\0\0\0\1", 4));
        bytes[5] = static_cast<char>(pair.sim.random.Below(22));
      }
    }
    pair.sim.Inject(
        {from[pair.sim.random.Below(2)], pair.server->At(4000), bytes});
    if (i % 64 == 0) pair.server->Round();
  }
  pair.sim.Run(30 * kSecond);
  CHECK(!pair.BothClosed());
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(1, kMiB);
  up->End();
  CHECK(pair.sim.Run(30 * kSecond, [&] {
    return pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK_EQ(pair.server->engine().half_open(), size_t{0});
}

// Real handshake datagrams with some bytes changed, to both ends.
TEST(ChangedInitialsHarmNobody) {
  const uint64_t count = sim::CountFrom("XTP_FUZZ_COUNT", 20000) / 20;
  Pair pair;
  std::vector<sim::Datagram> seen;
  pair.sim.filter = [&](sim::Datagram& datagram) {
    if (seen.size() < 64) seen.push_back(datagram);
    return true;
  };
  REQUIRE(pair.Connect());
  pair.sim.filter = nullptr;
  for (uint64_t i = 0; i < count; i++) {
    sim::Datagram copy = seen[pair.sim.random.Below(seen.size())];
    const uint32_t changes = 1 + pair.sim.random.Below(4);
    for (uint32_t c = 0; c < changes; c++) {
      const size_t most = pair.sim.random.OneIn(2) ? 60 : copy.bytes.size();
      copy.bytes[pair.sim.random.Below(std::min(most, copy.bytes.size()))] =
          static_cast<char>(pair.sim.random.Next());
    }
    if (pair.sim.random.OneIn(4)) {
      copy.bytes.resize(pair.sim.random.Below(copy.bytes.size()) + 1);
    }
    pair.sim.Inject(copy);
    if (i % 16 == 0) pair.sim.Run(kMs);
  }
  pair.sim.Run(30 * kSecond);
  CHECK(!pair.BothClosed());
  CHECK_EQ(pair.server->engine().half_open(), size_t{0});
  Node* other = pair.sim.AddNode();
  other->Dial(1, pair.server->At(4000));
  CHECK(pair.sim.Run(15 * kSecond, [&] {
    return other->Find(Event::Kind::kConnected, 1) != nullptr;
  }));
}

// The same during the transfer: bytes stay whole.
TEST(ChangedPacketsInATransferAreDropped) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  pair.sim.filter = [&](sim::Datagram& datagram) {
    if (pair.sim.random.OneIn(30)) {
      datagram.bytes[pair.sim.random.Below(datagram.bytes.size())] ^= 0x55;
    }
    return true;
  };
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 4 * kMiB);
  up->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] {
    return pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK(pair.server->incoming()[0]->complete(4 * kMiB));
}

// Streams opened and reset as fast as the protocol permits: what each costs
// the parent is limited over time.
TEST(RapidResetsAreSlowedDown) {
  Pair pair;
  REQUIRE(pair.Connect());
  uint64_t opened = 0;
  const uint64_t start = pair.sim.now_us;
  pair.sim.Run(kSecond, [&] {
    for (int i = 0; i < 64; i++) {
      FakeStream* s = pair.client->Open(1);
      s->SendPattern(1, 1);
      s->ResetByParent(1);
      opened++;
    }
    return opened > 12000;
  });
  pair.sim.Run(kSecond);
  const uint64_t us = pair.sim.now_us - start;
  CHECK(pair.server->incoming().size() <= 256 + 4096 + us / 20 + 1);
  CHECK_EQ(pair.client->ClosedWith(1), Code::kOk);
}

TEST(ManyConnectionsComeAndGo) {
  Sim sim;
  Node* server = sim.AddNode();
  server->Listen(4000, 1000);
  Node* client = sim.AddNode();
  for (uint32_t id = 1; id < 200; id += 2) {
    client->Dial(id, server->At(4000));
  }
  CHECK(sim.Run(20 * kSecond,
                [&] { return client->Count(Event::Kind::kConnected) == 100; }));
  for (uint32_t id = 1; id < 200; id += 2) client->Close(id, id % 4 == 1, 7);
  CHECK(sim.Run(20 * kSecond, [&] {
    return client->Count(Event::Kind::kClosed) == 100 &&
           server->Count(Event::Kind::kClosed) == 100;
  }));
  sim.Run(60 * kSecond);
  CHECK_EQ(server->engine().connections(), size_t{0});
  CHECK_EQ(client->engine().connections(), size_t{0});
  CHECK_EQ(server->engine().ids(), size_t{0});
  CHECK_EQ(client->engine().ids(), size_t{0});
  CHECK(client->sockets.empty());
}

}  // namespace
}  // namespace xtp::quic
