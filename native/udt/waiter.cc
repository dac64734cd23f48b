#include "udt/waiter.h"

#include <udt/udt.h>
// after it: needs its types
#include <udt/common.h>

#include <algorithm>

#include "common/io_thread.h"
#include "common/thread.h"
#include "udt/errors.h"
#include "udt/libudt_calls.h"

namespace xtp::udt {
namespace {

constexpr size_t kFirstBatch = 256;
constexpr int64_t kWaitMs = 500;
constexpr int kBusyStepMs = 10;
constexpr int kIdleStepMs = 250;

}  // namespace

Status Waiter::Start() {
  step_ms_ = kIdleStepMs;
  epoll_ = UDT::epoll_create();
  if (epoll_ < 0) return LastError("an epoll of libudt");
  const int error = StartThread(&thread_, nullptr, &ThreadMain, this);
  if (error != 0) return Status::FromErrno(error, "a thread for libudt");
  running_ = true;
  return Status::Ok();
}

void Waiter::Stop() {
  if (!running_) return;
  stop_ = true;
  Continue();
  UDT::epoll_release(epoll_);
  CTimer::triggerEvent();
  pthread_join(thread_, nullptr);
  running_ = false;
}

void Waiter::SetInterest(int socket, int interest) {
  UDT::epoll_remove_usock(epoll_, socket);
  if (interest != 0) {
    UDT::epoll_add_usock(epoll_, socket, &interest);
  }
}

void Waiter::Take(std::vector<int>* ready) {
  std::lock_guard<std::mutex> lock(mutex_);
  ready->swap(ready_);
  ready_.clear();
}

void Waiter::Continue() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!waiting_ && !stop_) return;
  waiting_ = false;
  continued_.notify_all();
}

void Waiter::SetBusy(bool busy) {
  const int step_ms = busy ? kBusyStepMs : kIdleStepMs;
  if (step_ms_.exchange(step_ms) > step_ms) CTimer::triggerEvent();
}

uint64_t Waiter::LastAliveUs(uint64_t now_us) const {
  const uint64_t since = in_library_since_us_;
  constexpr uint64_t kLongestUs = (kWaitMs + kIdleStepMs) * 1000;
  return since == 0 ? now_us : std::min(now_us, since + kLongestUs);
}

void* Waiter::ThreadMain(void* self) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "libudt-epoll");
#endif
  static_cast<Waiter*>(self)->Run();
  return nullptr;
}

void Waiter::Run() {
  SetEventWaiter(&step_ms_);
  std::vector<UDTSOCKET> readable(kFirstBatch), writable(kFirstBatch);
  while (!stop_) {
    const auto batch = static_cast<int>(readable.size());
    int reads = batch;
    int writes = batch;
    // libudt leaves the number as it was where there is none.
    readable[0] = writable[0] = UDT::INVALID_SOCK;
    in_library_since_us_ = IoThread::NowUs();
    if (probe_ >= 0) UDT::getsockstate(probe_);
    const int found = UDT::epoll_wait2(epoll_, readable.data(), &reads,
                                       writable.data(), &writes, kWaitMs);
    in_library_since_us_ = 0;
    if (found <= 0) continue;
    if (readable[0] == UDT::INVALID_SOCK) reads = 0;
    if (writable[0] == UDT::INVALID_SOCK) writes = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    ready_.insert(ready_.end(), readable.data(), readable.data() + reads);
    ready_.insert(ready_.end(), writable.data(), writable.data() + writes);
    waiting_ = true;
    host_->Wake();
    continued_.wait(lock, [this] { return !waiting_ || stop_; });
    lock.unlock();
    // libudt tells of the newest sockets first, and where there are more, of
    // the old ones and the listener never.
    if (std::max(reads, writes) == batch) {
      readable.resize(2 * readable.size());
      writable.resize(readable.size());
    }
  }
}

}  // namespace xtp::udt
