#include "options.h"

#include <vector>

#include "common/testing/test.h"

namespace xtp::networks {
namespace {

Status Parse(std::vector<std::string> words, Options* out) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(&word[0]);
  return ParseOptions(static_cast<int>(pointers.size()), pointers.data(), out);
}

TEST(OptionsAreForBothDirectionsOrForOne) {
  Options options;
  REQUIRE(
      Parse({"--delay-ms", "25", "--ab-loss", "0.01", "--ba-rate-mbit", "0.5",
             "--queue-kb", "512", "--seed", "7", "--congestion", "cubic"},
            &options)
          .ok());
  CHECK_EQ(options.links[0].delay_ns, uint64_t{25000000});
  CHECK_EQ(options.links[1].delay_ns, uint64_t{25000000});
  CHECK_EQ(options.links[0].loss, 0.01);
  CHECK_EQ(options.links[1].loss, 0.0);
  CHECK_EQ(options.links[0].bits_per_second, uint64_t{0});
  CHECK_EQ(options.links[1].bits_per_second, uint64_t{500000});
  CHECK_EQ(options.links[0].queue_bytes, uint64_t{512 * 1024});
  CHECK_EQ(options.seed, uint64_t{7});
  CHECK_EQ(options.congestion, "cubic");
}

TEST(WhatIsNoOptionIsRefusedByName) {
  const std::vector<std::string> kWrong[] = {
      {"--delay-ms"},         {"--delay-ms", "-1"}, {"--delay-ms", "nan"},
      {"--loss", "1.5"},      {"--loss", "1%"},     {"--ab-seed", "1"},
      {"delay-ms", "1"},      {"--delay", "1"},     {"--queue-kb", "0"},
      {"--rate-mbit", "1e9"}, {"--mtu", "100"},     {"--congestion", ""},
  };
  for (const auto& words : kWrong) {
    Options options;
    const Status status = Parse(words, &options);
    CHECK(status.code() == Code::kInvalidArgument);
    CHECK(status.message().find(words[0]) != std::string::npos);
  }
}

}  // namespace
}  // namespace xtp::networks
