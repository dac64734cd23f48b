#include "udt/arrivals.h"

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

TEST(ABatchCameSinceTheOneBefore) {
  Arrivals arrivals;
  arrivals.OnWoken(1000);
  arrivals.OnBatch(1010);
  arrivals.OnBatch(1110);
  CHECK_EQ(arrivals.At(0, 10), uint64_t{1020});
  CHECK_EQ(arrivals.At(9, 10), uint64_t{1110});
}

TEST(ABatchAfterAPauseCameSinceThen) {
  Arrivals arrivals;
  arrivals.OnBatch(1010);
  arrivals.OnWoken(9000);
  arrivals.OnBatch(9008);
  CHECK_EQ(arrivals.At(0, 4), uint64_t{9002});
  CHECK_EQ(arrivals.At(3, 4), uint64_t{9008});
}

// It has waited for the thread; libudt's clock begins when that does.
TEST(TheFirstBatchComesNow) {
  Arrivals arrivals;
  arrivals.OnBatch(9000);
  CHECK_EQ(arrivals.At(0, 4), uint64_t{9000});
  CHECK_EQ(arrivals.At(3, 4), uint64_t{9000});
  arrivals.OnBatch(9004);
  CHECK_EQ(arrivals.At(0, 4), uint64_t{9001});
}

TEST(TheClockDoesNotGoBack) {
  Arrivals arrivals;
  CHECK_EQ(arrivals.Tell(50), uint64_t{50});
  CHECK_EQ(arrivals.Tell(40), uint64_t{50});
  CHECK_EQ(arrivals.Tell(60), uint64_t{60});
}

}  // namespace
}  // namespace xtp::udt
