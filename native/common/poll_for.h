// poll(2) in microseconds, where the system has that.
#ifndef XTP_COMMON_POLL_FOR_H_
#define XTP_COMMON_POLL_FOR_H_

#include <poll.h>

#include <cstddef>
#include <cstdint>

namespace xtp {

int PollFor(pollfd* polls, size_t count, uint64_t timeout_us);

}  // namespace xtp

#endif  // XTP_COMMON_POLL_FOR_H_
