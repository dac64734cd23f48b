// Runs ngtcp2_pair inside node, whose OpenSSL it uses: loading the module does
// the work and ends the process.
//
//   node -e "process.dlopen({exports:{}},process.argv[1])" ngtcp2_pair.node
//     PAYLOAD server MIB | PAYLOAD client MIB PORT
#include <node_api.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "native/measure.h"
#include "native/ngtcp2_pair.h"

namespace {

// After the module's own name.
std::vector<std::string> Arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> all;
  for (std::string text; std::getline(file, text, '\0');) all.push_back(text);
  size_t at = 0;
  while (at < all.size() && all[at].find(".node") == std::string::npos) at++;
  all.erase(all.begin(),
            all.begin() + static_cast<long>(std::min(at + 1, all.size())));
  return all;
}

napi_value Init(napi_env, napi_value exports) {
  using namespace xtp::bench;
  const std::vector<std::string> arguments = Arguments();
  int code = 2;
  if (arguments.size() >= 3) {
    const auto number = [&](size_t i) {
      return i < arguments.size()
                 ? std::strtoull(arguments[i].c_str(), nullptr, 10)
                 : 0;
    };
    const Side side = {arguments[1] == "server", number(2) * kMiB,
                       static_cast<uint16_t>(number(3))};
    code = RunNgtcp2(side, number(0));
  }
  std::fflush(nullptr);
  _Exit(code);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
