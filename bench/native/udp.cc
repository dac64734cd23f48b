// Datagrams as fast as they go, 44 in each call. Nothing is sent again: what
// counts is what arrives.
#include <sys/socket.h>
#include <sys/time.h>

#include <vector>

#include "native/gso_socket.h"
#include "native/measure.h"

namespace xtp::bench {
namespace {

constexpr size_t kDatagramBytes = 1472;
constexpr size_t kBurst = GsoSocket::kMaxBytes / kDatagramBytes;
constexpr int kEndMarks = 50;

}  // namespace

int RunUdp(const Side& side) {
  GsoSocket socket(true);
  Meter meter;
  uint64_t bytes = 0;
  if (!side.server) {
    sockaddr_in to = socket.local();
    to.sin_port = htons(side.port);
    const std::vector<uint8_t> burst(kBurst * kDatagramBytes, 7);
    meter.Begin();
    for (; bytes < side.bytes; bytes += burst.size()) {
      socket.Send(burst.data(), burst.size(), kDatagramBytes, to);
    }
    const uint8_t mark = 0;
    for (int i = 0; i < kEndMarks; i++) {
      socket.Send(&mark, 1, 1, to);
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
    }
  } else {
    const timeval limit = {10, 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    PrintPort(socket.port());
    bool ended = false;
    const auto on_datagram = [&](const uint8_t*, size_t length,
                                 const sockaddr_in&) {
      meter.Begin();
      bytes += length;
      ended = ended || length == 1;
    };
    while (!ended) {
      if (!socket.Receive(on_datagram)) Fail("recvmmsg");
    }
  }
  meter.End();
  meter.Print(bytes);
  return 0;
}

}  // namespace xtp::bench
