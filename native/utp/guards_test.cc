// Every guard against a defect of libutp, or an attack: that it helps, and
// that without it the defect is there (guards.h).
#include "utp/guards.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "utp/testing/raw_peer.h"

namespace xtp::utp::sim {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

// The guards, with one of them off.
Guards Without(bool Guards::*guard) {
  Guards guards;
  guards.*guard = false;
  return guards;
}

// 5000 SYNs with forged senders, ten minutes, then an honest dial.
void Flood(const Guards& guards, size_t* announced, bool* served) {
  Sim sim;
  Settings settings;
  settings.max_connections = 60000;
  Node* server = sim.AddNode(guards, settings);
  Node* client = sim.AddNode(guards);
  server->Listen(4000, 10000);
  for (int i = 0; i < 5000; i++) {
    Header syn;
    syn.type = PacketType::kSyn;
    syn.connection_id = 100;
    syn.seq = 1;
    sim.Inject({Address("10.1.0.1", static_cast<uint16_t>(1024 + i)),
                server->At(4000), PacketBytes(syn)});
  }
  sim.Run(200 * kSecond);
  *announced = server->Count(Event::Kind::kIncoming);
  client->Dial(1, server->At(4000));
  *served = sim.Run(5 * kSecond, [&] {
    return server->Count(Event::Kind::kIncoming) > *announced;
  });
}

TEST(SynFloodCostsNothing) {
  size_t announced;
  bool served;
  Flood(Guards(), &announced, &served);
  CHECK_EQ(announced, 0u);
  CHECK(served);
  Flood(Without(&Guards::stateless_syn), &announced, &served);
  CHECK(announced > 3000);
  CHECK(!served);
}

bool ConnectsWithLostSynAck(const Guards& guards) {
  Pair pair(guards);
  int lost = 0;
  pair.sim.filter = [&](const Datagram& d) {
    return d.from != pair.server->At(4000) || lost++ > 0;
  };
  pair.client->Dial(1, pair.server->At(4000));
  return pair.sim.Run(30 * kSecond, [&] { return pair.Announced(); });
}

TEST(LostSynAckIsRepaired) {
  CHECK(ConnectsWithLostSynAck(Guards()));
  CHECK(!ConnectsWithLostSynAck(Without(&Guards::stateless_syn)));
}

TEST(AcceptorWritesFirst) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::acceptor_ready));
    REQUIRE(pair.Connect());
    pair.server->stream(2)->Send("hello");
    pair.sim.Run(5 * kSecond);
    CHECK_EQ(pair.client->stream(1)->received, on ? 5u : 0u);
    // What waited goes out with the dialer's first data either way.
    pair.client->stream(1)->Send("x");
    pair.sim.Run(kSecond);
    CHECK_EQ(pair.client->stream(1)->received, 5u);
  }
}

// A selective ack at the very end of readable memory.
void SackAtTheEdge(const Guards& guards) {
  Pair pair(guards);
  Datagram last;
  pair.sim.link.delay_us = 10 * kMs;
  if (!pair.Connect()) return;
  pair.client->stream(1)->SendPattern(1, 1000 * kMiB);
  bool lose = false;
  pair.sim.filter = [&](const Datagram& d) {
    if (d.to == pair.server->At(4000)) return !lose;
    last = d;
    return true;
  };
  pair.sim.Run(500 * kMs);
  lose = true;
  pair.sim.Run(25 * kMs);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* memory =
      static_cast<uint8_t*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(memory + page, page, PROT_NONE);
  std::string bytes = last.bytes.substr(0, kHeaderBytes);
  bytes[1] = 1;
  bytes += std::string("\0\4\0\0\0\0", 6);
  uint8_t* const at = memory + page - bytes.size();
  memcpy(at, bytes.data(), bytes.size());
  pair.client->engine().OnDatagram(pair.client->sockets.begin()->first, at,
                                   bytes.size(), pair.server->At(4000),
                                   pair.sim.now_us);
  munmap(memory, 2 * page);
}

TEST(SelectiveAckIsReadWithinBounds) {
  for (const bool on : {true, false}) {
    // Those copy, too.
    Guards guards = Without(&Guards::reorder_tolerance);
    guards.latest_window = false;
    guards.own_slack = on;
    CHECK_EQ(Survives([&] { SackAtTheEdge(guards); }), on);
  }
}

TEST(PeerThatIgnoresTheWindowIsReset) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::window_limit));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    REQUIRE(server->stream(2) != nullptr);
    server->stream(2)->SetCredit(0);
    uint64_t most = 0;
    for (int i = 0; i < 8 * 1024; i++) {
      peer.Data(std::string(1024, 'x'));
      sim.Run(100);
      most = std::max(most, server->Stat("buffered_in_bytes"));
    }
    const Event* closed = server->Find(Event::Kind::kClosed, 2);
    if (on) {
      REQUIRE(closed != nullptr);
      CHECK_EQ(closed->status.code(), Code::kRemoteMisbehaved);
      CHECK_EQ(server->stream(2)->reset_code, 25u);
      CHECK(peer.Count(PacketType::kReset) > 0);
      CHECK(most <= 1280 * 1024);
    } else {
      CHECK(closed == nullptr);
      CHECK_EQ(most, 8 * kMiB);
    }
  }
}

TEST(OutOfOrderDataIsLimited) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::reorder_limit));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    const uint16_t first = peer.seq++;
    for (int i = 0; i < 1000; i++) {
      peer.Data(std::string(50000, 'x'));
      if (i % 50 == 0) sim.Run(kMs);
    }
    const uint64_t dropped = server->Stat("reorder_dropped");
    CHECK(on ? dropped > 850 : dropped == 0);
    // The stream goes on where it stopped.
    peer.seq = first;
    peer.Data("y");
    sim.Run(kMs);
    CHECK(server->stream(2)->received > 40 * 50000);
  }
}

void SendTooBig(Pair* pair, uint32_t mtu) {
  std::string sent;
  pair->sim.filter = [&](const Datagram& d) {
    if (d.to == pair->server->At(4000)) sent = d.bytes;
    return true;
  };
  pair->client->stream(1)->Send("x");
  pair->sim.Run(10 * kMs);
  pair->client->engine().OnIcmpError(
      pair->client->sockets.begin()->first,
      reinterpret_cast<const uint8_t*>(sent.data()), sent.size(),
      pair->server->At(4000), EMSGSIZE, mtu, pair->sim.now_us);
  pair->sim.filter = nullptr;
}

size_t LargestAfter(Pair* pair, uint64_t bytes) {
  size_t largest = 0;
  pair->sim.filter = [&](const Datagram& d) {
    largest = std::max(largest, d.bytes.size());
    return true;
  };
  FakeStream* s = pair->server->stream(2);
  const uint64_t before = s->received;
  pair->client->stream(1)->SendPattern(1, bytes);
  CHECK(pair->sim.Run(60 * kSecond,
                      [&] { return s->received == before + bytes; }));
  pair->sim.filter = nullptr;
  return largest;
}

TEST(PacketsFitTheReportedMtu) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::mtu_sanity));
    REQUIRE(pair.Connect());
    CHECK_EQ(LargestAfter(&pair, kMiB), 1420u - 28);
    SendTooBig(&pair, 1200);
    CHECK_EQ(LargestAfter(&pair, kMiB) <= 1200 - 28, on);
  }
}

TEST(AbsurdMtusAreHarmless) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::mtu_sanity));
    REQUIRE(pair.Connect());
    for (const uint32_t mtu : {0u, 65535u, 70000u, UINT32_MAX}) {
      for (int i = 0; i < 10; i++) SendTooBig(&pair, mtu);
    }
    CHECK_EQ(LargestAfter(&pair, kMiB) == 1392, on);
    for (const uint32_t mtu : {1u, 27u, 28u, 68u, 575u}) SendTooBig(&pair, mtu);
    const size_t largest = LargestAfter(&pair, kMiB);
    CHECK(largest >= 576 && largest <= 1392);
  }
}

TEST(ResetWhileDialingMeansRefused) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* client =
        sim.AddNode(on ? Guards() : Without(&Guards::refused_while_dialing));
    Node* server = sim.AddNode();
    server->Dial(1, Address("10.9.9.9", 5));  // a socket that does not listen
    client->Dial(1, server->At(40000));
    sim.Run(kSecond);
    const Event* reply = client->Find(Event::Kind::kReply, 1);
    REQUIRE(reply != nullptr);
    CHECK_EQ(reply->status.code(),
             on ? Code::kConnectionRefused : Code::kConnectionReset);
  }
}

// A message of 72 packets is lost as a whole, and nothing follows it.
uint64_t MessageRepair(const Guards& guards) {
  Pair pair(guards);
  pair.sim.link.delay_us = 5 * kMs;
  if (!pair.Connect()) return 0;
  FakeStream* s = pair.server->stream(2);
  pair.client->stream(1)->SendPattern(1, 4 * kMiB);
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->received == 4 * kMiB; }));
  pair.sim.Run(100 * kMs);
  pair.sim.filter = [](const Datagram&) { return false; };
  pair.client->stream(1)->Send(std::string(100000, 'x'));
  pair.sim.Run(20 * kMs);
  CHECK_EQ(pair.client->stream(1)->unsent(), 0u);
  pair.sim.filter = nullptr;
  const uint64_t start = pair.sim.now_us;
  const uint64_t all = 4 * kMiB + 100000;
  CHECK(pair.sim.Run(60 * kSecond, [&] { return s->received == all; }));
  return pair.sim.now_us - start;
}

// By how much a node that cannot give its data away overstates its room, in
// what it sends and resends.
uint64_t Overstated(const Guards& guards) {
  Settings settings;
  settings.receive_window_bytes = 1024 * 1024;
  Pair pair(guards, settings);
  pair.sim.link.delay_us = 20 * kMs;
  pair.sim.link.loss = 0.01;
  if (!pair.Connect()) return 0;
  pair.client->stream(1)->SendPattern(1, 256 * 1024 * 1024);
  pair.server->stream(2)->SendPattern(2, 256 * 1024 * 1024);
  pair.sim.Run(5 * kSecond);
  pair.server->stream(2)->SetCredit(0);
  uint64_t largest = 0;
  pair.sim.filter = [&](const Datagram& datagram) {
    const Header header = HeaderOf(datagram.bytes);
    if (datagram.from == pair.server->At(4000) &&
        header.type == PacketType::kData) {
      const uint64_t room = settings.receive_window_bytes -
                            pair.server->Stat("buffered_in_bytes");
      if (header.window_bytes > room) {
        largest = std::max(largest, header.window_bytes - room);
      }
    }
    return true;
  };
  pair.sim.Run(20 * kSecond, [&] {
    return pair.server->Stat("buffered_in_bytes") > 900 * 1024;
  });
  pair.sim.filter = nullptr;
  return largest;
}

TEST(WindowsAreThoseOfNow) {
  CHECK_EQ(Overstated(Guards()), 0u);
  CHECK(Overstated(Without(&Guards::fresh_window)) > 16 * 1024);
}

TEST(HeldBackPacketsLeaveWithoutWaitingForTheTick) {
  const uint64_t with = MessageRepair(Guards());
  const uint64_t without = MessageRepair(Without(&Guards::quick_tick));
  CHECK(with + 500 * kMs < without);
}

TEST(ClosedDoesNotWaitForTheTick) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::quick_tick));
    REQUIRE(pair.Connect());
    pair.client->stream(1)->End();
    pair.server->stream(2)->End();
    CHECK_EQ(pair.sim.Run(20 * kMs, [&] { return pair.BothClosed(); }), on);
  }
}

TEST(LostLastAcknowledgementIsRepeated) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::time_wait));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    const Header fin = peer.Next(PacketType::kFin);
    peer.Send(fin);
    server->stream(2)->End();
    sim.Run(10 * kMs);
    peer.seq++;
    peer.ack++;
    peer.Acknowledge();
    sim.Run(kSecond);
    REQUIRE(server->Find(Event::Kind::kClosed, 2) != nullptr);
    peer.got.clear();
    peer.Send(fin);
    sim.Run(10 * kMs);
    // Without memory of it the same packet proves an address again: a ghost.
    CHECK_EQ(server->Count(Event::Kind::kIncoming), on ? 1u : 2u);
    if (!on) continue;
    REQUIRE(peer.got.size() == 1);
    CHECK_EQ(peer.got[0].type, PacketType::kState);
    CHECK_EQ(peer.got[0].ack, fin.seq);
  }
}

TEST(LostProofIsRepeated) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::repeat_proof));
    int states = 0;
    pair.sim.filter = [&](const Datagram& d) {
      return d.to != pair.server->At(4000) ||
             HeaderOf(d.bytes).type != PacketType::kState || states++ > 0;
    };
    pair.client->Dial(1, pair.server->At(4000));
    CHECK_EQ(pair.sim.Run(10 * kSecond, [&] { return pair.Announced(); }), on);
  }
}

TEST(LostSynIsRepeatedSoon) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::repeat_syn));
    int lost = 0;
    pair.sim.filter = [&](const Datagram&) { return lost++ > 0; };
    pair.client->Dial(1, pair.server->At(4000));
    CHECK_EQ(pair.sim.Run(1100 * kMs, [&] { return pair.Announced(); }), on);
  }
}

TEST(UnacknowledgedEndDoesNotLingerForEver) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::linger_limit));
    REQUIRE(pair.Connect());
    pair.server->stream(2)->End();
    pair.sim.Run(kSecond);
    pair.sim.filter = [](const Datagram&) { return false; };
    pair.client->stream(1)->Send("nobody acknowledges this");
    pair.client->stream(1)->End();
    CHECK_EQ(
        pair.sim.Run(
            11 * kSecond,
            [&] { return pair.ClientCode() == Code::kConnectionTimedOut; }),
        on);
    pair.sim.Run(60 * kSecond);
    CHECK_EQ(pair.client->Count(Event::Kind::kClosed), 1u);
    CHECK_EQ(pair.client->engine().libutp_sockets(), 0u);
  }
}

TEST(IcmpDoesNotEndOpenConnections) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::soft_icmp));
    std::string sent;
    REQUIRE(pair.Connect());
    pair.sim.filter = [&](const Datagram& d) {
      if (d.to == pair.server->At(4000)) sent = d.bytes;
      return true;
    };
    pair.client->stream(1)->Send("x");
    pair.sim.Run(10 * kMs);
    const auto icmp = [&](int error) {
      pair.client->engine().OnIcmpError(
          pair.client->sockets.begin()->first,
          reinterpret_cast<const uint8_t*>(sent.data()), sent.size(),
          pair.server->At(4000), error, 0, pair.sim.now_us);
      pair.sim.Run(10 * kMs);
    };
    icmp(EHOSTUNREACH);
    CHECK_EQ(pair.ClientCode() == Code::kOk, on);
    if (!on) continue;
    // The peer's port is gone: that is the end.
    icmp(ECONNREFUSED);
    CHECK_EQ(pair.ClientCode(), Code::kConnectionReset);
  }
}

TEST(ForgedResetsMustMatchWhatWasSent) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::strict_reset));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    Header reset = peer.Next(PacketType::kReset);
    reset.ack = static_cast<uint16_t>(peer.ack + 30000);
    peer.Send(reset);
    sim.Run(kMs);
    CHECK_EQ(server->Find(Event::Kind::kClosed, 2) == nullptr, on);
    if (!on) continue;
    reset = peer.Next(PacketType::kReset);
    reset.connection_id = 9;
    peer.Send(reset);
    sim.Run(kMs);
    CHECK(server->Find(Event::Kind::kClosed, 2) == nullptr);
    // Both ids are right: that of packets to the server and that from it.
    reset.connection_id = peer.id;
    peer.Send(reset);
    sim.Run(kMs);
    REQUIRE(server->Find(Event::Kind::kClosed, 2) != nullptr);
    CHECK_EQ(server->Find(Event::Kind::kClosed, 2)->status.code(),
             Code::kConnectionReset);
  }
}

TEST(DataThatWasOvertakenIsDelivered) {
  for (const bool on : {true, false}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::old_acks));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    const Header early = peer.Next(PacketType::kData);
    peer.seq++;
    for (int i = 0; i < 20; i++) {
      server->stream(2)->Send("x");
      sim.Run(kMs);
      peer.ack++;
      peer.Acknowledge();
    }
    CHECK_EQ(server->Stat("unsent_bytes", 2), 0u);
    peer.Send(early, "late");
    sim.Run(kMs);
    CHECK_EQ(server->stream(2)->received, on ? 4u : 0u);
    // But not with one that is older than anything under way.
    Header forged = peer.Next(PacketType::kData);
    forged.ack = static_cast<uint16_t>(forged.ack - 300);
    peer.Send(forged, "bad");
    sim.Run(kMs);
    CHECK_EQ(server->stream(2)->received, on ? 4u : 0u);
  }
}

// A peer has room for a few packets, and then comes what it sent when it had
// more: an acknowledgement that was overtaken, or data that is sent again.
TEST(TheWindowIsThatOfTheLatestPacket) {
  constexpr uint32_t kRoom = 10 * 1500;
  for (const auto& [on, resent] :
       {std::pair(true, false), {true, true}, {false, false}, {false, true}}) {
    Sim sim;
    Node* server = sim.AddNode(on ? Guards() : Without(&Guards::latest_window));
    server->Listen(4000);
    RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
    REQUIRE(peer.Connect());
    server->stream(2)->SendPattern(1, 100 * kMiB);
    const auto acknowledge = [&](uint32_t window) {
      peer.ack = peer.got.back().seq;
      peer.got.clear();
      peer.sizes.clear();
      Header ack = peer.Next(PacketType::kState);
      ack.window_bytes = window;
      peer.Send(ack);
      sim.Run(5 * kMs);
      return ack;
    };
    Header early;
    for (int i = 0; i < 60; i++) early = acknowledge(1 << 20);
    if (resent) {
      early = peer.Next(PacketType::kData);
      peer.seq++;
    }
    acknowledge(kRoom);
    const auto in_flight = [&] {
      size_t bytes = 0;
      for (const size_t size : peer.sizes) bytes += size - kHeaderBytes;
      return bytes;
    };
    CHECK(in_flight() <= kRoom);
    early.ack = peer.ack;
    if (resent) early.timestamp_us = static_cast<uint32_t>(sim.now_us);
    peer.Send(early, resent ? "data" : "");
    sim.Run(5 * kMs);
    CHECK_EQ(in_flight() <= kRoom, on);
    if (!on) continue;
    // A peer whose clock was set back is believed.
    Header later = peer.Next(PacketType::kState);
    later.timestamp_us -= 3 * kSecond;
    peer.Send(later);
    sim.Run(5 * kMs);
    CHECK(in_flight() > kRoom);
  }
}

uint64_t TransferTime(const Guards& guards, const Link& link) {
  uint64_t total = 0;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    Pair pair(guards, Settings(), seed);
    pair.sim.link = link;
    CHECK(pair.Connect());
    FakeStream* s = pair.server->stream(2);
    s->Expect(1);
    const uint64_t start = pair.sim.now_us;
    pair.client->stream(1)->SendPattern(1, 4 * kMiB);
    CHECK(pair.sim.Run(600 * kSecond, [&] { return s->received == 4 * kMiB; }));
    CHECK(s->intact);
    total += pair.sim.now_us - start;
  }
  return total;
}

TEST(LossesOfDialedConnectionsAreNoticed) {
  Link link;
  link.delay_us = 5 * kMs;
  link.loss = 0.01;
  CHECK(2 * TransferTime(Guards(), link) <
        TransferTime(Without(&Guards::low_first_seq), link));
}

TEST(ReorderingIsNotTakenForLoss) {
  Link link;
  link.delay_us = 25 * kMs;
  for (const uint64_t jitter_ms : {2, 8}) {
    link.jitter_us = jitter_ms * kMs;
    CHECK(3 * TransferTime(Guards(), link) <
          TransferTime(Without(&Guards::reorder_tolerance), link));
  }
}

TEST(LongPathsAreFilledSoon) {
  for (const uint64_t delay_ms : {25, 100}) {
    Link link;
    link.delay_us = delay_ms * kMs;
    CHECK(3 * TransferTime(Guards(), link) <
          TransferTime(Without(&Guards::slow_start), link));
  }
}

// The queue of a slow line is seen before it is full.
TEST(ASlowStartEndsWhenAQueueBeginsToFill) {
  Pair pair;
  pair.sim.link.delay_us = 10 * kMs;
  pair.sim.link.rate = 1000000;
  REQUIRE(pair.Connect());
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  pair.client->stream(1)->SendPattern(1, 20 * kMiB);
  uint64_t most_us = 0;
  pair.sim.Run(2 * kSecond, [&] {
    most_us = std::max(most_us, pair.client->Stat("rtt_us", 1));
    return false;
  });
  CHECK(s->intact);
  CHECK(s->received > 3 * kMiB / 2);
  CHECK(most_us < 120 * kMs);
}

TEST(ASlowStartDoesNotOverrunAQueue) {
  Pair pair;
  pair.sim.link.delay_us = 10 * kMs;
  pair.sim.link.rate = 12500000;
  pair.sim.link.queue_bytes = 512 * 1024;
  REQUIRE(pair.Connect());
  FakeStream* s = pair.server->stream(2);
  s->Expect(1);
  pair.client->stream(1)->SendPattern(1, 100 * kMiB);
  pair.sim.Run(3 * kSecond);
  CHECK(s->intact);
  CHECK(s->received > 22 * kMiB);
  CHECK_EQ(pair.client->Stat("retransmits"), uint64_t{0});
}

TEST(LostResetIsRepeated) {
  for (const bool on : {true, false}) {
    Pair pair(on ? Guards() : Without(&Guards::repeat_reset));
    REQUIRE(pair.Connect());
    pair.sim.Run(kSecond);
    int lost = 0;
    pair.sim.filter = [&](const Datagram&) { return lost++ > 0; };
    pair.client->Close(1, true);
    pair.sim.Run(2 * kSecond);
    CHECK_EQ(pair.ServerCode() == Code::kConnectionReset, on);
  }
}

}  // namespace
}  // namespace xtp::utp::sim
