// What is missing of a connection's packets, and when it is to be asked for
// once more. libudt asks once; where the question or its answer is lost, it
// waits until its peer has heard nothing for 300 ms, and that does not come
// while data goes the other way.
#ifndef XTP_UDT_GAP_H_
#define XTP_UDT_GAP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "udt/packet.h"

namespace xtp::udt {

class Gap {
 public:
  // Sequence number of the peer's first packet, and how far behind wanted()
  // libudt takes any: what is beyond was never sent, and a peer that is asked
  // for it ends the connection.
  explicit Gap(uint32_t first = 0, uint32_t most_ahead = kHalf)
      : most_ahead_(most_ahead), wanted_(first), next_(first) {}

  // The first packet that libudt misses: what it acknowledges.
  uint32_t wanted() const { return wanted_; }

  void OnData(uint32_t sequence, uint64_t now_us) {
    if (SequenceDistance(wanted_, sequence) > most_ahead_) return;
    const uint32_t ahead = SequenceDistance(next_, sequence);
    if (ahead >= kHalf) {
      Found(sequence);
      return;
    }
    if (next_ == wanted_) Restart(now_us);
    if (ahead > 0 && holes_.size() < kMaxHoles) {
      holes_.push_back(Hole{{next_, Sequence(sequence - 1)}, now_us});
    }
    next_ = Sequence(sequence + 1);
  }
  void OnAcknowledged(uint32_t sequence, uint64_t now_us) {
    const uint32_t ahead = SequenceDistance(wanted_, sequence);
    if (ahead == 0 || ahead >= kHalf) return;
    wanted_ = sequence;
    if (SequenceDistance(wanted_, next_) >= kHalf) next_ = wanted_;
    while (!holes_.empty() && IsBefore(holes_.front().range.last, wanted_)) {
      holes_.erase(holes_.begin());
    }
    Restart(now_us);
  }
  // As libudt tells it in its acknowledgements.
  void OnRoundTrip(uint32_t rtt_us, uint32_t variance_us) {
    rtt_us_ = std::min<uint64_t>(rtt_us + 4 * uint64_t{variance_us}, kMaxUs);
  }

  // What is missing for so long that the first question must have been lost, or
  // its answer; wanted() comes first. Empty: nothing is, and after a question
  // nothing for a while.
  std::vector<MissingRange> TakeDue(uint64_t now_us) {
    std::vector<MissingRange> due;
    if (next_ == wanted_ || now_us < since_us_ + wait_us_) return due;
    // libudt may have had no room for one that came
    if (holes_.empty() || IsBefore(wanted_, holes_.front().range.first)) {
      due.push_back({wanted_, wanted_});
    }
    for (Hole& hole : holes_) {
      if (due.size() == kMaxRanges) break;
      if (now_us < hole.asked_us + wait_us_) continue;
      hole.asked_us = now_us;
      due.push_back(hole.range);
    }
    since_us_ = now_us;
    wait_us_ = std::min<uint64_t>(2 * wait_us_, kMaxUs);
    return due;
  }

 private:
  static constexpr uint32_t kHalf = 1u << 30;
  // libudt looks at its timers once in 10 ms, at both ends.
  static constexpr uint64_t kTimersUs = 20 * 1000;
  static constexpr uint64_t kMaxUs = 1000 * 1000;
  // More of them are asked for when wanted() has come to them.
  static constexpr size_t kMaxHoles = 512;

  struct Hole {
    MissingRange range;
    uint64_t asked_us;
  };

  static uint32_t Sequence(uint32_t value) { return value & 0x7fffffff; }
  static bool IsBefore(uint32_t a, uint32_t b) {
    return a != b && SequenceDistance(a, b) < kHalf;
  }
  void Restart(uint64_t now_us) {
    since_us_ = now_us;
    wait_us_ = rtt_us_ + kTimersUs;
  }
  void Found(uint32_t sequence) {
    const auto hole = std::partition_point(
        holes_.begin(), holes_.end(),
        [&](const Hole& h) { return IsBefore(h.range.last, sequence); });
    if (hole == holes_.end() || IsBefore(sequence, hole->range.first)) return;
    const Hole above = {{Sequence(sequence + 1), hole->range.last},
                        hole->asked_us};
    const bool has_above = hole->range.last != sequence;
    if (hole->range.first != sequence) {
      hole->range.last = Sequence(sequence - 1);
      if (has_above && holes_.size() < kMaxHoles) {
        holes_.insert(hole + 1, above);
      }
    } else if (has_above) {
      *hole = above;
    } else {
      holes_.erase(hole);
    }
  }

  uint32_t most_ahead_;
  uint32_t wanted_;
  uint32_t next_;            // after the last that came
  std::vector<Hole> holes_;  // below next_, in order
  uint64_t rtt_us_ = 300 * 1000;
  uint64_t since_us_ = 0;
  uint64_t wait_us_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_GAP_H_
