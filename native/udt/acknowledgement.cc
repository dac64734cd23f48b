#include "udt/acknowledgement.h"

#include <udt/ccc.h>
#include <udt/packet.h>

#include <utility>

namespace xtp::udt {
namespace {

constexpr int kPacketsPerAck = 64;

thread_local AckListener* ack_listener = nullptr;

}  // namespace

// UDT's congestion control, unchanged for sending.
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

 private:
  const std::shared_ptr<AckSwitch> switch_;
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
