// udt_pair server MIB
// udt_pair client MIB PORT
//
// libudt alone, as an application would use it: blocking sockets, 64 KiB per
// call, its own defaults. A program of its own: the libudt of xtp-udt has its
// system calls answered by us, and two of one name cannot be in one program.
#include <netinet/in.h>
#include <sys/socket.h>
#include <udt/udt.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "native/measure.h"

namespace xtp::bench {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s\n", what, UDT::getlasterror().getErrorMessage());
  _exit(1);
}

void Receive(UDTSOCKET socket, uint64_t bytes, Meter* meter) {
  std::vector<char> chunk(kChunkBytes);
  while (bytes > 0) {
    const int got =
        UDT::recv(socket, chunk.data(), static_cast<int>(chunk.size()), 0);
    Require(got > 0, "recv");
    meter->Begin();
    bytes -= static_cast<uint64_t>(got);
  }
}

void Send(UDTSOCKET socket, uint64_t bytes) {
  const std::vector<char> chunk(kChunkBytes, 7);
  while (bytes > 0) {
    const auto size = static_cast<int>(std::min<uint64_t>(bytes, chunk.size()));
    const int sent = UDT::send(socket, chunk.data(), size, 0);
    Require(sent > 0, "send");
    bytes -= static_cast<uint64_t>(sent);
  }
}

void RunServer(const Side& side) {
  Meter meter;
  const UDTSOCKET listener = UDT::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  int length = sizeof address;
  Require(UDT::bind(listener, raw, length) == 0 &&
              UDT::listen(listener, 1) == 0 &&
              UDT::getsockname(listener, raw, &length) == 0,
          "listen");
  PrintPort(ntohs(address.sin_port));
  const UDTSOCKET peer = UDT::accept(listener, raw, &length);
  Require(peer != UDT::INVALID_SOCK, "accept");
  Receive(peer, side.bytes, &meter);
  meter.End();
  const char done = 1;
  Require(UDT::send(peer, &done, 1, 0) == 1, "send");
  UDT::close(peer);  // lingers until the answer has been acknowledged
  meter.Print(side.bytes);
}

void RunClient(const Side& side) {
  Meter meter;
  const UDTSOCKET socket = UDT::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(side.port);
  Require(UDT::connect(socket, reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0,
          "connect");
  meter.Begin();
  Send(socket, side.bytes);
  char done;
  Require(UDT::recv(socket, &done, 1, 0) == 1, "the receiver's answer");
  meter.End();
  meter.Print(side.bytes);
  UDT::close(socket);
}

}  // namespace
}  // namespace xtp::bench

int main(int argc, char** argv) {
  using namespace xtp::bench;
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: udt_pair server MIB\n"
                 "       udt_pair client MIB PORT\n");
    return 2;
  }
  Side side;
  side.server = std::strcmp(argv[1], "server") == 0;
  side.bytes = std::strtoull(argv[2], nullptr, 10) * kMiB;
  side.port = static_cast<uint16_t>(argc > 3 ? std::atoi(argv[3]) : 0);
  UDT::startup();
  if (side.server) {
    RunServer(side);
  } else {
    RunClient(side);
  }
  _exit(0);  // libudt's destructors take seconds
}
