#include "udt/acknowledgement.h"

#include <udt/ccc.h>
#include <udt/packet.h>

#include <algorithm>
#include <utility>

namespace xtp::udt {
namespace {

constexpr int kPacketsPerAck = 64;
// Between packets, in slow start.
constexpr double kUnpacedUs = 1;
constexpr double kLossSlowdown = 2;

thread_local AckListener* ack_listener = nullptr;

}  // namespace

// UDT's congestion control, which goes on from slow start faster.
class AckingControl final : public CUDTCC {
 public:
  AckingControl() : switch_(std::make_shared<AckSwitch>(this)) {}
  ~AckingControl() override { switch_->Detach(); }

  void onPktReceived(const CPacket* packet) override {
    if (told_ || ack_listener == nullptr) return;
    told_ = true;
    setACKInterval(kPacketsPerAck);
    ack_listener->OnData(static_cast<uint32_t>(packet->m_iID), switch_);
  }
  void AcknowledgeNow() {
    told_ = false;
    setACKInterval(1);
  }

  void onACK(int32_t sequence) override {
    CUDTCC::onACK(sequence);
    LookAtStart(1);
  }
  void onLoss(const int32_t* missing, int count) override {
    CUDTCC::onLoss(missing, count);
    LookAtStart(kLossSlowdown);
  }
  void onTimeout() override {
    CUDTCC::onTimeout();
    LookAtStart(kLossSlowdown);
  }

 private:
  // When slow start ends, UDT sends as fast as the peer says it receives. That
  // is a mean which begins at 16 packets per second, and may still be there. At
  // most by `slowdown` slower than what the window has just made possible:
  void LookAtStart(double slowdown) {
    if (!starting_ || m_dPktSndPeriod == kUnpacedUs) return;
    starting_ = false;
    m_dPktSndPeriod = std::min(
        m_dPktSndPeriod, slowdown * (m_iRTT + m_iSYNInterval) / m_dCWndSize);
  }

  const std::shared_ptr<AckSwitch> switch_;
  bool starting_ = true;
  bool told_ = false;  // libudt's receiving thread only
};

void AckSwitch::AcknowledgeNow() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (control_ != nullptr) control_->AcknowledgeNow();
}

void AckSwitch::Detach() {
  std::lock_guard<std::mutex> lock(mutex_);
  control_ = nullptr;
}

void SetAckListener(AckListener* listener) { ack_listener = listener; }

CCCVirtualFactory* AckingControlFactory() {
  static CCCFactory<AckingControl> factory;
  return &factory;
}

}  // namespace xtp::udt
