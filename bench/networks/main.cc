// path_emulator: IP packets between two network namespaces, with delay, loss,
// disorder and bottlenecks, so that the kernel's TCP and every UDP protocol
// cross the same path.
//
// Prints one line of JSON with its namespaces when it is ready, and another one
// with counters at its end, which is that of stdin.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "link.h"
#include "namespaces.h"
#include "options.h"
#include "tun_device.h"

namespace xtp::networks {
namespace {

constexpr uint64_t kNsPerSecond = 1000000000;
constexpr size_t kMaxPacketBytes = 65536;
// Of one device in a row: the other one has its turn.
constexpr int kPacketsPerTurn = 64;
constexpr char kAddresses[2][10] = {"10.99.0.1", "10.99.0.2"};

volatile std::sig_atomic_t stopped = 0;

uint64_t NowNs() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<uint64_t>(time.tv_nsec);
}

class Emulator {
 public:
  explicit Emulator(const Options& options)
      : options_(options),
        links_{{options.links[0], options.seed},
               {options.links[1], options.seed + 1}} {}

  Status Open() {
    Status status = MakeNamespaces(namespaces_);
    // It is in the second one.
    for (int side = 1; side >= 0 && status.ok(); side--) {
      if (side == 0) {
        const std::string first =
            "/proc/self/fd/" + std::to_string(namespaces_[0]);
        status = EnterNamespaces("/proc/self/ns/user", first.c_str());
        if (!status.ok()) break;
      }
      TunSettings settings;
      settings.address = kAddresses[side];
      settings.peer = kAddresses[1 - side];
      settings.mtu = options_.mtu;
      settings.congestion = options_.congestion;
      status = OpenTun(settings, &devices_[side]);
    }
    return status;
  }

  void PrintReady() const {
    const int pid = getpid();
    std::printf("{\"user\":\"/proc/%d/ns/user\",\"sides\":[", pid);
    for (int side = 0; side < 2; side++) {
      std::printf("%s{\"namespace\":\"/proc/%d/fd/%d\",\"address\":\"%s\"}",
                  side == 0 ? "" : ",", pid, namespaces_[side],
                  kAddresses[side]);
    }
    std::printf("]}\n");
    std::fflush(stdout);
  }

  // Until stdin ends or a signal comes.
  void Run() {
    while (!stopped) {
      pollfd polled[3] = {{devices_[0], POLLIN, 0},
                          {devices_[1], POLLIN, 0},
                          {STDIN_FILENO, POLLIN, 0}};
      const uint64_t next = std::min(links_[0].next_ns(), links_[1].next_ns());
      const uint64_t now = NowNs();
      const uint64_t wait =
          next <= now ? 0 : std::min(next - now, kNsPerSecond);
      const timespec timeout = {static_cast<time_t>(wait / kNsPerSecond),
                                static_cast<long>(wait % kNsPerSecond)};
      if (ppoll(polled, 3, &timeout, nullptr) < 0 && errno != EINTR) return;
      if (polled[2].revents != 0 && StdinEnded()) return;
      for (int side = 0; side < 2; side++) {
        if (polled[side].revents != 0) Read(side);
      }
      for (int side = 0; side < 2; side++) Write(side);
    }
  }

  void PrintCounters() const {
    std::printf("{\"links\":[");
    for (int side = 0; side < 2; side++) {
      const LinkCounters& c = links_[side].counters();
      const std::pair<const char*, uint64_t> fields[] = {
          {"packets", c.packets},
          {"bytes", c.bytes},
          {"lost", c.lost},
          {"duplicated", c.duplicated},
          {"reordered", c.reordered},
          {"dropped", c.dropped},
          {"delivered", c.delivered},
          {"maxQueueBytes", c.max_queue_bytes},
          {"refused", refused_[side]},
      };
      std::printf("%s", side == 0 ? "{" : "},{");
      for (const auto& [name, value] : fields) {
        std::printf("%s\"%s\":%llu", name == fields[0].first ? "" : ",", name,
                    static_cast<unsigned long long>(value));
      }
    }
    std::printf("}]}\n");
    std::fflush(stdout);
  }

 private:
  static bool StdinEnded() {
    char ignored[256];
    return read(STDIN_FILENO, ignored, sizeof ignored) <= 0;
  }

  void Read(int side) {
    for (int i = 0; i < kPacketsPerTurn; i++) {
      const ssize_t length =
          read(devices_[side], buffer_.get(), kMaxPacketBytes);
      if (length <= 0) return;
      links_[side].Send(NowNs(), buffer_.get(), static_cast<size_t>(length));
    }
  }

  void Write(int side) {
    const uint64_t now = NowNs();
    for (int i = 0; i < kPacketsPerTurn; i++) {
      const std::vector<uint8_t>* packet = links_[side].Receive(now);
      if (packet == nullptr) return;
      if (write(devices_[1 - side], packet->data(), packet->size()) < 0) {
        refused_[side]++;
      }
    }
  }

  const Options options_;
  Link links_[2];  // from A to B, from B to A
  int namespaces_[2] = {-1, -1};
  int devices_[2] = {-1, -1};
  uint64_t refused_[2] = {0, 0};  // by the kernel
  const std::unique_ptr<uint8_t[]> buffer_{new uint8_t[kMaxPacketBytes]};
};

int Fail(const Status& status) {
  std::fprintf(stderr, "path_emulator: %s\n", status.message().c_str());
  return 1;
}

int RunIn(char** words) {
  const Status status = EnterNamespaces(words[0], words[1]);
  if (!status.ok()) return Fail(status);
  execvp(words[2], words + 2);
  return Fail(Status::FromErrno(errno, words[2]));
}

int Main(int count, char** words) {
  if (count > 4 && strcmp(words[1], "enter") == 0) return RunIn(words + 2);
  Options options;
  Status status = ParseOptions(count - 1, words + 1, &options);
  if (!status.ok()) {
    std::fprintf(stderr, "%s", kUsage);
    return Fail(status);
  }
  struct sigaction action = {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  Emulator emulator(options);
  status = emulator.Open();
  if (!status.ok()) return Fail(status);
  emulator.PrintReady();
  emulator.Run();
  emulator.PrintCounters();
  return 0;
}

}  // namespace
}  // namespace xtp::networks

int main(int count, char** words) { return xtp::networks::Main(count, words); }
