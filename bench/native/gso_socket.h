// A UDP socket on loopback with segmentation offload in both directions, and
// nothing else.
#ifndef XTP_BENCH_GSO_SOCKET_H_
#define XTP_BENCH_GSO_SOCKET_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace xtp::bench {

class GsoSocket {
 public:
  static constexpr size_t kMaxBytes = 65507;
  static constexpr size_t kMaxSegments = 64;

  // Ends the process where it cannot be made.
  explicit GsoSocket(bool blocking);
  ~GsoSocket();
  GsoSocket(const GsoSocket&) = delete;
  GsoSocket& operator=(const GsoSocket&) = delete;

  int fd() const { return fd_; }
  const sockaddr_in& local() const { return local_; }
  uint16_t port() const { return ntohs(local_.sin_port); }

  // Datagrams of `segment` bytes, the last one maybe shorter. False: no room
  // (non-blocking sockets).
  bool Send(const uint8_t* data, size_t length, size_t segment,
            const sockaddr_in& to);

  // Reads one batch, and calls for each datagram. False: nothing was there.
  using OnDatagram = std::function<void(const uint8_t* data, size_t length,
                                        const sockaddr_in& from)>;
  bool Receive(const OnDatagram& on_datagram);

 private:
  int fd_;
  sockaddr_in local_ = {};
  const std::unique_ptr<uint8_t[]> memory_;
};

}  // namespace xtp::bench

#endif  // XTP_BENCH_GSO_SOCKET_H_
