#include "common/poll_for.h"

#include <time.h>

namespace xtp {

int PollFor(pollfd* polls, size_t count, uint64_t timeout_us) {
#if defined(__linux__)
  timespec timeout;
  timeout.tv_sec = static_cast<time_t>(timeout_us / 1000000);
  timeout.tv_nsec = static_cast<long>(timeout_us % 1000000 * 1000);
  return ppoll(polls, count, &timeout, nullptr);
#else
  return poll(polls, static_cast<nfds_t>(count),
              static_cast<int>((timeout_us + 999) / 1000));
#endif
}

}  // namespace xtp
