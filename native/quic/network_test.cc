// What a network does to connections: loss, disorder, other addresses, other
// sizes, silence.
#include <cstdio>

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

// Streams with bytes checked both ways, over whatever the network is.
void TransferBothWays(Pair* pair, uint64_t bytes, int streams) {
  pair->server->on_stream = [=](FakeStream* stream) {
    stream->Expect(11);
    stream->SendPattern(12, bytes);
    stream->End();
  };
  std::vector<FakeStream*> all;
  for (int i = 0; i < streams; i++) {
    all.push_back(pair->client->Open(1));
    all.back()->Expect(12);
    all.back()->SendPattern(11, bytes);
    all.back()->End();
  }
  CHECK(pair->sim.Run(1200 * kSecond, [&] {
    size_t done = 0;
    for (FakeStream* s : all) done += s->released;
    for (FakeStream* s : pair->server->incoming()) done += s->released;
    return done == 2 * all.size();
  }));
  for (FakeStream* s : all) CHECK(s->complete(bytes));
  for (FakeStream* s : pair->server->incoming()) CHECK(s->complete(bytes));
}

TEST(LossOfOneToFivePercent) {
  for (double loss : {0.01, 0.03, 0.05}) {
    Pair pair(Settings(), 7);
    pair.sim.link.loss = loss;
    pair.sim.link.delay_us = 2 * kMs;
    REQUIRE(pair.Connect());
    TransferBothWays(&pair, kMiB, 4);
    CHECK(pair.client->Stat("lost_packets", 1) > 0);
  }
}

// Seconds that one stream takes over a path without a bottleneck.
double UploadTime(const Settings& settings, const sim::Link& link,
                  uint64_t bytes) {
  Pair pair(settings, 5);
  pair.sim.link = link;
  if (!pair.Connect()) {
    CHECK(!"no connection");
    return 0;
  }
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(11); };
  const uint64_t start = pair.sim.now_us;
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(11, bytes);
  up->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] {
    return !pair.server->incoming().empty() &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK(pair.server->incoming()[0]->complete(bytes));
  return static_cast<double>(pair.sim.now_us - start) / kSecond;
}

// The parent's window alone, here 256 KiB, would allow 5 and 1.3 MB/s.
TEST(TheParentsWindowDoesNotHoldLongPaths) {
  for (const uint32_t congestion : {0u, 1u}) {
    Settings settings;
    settings.congestion = congestion;
    sim::Link link;
    link.delay_us = 25 * kMs;
    double seconds = UploadTime(settings, link, 64 * kMiB);
    std::printf("     50 ms: %.1f s\n", seconds);
    CHECK(seconds < 4);
    link.delay_us = 100 * kMs;
    seconds = UploadTime(settings, link, 64 * kMiB);
    std::printf("     200 ms: %.1f s\n", seconds);
    CHECK(seconds < 10);
  }
}

// What a stream has got beyond the parent's window is not another one's.
TEST(AReaderThatPausesOnALongPathHoldsNobodyElseUp) {
  Settings settings;
  settings.max_connection_window_bytes = settings.connection_window_bytes;
  Pair pair(settings, 5);
  pair.sim.link.delay_us = 25 * kMs;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(11); };
  FakeStream* first = pair.client->Open(1);
  first->SendPattern(11, 64 * kMiB);
  first->End();
  REQUIRE(pair.sim.Run(60 * kSecond, [&] {
    return !pair.server->incoming().empty() &&
           pair.server->incoming()[0]->received > 32 * kMiB;
  }));
  FakeStream* paused = pair.server->incoming()[0];
  paused->Pause();
  pair.sim.Run(5 * kSecond);
  const uint64_t buffered = pair.server->Stat("buffered_in_bytes", 2);
  CHECK(buffered > settings.max_receive_window_bytes / 2);
  CHECK(buffered <= settings.max_receive_window_bytes);
  FakeStream* second = pair.client->Open(1);
  second->SendPattern(11, 16 * kMiB);
  second->End();
  CHECK(pair.sim.Run(20 * kSecond, [&] {
    return pair.server->incoming().size() == 2 &&
           pair.server->incoming()[1]->ended;
  }));
  CHECK(pair.server->incoming()[1]->complete(16 * kMiB));
  paused->Resume();
  CHECK(pair.sim.Run(60 * kSecond, [&] { return paused->ended; }));
  CHECK(paused->complete(64 * kMiB));
}

// Probes that a timeout has sent are in flight as all else is. Where what they
// repeat is acknowledged after all, and they are lost, ngtcp2 has nothing to
// repeat and stops its timer: if they fill the congestion window, nothing would
// ever be sent again.
TEST(LostProbesDoNotFillTheWindowForEver) {
  Pair pair;
  pair.sim.link.delay_us = kMs;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(11); };
  const Endpoint server = pair.server->At(4000);
  enum { kSmallWindow, kDelay, kLose, kPass } phase = kSmallWindow;
  std::vector<sim::Datagram> delayed;
  pair.sim.filter = [&](sim::Datagram& datagram) {
    if (!(datagram.to == server) || phase == kPass) return true;
    if (phase == kSmallWindow) return pair.sim.random.Below(100) < 70;
    if (phase == kDelay) delayed.push_back(datagram);
    return false;
  };
  const auto upload = [&](uint64_t bytes) {
    FakeStream* const stream = pair.client->Open(1);
    stream->SendPattern(11, bytes);
    return stream;
  };
  const auto ended = [&](size_t stream) {
    const auto& incoming = pair.server->incoming();
    return incoming.size() > stream && incoming[stream]->ended;
  };
  upload(200 * 1024)->End();
  REQUIRE(pair.sim.Run(60 * kSecond, [&] { return ended(0); }));
  pair.sim.Run(kSecond);
  phase = kDelay;
  FakeStream* const small = upload(2000);
  pair.sim.Run(20 * kMs);
  phase = kLose;
  pair.sim.Run(kSecond);
  phase = kPass;
  for (const sim::Datagram& datagram : delayed) pair.sim.Send(datagram);
  REQUIRE(pair.sim.Run(kSecond, [&] {
    return pair.server->incoming().size() == 2 &&
           pair.server->incoming()[1]->received == 2000;
  }));
  CHECK(pair.client->Stat("in_flight_bytes", 1) >=
        pair.client->Stat("cwnd_bytes", 1));
  pair.sim.Run(5 * kSecond);
  upload(100 * 1024)->End();
  CHECK(pair.sim.Run(10 * kSecond, [&] { return ended(2); }));
  small->End();
  CHECK(pair.sim.Run(10 * kSecond, [&] { return ended(1); }));
}

TEST(BbrDoesNotMindAPercentOfLoss) {
  sim::Link link;
  link.delay_us = 25 * kMs;
  link.loss = 0.01;
  double seconds[2];
  for (const uint32_t congestion : {0u, 1u}) {
    Settings settings;
    settings.congestion = congestion;
    seconds[congestion] = UploadTime(settings, link, 16 * kMiB);
    std::printf("     %.1f s\n", seconds[congestion]);
  }
  CHECK(seconds[1] < seconds[0] / 3);
}

TEST(Reordering) {
  Pair pair(Settings(), 3);
  pair.sim.link.jitter_us = 3 * kMs;
  REQUIRE(pair.Connect());
  TransferBothWays(&pair, kMiB, 4);
}

TEST(Duplication) {
  Pair pair(Settings(), 5);
  pair.sim.link.duplication = 0.2;
  pair.sim.link.jitter_us = kMs;
  REQUIRE(pair.Connect());
  TransferBothWays(&pair, kMiB, 4);
}

TEST(HandshakesSurviveHeavyLoss) {
  int connected = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Pair pair(Settings(), seed);
    pair.sim.link.loss = 0.25;
    connected += pair.Connect();
  }
  CHECK(connected >= 18);
}

TEST(ThePeersAddressMayChange) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) {
    stream->Expect(11);
    stream->SendPattern(12, 4 * kMiB);
    stream->End();
  };
  FakeStream* up = pair.client->Open(1);
  up->Expect(12);
  up->SendPattern(11, 4 * kMiB);
  up->End();
  REQUIRE(pair.sim.Run(10 * kSecond, [&] { return up->received > kMiB; }));
  // A NAT forgets its mapping, and makes another.
  const Endpoint inside = pair.client->sockets.begin()->second;
  const Endpoint outside = sim::Address("192.0.2.77", 7777);
  pair.sim.filter = [=](sim::Datagram& datagram) {
    if (datagram.to == inside) return false;  // the old mapping
    if (datagram.from == inside) datagram.from = outside;
    if (datagram.to == outside) datagram.to = inside;
    return true;
  };
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    return up->released && pair.server->incoming()[0]->released;
  }));
  CHECK(up->complete(4 * kMiB));
  CHECK(pair.server->incoming()[0]->complete(4 * kMiB));
  CHECK_EQ(pair.server->Stat("migrations"), 1u);
}

TEST(SilenceEndsAConnectionAfterItsIdleTime) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.filter = [](sim::Datagram&) { return false; };
  const uint64_t start = pair.sim.now_us;
  CHECK(pair.sim.Run(120 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.client->ClosedWith(1), Code::kConnectionTimedOut);
  CHECK_EQ(pair.server->ClosedWith(2), Code::kConnectionTimedOut);
  CHECK(pair.sim.now_us - start >= 29 * kSecond);
  CHECK(pair.sim.now_us - start <= 46 * kSecond);
}

TEST(KeepAliveHoldsAnIdleConnection) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.Run(200 * kSecond);
  CHECK(!pair.BothClosed());
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(1, 10);
  CHECK(pair.sim.Run(kSecond,
                     [&] { return pair.server->incoming().size() == 1; }));
}

TEST(WithoutKeepAliveTheIdleTimeCounts) {
  Settings settings;
  settings.keep_alive_ms = 0;
  Pair pair(settings);
  REQUIRE(pair.Connect());
  CHECK(pair.sim.Run(60 * kSecond, [&] { return pair.BothClosed(); }));
}

TEST(PathMtuReaches65507OnLoopback) {
  Pair pair(Settings(), 1, true);
  REQUIRE(pair.Connect());
  TransferBothWays(&pair, 8 * kMiB, 1);
  CHECK_EQ(pair.sim.largest, size_t{65507});
  CHECK_EQ(pair.client->Stat("udp_payload_bytes", 1), 65507u);
  CHECK_EQ(pair.server->Stat("udp_payload_bytes", 2), 65507u);
}

TEST(WhatFitsThroughLoopbackIsRemembered) {
  Pair pair(Settings(), 1, true);
  REQUIRE(pair.Connect());
  TransferBothWays(&pair, 8 * kMiB, 1);
  const auto dial = [&](uint32_t id) {
    pair.client->Dial(id, pair.server->At(4000));
    CHECK(pair.sim.Run(kSecond, [&] {
      return pair.client->Find(Event::Kind::kConnected, id) != nullptr;
    }));
    // Far less than what it takes to find out.
    CHECK_EQ(pair.client->Stat("udp_payload_bytes", id), 1200u);
    pair.client->Open(id)->SendPattern(1, 40000);
    pair.sim.Run(50 * kMs);
    return pair.client->Stat("udp_payload_bytes", id);
  };
  CHECK_EQ(dial(3), 65507u);
  // Not for ever, should it change.
  pair.sim.link.mtu = 1452;
  CHECK_EQ(dial(5), 1200u);
  pair.sim.Run(30 * kSecond);
  CHECK_EQ(pair.client->Stat("udp_payload_bytes", 5), 1452u);
  pair.sim.link.mtu = 65507;
  CHECK_EQ(dial(7), 1200u);
}

TEST(NoProbeDelaysTheFirstAnswers) {
  for (bool loopback : {true, false}) {
    Pair pair(Settings(), 1, loopback);
    pair.sim.link.delay_us = 10 * kMs;
    REQUIRE(pair.Connect());
    pair.server->on_stream = [](FakeStream* stream) {
      stream->SendPattern(12, 4000);
      stream->End();
    };
    FakeStream* stream = pair.client->Open(1);
    stream->Expect(12);
    stream->SendPattern(11, 4000);
    // One round trip, and no second one.
    CHECK(pair.sim.Run(25 * kMs, [&] { return stream->complete(4000); }));
  }
}

TEST(PathMtuFallsBackOnNarrowLinks) {
  const struct {
    size_t mtu;
    bool loopback;
    uint64_t expect;
  } kCases[] = {
      {1300, false, 1280}, {1452, false, 1452}, {1472, false, 1452},
      {1200, false, 1200}, {8952, false, 8952}, {65507, false, 8952},
      {1452, true, 1452},  {10000, true, 8952},
  };
  for (const auto& c : kCases) {
    Pair pair(Settings(), 1, c.loopback);
    pair.sim.link.mtu = c.mtu;
    REQUIRE(pair.Connect());
    TransferBothWays(&pair, 2 * kMiB, 1);
    pair.sim.Run(30 * kSecond);
    CHECK_EQ(pair.client->Stat("udp_payload_bytes", 1), c.expect);
    CHECK_EQ(pair.server->Stat("udp_payload_bytes", 2), c.expect);
  }
}

TEST(AStatelessResetEndsAConnectionThatThePeerForgot) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.Run(kSecond);
  // The process dies and comes back with the same socket, and the same secret
  // for reset tokens, as in the rare case that this helps.
  Node* const server = pair.server;
  server->engine().ForgetForTest();
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(1, 1000);
  CHECK(pair.sim.Run(5 * kSecond, [&] {
    return pair.client->Find(Event::Kind::kClosed, 1) != nullptr;
  }));
  CHECK_EQ(pair.client->ClosedWith(1), Code::kConnectionReset);
  CHECK(up->was_reset);
  CHECK(server->engine().counters().resets_sent >= 1);
  CHECK_EQ(pair.client->engine().counters().resets_received, uint64_t{1});
}

TEST(StatelessResetsAreRareAndSmall) {
  Pair pair;
  uint64_t answers = 0;
  size_t largest = 0;
  pair.sim.filter = [&](sim::Datagram& datagram) {
    if (datagram.from == pair.server->At(4000)) {
      answers++;
      largest = std::max(largest, datagram.bytes.size());
    }
    return true;
  };
  for (int i = 0; i < 10000; i++) {
    std::string bytes(60, '\0');
    for (char& c : bytes) c = static_cast<char>(pair.sim.random.Next());
    bytes[0] = 0x40;
    pair.sim.Inject(
        {sim::Address("10.0.0.9", 9), pair.server->At(4000), bytes});
  }
  CHECK(answers > 0);
  CHECK(answers <= 60);
  CHECK(largest < 60);
}

TEST(BusyServersAskForAProofOfAddress) {
  Settings settings;
  settings.retry_half_open = 0;
  Pair pair(settings);
  REQUIRE(pair.Connect());
  CHECK_EQ(pair.server->engine().counters().retries_sent, uint64_t{1});
  TransferBothWays(&pair, kMiB, 2);
}

// Spoofed Initials, whose senders never answer, in any number: real peers get
// in all the same, and memory is bounded.
TEST(SpoofedInitialsDoNotKeepRealPeersOut) {
  Sim sim;
  Node* victim = sim.AddNode();
  victim->Listen(4000);
  std::vector<std::string> initials;
  {
    // Whole Initials of many dialers.
    Sim other;
    Node* dialer = other.AddNode();
    other.filter = [&](sim::Datagram& datagram) {
      initials.push_back(datagram.bytes);
      return false;
    };
    for (uint32_t id = 1; id < 1001; id += 2) {
      dialer->Dial(id, sim::Address("10.0.0.1", 4000));
    }
    dialer->Round();
  }
  CHECK(initials.size() >= 500);
  for (size_t i = 0; i < initials.size(); i++) {
    sim.Inject({sim::Address("192.0.2.1", static_cast<uint16_t>(1000 + i)),
                victim->At(4000), initials[i]});
  }
  victim->Round();
  CHECK(victim->engine().half_open() <= 50);
  CHECK(victim->engine().counters().retries_sent > 400);
  Node* real = sim.AddNode();
  real->Dial(1, victim->At(4000));
  CHECK(sim.Run(5 * kSecond, [&] {
    return real->Find(Event::Kind::kConnected, 1) != nullptr;
  }));
  // The half-open ones are given up, and their places with them.
  sim.Run(20 * kSecond);
  CHECK_EQ(victim->engine().half_open(), size_t{0});
  CHECK_EQ(victim->Count(Event::Kind::kIncoming), size_t{1});
}

// The parent takes an id that does not count upwards for a broken service.
TEST(IdsCountUpwardsInTheOrderOfIncoming) {
  Sim sim(5);
  sim.link.jitter_us = 5 * kMs;
  Node* server = sim.AddNode();
  server->Listen(4000);
  for (uint32_t i = 0; i < 20; i++) {
    sim.AddNode()->Dial(1, server->At(4000));
  }
  CHECK(sim.Run(20 * kSecond,
                [&] { return server->Count(Event::Kind::kIncoming) == 20; }));
  uint32_t next = 2;
  for (const Event& event : server->events) {
    if (event.kind != Event::Kind::kIncoming) continue;
    CHECK_EQ(event.connection, next);
    next += 2;
  }
}

TEST(WrongAlpnIsRefusedWithItsOwnStatus) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* server = sim.AddNode();
  server->Listen(4000);
  KeyPtr key = GenerateTlsKey();
  X509Ptr certificate = MakeCertificate(key.get(), "a", "b");
  // Another one, and none at all.
  uint32_t id = 1;
  for (const std::string& alpn : {std::string("\x02h3"), std::string()}) {
    client->UseTls(TlsContexts::Create(certificate.get(), key.get(), alpn));
    client->Dial(id, server->At(4000), 5000);
    CHECK(sim.Run(6 * kSecond, [&] {
      return client->Find(Event::Kind::kReply, id) != nullptr;
    }));
    const Event* reply = client->Find(Event::Kind::kReply, id);
    REQUIRE(reply != nullptr);
    CHECK_EQ(reply->status.code(), Code::kNoCommonAlpn);
    id += 2;
  }
  sim.Run(15 * kSecond);
  CHECK_EQ(server->Count(Event::Kind::kIncoming), size_t{0});
  CHECK_EQ(server->engine().half_open(), size_t{0});
}

TEST(AClientWithoutACertificateIsRefused) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* server = sim.AddNode();
  server->Listen(4000);
  client->UseTls(TlsContexts::Create(nullptr, nullptr));
  client->Dial(1, server->At(4000), 5000);
  // A client is done before the server has looked.
  CHECK(sim.Run(6 * kSecond, [&] {
    return client->Find(Event::Kind::kClosed, 1) != nullptr ||
           client->Find(Event::Kind::kReply, 1) != nullptr;
  }));
  const Event* closed = client->Find(Event::Kind::kClosed, 1);
  REQUIRE(closed != nullptr);
  CHECK_EQ(closed->status.code(), Code::kHandshakeFailed);
  CHECK_EQ(server->Count(Event::Kind::kIncoming), size_t{0});
  CHECK_EQ(server->engine().counters().handshakes_failed, uint64_t{1});
}

TEST(AServerWithoutACertificateIsRefused) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* server = sim.AddNode();
  server->Listen(4000);
  server->UseTls(TlsContexts::Create(nullptr, nullptr));
  client->Dial(1, server->At(4000), 5000);
  CHECK(sim.Run(6 * kSecond, [&] {
    return client->Find(Event::Kind::kReply, 1) != nullptr;
  }));
  const Event* reply = client->Find(Event::Kind::kReply, 1);
  REQUIRE(reply != nullptr);
  CHECK_EQ(reply->status.code(), Code::kHandshakeFailed);
}

}  // namespace
}  // namespace xtp::quic
