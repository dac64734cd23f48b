#include "link.h"

#include <algorithm>
#include <cmath>

#include "common/testing/test.h"

namespace xtp::networks {
namespace {

constexpr uint64_t kMs = 1000000;  // ns
constexpr size_t kBytes = 1250;    // 100 µs at 100 Mbit/s
constexpr uint64_t kFast = 100000000;

// The number is what tells a packet from the others.
void Send(Link* link, uint64_t now_ns, uint32_t number) {
  std::vector<uint8_t> packet(kBytes);
  for (int i = 0; i < 4; i++) {
    packet[static_cast<size_t>(i)] = static_cast<uint8_t>(number >> (8 * i));
  }
  link->Send(now_ns, packet.data(), packet.size());
}

std::vector<uint32_t> Receive(Link* link, uint64_t now_ns) {
  std::vector<uint32_t> numbers;
  while (const std::vector<uint8_t>* packet = link->Receive(now_ns)) {
    CHECK_EQ(packet->size(), kBytes);
    uint32_t number = 0;
    for (int i = 0; i < 4; i++) {
      number |= uint32_t{(*packet)[static_cast<size_t>(i)]} << (8 * i);
    }
    numbers.push_back(number);
  }
  return numbers;
}

TEST(ALinkWithoutSettingsPassesPacketsOnAtOnceAndInOrder) {
  Link link(LinkSettings(), 1);
  CHECK_EQ(link.next_ns(), Link::kNever);
  for (uint32_t i = 0; i < 100; i++) Send(&link, 5, i);
  const std::vector<uint32_t> numbers = Receive(&link, 5);
  REQUIRE(numbers.size() == 100);
  for (uint32_t i = 0; i < 100; i++) CHECK_EQ(numbers[i], i);
  CHECK_EQ(link.next_ns(), Link::kNever);
}

TEST(DelayIsExact) {
  LinkSettings settings;
  settings.delay_ns = 25 * kMs;
  Link link(settings, 1);
  Send(&link, kMs, 1);
  Send(&link, 2 * kMs, 2);
  CHECK_EQ(link.next_ns(), 26 * kMs);
  CHECK(Receive(&link, 26 * kMs - 1).empty());
  CHECK_EQ(Receive(&link, 26 * kMs).size(), size_t{1});
  CHECK_EQ(link.next_ns(), 27 * kMs);
}

TEST(JitterStaysWithinItsLimitAndChangesTheOrder) {
  LinkSettings settings;
  settings.delay_ns = 10 * kMs;
  settings.jitter_ns = 5 * kMs;
  Link link(settings, 1);
  for (uint32_t i = 0; i < 1000; i++) Send(&link, 0, i);
  CHECK(link.next_ns() >= 10 * kMs);
  const size_t half = Receive(&link, 12 * kMs + kMs / 2).size();
  CHECK(half > 400 && half < 600);
  const std::vector<uint32_t> rest = Receive(&link, 15 * kMs);
  CHECK_EQ(half + rest.size(), size_t{1000});
  CHECK(!std::is_sorted(rest.begin(), rest.end()));
}

TEST(LossAndDuplicationHaveTheirShares) {
  LinkSettings settings;
  settings.loss = 0.01;
  settings.duplication = 0.05;
  Link link(settings, 7);
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; i++) Send(&link, 0, 0);
  const LinkCounters& c = link.counters();
  CHECK(std::abs(static_cast<double>(c.lost) - 1000) < 150);
  CHECK(std::abs(static_cast<double>(c.duplicated) - 4950) < 350);
  CHECK_EQ(Receive(&link, 0).size(), kCount - c.lost + c.duplicated);
  CHECK_EQ(c.delivered, kCount - c.lost + c.duplicated);
}

TEST(TheSameSeedIsTheSameNetwork) {
  LinkSettings settings;
  settings.loss = 0.3;
  std::vector<uint32_t> first;
  for (const uint64_t seed : {uint64_t{3}, uint64_t{3}, uint64_t{4}}) {
    Link link(settings, seed);
    for (uint32_t i = 0; i < 100; i++) Send(&link, 0, i);
    const std::vector<uint32_t> numbers = Receive(&link, 0);
    if (first.empty()) first = numbers;
    CHECK_EQ(numbers == first, seed == 3);
  }
}

TEST(ReorderedPacketsOvertake) {
  LinkSettings settings;
  settings.delay_ns = 10 * kMs;
  settings.reordering = 0.1;
  Link link(settings, 1);
  for (uint32_t i = 0; i < 1000; i++) Send(&link, 0, i);
  const size_t early = Receive(&link, 0).size();
  CHECK(early > 60 && early < 140);
  CHECK_EQ(early, link.counters().reordered);
  CHECK_EQ(Receive(&link, 10 * kMs).size(), 1000 - early);
}

TEST(ABottleneckSpacesPackets) {
  LinkSettings settings;
  settings.delay_ns = kMs;
  settings.bits_per_second = kFast;
  Link link(settings, 1);
  for (uint32_t i = 0; i < 10; i++) Send(&link, 0, i);
  for (uint64_t i = 1; i <= 10; i++) {
    CHECK_EQ(link.next_ns(), kMs + i * kMs / 10);
    CHECK_EQ(Receive(&link, link.next_ns()).size(), size_t{1});
  }
  // An idle line has saved nothing up.
  Send(&link, 100 * kMs, 10);
  CHECK_EQ(link.next_ns(), 101 * kMs + kMs / 10);
}

TEST(AFullQueueDropsWhatComesLast) {
  LinkSettings settings;
  settings.bits_per_second = kFast;
  settings.queue_bytes = 10 * kBytes;
  Link link(settings, 1);
  for (uint32_t i = 0; i < 15; i++) Send(&link, 0, i);
  CHECK_EQ(link.counters().dropped, uint64_t{5});
  CHECK_EQ(link.counters().max_queue_bytes, 10 * kBytes);
  // Two have left, so two have room.
  for (uint32_t i = 15; i < 18; i++) Send(&link, kMs / 5, i);
  CHECK_EQ(link.counters().dropped, uint64_t{6});
  const std::vector<uint32_t> numbers = Receive(&link, kMs + kMs / 5);
  REQUIRE(numbers.size() == 12);
  CHECK_EQ(numbers[9], 9u);
  CHECK_EQ(numbers[10], 15u);
}

TEST(SeveralFlowsShareTheRate) {
  LinkSettings settings;
  settings.bits_per_second = kFast;
  Link link(settings, 1);
  // Twice as much as fits: half of it arrives, of either flow.
  size_t received[2] = {0, 0};
  for (uint32_t i = 0; i < 20000; i++) {
    const uint64_t now_ns = i / 2 * (kMs / 10);
    Send(&link, now_ns, i % 2);
    for (const uint32_t flow : Receive(&link, now_ns)) received[flow]++;
  }
  CHECK(received[0] + received[1] > 9700);
  CHECK(received[0] + received[1] <= 10000);
}

TEST(MemoryIsBounded) {
  LinkSettings settings;
  settings.delay_ns = 1000 * kMs;
  settings.max_bytes = 100 * kBytes;
  Link link(settings, 1);
  for (uint32_t i = 0; i < 150; i++) Send(&link, 0, i);
  CHECK_EQ(link.counters().dropped, uint64_t{50});
  CHECK_EQ(Receive(&link, 1000 * kMs).size(), size_t{100});
  for (uint32_t i = 0; i < 100; i++) Send(&link, 1000 * kMs, i);
  CHECK_EQ(link.counters().dropped, uint64_t{50});
}

}  // namespace
}  // namespace xtp::networks
