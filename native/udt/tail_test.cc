#include "udt/tail.h"

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kStart = 1000 * 1000 * kMs;

TEST(TheLastPacketIsSentAgainWhenNothingIsAcknowledged) {
  Tail tail(10);
  CHECK(!tail.TakeDue(kStart).has_value());
  tail.OnRoundTrip(100 * kMs, 10 * kMs);
  for (uint32_t sequence = 10; sequence < 20; sequence++) tail.OnSent(sequence);
  CHECK(!tail.TakeDue(kStart).has_value());
  CHECK(!tail.TakeDue(kStart + 160 * kMs - 1).has_value());
  CHECK(tail.TakeDue(kStart + 160 * kMs) == 19u);
  // Then twice as long, up to a second.
  uint64_t now = kStart + 160 * kMs;
  for (const uint64_t wait : {320, 640, 1000, 1000}) {
    CHECK(!tail.TakeDue(now + wait * kMs - 1).has_value());
    now += wait * kMs;
    CHECK(tail.TakeDue(now) == 19u);
  }
  // Sent again, it is not new; an acknowledgement is.
  tail.OnSent(19);
  CHECK(!tail.TakeDue(now + 999 * kMs).has_value());
  tail.OnAcknowledged(15);
  CHECK(!tail.TakeDue(now + 999 * kMs).has_value());
  CHECK(tail.TakeDue(now + (999 + 160) * kMs) == 19u);
  tail.OnAcknowledged(20);
  CHECK(!tail.TakeDue(now + 3600 * 1000 * kMs).has_value());
}

TEST(NewPacketsBeginTheTimeAgain) {
  Tail tail(0x7fffffff);
  tail.OnRoundTrip(0, 0);
  tail.OnSent(0x7fffffff);
  CHECK(!tail.TakeDue(kStart).has_value());
  tail.OnSent(0);
  CHECK(!tail.TakeDue(kStart + 100 * kMs).has_value());
  CHECK(!tail.TakeDue(kStart + 199 * kMs).has_value());
  CHECK(tail.TakeDue(kStart + 200 * kMs) == 0u);
}

TEST(APeerThatLiesIsNotBelieved) {
  Tail tail(5);
  tail.OnRoundTrip(UINT32_MAX, UINT32_MAX);
  tail.OnSent(5);
  tail.OnAcknowledged(7);           // more than was sent
  tail.OnAcknowledged(0x40000000);  // long ago
  CHECK(!tail.TakeDue(kStart).has_value());
  CHECK(tail.TakeDue(kStart + 1000 * kMs) == 5u);
  tail.OnAcknowledged(6);
  CHECK(!tail.TakeDue(kStart + 3600 * 1000 * kMs).has_value());
}

}  // namespace
}  // namespace xtp::udt
