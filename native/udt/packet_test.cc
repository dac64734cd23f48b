// What libudt would trust, and is not told.
#include "udt/packet.h"

#include <cstring>
#include <vector>

#include "common/byte_order.h"
#include "common/testing/test.h"

namespace xtp::udt {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kRefused = 1002;
constexpr uint32_t kConcluding = 0xffffffff;

Bytes Control(uint32_t type, uint32_t destination,
              const std::vector<uint32_t>& words) {
  Bytes packet(kHeaderBytes + 4 * words.size());
  PutU32(packet.data(), 0x80000000 | type << 16);
  PutU32(packet.data() + 12, destination);
  for (size_t i = 0; i < words.size(); i++) {
    PutU32(packet.data() + kHeaderBytes + 4 * i, words[i]);
  }
  return packet;
}

Bytes Handshake(uint32_t destination, uint32_t request_type,
                uint32_t segment = 1500, uint32_t flight = 8192) {
  return Control(0, destination,
                 {4, 1, 7, segment, flight, request_type, 99, 0, 0, 0, 0, 0});
}

PacketFacts Inspect(Bytes* packet) {
  PacketLimits limits;
  limits.max_segment_bytes = 1480;
  limits.max_flight_packets = 1000;
  return InspectPacket(packet->data(), packet->size(), limits);
}

PacketKind KindOf(Bytes packet) { return Inspect(&packet).kind; }

uint32_t Word(const Bytes& packet, size_t index) {
  return GetU32(packet.data() + kHeaderBytes + 4 * index);
}

TEST(Handshakes) {
  CHECK(KindOf(Handshake(0, 1)) == PacketKind::kRequest);
  CHECK(KindOf(Handshake(0, kConcluding)) == PacketKind::kRequest);
  CHECK(KindOf(Handshake(5, 1)) == PacketKind::kChallenge);
  CHECK(KindOf(Handshake(5, kConcluding)) == PacketKind::kResponse);
  CHECK(KindOf(Handshake(5, kRefused)) == PacketKind::kRefusal);
  Bytes request = Handshake(0, 1);
  CHECK_EQ(Inspect(&request).handshake_id, uint32_t{99});
  // Rendezvous, refusals of nothing, absurd values.
  CHECK(KindOf(Handshake(0, 0)) == PacketKind::kBad);
  CHECK(KindOf(Handshake(0, kRefused)) == PacketKind::kBad);
  CHECK(KindOf(Handshake(0, 1, 0)) == PacketKind::kBad);
  CHECK(KindOf(Handshake(0, 1, 0x80000000)) == PacketKind::kBad);
  CHECK(KindOf(Handshake(0, 1, 1500, 0)) == PacketKind::kBad);
  CHECK(KindOf(Handshake(0, 1, 1500, 0xffffffff)) == PacketKind::kBad);
  for (const size_t word : {0, 1}) {  // version, kind of socket
    Bytes wrong = Handshake(0, 1);
    PutU32(wrong.data() + kHeaderBytes + 4 * word, 9);
    CHECK(KindOf(wrong) == PacketKind::kBad);
  }
  Bytes negative = Handshake(0, 1);
  PutU32(negative.data() + kHeaderBytes + 8, 0x80000001);
  CHECK(KindOf(negative) == PacketKind::kBad);
}

TEST(WhatAHandshakeAllocatesIsLimited) {
  Bytes large = Handshake(0, 1, 65000, 0x7fffffff);
  CHECK(Inspect(&large).kind == PacketKind::kRequest);
  CHECK_EQ(Word(large, 3), uint32_t{1480});
  CHECK_EQ(Word(large, 4), uint32_t{1000});
  Bytes small = Handshake(0, 1, 1000, 100);
  CHECK(Inspect(&small).kind == PacketKind::kRequest);
  CHECK_EQ(Word(small, 3), uint32_t{1000});
  CHECK_EQ(Word(small, 4), uint32_t{100});
}

TEST(Acknowledgements) {
  CHECK(KindOf(Control(2, 5, {1})) == PacketKind::kOther);
  CHECK(KindOf(Control(2, 5, {1, 2, 3, 4})) == PacketKind::kOther);
  CHECK(KindOf(Control(2, 5, {})) == PacketKind::kBad);
  CHECK(KindOf(Control(2, 5, {1, 2})) == PacketKind::kBad);
  CHECK(KindOf(Control(2, 5, {0x80000000})) == PacketKind::kBad);
  Bytes absurd = Control(
      2, 5, {1, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff});
  CHECK(Inspect(&absurd).kind == PacketKind::kOther);
  CHECK_EQ(Word(absurd, 1), uint32_t{10000000});
  CHECK_EQ(Word(absurd, 3), uint32_t{1000});
  CHECK_EQ(Word(absurd, 5), uint32_t{0x7fffffff});
}

TEST(LossReports) {
  CHECK(KindOf(Control(3, 5, {1, 0x80000002, 4, 9})) == PacketKind::kOther);
  CHECK(KindOf(Control(3, 5, {})) == PacketKind::kBad);
  CHECK(KindOf(Control(3, 5, {0x80000001})) == PacketKind::kBad);
  CHECK(KindOf(Control(3, 5, {0x80000001, 0x80000002})) == PacketKind::kBad);
}

TEST(NeitherForAListenerNorOfUse) {
  for (const uint32_t type : {1, 2, 3, 5, 6}) {
    CHECK(KindOf(Control(type, 0, {1, 2, 3, 4})) == PacketKind::kBad);
  }
  // Delay warnings, dropped messages, errors, what is user-defined.
  for (const uint32_t type : {4, 7, 8, 0x7fff}) {
    CHECK(KindOf(Control(type, 5, {1, 2})) == PacketKind::kBad);
  }
  Bytes odd = Control(6, 5, {1});
  odd.push_back(0);
  CHECK(KindOf(odd) == PacketKind::kBad);
  for (size_t length = 0; length < kHeaderBytes; length++) {
    CHECK(KindOf(Bytes(length, 0x80)) == PacketKind::kBad);
  }
  Bytes data(kHeaderBytes, 0);
  PutU32(data.data() + 12, 5);
  CHECK(KindOf(data) == PacketKind::kBad);  // none
  data.push_back(1);
  CHECK(KindOf(data) == PacketKind::kOther);
}

TEST(AnswersAreWhatTheOtherEndUnderstands) {
  Bytes request = Handshake(0, 1);
  Bytes refusal(kHandshakeBytes);
  MakeRefusal(request.data(), refusal.data());
  const PacketFacts refused = Inspect(&refusal);
  CHECK(refused.kind == PacketKind::kRefusal);
  CHECK_EQ(refused.destination, uint32_t{99});
  Bytes unknown(kUnknownSocketBytes);
  MakeUnknownSocket(77, unknown.data());
  const PacketFacts told = Inspect(&unknown);
  CHECK(told.kind == PacketKind::kUnknownSocket);
  CHECK_EQ(told.handshake_id, uint32_t{77});
  Bytes alive(kHeaderBytes);
  MakeKeepAlive(5, alive.data());
  CHECK(Inspect(&alive).kind == PacketKind::kOther);
}

TEST(WhatIsMissing) {
  const Bytes nak = Control(3, 5, {1, 0x80000003, 5, 9});
  std::vector<uint32_t> missing = MissingOf(
      nak.data(), nak.data() + kHeaderBytes, nak.size() - kHeaderBytes);
  CHECK(missing == (std::vector<uint32_t>{1, 3, 4, 5, 9}));
  missing.erase(missing.begin());
  Bytes again(kHeaderBytes + 4 * missing.size());
  MakeNak(nak.data(), missing, again.data());
  CHECK(KindOf(again) == PacketKind::kOther);
  CHECK_EQ(Word(again, 0), uint32_t{3});
  const Bytes many = Control(3, 5, {0x80000000, 1000});
  CHECK(MissingOf(many.data(), many.data() + kHeaderBytes, 8).empty());
  Bytes asks(kMaxNakBytes);
  const size_t length = MakeNakOf(7, {{1234, 1234}, {5, 7}}, asks.data());
  CHECK_EQ(length, kHeaderBytes + 12);
  asks.resize(length);
  CHECK(KindOf(asks) == PacketKind::kOther);
  CHECK_EQ(GetU32(asks.data() + 12), uint32_t{7});
  CHECK(MissingOf(asks.data(), asks.data() + kHeaderBytes, 12) ==
        (std::vector<uint32_t>{1234, 5, 6, 7}));
  const Bytes ack = Control(2, 5, {1});
  CHECK(MissingOf(ack.data(), ack.data() + kHeaderBytes, 4).empty());
}

TEST(WhatIsAcknowledged) {
  const auto sent = [](const Bytes& packet) {
    return InspectSent(packet.data(), packet.data() + kHeaderBytes,
                       packet.size() - kHeaderBytes);
  };
  const SentFacts whole = sent(Control(2, 5, {7, 100, 50, kLeastWindow}));
  CHECK(whole.is_ack && whole.has_window && !whole.is_response);
  CHECK_EQ(whole.destination, uint32_t{5});
  CHECK_EQ(whole.acknowledged, uint32_t{7});
  CHECK_EQ(whole.rtt_us, uint32_t{100});
  CHECK_EQ(whole.rtt_variance_us, uint32_t{50});
  CHECK_EQ(whole.window, kLeastWindow);
  const SentFacts light = sent(Control(2, 5, {8}));
  CHECK(light.is_ack && !light.has_window);
  CHECK_EQ(light.acknowledged, uint32_t{8});
  CHECK(!sent(Control(3, 5, {8})).is_ack);
  CHECK(!sent(Handshake(9, 0xffffffff)).is_ack);
  CHECK_EQ(SequenceDistance(0x7fffffff, 1), uint32_t{2});
}

TEST(NoiseIsReadInBounds) {
  uint32_t state = 1;
  for (int i = 0; i < 200000; i++) {
    state = state * 1664525 + 1013904223;
    Bytes packet((state >> 8) % 120);
    for (uint8_t& byte : packet) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<uint8_t>(state >> 24);
    }
    if (!packet.empty() && i % 2 == 0) packet[0] |= 0x80;
    if (packet.size() > 3 && i % 4 == 0) packet[1] = state & 7;
    const PacketFacts facts = Inspect(&packet);
    CHECK(packet.size() >= kHeaderBytes || facts.kind == PacketKind::kBad);
  }
}

}  // namespace
}  // namespace xtp::udt
