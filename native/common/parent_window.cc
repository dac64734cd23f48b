#include "common/parent_window.h"

namespace xtp {

void ParentWindow::OnConsumed(Stream* stream, size_t bytes, uint64_t now_us) {
  if (window_ >= kMaxBytes) return;
  consumed_ += bytes;
  const uint64_t elapsed_us = now_us - since_us_;
  if (elapsed_us < kTurnUs) return;
  const bool fast = consumed_ * kTurnUs > window_ / 2 * elapsed_us;
  consumed_ = 0;
  since_us_ = now_us;
  if (!fast || !budget_->Take(window_)) return;
  stream->Enlarge(static_cast<uint32_t>(window_));
  window_ *= 2;
}

}  // namespace xtp
