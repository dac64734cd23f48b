// How fast plain libudt is between two processes over loopback, as an
// application would use it: blocking sockets, 64 KiB per call, its own
// defaults. What xtp-udt is compared with. A measurement, not a test.
//
//   udt_throughput [MiB, default 512] [rounds, default 3]
//
// Prints one line of JSON per round.
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <udt/udt.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kChunkBytes = 64 * 1024;
constexpr uint64_t kMiB = 1024 * 1024;

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

double CpuSeconds(int who) {
  rusage usage;
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s\n", what, UDT::getlasterror().getErrorMessage());
  _exit(1);
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void Send(uint16_t port, uint64_t bytes) {
  UDT::startup();
  const UDTSOCKET socket = UDT::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in to = Loopback(port);
  Require(UDT::connect(socket, reinterpret_cast<const sockaddr*>(&to),
                       sizeof to) == 0,
          "connect");
  const std::vector<char> chunk(kChunkBytes, 7);
  while (bytes > 0) {
    const int want =
        static_cast<int>(bytes < kChunkBytes ? bytes : kChunkBytes);
    const int sent = UDT::send(socket, chunk.data(), want, 0);
    Require(sent > 0, "send");
    bytes -= static_cast<uint64_t>(sent);
  }
  char last;  // the receiver has everything
  Require(UDT::recv(socket, &last, 1, 0) == 1, "the receiver's answer");
  UDT::close(socket);
  _exit(0);
}

void Round(uint64_t bytes) {
  int port_pipe[2];
  if (pipe(port_pipe) != 0) _exit(1);
  const double cpu = CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN);
  const pid_t child = fork();  // before libudt has threads
  if (child == 0) {
    uint16_t port = 0;
    if (read(port_pipe[0], &port, sizeof port) != sizeof port) _exit(1);
    Send(port, bytes);
  }
  UDT::startup();
  const UDTSOCKET listener = UDT::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in local = Loopback(0);
  Require(UDT::bind(listener, reinterpret_cast<const sockaddr*>(&local),
                    sizeof local) == 0 &&
              UDT::listen(listener, 1) == 0,
          "listen");
  int length = sizeof local;
  UDT::getsockname(listener, reinterpret_cast<sockaddr*>(&local), &length);
  const uint16_t port = ntohs(local.sin_port);
  if (write(port_pipe[1], &port, sizeof port) != sizeof port) _exit(1);
  length = sizeof local;
  const UDTSOCKET socket =
      UDT::accept(listener, reinterpret_cast<sockaddr*>(&local), &length);
  Require(socket != UDT::INVALID_SOCK, "accept");
  std::vector<char> chunk(kChunkBytes);
  const double start = Now();
  for (uint64_t left = bytes; left > 0;) {
    const int got = UDT::recv(socket, chunk.data(), kChunkBytes, 0);
    Require(got > 0, "receive");
    left -= static_cast<uint64_t>(got);
  }
  const double seconds = Now() - start;
  Require(UDT::send(socket, chunk.data(), 1, 0) == 1, "answer");
  int status = 0;
  waitpid(child, &status, 0);
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  std::printf("{\"megabytesPerSecond\":%.1f,\"cpuSecondsPerGigabyte\":%.2f}\n",
              gigabytes * 1000 / seconds,
              (CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN) - cpu) /
                  gigabytes);
  std::fflush(stdout);
  _exit(status == 0 ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 512;
  const long rounds = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 3;
  for (long i = 0; i < rounds; i++) {
    // A process of its own each: libudt takes seconds to clean up.
    const pid_t child = fork();
    if (child == 0) Round(mib * kMiB);
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) return 1;
  }
  return 0;
}
