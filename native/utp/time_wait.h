// Remembers connections for a while after their end, as TCP's TIME-WAIT does:
// libutp forgets at once, so a FIN whose acknowledgement was lost would be
// answered with RST, and a replayed first packet would make a ghost.
#ifndef XTP_UTP_TIME_WAIT_H_
#define XTP_UTP_TIME_WAIT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "utp/half_open.h"
#include "utp/peer_key.h"

namespace xtp::utp {

class TimeWait {
 public:
  // Longer than a proof of address is accepted, and than libutp retransmits.
  static constexpr uint64_t kKeepUs = 2 * SynGuard::kEpochUs;
  static constexpr size_t kMaxEntries = 4096;

  struct Entry {
    uint16_t send_id = 0;
    uint16_t next_seq = 0;
    uint16_t last_ack = 0;
    uint16_t first_ack = 0;  // what the peer's first packet acknowledged
    bool orderly = false;    // both sides ended: acknowledge, do not reset
    uint64_t expires_us = 0;
  };

  void Add(const PeerKey& key, Entry entry, uint64_t now_us);
  const Entry* Find(const PeerKey& key) const;
  void Forget(const PeerKey& key) { entries_.erase(key); }
  void Expire(uint64_t now_us);
  bool empty() const { return entries_.empty(); }

 private:
  struct Aging {
    uint64_t expires_us;
    PeerKey key;
  };

  void DropOldest();

  std::unordered_map<PeerKey, Entry, PeerKeyHash> entries_;
  std::deque<Aging> order_;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_TIME_WAIT_H_
