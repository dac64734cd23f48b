// A UDP socket with libudt on it, without the engine, and what tests do with
// it.
#ifndef XTP_UDT_TESTING_END_H_
#define XTP_UDT_TESTING_END_H_

#include <sys/socket.h>
#include <udt/udt.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/endpoint.h"
#include "common/io_thread.h"
#include "common/testing/test.h"
#include "common/udp_socket.h"
#include "udt/acknowledgement.h"
#include "udt/channel.h"

namespace xtp::udt {

inline Endpoint At(const std::string& ip, uint16_t port = 0) {
  Endpoint result;
  CHECK(Endpoint::Parse(ip, port, &result).ok());
  return result;
}

template <typename Condition>
bool Within(uint64_t ms, Condition condition) {
  const uint64_t deadline = IoThread::NowUs() + ms * 1000;
  while (!condition()) {
    if (IoThread::NowUs() > deadline) return false;
    usleep(500);
  }
  return true;
}

// A UDP socket, as the engine makes it, and the UDT sockets on it.
class End {
 public:
  // libudt takes some 40 bytes at once for each packet that may be in flight.
  explicit End(const Endpoint& local, int receive_bytes = 12 * 1024 * 1024,
               int flight_packets = 25600)
      : receive_bytes_(receive_bytes), flight_packets_(flight_packets) {
    UDT::startup();
    std::unique_ptr<UdpSocket> udp;
    CHECK(UdpSocket::Bind(local, UdpOptions(), &udp).ok());
    CHECK(
        Channel::Create(std::move(udp), PacketLimits(), owner_, &channel).ok());
    listener = Socket();
    CHECK_EQ(UDT::listen(listener, 1024), 0);
    channel->Open();
    channel->SetBusy(true);
  }
  ~End() {
    UDT::close(listener);
    channel->Close();
  }
  int Socket() {
    const int socket = UDT::socket(channel->local().family(), SOCK_STREAM, 0);
    const bool off = false;
    const linger none = {0, 0};
    UDT::setsockopt(socket, 0, UDT_SNDSYN, &off, sizeof off);
    UDT::setsockopt(socket, 0, UDT_RCVSYN, &off, sizeof off);
    UDT::setsockopt(socket, 0, UDT_LINGER, &none, sizeof none);
    UDT::setsockopt(socket, 0, UDT_FC, &flight_packets_,
                    sizeof flight_packets_);
    UDT::setsockopt(socket, 0, UDT_RCVBUF, &receive_bytes_,
                    sizeof receive_bytes_);
    UDT::setsockopt(socket, 0, UDT_CC, AckingControlFactory(), sizeof(void*));
    CHECK_EQ(UDT::bind2(socket, channel->handle()), 0);
    return socket;
  }
  int Dial(const Endpoint& to) {
    const int socket = Socket();
    channel->AddDialing(static_cast<uint32_t>(socket));
    const auto hold = channel->HoldAnswers();
    CHECK_EQ(UDT::connect(socket, to.address(), static_cast<int>(to.length())),
             0);
    return socket;
  }
  int Accept() {
    sockaddr_storage name;
    int length = sizeof name;
    int socket = UDT::INVALID_SOCK;
    Within(10000, [&] {
      socket =
          UDT::accept(listener, reinterpret_cast<sockaddr*>(&name), &length);
      return socket != UDT::INVALID_SOCK;
    });
    return socket;
  }

  std::shared_ptr<Channel> channel;
  int listener;

 private:
  const int receive_bytes_;
  const int flight_packets_;
  const std::shared_ptr<ChannelOwner> owner_ = std::make_shared<ChannelOwner>();
};

inline bool Connected(int socket) {
  return Within(3000, [&] { return UDT::getsockstate(socket) == CONNECTED; });
}

}  // namespace xtp::udt

#endif  // XTP_UDT_TESTING_END_H_
