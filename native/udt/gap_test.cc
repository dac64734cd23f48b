#include "udt/gap.h"

#include <utility>
#include <vector>

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kStart = 1000 * 1000 * kMs;

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;

Ranges Due(Gap* gap, uint64_t now_us) {
  Ranges due;
  for (const auto& [first, last] : gap->TakeDue(now_us)) {
    due.emplace_back(first, last);
  }
  return due;
}
bool Quiet(Gap* gap, uint64_t now_us) { return Due(gap, now_us).empty(); }
bool Asks(Gap* gap, uint64_t now_us) {
  const Ranges due = Due(gap, now_us);
  return !due.empty() && due[0].first == gap->wanted();
}

TEST(WhatIsMissingIsAskedForAfterARoundTrip) {
  Gap gap(100);
  gap.OnRoundTrip(40 * kMs, 5 * kMs);
  gap.OnData(100, kStart);
  gap.OnAcknowledged(101, kStart + kMs);
  CHECK(Quiet(&gap, kStart + 3600 * 1000 * kMs));
  const uint64_t seen = kStart + 5000 * kMs;
  gap.OnData(102, seen);
  gap.OnData(103, seen + kMs);
  CHECK(Quiet(&gap, seen + 79 * kMs));
  CHECK(Asks(&gap, seen + 80 * kMs));
  CHECK_EQ(gap.wanted(), 101u);
  // Then twice as long, up to a second.
  CHECK(Quiet(&gap, seen + 239 * kMs));
  uint64_t now = seen + 80 * kMs;
  for (const uint64_t wait : {160, 320, 640, 1000, 1000}) {
    CHECK(Quiet(&gap, now + wait * kMs - 1));
    now += wait * kMs;
    CHECK(Asks(&gap, now));
  }
  // The next one that is missing has a time of its own.
  gap.OnData(105, now);
  gap.OnAcknowledged(104, now);
  CHECK(Quiet(&gap, now + 79 * kMs));
  CHECK(Asks(&gap, now + 80 * kMs));
  CHECK_EQ(gap.wanted(), 104u);
  gap.OnAcknowledged(106, now + 81 * kMs);
  CHECK(Quiet(&gap, now + 3600 * 1000 * kMs));
}

TEST(AllThatIsMissingIsAskedForTogether) {
  Gap gap(10);
  gap.OnRoundTrip(10 * kMs, 0);
  for (const uint32_t sequence : {12, 15, 20, 30}) {
    gap.OnData(sequence, kStart);
  }
  // in the middle of a hole, at its ends, and the whole of one
  for (const uint32_t sequence : {25, 16, 19, 13, 14}) {
    gap.OnData(sequence, kStart + kMs);
  }
  gap.OnData(40, kStart + 20 * kMs);
  const uint64_t now = kStart + 30 * kMs;
  CHECK(Due(&gap, now) == (Ranges{{10, 11}, {17, 18}, {21, 24}, {26, 29}}));
  // The last one is missing for a round trip only now, and those before have
  // just been asked for.
  CHECK(Quiet(&gap, now + 59 * kMs));
  CHECK(Due(&gap, now + 60 * kMs) ==
        (Ranges{{10, 11}, {17, 18}, {21, 24}, {26, 29}, {31, 39}}));
  gap.OnAcknowledged(18, now + 60 * kMs);
  CHECK(Due(&gap, now + 90 * kMs) ==
        (Ranges{{17, 18}, {21, 24}, {26, 29}, {31, 39}}));
}

TEST(WhatLibudtDidNotTakeIsAskedForAgain) {
  Gap gap(10);
  gap.OnRoundTrip(10 * kMs, 0);
  for (const uint32_t sequence : {10, 11, 12, 14}) {
    gap.OnData(sequence, kStart);
  }
  gap.OnAcknowledged(11, kStart);
  CHECK(Due(&gap, kStart + 30 * kMs) == (Ranges{{11, 11}, {13, 13}}));
}

TEST(WhatIsTooFarAheadIsNotAskedFor) {
  Gap gap(0x7ffffffe, 100);
  gap.OnRoundTrip(10 * kMs, 0);
  gap.OnData(0x10000000, kStart);
  gap.OnData(99, kStart);
  CHECK(Quiet(&gap, kStart + 3600 * 1000 * kMs));
  gap.OnData(98, kStart);
  CHECK(Due(&gap, kStart + 30 * kMs) == (Ranges{{0x7ffffffe, 97}}));
}

TEST(HolesAreLimited) {
  Gap gap(0);
  gap.OnRoundTrip(10 * kMs, 0);
  for (uint32_t i = 0; i < 100'000; i++) gap.OnData(2 * i + 1, kStart);
  const Ranges due = Due(&gap, kStart + 30 * kMs);
  CHECK_EQ(due.size(), kMaxRanges);
  CHECK(due.front() == std::make_pair(0u, 0u));
  // found from behind: each is one hole less
  for (uint32_t i = 100'000; i > 0; i--) gap.OnData(2 * i - 2, kStart);
  CHECK(Due(&gap, kStart + 3600 * 1000 * kMs) == (Ranges{{0, 0}}));
}

TEST(TheVeryFirstPacketMayBeMissing) {
  Gap gap(0x7fffffff);
  gap.OnData(0, kStart);
  CHECK(Asks(&gap, kStart + 1000 * kMs));
  CHECK_EQ(gap.wanted(), 0x7fffffffu);
}

TEST(NumbersWrapAndComeInAnyOrder) {
  Gap gap(0x7ffffffe);
  gap.OnData(0, kStart);
  gap.OnData(0x7ffffffe, kStart);
  gap.OnData(0x7fffffff, kStart);
  gap.OnAcknowledged(1, kStart);
  CHECK(Quiet(&gap, kStart + 5000 * kMs));
  gap.OnAcknowledged(0x7fffffff, kStart);  // an old one
  CHECK(Quiet(&gap, kStart + 5000 * kMs));
  // More than has been seen: nothing is missing.
  gap.OnAcknowledged(9, kStart);
  CHECK(Quiet(&gap, kStart + 5000 * kMs));
}

TEST(RoundTripsOfAPeerThatLiesAreLimited) {
  Gap gap(1);
  gap.OnRoundTrip(UINT32_MAX, UINT32_MAX);
  gap.OnData(2, kStart);
  CHECK(Asks(&gap, kStart + 1020 * kMs));
}

}  // namespace
}  // namespace xtp::udt
