// What else libudt's system calls can be told (libudt_calls.cc).
#ifndef XTP_UDT_LIBUDT_CALLS_H_
#define XTP_UDT_LIBUDT_CALLS_H_

#include <atomic>
#include <cstdint>

namespace xtp::udt {

// Tells that the calling thread is the one that waits in UDT::epoll_wait, and
// for how long at a time: libudt looks again without having been told every
// 10 ms, also where nothing can happen.
void SetEventWaiter(const std::atomic<int>* step_ms);

// What the clock says in the calling thread until it is told again; 0: what it
// is.
void SetThreadTime(uint64_t now_us);

}  // namespace xtp::udt

#endif  // XTP_UDT_LIBUDT_CALLS_H_
