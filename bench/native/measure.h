// What all references share: the clock, CPU time, addresses, and the lines of
// JSON that bench/references.ts reads.
#ifndef XTP_BENCH_MEASURE_H_
#define XTP_BENCH_MEASURE_H_

#include <netinet/in.h>
#include <sys/resource.h>
#include <time.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace xtp::bench {

constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kMiB = 1024 * 1024;
constexpr int kSocketBufferBytes = 4 * 1024 * 1024;

inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond +
         static_cast<uint64_t>(now.tv_nsec);
}

inline double CpuSeconds(int who = RUSAGE_SELF) {
  rusage usage;
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// From the first byte to the last.
class Meter {
 public:
  void Begin() {
    if (begin_ns_ != 0) return;
    begin_ns_ = NowNs();
    cpu_ = CpuSeconds();
  }
  void End() {
    end_ns_ = NowNs();
    cpu_ = CpuSeconds() - cpu_;
  }
  void AddCpu(double seconds) { cpu_ += seconds; }
  void Print(uint64_t bytes) const {
    std::printf("{\"bytes\":%" PRIu64
                ",\"seconds\":%.6f,\"cpuSeconds\":%.6f}\n",
                bytes, static_cast<double>(end_ns_ - begin_ns_) / 1e9, cpu_);
    std::fflush(stdout);
  }

 private:
  uint64_t begin_ns_ = 0;
  uint64_t end_ns_ = 0;
  double cpu_ = 0;
};

inline void PrintPort(uint16_t port) {
  std::printf("{\"port\":%u}\n", port);
  std::fflush(stdout);
}

[[noreturn]] inline void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Of one side of a pair. `port` is the server's, for a client.
struct Side {
  bool server;
  uint64_t bytes;
  uint16_t port;
};

int RunTcp(const Side& side);
int RunUdp(const Side& side);
int RunUtp(const Side& side);
int RunUnix(uint64_t bytes);
int RunMemcpy(uint64_t bytes);

}  // namespace xtp::bench

#endif  // XTP_BENCH_MEASURE_H_
