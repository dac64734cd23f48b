#include "udt/packet.h"

#include <algorithm>
#include <cstring>

#include "common/byte_order.h"

namespace xtp::udt {
namespace {

enum ControlType : uint32_t {
  kHandshake = 0,
  kKeepAlive = 1,
  kAck = 2,
  kNak = 3,
  kShutdown = 5,
  kAckOfAck = 6,
  kUserDefined = 0x7fff,
};

constexpr uint32_t kControlBit = 0x80000000;
constexpr uint32_t kVersion = 4;
constexpr uint32_t kStream = 1;
constexpr uint32_t kRequestType = 1;
constexpr uint32_t kConcludingType = 0xffffffff;  // -1
constexpr uint32_t kFirstRefusalType = 1000;
constexpr uint32_t kRefusedType = 1002;
// Of XTP: subtype of user-defined control packets, and what follows it.
constexpr uint32_t kUnknownSocketSubtype = 0x5854;  // "XT"
constexpr uint32_t kUnknownSocketMagic = 0x50756e6b;

constexpr uint32_t kMinSegmentBytes = 576;
constexpr uint32_t kMinFlightPackets = 16;
constexpr uint32_t kMaxRttUs = 10 * 1000 * 1000;

// Words of a handshake, behind the header.
enum HandshakeWord {
  kWordVersion,
  kWordSocketType,
  kWordFirstSequence,
  kWordSegmentBytes,
  kWordFlightPackets,
  kWordRequestType,
  kWordSocketId,
  kWordCookie,
};

uint32_t Word(const uint8_t* payload, size_t index) {
  return GetU32(payload + 4 * index);
}

void Limit(uint8_t* payload, size_t index, uint32_t max) {
  uint8_t* const word = payload + 4 * index;
  if (GetU32(word) > max) PutU32(word, max);
}

PacketKind InspectHandshake(uint8_t* payload, size_t length,
                            const PacketLimits& limits, PacketFacts* facts) {
  if (length != kHandshakeBytes - kHeaderBytes) return PacketKind::kBad;
  const uint32_t type = Word(payload, kWordRequestType);
  facts->handshake_id = Word(payload, kWordSocketId);
  facts->first_sequence = Word(payload, kWordFirstSequence);
  const bool answers = facts->destination != 0;
  if (answers && type >= kFirstRefusalType && type < kControlBit) {
    return PacketKind::kRefusal;
  }
  if ((type != kRequestType && type != kConcludingType) ||
      Word(payload, kWordVersion) != kVersion ||
      Word(payload, kWordSocketType) != kStream ||
      (Word(payload, kWordFirstSequence) & kControlBit) != 0 ||
      Word(payload, kWordSegmentBytes) < kMinSegmentBytes ||
      Word(payload, kWordSegmentBytes) >= kControlBit ||
      Word(payload, kWordFlightPackets) < kMinFlightPackets ||
      (Word(payload, kWordFlightPackets) & kControlBit) != 0) {
    return PacketKind::kBad;
  }
  Limit(payload, kWordSegmentBytes, limits.max_segment_bytes);
  Limit(payload, kWordFlightPackets, limits.max_flight_packets);
  facts->with_cookie = type == kConcludingType;
  if (!answers) return PacketKind::kRequest;
  return facts->with_cookie ? PacketKind::kResponse : PacketKind::kChallenge;
}

// Sequence number; then round-trip time, its variance, free packets at the
// peer, packets per second received, and those that the link could carry.
bool InspectAck(uint8_t* payload, size_t length, const PacketLimits& limits,
                PacketFacts* facts) {
  if (length < 4 || (Word(payload, 0) & kControlBit) != 0) return false;
  facts->is_ack = true;
  facts->acknowledged = Word(payload, 0);
  if (length == 4) return true;  // light
  if (length < 16) return false;
  Limit(payload, 1, kMaxRttUs);
  Limit(payload, 2, kMaxRttUs);
  Limit(payload, 3, limits.max_flight_packets);
  for (size_t i = 4; i < length / 4; i++) Limit(payload, i, 0x7fffffff);
  facts->has_rtt = true;
  facts->rtt_us = Word(payload, 1);
  facts->rtt_variance_us = Word(payload, 2);
  return true;
}

// Sequence numbers, and ranges of them: the first has the top bit.
bool InspectNak(const uint8_t* payload, size_t length) {
  if (length < 4) return false;
  const size_t words = length / 4;
  for (size_t i = 0; i < words; i++) {
    if ((Word(payload, i) & kControlBit) == 0) continue;
    i++;
    if (i == words || (Word(payload, i) & kControlBit) != 0) return false;
  }
  return true;
}

}  // namespace

PacketFacts InspectPacket(uint8_t* data, size_t length,
                          const PacketLimits& limits) {
  PacketFacts facts;
  if (length < kHeaderBytes) return facts;
  const uint32_t first = GetU32(data);
  uint8_t* const payload = data + kHeaderBytes;
  const size_t rest = length - kHeaderBytes;
  facts.destination = GetU32(data + 12);
  facts.control = (first & kControlBit) != 0;
  if (!facts.control) {
    facts.sequence = first;
    if (rest > 0 && facts.destination != 0) facts.kind = PacketKind::kOther;
    return facts;
  }
  if (rest % 4 != 0) return facts;
  const uint32_t type = (first >> 16) & 0x7fff;
  if (type == kHandshake) {
    facts.kind = InspectHandshake(payload, rest, limits, &facts);
  } else if (type == kUserDefined) {
    if (length == kUnknownSocketBytes && facts.destination == 0 &&
        (first & 0xffff) == kUnknownSocketSubtype &&
        Word(payload, 0) == kUnknownSocketMagic) {
      facts.kind = PacketKind::kUnknownSocket;
      facts.handshake_id = Word(payload, 1);
    }
  } else if (facts.destination == 0) {
    return facts;
  } else if (type == kShutdown) {
    facts.kind = PacketKind::kShutdown;
  } else if (type == kKeepAlive || type == kAckOfAck ||
             (type == kAck && InspectAck(payload, rest, limits, &facts)) ||
             (type == kNak && InspectNak(payload, rest))) {
    facts.kind = PacketKind::kOther;
  }
  return facts;
}

SentFacts InspectSent(const uint8_t* header, const uint8_t* payload,
                      size_t payload_length) {
  SentFacts facts;
  const uint32_t first = GetU32(header);
  facts.destination = GetU32(header + 12);
  if ((first & kControlBit) == 0) {
    facts.is_data = true;
    facts.sequence = first;
    return facts;
  }
  const uint32_t type = (first >> 16) & 0x7fff;
  if (type == kAck && payload_length >= 4) {
    facts.is_ack = true;
    facts.acknowledged = Word(payload, 0);
    facts.has_window = payload_length >= 16;
    if (facts.has_window) {
      facts.rtt_us = Word(payload, 1);
      facts.rtt_variance_us = Word(payload, 2);
      facts.window = Word(payload, 3);
    }
    return facts;
  }
  if (type != kHandshake || payload_length < kHandshakeBytes - kHeaderBytes) {
    return facts;
  }
  facts.handshake_id = Word(payload, kWordSocketId);
  facts.first_sequence = Word(payload, kWordFirstSequence);
  facts.is_response = facts.destination != 0 &&
                      Word(payload, kWordRequestType) == kConcludingType;
  return facts;
}

uint32_t SequenceDistance(uint32_t base, uint32_t sequence) {
  return (sequence - base) & ~kControlBit;
}

std::vector<uint32_t> MissingOf(const uint8_t* header, const uint8_t* payload,
                                size_t payload_length) {
  std::vector<uint32_t> missing;
  const uint32_t first = GetU32(header);
  if ((first & kControlBit) == 0 || ((first >> 16) & 0x7fff) != kNak) {
    return missing;
  }
  const size_t words = payload_length / 4;
  for (size_t i = 0; i < words; i++) {
    const uint32_t from = Word(payload, i) & ~kControlBit;
    uint32_t to = from;
    if ((Word(payload, i) & kControlBit) != 0 && i + 1 < words) {
      to = Word(payload, ++i);
    }
    const uint32_t count = ((to - from) & ~kControlBit) + 1;
    if (missing.size() + count > kMaxMissing) return {};
    for (uint32_t k = 0; k < count; k++) {
      missing.push_back((from + k) & ~kControlBit);
    }
  }
  return missing;
}

void MakeNak(const uint8_t* header, const std::vector<uint32_t>& missing,
             uint8_t* out) {
  memcpy(out, header, kHeaderBytes);
  for (size_t i = 0; i < missing.size(); i++) {
    PutU32(out + kHeaderBytes + 4 * i, missing[i]);
  }
}

size_t MakeNakOf(uint32_t destination, const std::vector<MissingRange>& missing,
                 uint8_t out[kMaxNakBytes]) {
  memset(out, 0, kHeaderBytes);
  PutU32(out, kControlBit | (uint32_t{kNak} << 16));
  PutU32(out + 12, destination);
  size_t length = kHeaderBytes;
  const auto add = [&](uint32_t word) {
    PutU32(out + length, word);
    length += 4;
  };
  for (size_t i = 0; i < missing.size() && i < kMaxRanges; i++) {
    const auto [first, last] = missing[i];
    if (first != last) add(kControlBit | first);
    add(last);
  }
  return length;
}

void MakeRefusal(const uint8_t* request, uint8_t out[kHandshakeBytes]) {
  memcpy(out, request, kHandshakeBytes);
  uint8_t* const payload = out + kHeaderBytes;
  memcpy(out + 12, payload + 4 * kWordSocketId, 4);
  PutU32(payload + 4 * kWordRequestType, kRefusedType);
  PutU32(payload + 4 * kWordSocketId, 0);
  PutU32(payload + 4 * kWordCookie, 0);
}

void MakeKeepAlive(uint32_t destination, uint8_t out[kHeaderBytes]) {
  memset(out, 0, kHeaderBytes);
  PutU32(out, kControlBit | (uint32_t{kKeepAlive} << 16));
  PutU32(out + 12, destination);
}

void MakeUnknownSocket(uint32_t id, uint8_t out[kUnknownSocketBytes]) {
  memset(out, 0, kUnknownSocketBytes);
  PutU32(out,
         kControlBit | (uint32_t{kUserDefined} << 16) | kUnknownSocketSubtype);
  PutU32(out + kHeaderBytes, kUnknownSocketMagic);
  PutU32(out + kHeaderBytes + 4, id);
}

}  // namespace xtp::udt
