// Datagrams from people who mean no good, while others are being served.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <set>
#include <string>

#include "utp/testing/raw_peer.h"

namespace xtp::utp::sim {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

// What passed in the network, to be replayed and mutilated.
class Recorder {
 public:
  void Keep(const Datagram& datagram) {
    if (kept_.size() == 512) kept_.pop_front();
    kept_.push_back(datagram);
  }
  const Datagram& Any(test::Random* random) const {
    return kept_[random->Below(kept_.size())];
  }
  bool empty() const { return kept_.empty(); }

 private:
  std::deque<Datagram> kept_;
};

void Mutate(std::string* bytes, test::Random* random) {
  switch (random->Below(5)) {
    case 0:
      bytes->resize(random->Below(bytes->size() + 1));
      return;
    case 1:
      bytes->append(random->Below(60), static_cast<char>(random->Next()));
      return;
    case 2:  // extensions
      if (bytes->size() < kHeaderBytes) return;
      (*bytes)[1] = static_cast<char>(random->Below(4));
      bytes->insert(kHeaderBytes,
                    std::string({static_cast<char>(random->Below(4)),
                                 static_cast<char>(random->Below(12)),
                                 static_cast<char>(random->Next()),
                                 static_cast<char>(random->Next())}));
      return;
    case 3:  // another type
      if (bytes->empty()) return;
      (*bytes)[0] = static_cast<char>(random->Below(6) << 4 | 1);
      return;
    default:
      for (uint32_t i = 1 + random->Below(8); i > 0 && !bytes->empty(); i--) {
        (*bytes)[random->Below(bytes->size())] =
            static_cast<char>(random->Next());
      }
  }
}

std::string Garbage(test::Random* random) {
  std::string bytes(random->Below(100), 0);
  for (char& c : bytes) c = static_cast<char>(random->Next());
  if (!bytes.empty() && random->OneIn(2)) {
    bytes[0] = static_cast<char>(random->Below(5) << 4 | 1);
  }
  return bytes;
}

// XTP_FUZZ_COUNT and XTP_FUZZ_SEED make longer and other runs.
int FromEnvironment(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value != nullptr ? atoi(value) : otherwise;
}

// Two connections carry checked data both ways. A third one, from another
// machine, is attacked with packets that only its true peer could send, and
// may die of it; then it is dialed again.
TEST(LiveConnectionsSurviveAFlood) {
  Pair pair;
  Sim& sim = pair.sim;
  Node* victim = sim.AddNode();
  sim.link.rate = 3000000;
  pair.server->engine().Accept(1, 1000000, sim.now_us);
  Recorder honest;
  Recorder exposed;
  sim.filter = [&](const Datagram& d) {
    const bool of_victim = d.from.ip() == "10.0.0.3" || d.to.ip() == "10.0.0.3";
    (of_victim ? exposed : honest).Keep(d);
    return true;
  };
  REQUIRE(pair.Connect());
  pair.client->Dial(3, pair.server->At(4000));
  REQUIRE(sim.Run(kSecond, [&] { return pair.server->stream(4) != nullptr; }));
  const uint64_t bytes = 40 * kMiB;
  for (const uint32_t id : {1u, 3u}) {
    FakeStream* c = pair.client->stream(id);
    FakeStream* s = pair.server->stream(id + 1);
    c->Expect(id);
    s->Expect(id + 100);
    s->SendPattern(id, bytes);
    c->SendPattern(id + 100, bytes);
  }
  uint32_t dial = 1;
  victim->Dial(dial, pair.server->At(4000));

  test::Random random(FromEnvironment("XTP_FUZZ_SEED", 1));
  const int count = FromEnvironment("XTP_FUZZ_COUNT", 100000);
  for (int i = 0; i < count; i++) {
    const Endpoint stranger =
        Address("10.3.0." + std::to_string(random.Below(4)),
                static_cast<uint16_t>(1 + random.Below(5)));
    Datagram d = honest.Any(&random);
    switch (random.Below(6)) {
      case 0:  // from strangers
        d.from = stranger;
        d.bytes = Garbage(&random);
        break;
      case 1:
        d.from = stranger;
        Mutate(&d.bytes, &random);
        break;
      case 2:  // replayed, as it was
        break;
      case 3:  // in the name of an honest peer, but not knowing the ids
        d.bytes = Garbage(&random);
        if (d.bytes.size() > 3) d.bytes[2] = static_cast<char>(0x55);
        break;
      default:
        if (exposed.empty()) continue;
        d = exposed.Any(&random);
        Mutate(&d.bytes, &random);
        break;
    }
    sim.Inject(d);
    if (i % 16 == 0) sim.Run(500);
    const FakeStream* stream = victim->stream(dial);
    const bool gone = victim->Find(Event::Kind::kClosed, dial) != nullptr ||
                      (victim->Find(Event::Kind::kReply, dial) != nullptr);
    if (gone) {
      dial += 2;
      victim->Dial(dial, pair.server->At(4000));
    } else if (stream != nullptr && !stream->dead() && i % 500 == 0) {
      victim->stream(dial)->Send(std::string(3000, 'v'));
    }
  }
  CHECK(sim.Run(600 * kSecond, [&] {
    for (const uint32_t id : {1u, 3u}) {
      if (pair.client->stream(id)->received != bytes) return false;
      if (pair.server->stream(id + 1)->received != bytes) return false;
    }
    return true;
  }));
  for (const uint32_t id : {1u, 3u}) {
    CHECK(pair.client->stream(id)->intact);
    CHECK(pair.server->stream(id + 1)->intact);
    CHECK(pair.client->Find(Event::Kind::kClosed, id) == nullptr);
  }
  std::printf("     %d datagrams, %u victims\n", count, (dial + 1) / 2);
  // And the service still takes new connections.
  pair.client->Dial(9, pair.server->At(4000));
  CHECK(sim.Run(5 * kSecond, [&] {
    return pair.client->Find(Event::Kind::kConnected, 9) != nullptr;
  }));
}

TEST(ReplayedConnectionsDoNotComeToLife) {
  Pair pair;
  std::deque<Datagram> all;
  pair.sim.filter = [&](const Datagram& d) {
    if (d.to == pair.server->At(4000)) all.push_back(d);
    return true;
  };
  REQUIRE(pair.Connect());
  pair.client->stream(1)->Send("once");
  pair.client->stream(1)->End();
  pair.sim.Run(kSecond);
  // While it lives.
  for (const Datagram& d : all) pair.sim.Inject(d);
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.server->stream(2)->head, std::string("once"));
  pair.server->stream(2)->End();
  CHECK(pair.sim.Run(kSecond, [&] { return pair.BothClosed(); }));
  pair.sim.filter = nullptr;
  // And for as long as its proof of address could be taken for a new one.
  for (int second = 0; second < 70; second++) {
    for (const Datagram& d : all) pair.sim.Inject(d);
    pair.sim.Run(kSecond);
  }
  CHECK_EQ(pair.server->Count(Event::Kind::kIncoming), 1u);
  CHECK_EQ(pair.server->engine().libutp_sockets(), 0u);
}

TEST(StrangersGetOneResetEachAndNoFlood) {
  Sim sim;
  Node* server = sim.AddNode();
  server->Listen(4000);
  RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
  for (const auto type : {PacketType::kData, PacketType::kFin,
                          PacketType::kState, PacketType::kReset}) {
    peer.Send(peer.Next(type), "payload");
  }
  // Never an answer to a reset, and never more bytes than came.
  CHECK_EQ(peer.got.size(), 3u);
  for (const Header& header : peer.got) {
    CHECK_EQ(header.type, PacketType::kReset);
    CHECK_EQ(header.connection_id, peer.id + 1);
    CHECK_EQ(header.ack, peer.seq);
  }
  for (const size_t size : peer.sizes) CHECK_EQ(size, kHeaderBytes);
  peer.got.clear();
  for (int i = 0; i < 10000; i++) peer.Send(peer.Next(PacketType::kData), "x");
  CHECK(peer.got.size() <= 200);
  for (int i = 0; i < 1000; i++) {
    sim.Run(kMs);
    peer.Send(peer.Next(PacketType::kData), "x");
  }
  CHECK(peer.got.size() <= 450);
  // What is no uTP gets no answer at all.
  peer.got.clear();
  sim.Run(2 * kSecond);
  sim.Inject({Address("10.7.7.7", 7), server->At(4000), std::string(50, 'd')});
  sim.Inject({Address("10.7.7.7", 7), server->At(4000), ""});
  CHECK(peer.got.empty());
}

// libutp would never find this connection again.
TEST(SynWithTheLastIdIsRefused) {
  Sim sim;
  Node* server = sim.AddNode();
  server->Listen(4000);
  RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
  peer.id = 0xffff;
  CHECK(!peer.Connect());
  REQUIRE(peer.got.size() == 1);
  CHECK_EQ(peer.got[0].type, PacketType::kReset);
  peer.id = 0xfffe;
  CHECK(peer.Connect());
  CHECK_EQ(server->Count(Event::Kind::kIncoming), 1u);
}

// Dials in both directions between the same two ports.
struct Crowd {
  explicit Crowd(const Guards& guards) : pair(guards) {
    pair.client->Listen(4500);
    pair.client->engine().Accept(1, 1000, pair.sim.now_us);
    pair.server->engine().Accept(1, 1000, pair.sim.now_us);
    for (uint32_t i = 0; i < kEach; i++) {
      pair.client->Dial(1 + 2 * i, pair.server->At(4000));
      pair.server->Dial(1 + 2 * i, pair.client->At(4500));
    }
  }
  bool AllConnect() {
    return pair.sim.Run(10 * kSecond, [this] {
      return pair.client->Count(Event::Kind::kConnected) == kEach &&
             pair.server->Count(Event::Kind::kConnected) == kEach &&
             pair.client->Count(Event::Kind::kIncoming) == kEach &&
             pair.server->Count(Event::Kind::kIncoming) == kEach;
    });
  }
  static constexpr uint32_t kEach = 600;
  Pair pair;
};

TEST(CrossingDialsNeverMeet) {
  Guards guards;
  guards.even_dial_ids = false;
  CHECK(!Crowd(guards).AllConnect());

  Crowd crowd{Guards()};
  REQUIRE(crowd.AllConnect());
  CHECK_EQ(crowd.pair.client->sockets.size(), 1u);
  Node* const nodes[] = {crowd.pair.client, crowd.pair.server};
  for (uint32_t i = 0; i < Crowd::kEach; i++) {
    for (Node* node : nodes) {
      node->stream(1 + 2 * i)->Send("D" + std::to_string(i));
      node->stream(2 + 2 * i)->Send("A");
    }
  }
  crowd.pair.sim.Run(5 * kSecond);
  std::set<std::string> seen;
  for (uint32_t i = 0; i < Crowd::kEach; i++) {
    for (Node* node : nodes) {
      CHECK_EQ(node->stream(1 + 2 * i)->head, std::string("A"));
      seen.insert((node == nodes[0] ? "0" : "1") +
                  node->stream(2 + 2 * i)->head);
    }
  }
  CHECK_EQ(seen.size(), 2 * Crowd::kEach);
}

// Delay samples that are half the number space apart (see asserts_test.cc).
TEST(AbsurdDelaysAreHarmless) {
  Sim sim;
  Node* server = sim.AddNode();
  server->Listen(4000);
  RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
  REQUIRE(peer.Connect());
  for (const uint32_t delay :
       {1000u, 0x800003e8u, 0x7fffffffu, 0xffffffffu, 1u, 0x80000000u}) {
    sim.Run(6 * kSecond);
    Header header = peer.Next(PacketType::kState);
    header.timestamp_difference_us = delay;
    header.timestamp_us = delay * 3;
    header.window_bytes = delay;
    peer.Send(header);
  }
  peer.Data("alive");
  sim.Run(kSecond);
  CHECK_EQ(server->stream(2)->head, std::string("alive"));
}

TEST(IcmpWithForgedQuotesIsIgnored) {
  Pair pair;
  REQUIRE(pair.Connect());
  test::Random random(5);
  const SocketId socket = pair.client->sockets.begin()->first;
  std::string sent;
  pair.sim.filter = [&](const Datagram& d) {
    if (d.to == pair.server->At(4000)) sent = d.bytes;
    return true;
  };
  pair.client->stream(1)->Send("before");
  pair.sim.Run(kSecond);
  REQUIRE(sent.size() >= kHeaderBytes);
  for (int i = 0; i < 20000; i++) {
    // of somebody who does not know the ids, or knows them and guesses the rest
    std::string quote = random.OneIn(2) ? Garbage(&random) : sent;
    if (quote == sent) {
      const uint32_t seq = (static_cast<uint8_t>(sent[16]) << 8) +
                           static_cast<uint8_t>(sent[17]) + 100 +
                           random.Below(65000);
      quote[16] = static_cast<char>(seq >> 8);
      quote[17] = static_cast<char>(seq);
    }
    const int error = random.OneIn(2) ? ECONNREFUSED : EMSGSIZE;
    const uint32_t mtu = random.Below(3000);
    pair.client->engine().OnIcmpError(
        socket, reinterpret_cast<const uint8_t*>(quote.data()), quote.size(),
        pair.server->At(4000), error, mtu, pair.sim.now_us);
  }
  pair.client->stream(1)->Send("fine");
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.server->stream(2)->head, std::string("beforefine"));
  CHECK_EQ(pair.ClientCode(), Code::kOk);
}

// A connection limit refuses quietly and hurts nobody who is connected.
TEST(ConnectionLimit) {
  Settings settings;
  settings.max_connections = 3;
  Pair pair(Guards(), settings);
  Node* other = pair.sim.AddNode();
  REQUIRE(pair.Connect());
  for (uint32_t id = 1; id <= 9; id += 2) {
    other->Dial(id, pair.server->At(4000), 3000);
  }
  pair.sim.Run(5 * kSecond);
  CHECK_EQ(pair.server->Count(Event::Kind::kIncoming), 3u);
  pair.client->stream(1)->Send("still served");
  pair.sim.Run(kSecond);
  CHECK_EQ(pair.server->stream(2)->head, std::string("still served"));
}

}  // namespace
}  // namespace xtp::utp::sim
