// Transfers of uTP, for scripts/instructions.mjs to count.
#include "utp/testing/sim.h"

namespace xtp::utp::sim {
namespace {

constexpr uint64_t kBytes = 16 * 1024 * 1024;

TEST(Utp) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* client = pair.client->stream(1);
  FakeStream* server = pair.server->stream(2);
  client->SendPattern(1, kBytes);
  client->End();
  REQUIRE(pair.sim.Run(600 * kSecond, [&] { return server->ended; }));
  CHECK_EQ(server->received, kBytes);
  server->End();
  CHECK(pair.sim.Run(600 * kSecond, [&] { return pair.BothClosed(); }));
}

}  // namespace
}  // namespace xtp::utp::sim
