// Connections and streams as the parents see them, over a clean network.
#include "quic/testing/sim.h"

namespace xtp::quic {
namespace {

using sim::FakeStream;
using sim::kMs;
using sim::kSecond;
using sim::Node;
using sim::Pair;
using sim::Sim;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;

TEST(HandshakeTellsBothParentsThePeersCertificate) {
  Pair pair;
  REQUIRE(pair.Connect());
  const Event* connected = pair.client->Find(Event::Kind::kConnected, 1);
  const Event* incoming = pair.server->Find(Event::Kind::kIncoming, 2);
  REQUIRE(connected != nullptr && incoming != nullptr);
  CHECK_EQ(incoming->listener, 1u);
  CHECK(connected->remote == pair.server->At(4000));
  CHECK(incoming->local == pair.server->At(4000));
  CHECK(connected->certificate.find("key of 10.0.0.2") != std::string::npos);
  CHECK(incoming->certificate.find("key of 10.0.0.1") != std::string::npos);
  CHECK_EQ(pair.server->engine().half_open(), size_t{0});
}

TEST(BytesArriveBothWaysAndFinIsFin) {
  Pair pair;
  REQUIRE(pair.Connect());
  FakeStream* up = pair.client->Open(1);
  up->Expect(8);
  up->SendPattern(7, 8 * kMiB);
  up->End();
  pair.server->on_stream = [](FakeStream* stream) {
    stream->Expect(7);
    stream->SendPattern(8, 5 * kMiB);
    stream->End();
  };
  CHECK(pair.sim.Run(60 * kSecond, [&] {
    return up->released && pair.server->incoming().size() == 1 &&
           pair.server->incoming()[0]->released;
  }));
  REQUIRE(pair.server->incoming().size() == 1);
  CHECK(pair.server->incoming()[0]->complete(8 * kMiB));
  CHECK(up->complete(5 * kMiB));
  CHECK_EQ(pair.client->Stat("streams", 1), 0u);
}

}  // namespace
}  // namespace xtp::quic
