// TCP, a unix socket, and memory: 64 KiB at a time, blocking.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "native/measure.h"

namespace xtp::bench {
namespace {

constexpr size_t kWriteBytes = 64 * 1024;

void Send(int fd, uint64_t bytes) {
  const std::vector<uint8_t> chunk(kWriteBytes, 7);
  while (bytes > 0) {
    const size_t size = std::min<uint64_t>(bytes, chunk.size());
    const ssize_t sent = send(fd, chunk.data(), size, MSG_NOSIGNAL);
    if (sent <= 0) Fail("send");
    bytes -= static_cast<uint64_t>(sent);
  }
}

void Receive(int fd, uint64_t bytes, Meter* meter) {
  std::vector<uint8_t> chunk(kWriteBytes);
  uint64_t left = bytes;
  while (left > 0) {
    const ssize_t got = recv(fd, chunk.data(), chunk.size(), 0);
    if (got <= 0) Fail("recv");
    meter->Begin();
    left -= static_cast<uint64_t>(got);
  }
}

}  // namespace

int RunTcp(const Side& side) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(side.port);
  const auto raw = reinterpret_cast<sockaddr*>(&address);
  Meter meter;
  if (!side.server) {
    if (connect(fd, raw, sizeof address) != 0) Fail("connect");
    meter.Begin();
    Send(fd, side.bytes);
    uint8_t done;
    if (recv(fd, &done, 1, 0) != 1) Fail("recv");
  } else {
    socklen_t length = sizeof address;
    if (bind(fd, raw, length) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, raw, &length) != 0) {
      Fail("listen");
    }
    PrintPort(ntohs(address.sin_port));
    const int peer = accept(fd, nullptr, nullptr);
    if (peer < 0) Fail("accept");
    Receive(peer, side.bytes, &meter);
    const uint8_t done = 1;
    if (send(peer, &done, 1, MSG_NOSIGNAL) != 1) Fail("send");
    close(peer);
  }
  meter.End();
  meter.Print(side.bytes);
  close(fd);
  return 0;
}

int RunUnix(uint64_t bytes) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) Fail("socketpair");
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) {
    close(ends[0]);
    Send(ends[1], bytes);
    _exit(0);
  }
  close(ends[1]);
  Meter meter;
  Receive(ends[0], bytes, &meter);
  meter.End();
  if (waitpid(child, nullptr, 0) != child) Fail("waitpid");
  meter.AddCpu(CpuSeconds(RUSAGE_CHILDREN));
  meter.Print(bytes);
  return 0;
}

int RunMemcpy(uint64_t bytes) {
  // more than the caches hold, as what comes from a network is
  constexpr size_t kArea = 64 * kMiB;
  const std::vector<uint8_t> from(kArea, 7);
  std::vector<uint8_t> to(kArea, 1);
  Meter meter;
  meter.Begin();
  for (uint64_t done = 0; done < bytes; done += kWriteBytes) {
    const size_t at = done % kArea;
    std::memcpy(&to[at], &from[at], kWriteBytes);
    asm volatile("" ::: "memory");
  }
  meter.End();
  meter.Print(bytes);
  return 0;
}

}  // namespace xtp::bench
