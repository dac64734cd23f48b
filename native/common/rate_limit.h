// A token bucket.
#ifndef XTP_COMMON_RATE_LIMIT_H_
#define XTP_COMMON_RATE_LIMIT_H_

#include <cstdint>

namespace xtp {

// At most `rate` per second, and `burst` at once.
class RateLimit {
 public:
  RateLimit(uint64_t rate, uint64_t burst)
      : rate_(rate), burst_(burst), left_(burst) {}

  bool Take(uint64_t now_us) {
    const uint64_t earned = (now_us - since_us_) * rate_ / 1000000;
    if (earned > 0) {
      left_ = earned > burst_ - left_ ? burst_ : left_ + earned;
      since_us_ = now_us;
    }
    if (left_ == 0) return false;
    left_--;
    return true;
  }

 private:
  const uint64_t rate_;
  const uint64_t burst_;
  uint64_t left_;
  uint64_t since_us_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_RATE_LIMIT_H_
