// Connections and streams as the parents see them, over a clean network.
#include <algorithm>
#include <cerrno>

#include "quic/testing/sim.h"

namespace xtp::quic {
namespace {

using sim::FakeStream;
using sim::kMs;
using sim::kSecond;
using sim::Node;
using sim::Pair;
using sim::Sim;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

// What a peer sends, back to it.
void Answer(Node* node, uint64_t expect, uint64_t answer, uint64_t bytes) {
  node->on_stream = [=](FakeStream* stream) {
    stream->Expect(expect);
    stream->SendPattern(answer, bytes);
    stream->End();
  };
}

TEST(HandshakeTellsBothParentsThePeersCertificate) {
  Pair pair;
  REQUIRE(pair.Connect());
  const Event* connected = pair.client->Find(Event::Kind::kConnected, 1);
  const Event* incoming = pair.server->Find(Event::Kind::kIncoming, 2);
  REQUIRE(connected != nullptr && incoming != nullptr);
  CHECK_EQ(incoming->listener, 1u);
  CHECK(connected->remote == pair.server->At(4000));
  CHECK(incoming->local == pair.server->At(4000));
  CHECK(connected->certificate.find("key of 10.0.0.2") != std::string::npos);
  CHECK(incoming->certificate.find("key of 10.0.0.1") != std::string::npos);
  CHECK_EQ(pair.server->engine().half_open(), size_t{0});
}

TEST(BytesArriveBothWaysAndFinIsFin) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->Expect(8);
  up->SendPattern(7, 8 * kMiB);
  up->End();
  Answer(pair.server, 7, 8, 5 * kMiB);
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    return up->released && pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->released;
  }));
  REQUIRE(pair.server->incoming().size() == 1);
  CHECK(pair.server->incoming()[0]->complete(8 * kMiB));
  CHECK(up->complete(5 * kMiB));
  CHECK_EQ(pair.client->Stat("streams", 1), 0u);
  CHECK_EQ(pair.client->Stat("bytes_out", 1), 8 * kMiB);
  CHECK_EQ(pair.client->Stat("bytes_in", 1), 5 * kMiB);
}

TEST(TheAcceptorOpensStreamsToo) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* down = pair.server->Open(2);
  down->Expect(4);
  down->SendPattern(3, kMiB);
  down->End();
  Answer(pair.client, 3, 4, 100);
  CHECK(pair.sim.Run(10 * kSecond, [&] { return down->released; }));
  CHECK(down->complete(100));
  REQUIRE(pair.client->incoming().size() == 1);
  CHECK(pair.client->incoming()[0]->complete(kMiB));
}

TEST(AStreamOfAnotherKindOrConnectionIsRefused) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream unused(pair.client, 1, 0);
  CHECK(!pair.client->engine().OnStreamOpen(&unused, 1, 0, pair.sim.now_us));
  CHECK(!pair.client->engine().OnStreamOpen(&unused, 3, 1, pair.sim.now_us));
}

// More than the peer's MAX_STREAMS at once: the rest waits for the first.
TEST(AThousandStreamsAtOnce) {
  Pair pair;
  REQUIRE(pair.Connect());
  Answer(pair.server, 0, 9, 3000);
  std::vector<FakeStream*> streams;
  for (int i = 0; i < 1000; i++) {
    streams.push_back(pair.client->Open(1));
    streams.back()->Expect(9);
    streams.back()->SendPattern(5, 2000);
    streams.back()->End();
  }
  size_t most = 0;
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    size_t open = 0, done = 0;
    for (FakeStream* s : pair.server->incoming()) open += !s->released;
    for (FakeStream* s : streams) done += s->released;
    most = std::max(most, open);
    return done == streams.size();
  }));
  for (FakeStream* s : streams) CHECK(s->complete(3000));
  CHECK_EQ(pair.server->incoming().size(), size_t{1000});
  CHECK(most <= 256);
}

TEST(HalfCloseLeavesTheOtherDirectionOpen) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->Expect(6);
  up->SendPattern(5, 10);
  up->End();
  REQUIRE(pair.sim.Run(kSecond, [&] {
    return pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->ended;
  }));
  FakeStream* there = pair.server->incoming()[0];
  CHECK(!up->ended);
  pair.sim.Run(5 * kSecond);
  there->SendPattern(6, kMiB);
  there->End();
  CHECK(pair.sim.Run(5 * kSecond, [&] { return up->released; }));
  CHECK(up->complete(kMiB));
}

TEST(ResetCarriesItsCodeBothWays) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* first = pair.client->Open(1);
  first->SendPattern(5, kMiB);
  REQUIRE(pair.sim.Run(kSecond, [&] {
    return pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->received > 0;
  }));
  first->ResetByParent(4711);
  CHECK(pair.sim.Run(kSecond,
                     [&] { return pair.server->incoming()[0]->was_reset; }));
  CHECK_EQ(pair.server->incoming()[0]->reset_code, 4711u);

  FakeStream* second = pair.client->Open(1);
  second->SendPattern(5, kMiB);
  REQUIRE(pair.sim.Run(kSecond,
                       [&] { return pair.server->incoming().size() == 2; }));
  pair.server->incoming()[1]->ResetByParent(0xfffffffe);
  CHECK(pair.sim.Run(kSecond, [&] { return second->was_reset; }));
  CHECK_EQ(second->reset_code, 0xfffffffeu);
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.client->Stat("streams", 1), 0u);
  CHECK_EQ(pair.server->Stat("streams", 2), 0u);
}

// Resets in every moment of a stream's life, with bytes under way: nothing of
// a stream may be used after its end, and the others go on unharmed.
TEST(ResetsAtAnyTimeHurtNobodyElse) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.link.loss = 0.02;
  FakeStream* steady = pair.client->Open(1);
  steady->SendPattern(77, 8 * kMiB);
  steady->End();
  pair.server->on_stream = [&](FakeStream* stream) {
    if (pair.server->incoming().size() == 1) {
      stream->Expect(77);
    } else {
      stream->SendPattern(1, 300 * kKiB);
    }
  };
  std::vector<FakeStream*> streams;
  for (int i = 0; i < 300; i++) {
    FakeStream* s = pair.client->Open(1);
    s->SendPattern(2, 200 * kKiB);
    streams.push_back(s);
    pair.sim.Run(pair.sim.random.Below(3 * kMs));
    FakeStream* victim = streams[pair.sim.random.Below(streams.size())];
    const auto& there = pair.server->incoming();
    if (pair.sim.random.OneIn(2)) {
      victim->ResetByParent(3);
    } else if (there.size() > 1) {
      there[1 + pair.sim.random.Below(there.size() - 1)]->ResetByParent(4);
    }
  }
  for (FakeStream* s : streams) s->ResetByParent(5);
  for (size_t i = 1; i < pair.server->incoming().size(); i++) {
    pair.server->incoming()[i]->ResetByParent(6);
  }
  steady->SendPattern(77, 0);
  CHECK(pair.sim.Run(120 * kSecond, [&] {
    return !pair.server->incoming().empty() &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK(pair.server->incoming()[0]->complete(8 * kMiB));
  pair.server->incoming()[0]->End();
  pair.sim.link.loss = 0;
  CHECK(pair.sim.Run(10 * kSecond, [&] {
    return pair.client->Stat("streams", 1) == 0 &&
           pair.server->Stat("streams", 2) == 0;
  }));
  CHECK_EQ(pair.client->ClosedWith(1), Code::kOk);
}

TEST(APausedReaderStopsTheSenderAndLosesNothing) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) {
    stream->Expect(5);
    stream->Pause();
  };
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 20 * kMiB);
  up->End();
  pair.sim.Run(20 * kSecond);
  REQUIRE(pair.server->incoming().size() == 1);
  FakeStream* there = pair.server->incoming()[0];
  // The parent's credit is all that came, and the service holds none of it.
  CHECK(there->received <= 256 * kKiB);
  CHECK(there->received > 200 * kKiB);
  CHECK_EQ(pair.server->Stat("buffered_in_bytes"), 0u);
  CHECK(up->offered() < 2 * kMiB);
  there->Resume();
  CHECK(pair.sim.Run(60 * kSecond, [&] { return there->ended; }));
  CHECK(there->complete(20 * kMiB));
}

TEST(AFullLinkIsWaitedForInBoundedMemory) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->link_room = 10 * kKiB;
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  std::vector<FakeStream*> streams;
  for (int i = 0; i < 100; i++) {
    streams.push_back(pair.client->Open(1));
    streams.back()->SendPattern(5, kMiB);
    streams.back()->End();
  }
  pair.sim.Run(10 * kSecond);
  const uint64_t held = pair.server->Stat("buffered_in_bytes");
  CHECK(held > 0);
  CHECK(held <= 4 * kMiB);
  pair.server->link_room = UINT64_MAX;
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    size_t done = 0;
    for (FakeStream* s : pair.server->incoming()) done += s->complete(kMiB);
    return done == 100;
  }));
}

// The connection's window must not be used up by grants that are kept back
// on many streams: 240 of them hold back 50 KB each.
TEST(ManySmallStreamsDoNotCloseTheConnectionsWindow) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  std::vector<FakeStream*> streams;
  for (int i = 0; i < 240; i++) {
    streams.push_back(pair.client->Open(1));
    streams.back()->SendPattern(5, 50000);
  }
  CHECK(pair.sim.Run(30 * kSecond, [&] {
    uint64_t all = 0;
    for (FakeStream* s : pair.server->incoming()) all += s->received;
    return all == 240 * 50000;
  }));
  // And what they never grant comes back with the end of each.
  for (int round = 0; round < 5; round++) {
    for (FakeStream* s : streams) s->ResetByParent(0);
    streams.clear();
    for (int i = 0; i < 240; i++) {
      streams.push_back(pair.client->Open(1));
      streams.back()->SendPattern(5, 20000);
    }
    const size_t before = pair.server->incoming().size();
    CHECK(pair.sim.Run(30 * kSecond, [&] {
      const auto& all = pair.server->incoming();
      if (all.size() < before + 240) return false;
      for (size_t i = before; i < all.size(); i++) {
        if (all[i]->received < 20000) return false;
      }
      return true;
    }));
  }
}

// A paused stream holds its own window and no other's.
TEST(APausedStreamDoesNotStopOthers) {
  Pair pair;
  REQUIRE(pair.Connect());
  int seen = 0;
  pair.server->on_stream = [&](FakeStream* stream) {
    stream->Expect(5);
    if (seen++ < 8) stream->Pause();
  };
  for (int i = 0; i < 8; i++) pair.client->Open(1)->SendPattern(5, 4 * kMiB);
  pair.sim.Run(5 * kSecond);
  FakeStream* free = pair.client->Open(1);
  free->SendPattern(5, 16 * kMiB);
  free->End();
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    return pair.server->incoming().size() == 9 &&
           pair.server->incoming()[8]->ended;
  }));
  CHECK(pair.server->incoming()[8]->complete(16 * kMiB));
}

TEST(ALongPathWidensTheWritersWindow) {
  Pair pair;
  pair.sim.link.delay_us = 100 * kMs;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 64 * kMiB);
  up->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] {
    return !pair.server->incoming().empty() &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK(pair.server->incoming()[0]->complete(64 * kMiB));
  CHECK(up->widened <= Settings().max_send_window_bytes);
}

TEST(CloseWaitsForWhatWasSent) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  FakeStream* up = pair.client->Open(1);
  up->send_window = 4 * kMiB;
  up->SendPattern(5, 2 * kMiB);
  up->End();
  pair.client->Round();
  pair.client->Close(1, false);
  CHECK(pair.sim.Run(20 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.client->ClosedWith(1), Code::kOk);
  CHECK_EQ(pair.server->ClosedWith(2), Code::kOk);
  REQUIRE(pair.server->incoming().size() == 1);
  CHECK_EQ(pair.server->incoming()[0]->received, 2 * kMiB);
  CHECK(pair.server->incoming()[0]->intact);
  const Event* closed = pair.server->Find(Event::Kind::kClosed, 2);
  CHECK_EQ(closed->bytes_in, 2 * kMiB);
}

// Also where this side's direction of the stream is open for ever.
TEST(WhatAClosedConnectionHasSentWaitsForRoomOnTheLink) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->link_room = 10 * kKiB;
  pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 200 * kKiB);
  up->End();
  pair.client->Round();
  pair.client->Close(1, false);
  pair.sim.Run(kSecond);
  CHECK(pair.client->Find(Event::Kind::kClosed, 1) != nullptr);
  CHECK(pair.server->Find(Event::Kind::kClosed, 2) == nullptr);
  pair.server->link_room = UINT64_MAX;
  CHECK(pair.sim.Run(kSecond, [&] {
    return pair.server->Find(Event::Kind::kClosed, 2) != nullptr;
  }));
  REQUIRE(pair.server->incoming().size() == 1);
  CHECK(pair.server->incoming()[0]->complete(200 * kKiB));
}

TEST(AbortCarriesItsCodeAndCutsStreamsOff) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 100 * kMiB);
  REQUIRE(pair.sim.Run(5 * kSecond,
                       [&] { return pair.server->incoming().size() == 1; }));
  pair.client->Close(1, true, 99);
  CHECK(pair.sim.Run(kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.client->ClosedWith(1), Code::kConnectionAborted);
  CHECK_EQ(pair.server->ClosedWith(2), Code::kConnectionReset);
  const Event* closed = pair.server->Find(Event::Kind::kClosed, 2);
  REQUIRE(closed != nullptr);
  CHECK(closed->status.message().find("code 99") != std::string::npos);
  CHECK(up->was_reset);
  CHECK(pair.server->incoming()[0]->was_reset);
  CHECK_EQ(pair.server->incoming()[0]->reset_code, 99u);
  // Nothing is left after the closing period.
  pair.sim.Run(10 * kSecond);
  CHECK_EQ(pair.client->engine().connections(), size_t{0});
  CHECK_EQ(pair.server->engine().connections(), size_t{0});
  CHECK_EQ(pair.server->engine().ids(), size_t{0});
}

TEST(DialsWithoutAListenerAreRefusedOrTimeOut) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* other = sim.AddNode();
  // Nobody has the address.
  client->Dial(1, sim::Address("10.9.9.9", 1), 3000);
  CHECK(sim.Run(4 * kSecond, [&] {
    return client->Find(Event::Kind::kReply, 1) != nullptr;
  }));
  CHECK_EQ(client->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kConnectionTimedOut);
  // The socket is there for dials alone.
  other->Dial(1, client->At(1), 1000);
  other->Round();
  REQUIRE(other->sockets.size() == 1);
  client->Dial(3, other->sockets.begin()->second, 3000);
  CHECK(sim.Run(kSecond, [&] {
    return client->Find(Event::Kind::kReply, 3) != nullptr;
  }));
  CHECK_EQ(client->Find(Event::Kind::kReply, 3)->status.code(),
           Code::kConnectionRefused);
  CHECK_EQ(client->Count(Event::Kind::kConnected), size_t{0});
}

TEST(ADialCanBeCancelled) {
  Sim sim;
  Node* client = sim.AddNode();
  client->Dial(1, sim::Address("10.9.9.9", 1), 30000);
  sim.Run(kSecond);
  client->Close(1, false);
  CHECK(sim.Run(kSecond, [&] {
    return client->Find(Event::Kind::kReply, 1) != nullptr;
  }));
  CHECK_EQ(client->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kCancelled);
}

TEST(IcmpRefusesADialAndNothingElse) {
  Sim sim;
  Node* client = sim.AddNode();
  std::string first;
  sim.filter = [&](sim::Datagram& datagram) {
    if (first.empty()) first = datagram.bytes;
    return false;
  };
  const Endpoint to = sim::Address("10.9.9.9", 1);
  client->Dial(1, to, 30000);
  client->Round();
  REQUIRE(!first.empty());
  const auto* bytes = reinterpret_cast<const uint8_t*>(first.data());
  const SocketId socket = client->sockets.begin()->first;
  // Of another address: not ours.
  client->engine().OnIcmpError(socket, bytes, first.size(),
                               sim::Address("10.9.9.8", 1), ECONNREFUSED, 0,
                               sim.now_us);
  client->Round();
  CHECK(client->Find(Event::Kind::kReply, 1) == nullptr);
  client->engine().OnIcmpError(socket, bytes, first.size(), to, ECONNREFUSED, 0,
                               sim.now_us);
  client->Round();
  REQUIRE(client->Find(Event::Kind::kReply, 1) != nullptr);
  CHECK_EQ(client->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kConnectionRefused);
}

TEST(ListenerCreditIsKept) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* server = sim.AddNode();
  server->Listen(4000, 2);
  for (uint32_t id = 1; id < 9; id += 2) client->Dial(id, server->At(4000));
  sim.Run(5 * kSecond);
  CHECK_EQ(server->Count(Event::Kind::kIncoming), size_t{2});
  server->engine().Accept(1, 2, sim.now_us);
  CHECK(sim.Run(15 * kSecond,
                [&] { return client->Count(Event::Kind::kConnected) == 4; }));
  sim.Run(kSecond);
  CHECK_EQ(server->Count(Event::Kind::kIncoming), size_t{4});
}

TEST(DialsLeaveFromTheListeningSocket) {
  Pair pair;
  pair.client->Listen(5000);
  REQUIRE(pair.Connect());
  CHECK(pair.server->Find(Event::Kind::kIncoming, 2)->remote ==
        pair.client->At(5000));
}

TEST(BothDialEachOtherAtOnceFromTheirListeners) {
  Pair pair;
  pair.client->Listen(5000);
  pair.client->Dial(1, pair.server->At(4000));
  pair.server->Dial(1, pair.client->At(5000));
  CHECK(pair.sim.Run(5 * kSecond, [&] {
    return pair.client->Count(Event::Kind::kConnected) == 1 &&
           pair.server->Count(Event::Kind::kConnected) == 1 &&
           pair.client->Count(Event::Kind::kIncoming) == 1 &&
           pair.server->Count(Event::Kind::kIncoming) == 1;
  }));
}

TEST(ALostParentLinkRefusesStreams) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->link_lost = true;
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 1000);
  CHECK(pair.sim.Run(5 * kSecond, [&] { return up->was_reset; }));
}

TEST(StopClosesTowardsThePeer) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(5, 1000);
  pair.sim.Run(kSecond);
  pair.client->Stop();
  CHECK(up->was_reset);
  CHECK(pair.sim.Run(kSecond, [&] {
    return pair.server->Find(Event::Kind::kClosed, 2) != nullptr;
  }));
  CHECK(pair.client->sockets.empty());
}

TEST(NothingWorksWithoutACertificate) {
  Sim sim;
  Node* node = sim.AddNode();
  node->UseTls(nullptr);
  node->engine().Listen(1, 1, node->At(4000), 1, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kUnavailable);
  node->engine().Dial(2, 1, node->At(4001), 0, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 2)->status.code(),
           Code::kUnavailable);
}

TEST(SettingsAreChecked) {
  Settings settings;
  CHECK(ParseSettings({{"congestion", 1}}, &settings).ok());
  CHECK_EQ(settings.congestion, 1u);
  CHECK(!ParseSettings({{"congestion", 3}}, &settings).ok());
  CHECK(!ParseSettings({{"no_such", 3}}, &settings).ok());
  CHECK(!ParseSettings({{"max_streams", 0.0 / 0.0}}, &settings).ok());
}

TEST(BbrAndNewRenoTransferToo) {
  for (uint32_t algorithm : {1u, 2u}) {
    Settings settings;
    settings.congestion = algorithm;
    Pair pair(settings);
    pair.sim.link.delay_us = 5 * kMs;
    REQUIRE(pair.Connect());
    pair.server->on_stream = [](FakeStream* stream) { stream->Expect(5); };
    FakeStream* up = pair.client->Open(1);
    up->SendPattern(5, 4 * kMiB);
    up->End();
    CHECK(pair.sim.Run(60 * kSecond, [&] {
      return !pair.server->incoming().empty() &&
             pair.server->incoming()[0]->complete(4 * kMiB);
    }));
  }
}

}  // namespace
}  // namespace xtp::quic
