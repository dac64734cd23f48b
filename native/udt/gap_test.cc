#include "udt/gap.h"

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kStart = 1000 * 1000 * kMs;

TEST(WhatIsMissingIsAskedForAfterARoundTrip) {
  Gap gap(100);
  gap.OnRoundTrip(40 * kMs, 5 * kMs);
  gap.OnData(100, kStart);
  gap.OnAcknowledged(101, kStart + kMs);
  CHECK(!gap.IsDue(kStart + 3600 * 1000 * kMs));
  const uint64_t seen = kStart + 5000 * kMs;
  gap.OnData(102, seen);
  gap.OnData(103, seen + kMs);
  CHECK(!gap.IsDue(seen + 79 * kMs));
  CHECK(gap.IsDue(seen + 80 * kMs));
  CHECK_EQ(gap.wanted(), 101u);
  // Then twice as long, up to a second.
  CHECK(!gap.IsDue(seen + 239 * kMs));
  uint64_t now = seen + 80 * kMs;
  for (const uint64_t wait : {160, 320, 640, 1000, 1000}) {
    CHECK(!gap.IsDue(now + wait * kMs - 1));
    now += wait * kMs;
    CHECK(gap.IsDue(now));
  }
  // The next one that is missing has a time of its own.
  gap.OnData(105, now);
  gap.OnAcknowledged(104, now);
  CHECK(!gap.IsDue(now + 79 * kMs));
  CHECK(gap.IsDue(now + 80 * kMs));
  CHECK_EQ(gap.wanted(), 104u);
  gap.OnAcknowledged(106, now + 81 * kMs);
  CHECK(!gap.IsDue(now + 3600 * 1000 * kMs));
}

TEST(TheVeryFirstPacketMayBeMissing) {
  Gap gap(0x7fffffff);
  gap.OnData(0, kStart);
  CHECK(gap.IsDue(kStart + 1000 * kMs));
  CHECK_EQ(gap.wanted(), 0x7fffffffu);
}

TEST(NumbersWrapAndComeInAnyOrder) {
  Gap gap(0x7ffffffe);
  gap.OnData(0, kStart);
  gap.OnData(0x7ffffffe, kStart);
  gap.OnData(0x7fffffff, kStart);
  gap.OnAcknowledged(1, kStart);
  CHECK(!gap.IsDue(kStart + 5000 * kMs));
  gap.OnAcknowledged(0x7fffffff, kStart);  // an old one
  CHECK(!gap.IsDue(kStart + 5000 * kMs));
  // More than has been seen: nothing is missing.
  gap.OnAcknowledged(9, kStart);
  CHECK(!gap.IsDue(kStart + 5000 * kMs));
}

TEST(RoundTripsOfAPeerThatLiesAreLimited) {
  Gap gap(1);
  gap.OnRoundTrip(UINT32_MAX, UINT32_MAX);
  gap.OnData(2, kStart);
  CHECK(gap.IsDue(kStart + 1020 * kMs));
}

}  // namespace
}  // namespace xtp::udt
