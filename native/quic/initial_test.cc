// What comes before there is a connection, from peers that are none.
// XTP_FUZZ_COUNT sets how much.
#include "quic/testing/initial.h"

#include <algorithm>
#include <set>

#include "quic/testing/sim.h"

namespace xtp::quic {
namespace {

using sim::Initial;
using sim::kMs;
using sim::kSecond;
using sim::Node;
using sim::Sim;
using sim::VarInt;

// Each costs a connection, and half of them a TLS session.
uint64_t Count() { return sim::CountFrom("XTP_FUZZ_COUNT", 20000) / 20; }

std::string RandomBytes(test::Random* random, size_t length) {
  std::string result(length, '\0');
  for (char& c : result) c = static_cast<char>(random->Next());
  return result;
}

// A listener with few places, a client whom it knows, and the first datagram of
// another one who never came further.
struct Victim {
  static constexpr uint32_t kAccept = 8;

  Victim() {
    server->Listen(4000, kAccept);
    friend_->Dial(1, server->At(4000));
    CHECK(sim.Run(kSecond, [&] {
      return friend_->Find(Event::Kind::kConnected, 1) != nullptr;
    }));
    sim.filter = [&](sim::Datagram& datagram) {
      if (first.empty()) first = datagram.bytes;
      return false;
    };
    other_->Dial(1, server->At(4000), 1000);
    sim.Run(5 * kSecond);
    sim.filter = [&](sim::Datagram& datagram) {
      answered[datagram.to.ToString()] += datagram.bytes.size();
      return true;
    };
    CHECK(sim::Open(first, &hello));
  }
  // The nodes say goodbye.
  ~Victim() { sim.filter = nullptr; }

  // From an address that nobody has proved, a new one each time.
  void Send(const std::string& bytes) { SendFrom(NextAddress(), bytes); }

  Endpoint NextAddress() {
    const std::string ip = "192.0.2." + std::to_string(1 + addresses_ / 60000);
    return sim::Address(ip, static_cast<uint16_t>(1000 + addresses_++ % 60000));
  }

  // At most three times of what came may go there (RFC 9000, section 8.1).
  void SendFrom(const Endpoint& from, const std::string& bytes) {
    received[from.ToString()] += bytes.size();
    sim.Inject({from, server->At(4000), bytes});
    server->Round();
  }

  // Nobody has come in, nothing is left, every place is free.
  void CheckUnharmed() {
    sim.Run(30 * kSecond);
    for (const auto& [to, bytes] : answered) {
      const auto found = received.find(to);
      if (found != received.end()) CHECK(bytes <= 3 * found->second);
    }
    CHECK_EQ(server->Count(Event::Kind::kIncoming), size_t{1});
    CHECK_EQ(server->engine().half_open(), size_t{0});
    CHECK_EQ(server->engine().connections(), size_t{1});
    CHECK(friend_->Find(Event::Kind::kClosed, 1) == nullptr);
    // One is the friend's.
    for (uint32_t i = 1; i < kAccept; i++)
      other_->Dial(2 * i + 1, server->At(4000));
    CHECK(sim.Run(10 * kSecond, [&] {
      return server->Count(Event::Kind::kIncoming) == kAccept;
    }));
  }

  Sim sim;
  Node* const server = sim.AddNode();
  Node* const friend_ = sim.AddNode();
  Node* const other_ = sim.AddNode();
  std::string first;
  Initial hello;  // what is in it
  std::map<std::string, size_t> received, answered;

 private:
  size_t addresses_ = 0;
};

std::string Crypto(uint64_t offset, const std::string& bytes) {
  return "\x06" + VarInt(offset) + VarInt(bytes.size()) + bytes;
}

// What TLS says first, put together from the frames.
std::string ClientHello(const Initial& hello) {
  size_t at = 0;
  const auto byte = [&] { return static_cast<uint8_t>(hello.frames[at++]); };
  const auto number = [&] {
    size_t value = byte();
    for (int more = (1 << (value >> 6)) - 1; more > 0; more--) {
      value = (value & 0x3f) << 8 | byte();
    }
    return value;
  };
  std::string result;
  while (at < hello.frames.size()) {
    if (byte() != 6) continue;  // PADDING, PING
    const size_t offset = number(), length = number();
    result.resize(std::max(result.size(), offset + length));
    result.replace(offset, length, hello.frames.substr(at, length));
    at += length;
  }
  return result;
}

void Damage(test::Random* random, std::string* bytes) {
  for (uint32_t i = random->Below(4) + 1; i > 0 && !bytes->empty(); i--) {
    const size_t at = random->Below(bytes->size());
    switch (random->Below(4)) {
      case 0:
        bytes->erase(at, random->Below(20) + 1);
        break;
      case 1:
        bytes->insert(at, RandomBytes(random, random->Below(20) + 1));
        break;
      default:
        (*bytes)[at] = static_cast<char>(random->Next());
    }
  }
}

std::string HostileFrames(test::Random* random, const Initial& hello) {
  const std::string tls = ClientHello(hello);
  const uint64_t far = random->Next() >> (2 + random->Below(60));
  std::string result;
  switch (random->Below(10)) {
    case 0:  // frames that are no frames
      return RandomBytes(random, random->Below(1000));
    case 1:  // every type that there is, most of them forbidden here
      for (int i = 0; i < 20; i++) {
        result += static_cast<char>(random->Below(0x20));
        result += RandomBytes(random, random->Below(20));
      }
      return result;
    case 2:  // acknowledges what was never sent
      return "\x02" + VarInt(far) + VarInt(0) + VarInt(random->Below(300)) +
             VarInt(far) + RandomBytes(random, random->Below(600));
    case 3:  // far ahead in the stream of TLS
      return Crypto(far, RandomBytes(random, random->Below(900)));
    case 4:  // nothing but its end, now and then in good order
      return "\x1c" + VarInt(random->OneIn(4) ? 0 : far) + VarInt(0) +
             VarInt(0);
    case 5:  // nothing at all
      return "";
    case 6: {  // the truth in pieces, in any order, some of it twice, some not
      for (int i = 0; i < 40; i++) {
        const size_t at = random->Below(tls.size());
        result += Crypto(at, tls.substr(at, random->Below(40)));
      }
      return result;
    }
    case 7: {  // two truths for one place
      std::string lie = tls;
      Damage(random, &lie);
      return Crypto(0, lie.substr(0, 400)) + Crypto(1, tls.substr(1, 400));
    }
    default: {  // not quite the truth
      std::string lie = tls;
      Damage(random, &lie);
      if (random->OneIn(2) && lie.size() > 4) {
        lie[2] = static_cast<char>((lie.size() - 4) >> 8);
        lie[3] = static_cast<char>(lie.size() - 4);
      }
      return Crypto(0, lie);
    }
  }
}

Initial Hostile(test::Random* random, const Initial& hello) {
  Initial packet;
  packet.to = RandomBytes(random, 8 + random->Below(13));
  packet.from = RandomBytes(random, random->Below(21));
  packet.key_id = packet.to;
  packet.number = random->OneIn(4) ? static_cast<uint32_t>(random->Next()) : 0;
  packet.frames = HostileFrames(random, hello);
  if (random->OneIn(8)) packet.token = RandomBytes(random, random->Below(200));
  return packet;
}

TEST(WhatIsSealedCanBeOpened) {
  Victim victim;
  const std::string tls = ClientHello(victim.hello);
  REQUIRE(tls.size() > 100);
  CHECK_EQ(tls[0], '\x01');
  Initial again;
  REQUIRE(sim::Open(sim::Seal(victim.hello), &again));
  CHECK(again.frames == victim.hello.frames);
  // The engine takes it for the real one: it answers with a handshake.
  const Endpoint from = victim.NextAddress();
  victim.SendFrom(from, sim::Seal(victim.hello));
  CHECK(victim.answered[from.ToString()] >= 1000);
  CHECK_EQ(victim.server->engine().half_open(), size_t{1});
  victim.CheckUnharmed();
}

// Without transport parameters ngtcp2 would follow a null pointer.
TEST(AClientHelloWithoutTransportParametersIsRefused) {
  Victim victim;
  std::string tls = ClientHello(victim.hello);
  const size_t at = tls.find(std::string("\0\x39\0", 3));
  REQUIRE(at != std::string::npos);
  tls[at] = 0x5a;
  Initial packet = victim.hello;
  packet.frames = Crypto(0, tls);
  const Endpoint from = victim.NextAddress();
  std::string answer;
  victim.sim.filter = [&](sim::Datagram& datagram) {
    if (datagram.to == from) answer = datagram.bytes;
    return true;
  };
  victim.SendFrom(from, sim::Seal(packet));
  Initial close;
  close.from_server = true;
  REQUIRE(sim::Open(answer, &close, victim.hello.to));
  // CONNECTION_CLOSE with CRYPTO_ERROR and missing_extension.
  CHECK(close.frames.find("\x1c\x41\x6d") != std::string::npos);
  victim.CheckUnharmed();
}

// Peers can be refused as often as they like: the application hears of some.
TEST(RefusedPeersAreToldTenTimesPerSecond) {
  Victim victim;
  std::string tls = ClientHello(victim.hello);
  const size_t at = tls.find(std::string("\0\x39\0", 3));
  REQUIRE(at != std::string::npos);
  tls[at] = 0x5a;  // no transport parameters
  Initial packet = victim.hello;
  packet.frames = Crypto(0, tls);
  for (size_t told : {size_t{10}, size_t{20}}) {
    victim.sim.Run(2 * kSecond);
    for (int i = 0; i < 30; i++) {
      packet.key_id[0]++;  // another connection
      packet.to = packet.key_id;
      victim.Send(sim::Seal(packet));
      victim.sim.Run(kMs);
    }
    CHECK_EQ(victim.server->Count(Event::Kind::kRefused), told);
  }
  CHECK_EQ(victim.server->engine().counters().handshakes_failed, uint64_t{60});
  const Event* const event = victim.server->Find(Event::Kind::kRefused, 0);
  REQUIRE(event != nullptr);
  CHECK(event->status.code() == Code::kHandshakeFailed);
  CHECK_EQ(event->listener, uint32_t{1});
  CHECK_EQ(event->remote.ip().substr(0, 8), "192.0.2.");
  victim.CheckUnharmed();
}

// Rightly protected, so that it is the frames and TLS that are attacked.
TEST(SealedInitialsHarmNobody) {
  Victim victim;
  test::Random* const random = &victim.sim.random;
  for (uint64_t i = Count(); i > 0; i--) {
    Initial packet = Hostile(random, victim.hello);
    const Endpoint from = victim.NextAddress();
    victim.SendFrom(from, sim::Seal(packet));
    // The same connection goes on.
    while (random->OneIn(2)) {
      packet.number++;
      packet.frames = HostileFrames(random, victim.hello);
      victim.SendFrom(from, sim::Seal(packet));
    }
    // Until there are places again.
    victim.sim.Run(random->OneIn(8) ? 12 * kSecond : kMs);
  }
  CHECK(victim.server->engine().counters().handshakes_failed >= Count() / 8);
  victim.CheckUnharmed();
}

// Everything that is wrong before anything is decrypted.
TEST(InitialsOfWrongShapeHarmNobody) {
  Victim victim;
  test::Random* const random = &victim.sim.random;
  for (uint64_t i = Count(); i > 0; i--) {
    Initial packet = Hostile(random, victim.hello);
    if (random->OneIn(2)) packet.frames = victim.hello.frames;
    std::string bytes = sim::Seal(packet);
    switch (random->Below(9)) {
      case 0:  // another version, 0 among them
        bytes.replace(
            1, 4,
            random->OneIn(4) ? std::string(4, '\0') : RandomBytes(random, 4));
        break;
      case 1:  // ids of other lengths
        bytes[5] = static_cast<char>(random->Next());
        break;
      case 2:  // a token longer than the packet
        bytes.replace(6 + static_cast<uint8_t>(bytes[5]) + 1, 4,
                      VarInt(random->Next() >> 34 | 1 << 29));
        break;
      case 3:  // tiny, down to nothing
        bytes.resize(random->Below(60));
        break;
      case 4:  // one byte too short to be answered
        bytes.resize(1199);
        break;
      case 5:  // huge
        bytes += RandomBytes(random, 65507 - bytes.size());
        break;
      case 6: {  // several connections in one datagram
        for (int more = 3; more > 0; more--) {
          bytes += sim::Seal(Hostile(random, victim.hello), 200);
        }
        break;
      }
      case 7:  // with something behind it: early data, a handshake, a short
               // header
        bytes += static_cast<char>(0xd0 + 0x10 * random->Below(3) +
                                   random->Below(16));
        bytes += bytes.substr(1, 20) + RandomBytes(random, random->Below(300));
        break;
      default:
        Damage(random, &bytes);
    }
    victim.Send(bytes);
    victim.sim.Run(random->OneIn(8) ? 12 * kSecond : kMs);
  }
  victim.CheckUnharmed();
}

// Ours come back changed, too late, and from others.
TEST(TokensThatAreNotThePeersProveNothing) {
  Victim victim;
  test::Random* const random = &victim.sim.random;
  // Its places for those without a proof are used up: it asks for one.
  Initial packet = victim.hello;
  std::string retry;
  victim.sim.filter = [&](sim::Datagram& datagram) {
    if ((datagram.bytes[0] & 0x70) == 0x70) retry = datagram.bytes;
    return false;
  };
  const Endpoint owner = victim.NextAddress();
  const auto fill = [&](const Endpoint& from) {
    packet.to = packet.key_id = RandomBytes(random, 12);
    packet.token.clear();
    victim.SendFrom(from, sim::Seal(packet));
  };
  for (int i = 0; i < 20; i++) fill(victim.NextAddress());
  const size_t before = victim.server->engine().half_open();
  retry.clear();
  fill(owner);
  REQUIRE(!retry.empty());
  const size_t id_at = 6 + static_cast<uint8_t>(retry[5]);
  const size_t id_bytes = static_cast<uint8_t>(retry[id_at]);
  const size_t token_at = id_at + 1 + id_bytes;
  const std::string token =
      retry.substr(token_at, retry.size() - token_at - 16);
  packet.to = packet.key_id = retry.substr(id_at + 1, id_bytes);
  packet.token = token;
  const auto answered = [&](const Endpoint& from, const Initial& sent) {
    victim.SendFrom(from, sim::Seal(sent));
    return victim.server->engine().half_open() > before;
  };
  CHECK(!answered(victim.NextAddress(), packet));
  for (uint64_t i = Count(); i > 0; i--) {
    Initial wrong = packet;
    Damage(random, &wrong.token);
    if (wrong.token != token) CHECK(!answered(owner, wrong));
  }
  Initial elsewhere = packet;
  elsewhere.to = elsewhere.key_id = RandomBytes(random, id_bytes);
  CHECK(!answered(owner, elsewhere));
  // It was a good one all the time.
  CHECK(answered(owner, packet));
  victim.sim.Run(kMs);
  // And once only: the rest is for the connection that it made.
  CHECK_EQ(victim.server->engine().half_open(), before + 1);
  victim.SendFrom(owner, sim::Seal(packet));
  CHECK_EQ(victim.server->engine().half_open(), before + 1);
  victim.sim.Run(20 * kSecond);
  CHECK(!answered(owner, packet) || before > 0);
  victim.sim.filter = nullptr;
  victim.answered.clear();
  victim.CheckUnharmed();
}

// Whole handshakes, seen by somebody who sends them again, from where they came
// and from elsewhere.
TEST(ReplaysOpenNothing) {
  Victim victim;
  std::vector<sim::Datagram> seen;
  victim.sim.filter = [&](sim::Datagram& datagram) {
    if (datagram.to == victim.server->At(4000)) seen.push_back(datagram);
    return true;
  };
  victim.other_->Dial(3, victim.server->At(4000));
  REQUIRE(victim.sim.Run(kSecond, [&] {
    return victim.server->Count(Event::Kind::kIncoming) == 2;
  }));
  victim.other_->Close(3, true);
  victim.sim.Run(kSecond);
  victim.sim.filter = nullptr;
  REQUIRE(seen.size() > 2);
  test::Random* const random = &victim.sim.random;
  for (uint64_t i = Count(); i > 0; i--) {
    sim::Datagram copy = seen[random->Below(seen.size())];
    if (random->OneIn(2)) copy.from = victim.NextAddress();
    victim.sim.Inject(copy);
    victim.sim.Run(random->OneIn(8) ? 12 * kSecond : kMs);
  }
  victim.sim.Run(30 * kSecond);
  CHECK_EQ(victim.server->Count(Event::Kind::kIncoming), size_t{2});
  CHECK_EQ(victim.server->engine().half_open(), size_t{0});
  CHECK_EQ(victim.server->engine().connections(), size_t{1});
}

// Answers to a dial by somebody who has seen it: it ends with a reason, and
// never with a connection.
TEST(ForgedAnswersToADialAreNoConnection) {
  Victim victim;
  test::Random* const random = &victim.sim.random;
  Node* const dialer = victim.sim.AddNode();
  const Endpoint nobody = sim::Address("10.9.9.9", 9);
  const uint64_t count = Count() / 2;
  std::set<Code> codes;
  for (uint32_t id = 1; id < 2 * count; id += 2) {
    std::string first;
    Endpoint from;
    victim.sim.filter = [&](sim::Datagram& datagram) {
      if (datagram.to == nobody && first.empty()) {
        first = datagram.bytes;
        from = datagram.from;
      }
      return false;
    };
    dialer->Dial(id, nobody, 1000);
    dialer->Round();
    Initial asked;
    REQUIRE(sim::Open(first, &asked));
    Initial answer;
    answer.key_id = asked.to;
    answer.from_server = true;
    answer.to = asked.from;
    answer.from = RandomBytes(random, random->Below(21));
    for (uint32_t i = random->Below(4) + 1; i > 0; i--) {
      std::string bytes;
      switch (random->Below(4)) {
        case 0:  // versions, those that it speaks among them
          bytes = "\xc0" + std::string(4, '\0');
          for (const std::string& to : {asked.from, asked.to}) {
            bytes += static_cast<char>(to.size()) + to;
          }
          bytes += random->OneIn(2) ? std::string("\0\0\0\1", 4)
                                    : RandomBytes(random, random->Below(40));
          break;
        case 1:  // a Retry whose tag is wrong
          bytes = "\xf0" + std::string("\0\0\0\1", 4);
          for (const std::string& to : {answer.to, answer.from}) {
            bytes += static_cast<char>(to.size()) + to;
          }
          bytes += RandomBytes(random, random->Below(200) + 16);
          break;
        default:
          answer.frames = HostileFrames(random, victim.hello);
          answer.token = random->OneIn(8) ? RandomBytes(random, 9) : "";
          bytes = sim::Seal(answer);
          answer.number++;
      }
      if (random->OneIn(8)) Damage(random, &bytes);
      victim.sim.Inject({nobody, from, bytes});
      dialer->Round();
    }
    const Event* reply = nullptr;
    CHECK(victim.sim.Run(5 * kSecond, [&] {
      reply = dialer->Find(Event::Kind::kReply, id);
      return reply != nullptr;
    }));
    if (reply != nullptr) {
      CHECK(!reply->status.ok());
      codes.insert(reply->status.code());
    }
    CHECK_EQ(dialer->Count(Event::Kind::kConnected), size_t{0});
    dialer->events.clear();
  }
  CHECK(codes.count(Code::kInternal) == 0);
  CHECK(count < 100 || codes.size() >= 3);
  victim.sim.filter = nullptr;
  victim.sim.Run(60 * kSecond);
  CHECK_EQ(dialer->engine().connections(), size_t{0});
  dialer->Dial(2 * static_cast<uint32_t>(count) + 1, victim.server->At(4000));
  CHECK(victim.sim.Run(
      kSecond, [&] { return dialer->Count(Event::Kind::kConnected) == 1; }));
}

}  // namespace
}  // namespace xtp::quic
