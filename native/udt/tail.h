// When the last packets that were sent are to be taken for lost. A peer that
// has nothing behind them cannot miss them, and libudt repeats them only when
// it has heard nothing for 300 ms: never while data comes the other way.
#ifndef XTP_UDT_TAIL_H_
#define XTP_UDT_TAIL_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "udt/packet.h"

namespace xtp::udt {

class Tail {
 public:
  // Sequence number of our first packet.
  explicit Tail(uint32_t first = 0) : acknowledged_(first), next_(first) {}

  void OnSent(uint32_t sequence) {
    if (!MoveTo(&next_, Sequence(sequence + 1))) return;
    moved_ = true;
  }
  void OnAcknowledged(uint32_t sequence) {
    // of what was sent
    if (SequenceDistance(sequence, next_) >= kHalf) return;
    if (MoveTo(&acknowledged_, sequence)) moved_ = true;
  }
  // As the peer tells it in its acknowledgements.
  void OnRoundTrip(uint32_t rtt_us, uint32_t variance_us) {
    wait_at_first_us_ = std::clamp<uint64_t>(
        rtt_us + 4 * uint64_t{variance_us} + kTimersUs, kMinUs, kMaxUs);
  }

  // Asked every few milliseconds: the last packet, if it is to be sent again.
  std::optional<uint32_t> TakeDue(uint64_t now_us) {
    if (moved_) {
      moved_ = false;
      since_us_ = now_us;
      wait_us_ = wait_at_first_us_;
    }
    if (next_ == acknowledged_ || now_us < since_us_ + wait_us_) return {};
    since_us_ = now_us;
    wait_us_ = std::min<uint64_t>(2 * wait_us_, kMaxUs);
    return Sequence(next_ - 1);
  }

 private:
  static constexpr uint32_t kHalf = 1u << 30;
  // libudt looks at its timers once in 10 ms, at both ends.
  static constexpr uint64_t kTimersUs = 20 * 1000;
  // For a loss that was none libudt slows down.
  static constexpr uint64_t kMinUs = 100 * 1000;
  static constexpr uint64_t kMaxUs = 1000 * 1000;

  static uint32_t Sequence(uint32_t value) { return value & 0x7fffffff; }
  static bool MoveTo(uint32_t* place, uint32_t sequence) {
    const uint32_t ahead = SequenceDistance(*place, sequence);
    if (ahead == 0 || ahead >= kHalf) return false;
    *place = sequence;
    return true;
  }

  uint32_t acknowledged_;  // before it: all
  uint32_t next_;          // after the last that was sent
  bool moved_ = false;     // since TakeDue
  uint64_t wait_at_first_us_ = 300 * 1000;
  uint64_t since_us_ = 0;
  uint64_t wait_us_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_TAIL_H_
