// Answers SYNs without keeping anything (as TCP's SYN cookies do, RFC 4987,
// section 3.6): the sequence number of the SYN-ACK is a keyed hash of the
// peer, the connection id, the SYN's sequence number and the time. A peer that
// acknowledges it owns its address, and only then a connection is made.
//
// So a flood of spoofed SYNs costs a hash each, there are no half-open
// connections to limit or to evict, and a duplicate SYN is answered again.
// The number has 16 bits: that is all the protocol has, and thousands of
// packets for connections of a process that died, which wait in a kept socket,
// would guess it now and then. So it is also remembered, in a table of bits,
// who was answered lately; under a flood that table is full, and says nothing.
#ifndef XTP_UTP_HALF_OPEN_H_
#define XTP_UTP_HALF_OPEN_H_

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "common/siphash.h"
#include "utp/packet.h"
#include "utp/peer_key.h"

namespace xtp::utp {

class SynGuard {
 public:
  // A proof is accepted for at least this long after the SYN-ACK, and at most
  // twice as long. Dialers that wait for the acceptor to speak first, and that
  // are not ours, prove themselves with their first packet only.
  static constexpr uint64_t kEpochUs = 30 * 1000 * 1000;

  explicit SynGuard(const SipKey& key) : key_(key) {}

  // For a SYN-ACK that is sent now. `peer.id` is the id of the SYN, which the
  // dialer receives on.
  uint16_t SynAckSeq(const PeerKey& peer, uint16_t syn_seq, uint64_t now_us);

  enum class Verdict {
    kStranger,  // acknowledges nothing that was sent
    kEarly,     // of a connection whose first packet is still under way
    kProven,    // first packet after the SYN-ACK
  };
  struct Proof {
    uint16_t syn_seq = 0;      // the dialer's
    uint16_t syn_ack_seq = 0;  // ours
  };
  // `packet` is not a SYN and belongs to no connection.
  Verdict Check(const PeerKey& peer, const Header& packet, uint64_t now_us,
                Proof* proof) const;

 private:
  static constexpr size_t kPlaces = 65536;

  uint16_t Hash(const PeerKey& peer, uint16_t syn_seq, uint64_t epoch) const;
  size_t Place(const PeerKey& peer) const;
  bool WasAnswered(const PeerKey& peer, uint64_t now_us) const;
  bool Matches(const PeerKey& peer, uint16_t syn_seq, uint16_t ack,
               uint64_t now_us) const;

  const SipKey key_;
  // In the epoch of the latest SYN-ACK, and in the one before it.
  uint64_t epoch_ = 0;
  std::bitset<kPlaces> answered_;
  std::bitset<kPlaces> answered_before_;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_HALF_OPEN_H_
