// Transfers of QUIC, for scripts/instructions.mjs to count: a payload of 1452
// bytes, so that the work per packet weighs as on the Internet.
#include "quic/testing/sim.h"

namespace xtp::quic::sim {
namespace {

constexpr uint64_t kBytes = 16 * 1024 * 1024;

TEST(Quic) {
  Settings settings;
  Pair pair(settings);
  pair.sim.link.mtu = 1452;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->SendPattern(1, kBytes);
  up->End();
  REQUIRE(pair.sim.Run(600 * kSecond, [&] {
    return !pair.server->incoming().empty() &&
           pair.server->incoming()[0]->ended;
  }));
  CHECK_EQ(pair.server->incoming()[0]->received, kBytes);
}

}  // namespace
}  // namespace xtp::quic::sim
