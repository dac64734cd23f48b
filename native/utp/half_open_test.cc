#include "utp/half_open.h"

#include <set>

#include "common/siphash.h"
#include "common/testing/test.h"
#include "utp/settings.h"
#include "utp/time_wait.h"

namespace xtp::utp {
namespace {

constexpr uint64_t kNow = 1000 * SynGuard::kEpochUs + 5;

PeerKey Peer(uint16_t port, uint16_t id) {
  Endpoint endpoint;
  CHECK(Endpoint::Parse("10.0.0.1", port, &endpoint).ok());
  return PeerKey(endpoint, id);
}

// The vector of the SipHash paper's appendix.
TEST(SipHashOfThePaper) {
  const SipKey key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  uint8_t input[15];
  for (int i = 0; i < 15; i++) input[i] = static_cast<uint8_t>(i);
  CHECK_EQ(SipHash(key, input, sizeof input), 0xa129ca6149be45e5u);
}

Header ProofFor(SynGuard& guard, const PeerKey& syn, uint16_t syn_seq) {
  Header header;
  header.type = PacketType::kState;
  header.connection_id = static_cast<uint16_t>(syn.id + 1);
  header.seq = static_cast<uint16_t>(syn_seq + 1);
  header.ack = static_cast<uint16_t>(guard.SynAckSeq(syn, syn_seq, kNow) - 1);
  return header;
}

TEST(ProofIsAcceptedForOneEpochAtLeastAndTwoAtMost) {
  SynGuard guard({1, 2});
  const PeerKey syn = Peer(5, 0xfffe);
  const Header header = ProofFor(guard, syn, 0xffff);
  const PeerKey key = Peer(5, header.connection_id);
  SynGuard::Proof proof;
  CHECK_EQ(guard.Check(key, header, kNow, &proof), SynGuard::Verdict::kProven);
  CHECK_EQ(proof.syn_seq, 0xffff);
  CHECK_EQ(proof.syn_ack_seq, guard.SynAckSeq(syn, 0xffff, kNow));
  CHECK_EQ(guard.Check(key, header, kNow + SynGuard::kEpochUs, &proof),
           SynGuard::Verdict::kProven);
  CHECK_EQ(guard.Check(key, header, kNow + 2 * SynGuard::kEpochUs, &proof),
           SynGuard::Verdict::kStranger);
}

TEST(ProofBindsPeerIdAndSequence) {
  SynGuard guard({1, 2});
  const PeerKey syn = Peer(5, 100);
  const Header header = ProofFor(guard, syn, 7);
  SynGuard::Proof proof;
  const auto verdict = [&](const PeerKey& key, const Header& h) {
    return guard.Check(key, h, kNow, &proof);
  };
  CHECK_EQ(verdict(Peer(6, 101), header), SynGuard::Verdict::kStranger);
  Header other = header;
  other.ack++;
  CHECK_EQ(verdict(Peer(5, 101), other), SynGuard::Verdict::kStranger);
  other = header;
  other.connection_id++;
  CHECK_EQ(verdict(Peer(5, 102), other), SynGuard::Verdict::kStranger);
  CHECK_EQ(SynGuard({1, 3}).Check(Peer(5, 101), header, kNow, &proof),
           SynGuard::Verdict::kStranger);
  // The second and third packet overtook the first: wait for that one.
  for (uint16_t ahead = 1; ahead <= 3; ahead++) {
    other = header;
    other.seq = static_cast<uint16_t>(header.seq + ahead);
    CHECK_EQ(verdict(Peer(5, 101), other), SynGuard::Verdict::kEarly);
  }
}

// 65,536 possible numbers: guessing is possible, and must not be easier.
TEST(GuessingIsAsHardAsTheProtocolPermits) {
  SynGuard guard({1, 2});
  test::Random random(3);
  int lucky = 0;
  const auto guess = [&] {
    for (int i = 0; i < 400000; i++) {
      Header header;
      header.connection_id = static_cast<uint16_t>(random.Next());
      header.seq = static_cast<uint16_t>(random.Next());
      header.ack = static_cast<uint16_t>(random.Next());
      SynGuard::Proof proof;
      const PeerKey key = Peer(static_cast<uint16_t>(1 + random.Below(60000)),
                               header.connection_id);
      lucky +=
          guard.Check(key, header, kNow, &proof) == SynGuard::Verdict::kProven;
    }
  };
  guess();
  // Nobody was answered.
  CHECK_EQ(lucky, 0);
  // In a flood everybody was. Two epochs: 2 of 65,536, so 12 are expected.
  for (int i = 0; i < 1000000; i++) {
    guard.SynAckSeq(Peer(static_cast<uint16_t>(random.Next()),
                         static_cast<uint16_t>(random.Next())),
                    0, kNow);
  }
  guess();
  CHECK(lucky > 0);
  CHECK(lucky < 40);
}

TEST(RandomNumbersDoNotRepeat) {
  Random random({9, 9});
  std::set<uint32_t> seen;
  for (int i = 0; i < 1000; i++) seen.insert(random.Next());
  CHECK(seen.size() > 990);
}

TEST(TimeWaitForgetsInTimeAndIsBounded) {
  TimeWait wait;
  TimeWait::Entry entry;
  entry.send_id = 3;
  wait.Add(Peer(1, 1), entry, 0);
  CHECK(wait.Find(Peer(1, 1)) != nullptr);
  CHECK(wait.Find(Peer(1, 2)) == nullptr);
  wait.Expire(TimeWait::kKeepUs - 1);
  CHECK(wait.Find(Peer(1, 1)) != nullptr);
  // Used again: the younger entry outlives the older one's time.
  wait.Add(Peer(1, 1), entry, 1000);
  wait.Expire(TimeWait::kKeepUs);
  CHECK(wait.Find(Peer(1, 1)) != nullptr);
  wait.Expire(TimeWait::kKeepUs + 1000);
  CHECK(wait.Find(Peer(1, 1)) == nullptr);
  CHECK(wait.empty());
  for (uint32_t i = 0; i <= TimeWait::kMaxEntries; i++) {
    wait.Add(Peer(static_cast<uint16_t>(i), 1), entry, 0);
  }
  CHECK(wait.Find(Peer(0, 1)) == nullptr);
  CHECK(wait.Find(Peer(1, 1)) != nullptr);
}

TEST(SettingsAreChecked) {
  Settings settings;
  CHECK(ParseSettings({}, &settings).ok());
  CHECK(
      ParseSettings({{"mtu_bytes", 1280}, {"linger_ms", 100}}, &settings).ok());
  CHECK_EQ(settings.mtu_bytes, 1280u);
  CHECK_EQ(ParseSettings({{"mtu", 1280}}, &settings).code(),
           Code::kInvalidArgument);
  for (const double bad : {0.0, -1.0, 1e300, 0.0 / 0.0}) {
    CHECK_EQ(ParseSettings({{"mtu_bytes", bad}}, &settings).code(),
             Code::kInvalidArgument);
  }
  CHECK_EQ(settings.mtu_bytes, 1280u);
}

}  // namespace
}  // namespace xtp::utp
