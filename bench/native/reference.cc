// reference tcp|udp|utp server MIB
// reference tcp|udp|utp client MIB PORT
// reference unix|memcpy MIB
//
// How fast loopback, the kernel and libutp are without anything of ours on top.
#include <cstring>

#include "native/measure.h"

int main(int argc, char** argv) {
  using namespace xtp::bench;
  const char* what = argc > 1 ? argv[1] : "";
  if (argc == 3) {
    const uint64_t bytes = std::strtoull(argv[2], nullptr, 10) * kMiB;
    if (std::strcmp(what, "unix") == 0) return RunUnix(bytes);
    if (std::strcmp(what, "memcpy") == 0) return RunMemcpy(bytes);
  } else if (argc >= 4) {
    Side side;
    side.server = std::strcmp(argv[2], "server") == 0;
    side.bytes = std::strtoull(argv[3], nullptr, 10) * kMiB;
    side.port = static_cast<uint16_t>(argc > 4 ? std::atoi(argv[4]) : 0);
    if (std::strcmp(what, "tcp") == 0) return RunTcp(side);
    if (std::strcmp(what, "udp") == 0) return RunUdp(side);
    if (std::strcmp(what, "utp") == 0) return RunUtp(side);
  }
  std::fprintf(stderr,
               "usage: reference tcp|udp|utp server MIB\n"
               "       reference tcp|udp|utp client MIB PORT\n"
               "       reference unix|memcpy MIB\n");
  return 2;
}
