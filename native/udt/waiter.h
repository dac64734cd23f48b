// The thread that waits in UDT::epoll_wait2, and wakes the I/O thread for what
// it found. libudt has no descriptor that a poll of the I/O thread's could
// wait for.
//
// While the I/O thread works on what was found the waiter stands still: UDT's
// epoll is level-triggered, and would find the same again.
#ifndef XTP_UDT_WAITER_H_
#define XTP_UDT_WAITER_H_

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "common/status.h"
#include "common/transport.h"

namespace xtp::udt {

// UDT_EPOLL_IN and UDT_EPOLL_OUT.
constexpr int kReadable = 1;
constexpr int kWritable = 4;

class Waiter {
 public:
  explicit Waiter(Host* host) : host_(host) {}
  ~Waiter() { Stop(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // --- the I/O thread

  Status Start();
  // Returns when the thread has ended. A thread that hangs in libudt ends with
  // the process, which the I/O thread sees to.
  void Stop();

  // What to wait for, of one UDT socket.
  void SetInterest(int socket, int interest);
  // The sockets that were found ready, each once. To be followed by Continue.
  void Take(std::vector<int>* ready);
  void Continue();
  // Whether there are connections: without, the thread looks less often.
  void SetBusy(bool busy);
  // A socket of which libudt must be able to tell the state.
  void SetProbe(int socket) { probe_ = socket; }
  // `now_us` unless the thread is late to come back from libudt: then when it
  // was to do so.
  uint64_t LastAliveUs(uint64_t now_us) const;

 private:
  static void* ThreadMain(void* self);
  void Run();

  Host* const host_;
  int epoll_ = -1;
  pthread_t thread_ = {};
  bool running_ = false;
  std::atomic<bool> stop_{false};
  std::atomic<int> step_ms_;
  std::atomic<int> probe_{-1};
  std::atomic<uint64_t> in_library_since_us_{0};

  std::mutex mutex_;  // guards the rest
  std::condition_variable continued_;
  std::vector<int> ready_;
  bool waiting_ = false;  // for Continue
};

}  // namespace xtp::udt

#endif  // XTP_UDT_WAITER_H_
