// multistream-select 1.0.0, responder, for exactly one protocol.
#ifndef XTP_COMMON_NEGOTIATION_H_
#define XTP_COMMON_NEGOTIATION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/status.h"

namespace xtp {

class Negotiation {
 public:
  // `protocol` without the newline, such as "/yamux/1.0.0".
  explicit Negotiation(std::string protocol);

  // Takes bytes of the initiator until both lines are there; `*consumed` tells
  // how many were its own: the rest belongs to the protocol. Appends what has
  // to be sent to `*reply`, also before a failure. kUnsupported: the initiator
  // proposed something else and has been told "na". kProtocolViolation: it
  // does not speak multistream-select.
  Status Receive(const uint8_t* data, size_t length, size_t* consumed,
                 std::string* reply);

  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kHeader, kProtocol, kDone };

  Status Line(std::string* reply);

  const std::string protocol_;
  State state_ = State::kHeader;
  std::string line_;           // of the current message, with its newline
  size_t length_ = 0;          // announced length of the current message
  uint32_t prefix_bytes_ = 0;  // of its uvarint seen so far
  bool in_body_ = false;
};

}  // namespace xtp

#endif  // XTP_COMMON_NEGOTIATION_H_
