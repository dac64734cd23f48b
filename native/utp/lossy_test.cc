// Transfers, ends and aborts over bad networks.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "utp/testing/sim.h"

namespace xtp::utp::sim {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

void MakeBad(Link* link) {
  link->delay_us = 25 * kMs;
  link->jitter_us = 2 * kMs;
  link->loss = 0.01;
  link->duplication = 0.01;
}

uint64_t TransferBothWays(uint64_t seed, const Guards& guards = Guards()) {
  Pair pair(guards, Settings(), seed);
  MakeBad(&pair.sim.link);
  if (!pair.Connect()) {
    CHECK(!"no connection");
    return 0;
  }
  const uint64_t start = pair.sim.now_us;
  FakeStream* c = pair.client->stream(1);
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  c->Expect(2);
  c->SendPattern(1, 16 * kMiB);
  c->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] { return s->ended; }));
  CHECK_EQ(s->received, 16 * kMiB);
  CHECK(!c->ended);
  s->SendPattern(2, 16 * kMiB);
  s->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] { return pair.BothClosed(); }));
  const uint64_t took = pair.sim.now_us - start;
  CHECK_EQ(c->received, 16 * kMiB);
  CHECK(c->ended && c->intact && s->intact);
  CHECK_EQ(pair.ClientCode(), Code::kConnectionClosed);
  CHECK_EQ(pair.ServerCode(), Code::kConnectionClosed);
  CHECK(pair.client->Stat("retransmits") > 10);
  return took;
}

TEST(SixteenMiBBothWaysOneAfterTheOther) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    const uint64_t took = TransferBothWays(seed);
    std::printf("     seed %d: %.1f s\n", static_cast<int>(seed), took / 1e6);
  }
}

TEST(SixteenMiBBothWaysAtOnce) {
  Pair pair;
  MakeBad(&pair.sim.link);
  REQUIRE(pair.Connect());
  FakeStream* c = pair.client->stream(1);
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  c->Expect(2);
  c->SendPattern(1, 16 * kMiB);
  s->SendPattern(2, 16 * kMiB);
  c->End();
  s->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(s->received, 16 * kMiB);
  CHECK_EQ(c->received, 16 * kMiB);
  CHECK(c->intact && s->intact);
  CHECK_EQ(pair.ClientCode(), Code::kConnectionClosed);
  CHECK_EQ(pair.ServerCode(), Code::kConnectionClosed);
}

// Every connection must come up, say a few words, and end in an orderly way.
TEST(ShortConnectionsOnALossyNetworkAllSucceed) {
  Pair pair;
  MakeBad(&pair.sim.link);
  pair.sim.link.loss = 0.05;
  pair.server->engine().Accept(1, 1000, pair.sim.now_us);
  constexpr uint32_t kCount = 200;
  for (uint32_t i = 0; i < kCount; i++) {
    pair.client->Dial(1 + 2 * i, pair.server->At(4000));
    pair.sim.Run(20 * kMs);
  }
  // The acceptor speaks first; the dialer answers and both end.
  const auto step = [&] {
    for (uint32_t i = 0; i < kCount; i++) {
      FakeStream* s = pair.server->stream(2 + 2 * i);
      FakeStream* c = pair.client->stream(1 + 2 * i);
      if (s != nullptr && s->head.empty() && !s->dead() && s->unsent() == 0 &&
          pair.server->Stat("bytes_out", 2 + 2 * i) == 0) {
        s->Send("hello");
      }
      if (c != nullptr && c->head == "hello" && !c->dead() && !c->ended &&
          pair.client->Stat("bytes_out", 1 + 2 * i) == 0) {
        c->Send("bye");
        c->End();
      }
      if (s != nullptr && s->ended && !s->dead()) s->End();
    }
    return pair.client->Count(Event::Kind::kClosed) == kCount &&
           pair.server->Count(Event::Kind::kClosed) == kCount;
  };
  CHECK(pair.sim.Run(120 * kSecond, step));
  uint32_t orderly = 0;
  for (const Node* node : {pair.client, pair.server}) {
    for (const Event& event : node->events) {
      orderly += event.kind == Event::Kind::kClosed &&
                 event.status.code() == Code::kConnectionClosed;
    }
  }
  CHECK_EQ(orderly, 2 * kCount);
  pair.sim.Run(2 * kSecond);
  CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
}

TEST(AbortOnALossyNetwork) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Pair pair(Guards(), Settings(), seed);
    MakeBad(&pair.sim.link);
    pair.sim.link.loss = 0.1;
    REQUIRE(pair.Connect());
    pair.client->stream(1)->SendPattern(1, 100 * kMiB);
    pair.server->stream(2)->SendPattern(2, 100 * kMiB);
    pair.sim.Run(2 * kSecond);
    pair.client->Close(1, true);
    CHECK(pair.sim.Run(2 * kSecond, [&] { return pair.BothClosed(); }));
    CHECK_EQ(pair.ClientCode(), Code::kConnectionAborted);
    CHECK_EQ(pair.ServerCode(), Code::kConnectionReset);
  }
}

TEST(ReorderingOfHundredsOfPackets) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.link.delay_us = 5 * kMs;
  pair.sim.link.jitter_us = 20 * kMs;
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  pair.client->stream(1)->SendPattern(1, 8 * kMiB);
  CHECK(pair.sim.Run(300 * kSecond, [&] { return s->received == 8 * kMiB; }));
  CHECK(s->intact);
}

// An engine without any guard does what libutp does: the other end of the wire
// as it is out there.
Guards PlainLibutp() {
  Guards none;
  static_assert(sizeof none % sizeof(bool) == 0, "only switches");
  memset(static_cast<void*>(&none), 0, sizeof none);
  return none;
}

TEST(PlainLibutpAtTheOtherEnd) {
  for (const bool dials : {true, false}) {
    Sim sim;
    sim.link.delay_us = 10 * kMs;
    sim.link.loss = 0.005;
    Node* plain = sim.AddNode(PlainLibutp());
    Node* ours = sim.AddNode();
    Node* dialer = dials ? plain : ours;
    Node* acceptor = dials ? ours : plain;
    acceptor->Listen(4000);
    dialer->Dial(1, acceptor->At(4000));
    REQUIRE(
        sim.Run(20 * kSecond, [&] { return dialer->stream(1) != nullptr; }));
    // Plain libutp has to speak first when it has dialed.
    sim.Run(5 * kSecond);
    FakeStream* d = dialer->stream(1);
    d->SendPattern(1, 4 * kMiB);
    d->Expect(2);
    REQUIRE(
        sim.Run(20 * kSecond, [&] { return acceptor->stream(2) != nullptr; }));
    FakeStream* a = acceptor->stream(2);
    a->Expect(1);
    a->SendPattern(2, 4 * kMiB);
    d->End();
    a->End();
    CHECK(sim.Run(600 * kSecond, [&] { return a->ended && d->ended; }));
    CHECK_EQ(a->received, 4 * kMiB);
    CHECK_EQ(d->received, 4 * kMiB);
    CHECK(a->intact && d->intact);
    const uint32_t id = dials ? 2 : 1;
    CHECK(sim.Run(30 * kSecond, [&] {
      return ours->Find(Event::Kind::kClosed, id) != nullptr;
    }));
    CHECK_EQ(ours->ClosedWith(id), Code::kConnectionClosed);
  }
}

// A link of 1 MB/s with a deep queue: LEDBAT must fill it and not overrun it.
TEST(SlowLink) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.link.delay_us = 20 * kMs;
  pair.sim.link.rate = 1000000;
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  const uint64_t start = pair.sim.now_us;
  pair.client->stream(1)->SendPattern(1, 10 * kMiB);
  CHECK(pair.sim.Run(100 * kSecond, [&] { return s->received == 10 * kMiB; }));
  CHECK(s->intact);
  CHECK(pair.sim.now_us - start < 25 * kSecond);
}

}  // namespace
}  // namespace xtp::utp::sim
