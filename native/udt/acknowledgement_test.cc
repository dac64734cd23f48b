#include "udt/acknowledgement.h"

#include <udt/ccc.h>
#include <udt/udt.h>
#include <unistd.h>

#include <memory>

#include "common/testing/test.h"

namespace xtp::udt {
namespace {

// What libudt sets, and reads.
struct Inner : CCC {
  static constexpr auto kReceiveRate = &Inner::m_iRcvRate;
  static constexpr auto kRtt = &Inner::m_iRTT;
  static constexpr auto kMaxWindow = &Inner::m_dMaxCWndSize;
  static constexpr auto kMss = &Inner::m_iMSS;
  static constexpr auto kSent = &Inner::m_iSndCurrSeqNo;
  static constexpr auto kPeriod = &Inner::m_dPktSndPeriod;
  static constexpr auto kWindow = &Inner::m_dCWndSize;
};

constexpr int kRttUs = 2000;
constexpr int kSynUs = 10000;

// Ready to send packet 100; a window of 50 packets ends slow start.
std::unique_ptr<CCC> Started() {
  UDT::startup();
  std::unique_ptr<CCC> control(AckingControlFactory()->create());
  (*control).*Inner::kReceiveRate = 16;
  (*control).*Inner::kRtt = kRttUs;
  (*control).*Inner::kMaxWindow = 50;
  (*control).*Inner::kMss = 1500;
  (*control).*Inner::kSent = 99;
  control->init();
  usleep(kSynUs + 2000);  // it looks at one acknowledgement in 10 ms
  return control;
}

TEST(SlowStartEndsWithTheRateThatItHasReached) {
  const auto control = Started();
  control->onACK(110);
  CHECK_EQ((*control).*Inner::kPeriod, 1.0);  // not over yet
  usleep(kSynUs + 2000);
  control->onACK(200);
  const double window = (*control).*Inner::kWindow;
  CHECK(window > 50);
  CHECK((*control).*Inner::kPeriod > 1);
  CHECK((*control).*Inner::kPeriod <= (kRttUs + kSynUs) / window);
}

TEST(ALossEndsSlowStartWithHalfOfIt) {
  const auto control = Started();
  control->onACK(110);
  const double window = (*control).*Inner::kWindow;
  const int32_t missing[] = {115};
  control->onLoss(missing, 1);
  CHECK((*control).*Inner::kPeriod > 1);
  CHECK((*control).*Inner::kPeriod <= 2 * (kRttUs + kSynUs) / window);
}

TEST(APeerThatReceivesFasterIsBelieved) {
  const auto control = Started();
  (*control).*Inner::kReceiveRate = 100000;
  control->onACK(200);
  CHECK((*control).*Inner::kPeriod <= 10);
}

}  // namespace
}  // namespace xtp::udt
