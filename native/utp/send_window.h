// How much of a connection may be under way: libutp's send buffer. On a short
// path a window arrives as one burst, so it begins small, grows while nothing
// is lost, and falls back where a burst did not fit the peer's socket buffer.
#ifndef XTP_UTP_SEND_WINDOW_H_
#define XTP_UTP_SEND_WINDOW_H_

#include <cstdint>

#include "utp/settings.h"

namespace xtp::utp {

class SendWindow {
 public:
  explicit SendWindow(const Settings& settings)
      : settings_(settings), short_bytes_(settings.send_window_bytes) {}

  uint32_t bytes() const {
    return long_path_ ? settings_.long_path_send_window_bytes : short_bytes_;
  }
  bool long_path() const { return long_path_; }

  // Each gives true where bytes() has changed.
  bool OnMinimalRtt(uint64_t rtt_us);
  bool OnAcked(uint32_t packets);
  bool OnLoss();

 private:
  // A round trip of this length is a long path.
  static constexpr uint64_t kLongPathUs = 5000;
  // Acknowledged without a loss before the window doubles: a hundred bursts of
  // the smallest window. After a loss four times as many, up to the limit: a
  // peer that cannot take more is not asked again and again.
  static constexpr uint64_t kFirstCleanPackets = 8192;
  static constexpr uint64_t kMaxCleanPackets = kFirstCleanPackets << 10;

  const Settings& settings_;
  bool long_path_ = false;
  uint32_t short_bytes_;
  uint64_t clean_packets_ = 0;
  uint64_t wanted_packets_ = kFirstCleanPackets;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_SEND_WINDOW_H_
