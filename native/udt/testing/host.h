// What an engine, or a part of one, gets of the I/O thread in a test: UDP
// sockets, and somebody to wake. It keeps the events, and has no streams.
#ifndef XTP_UDT_TESTING_HOST_H_
#define XTP_UDT_TESTING_HOST_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/status.h"
#include "common/transport.h"
#include "common/udp_socket.h"

namespace xtp::udt {

class TestHost final : public Host {
 public:
  std::vector<Event> events;

  // Until Wake has been called since the last time. False: it was not.
  bool WaitForWake(int ms) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool was = woken_.wait_for(lock, std::chrono::milliseconds(ms),
                                     [this] { return is_woken_; });
    is_woken_ = false;
    return was;
  }

  // Host.
  Status Bind(const Endpoint&, SocketId*) override {
    return Status(Code::kUnsupported, "no sockets");
  }
  void CloseSocket(SocketId) override {}
  Endpoint LocalEndpoint(SocketId) const override { return Endpoint(); }
  void SendDatagram(SocketId, const uint8_t*, size_t,
                    const Endpoint&) override {}
  Status OpenUdp(const Endpoint& local,
                 std::unique_ptr<UdpSocket>* out) override {
    return UdpSocket::Bind(local, UdpOptions(), out);
  }
  void Wake() override {
    std::lock_guard<std::mutex> lock(mutex_);
    is_woken_ = true;
    woken_.notify_all();
  }
  Stream* OpenStream(uint32_t, uint32_t) override { return nullptr; }
  void Emit(Event event) override { events.push_back(std::move(event)); }

 private:
  std::mutex mutex_;  // guards the rest
  std::condition_variable woken_;
  bool is_woken_ = false;
};

}  // namespace xtp::udt

#endif  // XTP_UDT_TESTING_HOST_H_
