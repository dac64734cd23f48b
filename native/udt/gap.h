// When a packet that is missing is to be asked for once more. libudt asks once;
// where the question or its answer is lost, it waits until its peer has heard
// nothing for 300 ms, and that does not come while data goes the other way.
#ifndef XTP_UDT_GAP_H_
#define XTP_UDT_GAP_H_

#include <algorithm>
#include <cstdint>

#include "udt/packet.h"

namespace xtp::udt {

class Gap {
 public:
  // Sequence number of the peer's first packet.
  explicit Gap(uint32_t first = 0) : wanted_(first), next_(first) {}

  // The first packet that libudt misses: what it acknowledges.
  uint32_t wanted() const { return wanted_; }

  void OnData(uint32_t sequence, uint64_t now_us) {
    const uint32_t ahead = SequenceDistance(next_, sequence);
    if (ahead >= kHalf) return;  // it is old
    if (next_ == wanted_) Restart(now_us);
    next_ = Sequence(sequence + 1);
  }
  void OnAcknowledged(uint32_t sequence, uint64_t now_us) {
    const uint32_t ahead = SequenceDistance(wanted_, sequence);
    if (ahead == 0 || ahead >= kHalf) return;
    wanted_ = sequence;
    if (SequenceDistance(wanted_, next_) >= kHalf) next_ = wanted_;
    Restart(now_us);
  }
  // As libudt tells it in its acknowledgements.
  void OnRoundTrip(uint32_t rtt_us, uint32_t variance_us) {
    rtt_us_ = std::min<uint64_t>(rtt_us + 4 * uint64_t{variance_us}, kMaxUs);
  }

  // True, and not again for a while: wanted() is missing for so long that the
  // first question must have been lost, or its answer.
  bool IsDue(uint64_t now_us) {
    if (next_ == wanted_ || now_us < since_us_ + wait_us_) return false;
    since_us_ = now_us;
    wait_us_ = std::min<uint64_t>(2 * wait_us_, kMaxUs);
    return true;
  }

 private:
  static constexpr uint32_t kHalf = 1u << 30;
  // libudt looks at its timers once in 10 ms, at both ends.
  static constexpr uint64_t kTimersUs = 20 * 1000;
  static constexpr uint64_t kMaxUs = 1000 * 1000;

  static uint32_t Sequence(uint32_t value) { return value & 0x7fffffff; }
  void Restart(uint64_t now_us) {
    since_us_ = now_us;
    wait_us_ = rtt_us_ + kTimersUs;
  }

  uint32_t wanted_;
  uint32_t next_;  // after the last that came
  uint64_t rtt_us_ = 300 * 1000;
  uint64_t since_us_ = 0;
  uint64_t wait_us_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_GAP_H_
