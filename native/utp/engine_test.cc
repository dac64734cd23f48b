// Requests, events and the life of connections on a good network.
#include "utp/engine.h"

#include <algorithm>
#include <cerrno>

#include "utp/testing/sim.h"

namespace xtp::utp::sim {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

TEST(ListenAnswersWithTheAddress) {
  Sim sim;
  Node* node = sim.AddNode();
  node->engine().Listen(7, 1, node->At(0), 1, sim.now_us);
  const Event* reply = node->Find(Event::Kind::kReply, 7);
  REQUIRE(reply != nullptr);
  CHECK(reply->status.ok());
  CHECK(reply->local.port() != 0);
  node->engine().Listen(8, 1, node->At(0), 1, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 8)->status.code(),
           Code::kAlreadyExists);
  node->engine().Listen(9, 2, reply->local, 1, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 9)->status.code(),
           Code::kAddressInUse);
  node->engine().Listen(10, 0, node->At(0), 1, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 10)->status.code(),
           Code::kInvalidArgument);
  node->engine().Unlisten(11, 1, sim.now_us);
  CHECK(node->Find(Event::Kind::kReply, 11)->status.ok());
  node->engine().Unlisten(12, 1, sim.now_us);
  CHECK_EQ(node->Find(Event::Kind::kReply, 12)->status.code(), Code::kNotFound);
  node->Round();
  CHECK(node->sockets.empty());
}

TEST(ConnectTransferHalfCloseBothWays) {
  Pair pair;
  REQUIRE(pair.Connect());
  const Event* incoming = pair.server->Find(Event::Kind::kIncoming, 2);
  REQUIRE(incoming != nullptr);
  CHECK_EQ(incoming->listener, 1u);
  CHECK(incoming->local == pair.server->At(4000));
  CHECK(incoming->remote ==
        pair.client->Find(Event::Kind::kConnected, 1)->local);
  FakeStream* c = pair.client->stream(1);
  FakeStream* s = pair.server->stream(2);
  c->Expect(2);
  s->Expect(1);
  c->SendPattern(1, 4 * kMiB);
  c->End();
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->ended; }));
  CHECK_EQ(s->received, 4 * kMiB);
  CHECK(!c->ended);
  CHECK(pair.server->Find(Event::Kind::kClosed, 2) == nullptr);
  // The other direction still works after the half-close.
  s->SendPattern(2, 3 * kMiB);
  pair.sim.Run(2 * kSecond);
  s->End();
  CHECK(pair.sim.Run(60 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK(c->ended);
  CHECK_EQ(c->received, 3 * kMiB);
  CHECK(c->intact && s->intact);
  CHECK(c->released && s->released);
  CHECK_EQ(pair.ClientCode(), Code::kConnectionClosed);
  CHECK_EQ(pair.ServerCode(), Code::kConnectionClosed);
  const Event* closed = pair.client->Find(Event::Kind::kClosed, 1);
  CHECK_EQ(closed->bytes_in, 3 * kMiB);
  CHECK_EQ(closed->bytes_out, 4 * kMiB);
  pair.sim.Run(2 * kSecond);
  CHECK_EQ(pair.client->Count(Event::Kind::kClosed), 1u);
  CHECK_EQ(pair.server->Count(Event::Kind::kClosed), 1u);
  CHECK_EQ(pair.client->engine().connections(), 0u);
  CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
}

TEST(ClosedComesQuickly) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.client->stream(1)->Send("x");
  pair.client->stream(1)->End();
  pair.server->stream(2)->End();
  CHECK(pair.sim.Run(50 * kMs, [&] { return pair.BothClosed(); }));
}

// Each needs ticks between libutp's own.
TEST(ClosedComesQuicklyForManyConnectionsInTurn) {
  Sim sim;
  Node* server = sim.AddNode();
  Node* client = sim.AddNode();
  server->Listen(4000, 1000);
  for (uint32_t id = 1; id < 600; id += 2) {
    client->Dial(id, server->At(4000));
    REQUIRE(sim.Run(kSecond, [&] {
      return client->stream(id) != nullptr && server->stream(id + 1) != nullptr;
    }));
    client->stream(id)->Send("ping");
    sim.Run(7 * kMs);
    client->stream(id)->End();
    server->stream(id + 1)->End();
    const bool quick = sim.Run(50 * kMs, [&] {
      return client->Find(Event::Kind::kClosed, id) != nullptr &&
             server->Find(Event::Kind::kClosed, id + 1) != nullptr;
    });
    CHECK(quick);
  }
}

TEST(ServerSpeaksFirst) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->stream(2)->Send("220 hello\r\n");
  CHECK(pair.sim.Run(50 * kMs, [&] {
    return pair.client->stream(1)->head == "220 hello\r\n";
  }));
}

TEST(SmallMessagesGoBackAndForthWithoutWaiting) {
  Pair pair;
  REQUIRE(pair.Connect());
  const uint64_t start = pair.sim.now_us;
  for (uint64_t i = 1; i <= 100; i++) {
    pair.client->stream(1)->Send("ping");
    REQUIRE(pair.sim.Run(
        kSecond, [&] { return pair.server->stream(2)->received == 4 * i; }));
    pair.server->stream(2)->Send("pong");
    REQUIRE(pair.sim.Run(
        kSecond, [&] { return pair.client->stream(1)->received == 4 * i; }));
  }
  CHECK(pair.sim.now_us - start < 100 * 3 * kMs);
}

TEST(BytesBeforeTheStreamOpensAreKept) {
  Pair pair;
  pair.client->open_streams = false;
  pair.client->Dial(1, pair.server->At(4000));
  REQUIRE(pair.sim.Run(kSecond, [&] { return pair.Announced(); }));
  pair.server->stream(2)->Send("early");
  pair.server->stream(2)->End();
  pair.sim.Run(kSecond);
  FakeStream late;
  CHECK(!pair.client->engine().OnStreamOpen(&late, 1, 7, pair.sim.now_us));
  CHECK(!pair.client->engine().OnStreamOpen(&late, 3, 0, pair.sim.now_us));
  REQUIRE(pair.client->engine().OnStreamOpen(&late, 1, 0, pair.sim.now_us));
  FakeStream second;
  CHECK(!pair.client->engine().OnStreamOpen(&second, 1, 0, pair.sim.now_us));
  pair.sim.Run(kSecond);
  CHECK_EQ(late.head, std::string("early"));
  CHECK(late.ended);
  late.End();
  pair.sim.Run(kSecond);
  CHECK(late.released);
}

TEST(AbortByStreamResetReachesThePeer) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.link.rate = 10 * kMiB;
  pair.client->stream(1)->SendPattern(1, 100 * kMiB);
  pair.sim.Run(100 * kMs);
  pair.client->stream(1)->ResetByParent(5);
  CHECK(pair.sim.Run(100 * kMs, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ClientCode(), Code::kConnectionAborted);
  CHECK_EQ(pair.ServerCode(), Code::kConnectionReset);
  CHECK(pair.server->stream(2)->was_reset);
  CHECK_EQ(pair.server->stream(2)->reset_code, 20u);
  pair.sim.Run(2 * kSecond);
  CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.client->Count(Event::Kind::kClosed), 1u);
}

TEST(AbortByCloseRequest) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->Close(2, true);
  CHECK(pair.sim.Run(10 * kMs, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ServerCode(), Code::kConnectionAborted);
  CHECK_EQ(pair.ClientCode(), Code::kConnectionReset);
  CHECK(pair.server->stream(2)->was_reset);
  CHECK_EQ(pair.client->stream(1)->reset_code, 20u);
  pair.server->engine().Close(55, 2, true, 0, pair.sim.now_us);
  CHECK_EQ(pair.server->Find(Event::Kind::kReply, 55)->status.code(),
           Code::kNotFound);
}

TEST(AbortWhoseResetIsLostReachesThePeerWithItsNextPacket) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.filter = [](const Datagram& d) {
    return HeaderOf(d.bytes).type != PacketType::kReset;
  };
  pair.client->Close(1, true);
  pair.sim.Run(100 * kMs);
  pair.sim.filter = nullptr;
  CHECK(pair.server->Find(Event::Kind::kClosed, 2) == nullptr);
  pair.server->stream(2)->Send("anybody there?");
  CHECK(pair.sim.Run(10 * kMs, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ServerCode(), Code::kConnectionReset);
}

TEST(GracefulCloseSendsWhatIsQueued) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  pair.client->stream(1)->SendPattern(1, 2 * kMiB);
  pair.client->stream(1)->End();
  pair.client->Close(1, false);
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->ended; }));
  CHECK_EQ(s->received, 2 * kMiB);
  CHECK(s->intact);
  s->End();
  CHECK(pair.sim.Run(60 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ClientCode(), Code::kConnectionClosed);
  // The client had closed for good: what the server still says is refused.
  CHECK(pair.client->stream(1)->released);
}

TEST(GracefulCloseWithoutEndOfStreamWaitsForLateBytes) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.client->Close(1, false);
  pair.sim.Run(100 * kMs);
  pair.client->stream(1)->Send("late");
  CHECK(
      pair.sim.Run(2 * kSecond, [&] { return pair.server->stream(2)->ended; }));
  CHECK_EQ(pair.server->stream(2)->head, std::string("late"));
  CHECK(pair.sim.Run(kSecond, [&] {
    return pair.client->Find(Event::Kind::kClosed, 1) != nullptr;
  }));
  CHECK_EQ(pair.ClientCode(), Code::kConnectionClosed);
  CHECK(pair.client->stream(1)->was_reset);  // it never ended
}

TEST(DialNobodyTimesOut) {
  Sim sim;
  Node* node = sim.AddNode();
  const uint64_t start = sim.now_us;
  node->Dial(1, Address("10.9.9.9", 5), 2000);
  CHECK(sim.Run(10 * kSecond,
                [&] { return node->Find(Event::Kind::kReply, 1) != nullptr; }));
  CHECK_EQ(node->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kConnectionTimedOut);
  CHECK_EQ(sim.now_us - start, 2 * kSecond);
  node->Dial(3, Address("10.9.9.9", 5), 60000);
  CHECK(sim.Run(60 * kSecond,
                [&] { return node->Find(Event::Kind::kReply, 3) != nullptr; }));
  CHECK_EQ(node->Find(Event::Kind::kReply, 3)->status.code(),
           Code::kConnectionTimedOut);
  sim.Run(kSecond);
  CHECK_EQ(node->engine().libutp_sockets(), 0u);
  CHECK_EQ(node->Count(Event::Kind::kReply), 2u);
  CHECK_EQ(node->Count(Event::Kind::kClosed), 0u);
}

TEST(DialRefusedByResetAndByIcmp) {
  Sim sim;
  Node* client = sim.AddNode();
  Node* server = sim.AddNode();
  // A socket that does not listen: that of a dial.
  server->Dial(1, Address("10.9.9.9", 5));
  client->Dial(1, server->At(40000));
  CHECK(sim.Run(100 * kMs, [&] {
    return client->Find(Event::Kind::kReply, 1) != nullptr;
  }));
  CHECK_EQ(client->Find(Event::Kind::kReply, 1)->status.code(),
           Code::kConnectionRefused);
  std::string syn;
  sim.filter = [&](const Datagram& d) {
    syn = d.bytes;
    return true;
  };
  const Endpoint closed = Address("10.9.9.9", 5);
  for (const auto& [error, code] :
       {std::pair{ECONNREFUSED, Code::kConnectionRefused},
        std::pair{EHOSTUNREACH, Code::kNetworkUnreachable}}) {
    const uint32_t id = error == ECONNREFUSED ? 3 : 5;
    client->Dial(id, closed);
    client->engine().OnIcmpError(client->sockets.begin()->first,
                                 reinterpret_cast<const uint8_t*>(syn.data()),
                                 syn.size(), closed, error, 0, sim.now_us);
    client->Round();
    REQUIRE(client->Find(Event::Kind::kReply, id) != nullptr);
    CHECK_EQ(client->Find(Event::Kind::kReply, id)->status.code(), code);
  }
}

TEST(DialIsCancelledByClose) {
  Sim sim;
  Node* node = sim.AddNode();
  node->Dial(1, Address("10.9.9.9", 5));
  sim.Run(kSecond);
  node->engine().Close(77, 1, true, 0, sim.now_us);
  CHECK(node->Find(Event::Kind::kReply, 77)->status.ok());
  CHECK_EQ(node->Find(Event::Kind::kReply, 1)->status.code(), Code::kCancelled);
  sim.Run(40 * kSecond);
  CHECK_EQ(node->Count(Event::Kind::kReply), 2u);
  CHECK_EQ(node->Count(Event::Kind::kClosed), 0u);
  CHECK_EQ(node->engine().libutp_sockets(), 0u);
  // The shared socket of dials goes when it was idle for a while.
  CHECK(node->sockets.empty());
}

TEST(BadDialsAreRefused) {
  Sim sim;
  Settings settings;
  settings.max_connections = 2;
  Node* node = sim.AddNode(Guards(), settings);
  const auto code = [&](uint32_t request) {
    return node->Find(Event::Kind::kReply, request)->status.code();
  };
  const Endpoint nobody = Address("10.9.9.9", 5);
  node->engine().Dial(1, 2, nobody, 0, sim.now_us);
  CHECK_EQ(code(1), Code::kInvalidArgument);
  node->engine().Dial(2, 1, Address("10.9.9.9", 0), 0, sim.now_us);
  CHECK_EQ(code(2), Code::kInvalidArgument);
  node->engine().Dial(3, 1, Endpoint(), 0, sim.now_us);
  CHECK_EQ(code(3), Code::kInvalidArgument);
  // libutp never deletes one that was not connected.
  CHECK_EQ(node->engine().libutp_sockets(), 0u);
  node->Dial(1, nobody);
  node->engine().Dial(4, 1, nobody, 0, sim.now_us);
  CHECK_EQ(code(4), Code::kAlreadyExists);
  node->Dial(3, nobody);
  node->engine().Dial(5, 5, nobody, 0, sim.now_us);
  CHECK_EQ(code(5), Code::kResourceExhausted);
}

TEST(DialsLeaveFromASuitableListeningSocket) {
  Pair pair;
  pair.client->Listen(4500);
  REQUIRE(pair.Connect());
  CHECK(pair.server->Find(Event::Kind::kIncoming, 2)->remote ==
        pair.client->At(4500));
  CHECK_EQ(pair.client->sockets.size(), 1u);
}

TEST(ConnectionsOutliveTheirListener) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.server->engine().Unlisten(50, 1, pair.sim.now_us);
  CHECK(pair.server->Find(Event::Kind::kReply, 50)->status.ok());
  pair.client->Dial(3, pair.server->At(4000));
  pair.client->stream(1)->Send("still here");
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.server->stream(2)->head, std::string("still here"));
  CHECK_EQ(pair.client->Find(Event::Kind::kReply, 3)->status.code(),
           Code::kConnectionRefused);
  CHECK_EQ(pair.server->sockets.size(), 1u);
  // The same port can be listened on again meanwhile.
  pair.server->Listen(4000, 1, 9);
  pair.client->Dial(5, pair.server->At(4000));
  CHECK(pair.sim.Run(kSecond, [&] {
    return pair.server->Find(Event::Kind::kIncoming, 4) != nullptr;
  }));
  CHECK_EQ(pair.server->Find(Event::Kind::kIncoming, 4)->listener, 9u);
  pair.server->engine().Unlisten(51, 9, pair.sim.now_us);
  pair.client->Close(1, true);
  pair.client->Close(5, true);
  pair.sim.Run(kSecond);
  CHECK(pair.server->sockets.empty());
}

TEST(WithoutCreditSynsAreIgnored) {
  Pair pair;
  pair.server->engine().Accept(1, 0, pair.sim.now_us);
  Node* poor = pair.sim.AddNode();
  poor->Listen(4100, 1);
  pair.client->Dial(1, poor->At(4100));
  REQUIRE(pair.sim.Run(
      kSecond, [&] { return poor->Count(Event::Kind::kIncoming) == 1; }));
  pair.client->Dial(3, poor->At(4100));
  pair.sim.Run(2500 * kMs);
  CHECK(pair.client->Find(Event::Kind::kReply, 3) == nullptr);
  CHECK(pair.client->Find(Event::Kind::kConnected, 3) == nullptr);
  CHECK_EQ(poor->Count(Event::Kind::kIncoming), 1u);
  // Credit arrives: the dialer's next SYN succeeds.
  poor->engine().Accept(1, 1, pair.sim.now_us);
  CHECK(pair.sim.Run(kSecond,
                     [&] { return poor->Count(Event::Kind::kIncoming) == 2; }));
}

TEST(CreditThatRunsOutBetweenSynAndProofDelaysTheConnection) {
  Pair pair;
  Node* poor = pair.sim.AddNode();
  poor->Listen(4100, 1);
  pair.client->Dial(1, poor->At(4100));
  pair.client->Dial(3, poor->At(4100));
  pair.sim.Run(kSecond);
  CHECK_EQ(poor->Count(Event::Kind::kIncoming), 1u);
  CHECK_EQ(pair.client->Count(Event::Kind::kConnected), 2u);
  pair.client->stream(1)->Send("one");
  pair.client->stream(3)->Send("two");
  poor->engine().Accept(1, 1, pair.sim.now_us);
  CHECK(pair.sim.Run(5 * kSecond, [&] {
    return poor->stream(2) && poor->stream(4) &&
           poor->stream(2)->received == 3 && poor->stream(4)->received == 3;
  }));
}

// Each of many connections gets less than its window where nobody takes what
// comes, and all of it arrives when somebody does.
TEST(ManyConnectionsShareWhatIsKept) {
  constexpr uint32_t kMany = 400;
  constexpr uint64_t kBytes = 700 * 1024;
  Sim sim;
  Node* const server = sim.AddNode();
  Node* const client = sim.AddNode();
  server->Listen(4000, kMany);
  for (uint32_t i = 1; i <= kMany; i++) {
    client->Dial(2 * i - 1, server->At(4000));
    REQUIRE(sim.Run(10 * kSecond, [&] {
      return server->Count(Event::Kind::kIncoming) == i;
    }));
    server->stream(2 * i)->SetCredit(0);
    client->stream(2 * i - 1)->SendPattern(i, kBytes);
  }
  sim.Run(60 * kSecond);
  uint64_t kept = 0;
  for (uint32_t i = 1; i <= kMany; i++) {
    kept += kBytes - client->stream(2 * i - 1)->unsent();
  }
  // Sent, and some of it under way.
  CHECK(kept > ByteEngine::kReceiveBudget / 2);
  CHECK(kept < ByteEngine::kReceiveBudget + kMany * 128 * 1024);
  CHECK(server->Stat("buffered_in_bytes") <
        ByteEngine::kReceiveBudget + kMany * ByteEngine::kLeastReceiveRoom);
  for (uint32_t i = 1; i <= kMany; i++) {
    server->stream(2 * i)->Expect(i);
    server->stream(2 * i)->SetCredit(UINT64_MAX);
  }
  sim.Run(60 * kSecond);
  for (uint32_t i = 1; i <= kMany; i++) {
    CHECK_EQ(server->stream(2 * i)->received, kBytes);
    CHECK(server->stream(2 * i)->intact);
  }
}

TEST(PausedReaderStopsTheSenderAndLosesNothing) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  s->SetCredit(100000);
  pair.client->stream(1)->SendPattern(1, 16 * kMiB);
  pair.sim.Run(3 * kSecond);
  CHECK_EQ(s->received, 100000u);
  CHECK(pair.server->Stat("buffered_in_bytes") <= 1280 * 1024);
  CHECK(pair.client->stream(1)->unsent() >
        16 * kMiB - 100000 - 2 * 1280 * 1024);
  for (int i = 0; i < 10; i++) {
    s->SetCredit(500000);
    pair.sim.Run(kSecond);
  }
  CHECK_EQ(s->received, 5100000u);
  s->SetCredit(UINT64_MAX);
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->received == 16 * kMiB; }));
  CHECK(s->intact);
  CHECK_EQ(pair.server->Stat("buffered_in_bytes"), 0u);
}

TEST(ReaderPausedForAnHourIsNotBlamedOnThePeer) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  s->SetCredit(1000);
  pair.client->stream(1)->SendPattern(1, 4 * kMiB);
  pair.sim.Run(3600 * kSecond);
  CHECK(pair.server->Find(Event::Kind::kClosed, 2) == nullptr);
  s->SetCredit(UINT64_MAX);
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->received == 4 * kMiB; }));
  CHECK(s->intact);
}

TEST(PeerThatVanishesInTransferTimesOut) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.sim.link.rate = 10 * kMiB;
  pair.client->stream(1)->SendPattern(1, 100 * kMiB);
  pair.sim.Run(100 * kMs);
  pair.sim.filter = [](const Datagram&) { return false; };
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    return pair.client->Find(Event::Kind::kClosed, 1) != nullptr;
  }));
  CHECK_EQ(pair.ClientCode(), Code::kConnectionTimedOut);
  CHECK_EQ(pair.client->stream(1)->reset_code, 21u);
}

TEST(PeerThatVanishesWhileIdleTimesOutToo) {
  Pair pair;
  REQUIRE(pair.Connect());
  // Keep-alives keep a silent connection.
  pair.sim.Run(1000 * kSecond);
  CHECK(!pair.BothClosed());
  pair.sim.filter = [](const Datagram&) { return false; };
  CHECK(pair.sim.Run(400 * kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ServerCode(), Code::kConnectionTimedOut);
}

TEST(StopSettlesEverything) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.client->Dial(3, Address("10.9.9.9", 5));
  pair.client->Stop();
  CHECK_EQ(pair.client->Find(Event::Kind::kReply, 3)->status.code(),
           Code::kCancelled);
  CHECK_EQ(pair.ClientCode(), Code::kConnectionAborted);
  CHECK(pair.client->sockets.empty());
  CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  CHECK(pair.sim.Run(kSecond, [&] { return pair.BothClosed(); }));
  CHECK_EQ(pair.ServerCode(), Code::kConnectionReset);
}

TEST(StatsAnswerOnce) {
  Pair pair;
  REQUIRE(pair.Connect());
  pair.client->stream(1)->Send("hello");
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.client->Stat("connections"), 1u);
  CHECK_EQ(pair.client->Stat("payload_bytes_out"), 5u);
  CHECK_EQ(pair.client->Stat("bytes_out", 1), 5u);
  CHECK(pair.client->Stat("rtt_us", 1) >= 200);
  pair.client->engine().Stats(60, 99, pair.sim.now_us);
  CHECK_EQ(pair.client->Find(Event::Kind::kReply, 60)->status.code(),
           Code::kNotFound);
}

TEST(ManyConnectionsLeaveNothingBehind) {
  Pair pair;
  pair.server->engine().Accept(1, 1000, pair.sim.now_us);
  for (uint32_t i = 0; i < 200; i++) {
    const uint32_t id = 1 + 2 * i;
    pair.client->Dial(id, pair.server->At(4000));
    REQUIRE(pair.sim.Run(kSecond, [&] {
      return pair.server->stream(2 + 2 * i) != nullptr &&
             pair.client->stream(id) != nullptr;
    }));
    pair.client->stream(id)->Send("x");
    pair.client->stream(id)->End();
    pair.server->stream(2 + 2 * i)->End();
    REQUIRE(pair.sim.Run(kSecond, [&] {
      return pair.client->Find(Event::Kind::kClosed, id) != nullptr;
    }));
    CHECK_EQ(pair.client->Find(Event::Kind::kClosed, id)->status.code(),
             Code::kConnectionClosed);
  }
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
  CHECK_EQ(pair.server->engine().connections(), 0u);
  CHECK_EQ(pair.client->sockets.size(), 1u);
}

TEST(IpVersion6) {
  Sim sim;
  Node* client = sim.AddNode(Guards(), Settings(), true);
  Node* server = sim.AddNode(Guards(), Settings(), true);
  server->Listen(4000);
  size_t largest = 0;
  sim.filter = [&](const Datagram& d) {
    largest = std::max(largest, d.bytes.size());
    return true;
  };
  client->Dial(1, server->At(4000));
  REQUIRE(sim.Run(kSecond, [&] {
    return client->stream(1) != nullptr && server->stream(2) != nullptr;
  }));
  CHECK(server->Find(Event::Kind::kIncoming, 2)->remote ==
        client->Find(Event::Kind::kConnected, 1)->local);
  client->stream(1)->SendPattern(1, kMiB);
  server->stream(2)->Expect(1);
  CHECK(sim.Run(10 * kSecond,
                [&] { return server->stream(2)->received == kMiB; }));
  CHECK(server->stream(2)->intact);
  CHECK_EQ(largest, 1420u - 48);
}

TEST(LostLinkRefusesInboundConnections) {
  Pair pair;
  pair.server->link_lost = true;
  pair.client->Dial(1, pair.server->At(4000));
  pair.sim.Run(5 * kSecond);
  CHECK_EQ(pair.server->Count(Event::Kind::kIncoming), 0u);
  CHECK_EQ(pair.server->engine().connections(), 0u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
}

}  // namespace
}  // namespace xtp::utp::sim
