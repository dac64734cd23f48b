// What the command line of path_emulator says.
#ifndef XTP_BENCH_NETWORKS_OPTIONS_H_
#define XTP_BENCH_NETWORKS_OPTIONS_H_

#include <cstdint>
#include <string>

#include "common/status.h"
#include "link.h"

namespace xtp::networks {

struct Options {
  LinkSettings links[2];  // from A to B, from B to A
  uint64_t seed = 1;
  int mtu = 1500;
  std::string congestion;
};

extern const char kUsage[];

// kInvalidArgument that names the option.
Status ParseOptions(int count, char** words, Options* out);

}  // namespace xtp::networks

#endif  // XTP_BENCH_NETWORKS_OPTIONS_H_
