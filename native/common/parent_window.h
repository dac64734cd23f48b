// Widens the window of a parent that sends fast. A parent writes in bursts: it
// hears of room once per turn of its event loop, and tells all of libp2p's
// streams then. With the usual window it would do little else. On a slow path
// the window stays small, for what waits in it delays all that comes behind.
// I/O thread only.
#ifndef XTP_COMMON_PARENT_WINDOW_H_
#define XTP_COMMON_PARENT_WINDOW_H_

#include <cstddef>
#include <cstdint>

#include "common/stream.h"

namespace xtp {

// Bytes by which all windows of a service together may be wider.
class WindowBudget {
 public:
  explicit WindowBudget(uint64_t bytes = 64 * 1024 * 1024) : left_(bytes) {}
  bool Take(uint64_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void Return(uint64_t bytes) { left_ += bytes; }
  uint64_t left() const { return left_; }

 private:
  uint64_t left_;
};

// Of one stream, which does not outlive it.
class ParentWindow {
 public:
  static constexpr uint64_t kFirstBytes = 1024 * 1024;
  static constexpr uint64_t kMaxBytes = 4 * 1024 * 1024;
  // The time in which a parent that is not held up takes half of its window, at
  // most.
  static constexpr uint64_t kTurnUs = 10 * 1000;

  explicit ParentWindow(WindowBudget* budget) : budget_(budget) {}
  ~ParentWindow() { budget_->Return(window_ - kFirstBytes); }
  ParentWindow(const ParentWindow&) = delete;
  ParentWindow& operator=(const ParentWindow&) = delete;

  // `bytes` of `stream` were consumed.
  void OnConsumed(Stream* stream, size_t bytes, uint64_t now_us);

 private:
  WindowBudget* const budget_;
  uint64_t window_ = kFirstBytes;
  uint64_t consumed_ = 0;  // since
  uint64_t since_us_ = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_PARENT_WINDOW_H_
