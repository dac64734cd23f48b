#include "utp/half_open.h"

#include <cstring>

namespace xtp::utp {
namespace {

// A young connection can have so many packets under way that the network may
// reorder before the first arrives; uTP starts with a window of one or two.
constexpr int kEarlyPackets = 3;

}  // namespace

uint16_t SynGuard::Hash(const PeerKey& peer, uint16_t syn_seq,
                        uint64_t epoch) const {
  uint8_t input[sizeof(PeerKey) + sizeof syn_seq + sizeof epoch];
  memcpy(input, &peer, sizeof peer);
  memcpy(input + sizeof peer, &syn_seq, sizeof syn_seq);
  memcpy(input + sizeof peer + sizeof syn_seq, &epoch, sizeof epoch);
  return static_cast<uint16_t>(SipHash(key_, input, sizeof input));
}

size_t SynGuard::Place(const PeerKey& peer) const {
  // No time is in this epoch.
  return Hash(peer, 0, UINT64_MAX) % kPlaces;
}

bool SynGuard::WasAnswered(const PeerKey& peer, uint64_t now_us) const {
  const uint64_t age = now_us / kEpochUs - epoch_;
  if (age > 1) return false;
  const size_t place = Place(peer);
  return answered_[place] || (age == 0 && answered_before_[place]);
}

uint16_t SynGuard::SynAckSeq(const PeerKey& peer, uint16_t syn_seq,
                             uint64_t now_us) {
  const uint64_t epoch = now_us / kEpochUs;
  if (epoch != epoch_) {
    if (epoch - epoch_ == 1) {
      answered_before_ = answered_;
    } else {
      answered_before_.reset();
    }
    answered_.reset();
    epoch_ = epoch;
  }
  answered_.set(Place(peer));
  return Hash(peer, syn_seq, epoch);
}

// libutp does not count the SYN-ACK as a packet: the acceptor's first data
// bears the same number, and so the dialer acknowledges the one before it.
bool SynGuard::Matches(const PeerKey& peer, uint16_t syn_seq, uint16_t ack,
                       uint64_t now_us) const {
  const uint64_t epoch = now_us / kEpochUs;
  const auto expected = static_cast<uint16_t>(ack + 1);
  if (Hash(peer, syn_seq, epoch) == expected) return true;
  return epoch > 0 && Hash(peer, syn_seq, epoch - 1) == expected;
}

SynGuard::Verdict SynGuard::Check(const PeerKey& peer, const Header& packet,
                                  uint64_t now_us, Proof* proof) const {
  PeerKey syn = peer;
  syn.id = static_cast<uint16_t>(packet.connection_id - 1);
  proof->syn_seq = static_cast<uint16_t>(packet.seq - 1);
  proof->syn_ack_seq = static_cast<uint16_t>(packet.ack + 1);
  if (!WasAnswered(syn, now_us)) return Verdict::kStranger;
  if (Matches(syn, proof->syn_seq, packet.ack, now_us)) {
    return Verdict::kProven;
  }
  // Making the connection now would lose what came before: the sequence number
  // to begin with is known from the first packet only.
  for (int i = 1; i <= kEarlyPackets; i++) {
    const auto seq = static_cast<uint16_t>(proof->syn_seq - i);
    if (Matches(syn, seq, packet.ack, now_us)) return Verdict::kEarly;
  }
  return Verdict::kStranger;
}

}  // namespace xtp::utp
