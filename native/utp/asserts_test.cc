// Built with libutp's asserts on: shows that packets from the network reach
// them, which is why the addon is built without (vendor/libutp/README.md).
#include "utp/testing/raw_peer.h"

namespace xtp::utp::sim {
namespace {

// Delay samples exactly half the number space apart, in the course of 6 s.
void SendAbsurdDelays(bool absurd) {
  Sim sim;
  Node* server = sim.AddNode();
  server->Listen(4000);
  RawPeer peer(&sim, Address("10.7.7.7", 7), server->At(4000));
  if (!peer.Connect()) return;
  for (int i = 0; i < 4; i++) {
    sim.Run(6 * kSecond);
    Header header = peer.Next(PacketType::kState);
    header.timestamp_difference_us = 1000 + (absurd ? 0x80000000u : 0u);
    peer.Send(header);
  }
  sim.Run(kSecond);
}

TEST(APacketReachesAnAssert) {
  CHECK(Survives([] { SendAbsurdDelays(false); }));
  CHECK(!Survives([] { SendAbsurdDelays(true); }));
}

}  // namespace
}  // namespace xtp::utp::sim
