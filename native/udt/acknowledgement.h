// When libudt acknowledges, and so delivers: by itself it lets a lone packet
// wait for up to 100 ms. UDT's own congestion control decides otherwise, by
// libudt's interface for that: at once when no more datagrams are there, and
// every 64 packets meanwhile. It also says how fast slow start ends.
#ifndef XTP_UDT_ACKNOWLEDGEMENT_H_
#define XTP_UDT_ACKNOWLEDGEMENT_H_

#include <cstdint>
#include <memory>
#include <mutex>

class CCCVirtualFactory;

namespace xtp::udt {

class AckingControl;

// Reaches the congestion control of a connection, if it is still there.
class AckSwitch {
 public:
  explicit AckSwitch(AckingControl* control) : control_(control) {}
  // The next look at the timers acknowledges.
  void AcknowledgeNow();
  void Detach();

 private:
  std::mutex mutex_;
  AckingControl* control_;  // guarded by mutex_
};

// Told by the congestion control, in libudt's receiving thread.
class AckListener {
 public:
  virtual ~AckListener() = default;
  // Data came for `socket`; told once until AcknowledgeNow.
  virtual void OnData(uint32_t socket, std::shared_ptr<AckSwitch> ack) = 0;
};

// Who is told in the calling thread.
void SetAckListener(AckListener* listener);

// For UDT_CC; libudt copies it.
CCCVirtualFactory* AckingControlFactory();

}  // namespace xtp::udt

#endif  // XTP_UDT_ACKNOWLEDGEMENT_H_
