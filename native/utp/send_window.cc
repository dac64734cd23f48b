#include "utp/send_window.h"

#include <algorithm>

namespace xtp::utp {

bool SendWindow::OnMinimalRtt(uint64_t rtt_us) {
  const bool long_path = rtt_us >= kLongPathUs;
  if (long_path == long_path_) return false;
  long_path_ = long_path;
  return true;
}

bool SendWindow::OnAcked(uint32_t packets) {
  clean_packets_ += packets;
  if (clean_packets_ < wanted_packets_) return false;
  clean_packets_ = 0;
  const uint32_t limit =
      std::max(settings_.send_window_bytes, settings_.max_send_window_bytes);
  if (short_bytes_ >= limit) return false;
  short_bytes_ = std::min(limit, 2 * short_bytes_);
  return !long_path_;
}

bool SendWindow::OnLoss() {
  clean_packets_ = 0;
  if (short_bytes_ == settings_.send_window_bytes) return false;
  // Not one step back: the window that fitted a full buffer may not fit one
  // that others fill as well.
  short_bytes_ = settings_.send_window_bytes;
  wanted_packets_ = std::min(4 * wanted_packets_, kMaxCleanPackets);
  return !long_path_;
}

}  // namespace xtp::utp
