#include "options.h"

#include <cstdlib>

namespace xtp::networks {

const char kUsage[] =
    "path_emulator [OPTION NUMBER]...   emulates a path between two network\n"
    "    namespaces, A (10.99.0.1) and B (10.99.0.2), until stdin ends\n"
    "path_emulator enter USER_NAMESPACE NET_NAMESPACE PROGRAM [ARGUMENT]...\n"
    "\n"
    "For both directions, with --ab- or --ba- in front for one:\n"
    "  --delay-ms        one way\n"
    "  --jitter-ms       at most so much more, for each packet\n"
    "  --loss, --duplication, --reordering    shares of the packets, 0 to 1\n"
    "  --rate-mbit       of the bottleneck; 0: none\n"
    "  --queue-kb        what may wait before the bottleneck (256), in 1024\n"
    "For both: --seed (1), --mtu (1500), --congestion NAME (of TCP)\n";

namespace {

constexpr double kNsPerMs = 1e6;
constexpr double kMaxDelayMs = 60000;
constexpr double kMaxRateMbit = 100000;
constexpr double kMaxQueueKb = 1 << 20;
constexpr double kMinMtu = 576;
constexpr double kMaxMtu = 65535;

bool SetField(const std::string& name, double value, LinkSettings* link) {
  const bool share = value >= 0 && value <= 1;
  if (name == "delay-ms" || name == "jitter-ms") {
    if (!(value >= 0 && value <= kMaxDelayMs)) return false;
    (name == "delay-ms" ? link->delay_ns : link->jitter_ns) =
        static_cast<uint64_t>(value * kNsPerMs);
    return true;
  }
  if (name == "loss") return share && (link->loss = value, true);
  if (name == "duplication") return share && (link->duplication = value, true);
  if (name == "reordering") return share && (link->reordering = value, true);
  if (name == "rate-mbit") {
    if (!(value >= 0 && value <= kMaxRateMbit)) return false;
    link->bits_per_second = static_cast<uint64_t>(value * 1e6);
    return true;
  }
  if (name == "queue-kb") {
    if (!(value >= 1 && value <= kMaxQueueKb)) return false;
    link->queue_bytes = static_cast<uint64_t>(value * 1024);
    return true;
  }
  return false;
}

bool SetOption(const std::string& name, double value, Options* out) {
  if (name == "seed") {
    if (!(value >= 0 && value <= 1e9)) return false;
    out->seed = static_cast<uint64_t>(value);
    return true;
  }
  if (name == "mtu") {
    if (!(value >= kMinMtu && value <= kMaxMtu)) return false;
    out->mtu = static_cast<int>(value);
    return true;
  }
  const std::string direction = name.substr(0, 3);
  const bool one = direction == "ab-" || direction == "ba-";
  const std::string field = one ? name.substr(3) : name;
  return (direction == "ba-" || SetField(field, value, &out->links[0])) &&
         (direction == "ab-" || SetField(field, value, &out->links[1]));
}

}  // namespace

Status ParseOptions(int count, char** words, Options* out) {
  for (int i = 0; i < count; i += 2) {
    const std::string word = words[i];
    const char* const text = i + 1 < count ? words[i + 1] : "";
    if (word == "--congestion" && *text != '\0') {
      out->congestion = text;
      continue;
    }
    char* end = nullptr;
    const double value = strtod(text, &end);
    const bool number = *text != '\0' && *end == '\0';
    if (word.substr(0, 2) != "--" || !number ||
        !SetOption(word.substr(2), value, out)) {
      return Status(Code::kInvalidArgument,
                    "not an option, or out of range: " + word + " " + text);
    }
  }
  return Status::Ok();
}

}  // namespace xtp::networks
