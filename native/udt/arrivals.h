// When datagrams came that were read in batches. libudt measures the times
// between packets as it is given them: where those of a batch seem to come at
// once it tells its peer of no rate, or of one that nobody can keep.
#ifndef XTP_UDT_ARRIVALS_H_
#define XTP_UDT_ARRIVALS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace xtp::udt {

class Arrivals {
 public:
  // The thread has slept until there was something.
  void OnWoken(uint64_t now_us) { woken_us_ = now_us; }
  // A batch has been read: it came since the one before, or since waking up.
  void OnBatch(uint64_t now_us) {
    from_us_ = std::max(to_us_, woken_us_);
    // Nobody knows since when the first one has waited. A cookie of a time
    // before the listener's would never be taken back.
    if (from_us_ == 0) from_us_ = now_us;
    to_us_ = now_us;
  }
  // Of the batch that was read last, evenly. index < count.
  uint64_t At(size_t index, size_t count) const {
    return from_us_ + (to_us_ - from_us_) * (index + 1) / count;
  }
  // What libudt is told next: the clock does not go back.
  uint64_t Tell(uint64_t time_us) {
    told_us_ = std::max(told_us_, time_us);
    return told_us_;
  }

 private:
  uint64_t woken_us_ = 0;
  uint64_t from_us_ = 0;
  uint64_t to_us_ = 0;
  uint64_t told_us_ = 0;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_ARRIVALS_H_
