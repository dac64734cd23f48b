// What comes from the network, and the rounds of the loop.
#include <utp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "utp/engine.h"

namespace xtp::utp {
namespace {

constexpr uint64_t kShrinkUs = 5 * 1000 * 1000;

constexpr uint32_t kMinPayload = 576;     // libutp assumes that this fits
constexpr uint32_t kMaxSaneMtu = 0x1fff;  // beyond, libutp guesses instead

}  // namespace

void UtpEngine::OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                           const Endpoint& from, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindPort(socket);
  if (port != nullptr) port->OnDatagram(data, length, from);
}

void UtpEngine::OnIcmpError(SocketId socket, const uint8_t* payload,
                            size_t length, const Endpoint& to, int error,
                            uint32_t mtu, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindPort(socket);
  Header sent;
  if (port == nullptr || !ParseHeader(payload, length, &sent)) return;
  Connection* const connection = port->FindBySent(sent, to);
  if (connection == nullptr) return;
  if (error == EMSGSIZE) {
    OnPathMtu(port, payload, length, to, mtu);
  } else {
    connection->OnIcmp(error);
  }
}

// libutp counts the MTU as UDP payload, and guesses when it does not believe
// the number.
void UtpEngine::OnPathMtu(Port* port, const uint8_t* payload, size_t length,
                          const Endpoint& to, uint32_t mtu) {
  uint32_t usable = mtu;
  if (shared_.guards.mtu_sanity) {
    const uint32_t overhead = to.family() == AF_INET6 ? 48 : 28;
    if (mtu == 0 || mtu > kMaxSaneMtu) return;
    usable = std::max(kMinPayload, mtu - std::min(mtu, overhead));
  }
  utp_process_icmp_fragmentation(port->context(), payload, length, to.address(),
                                 to.length(), static_cast<uint16_t>(usable));
}

bool UtpEngine::CanAccept() const {
  return next_inbound_id_ != 0 &&
         connections_.size() < shared_.settings.max_connections;
}

Connection* UtpEngine::OnAccept(Port* port, UTPSocket* socket,
                                const Endpoint& peer, const Header& first) {
  const uint32_t id = next_inbound_id_;
  auto made = std::make_unique<Connection>(&shared_, port, id, peer);
  if (!made->Accept(socket, port->listener(), first)) return nullptr;
  next_inbound_id_ += 2;
  port->TakeCredit();
  shared_.counters.accepted++;
  Connection* const result = made.get();
  connections_[id] = std::move(made);
  return result;
}

uint64_t UtpEngine::OnRound(uint64_t now_us) {
  shared_.now_us = now_us;
  if (stopped_) return kNever;
  RunTimers();
  uint64_t next = kNever;
  // libutp's tick may end connections, and their end may need a tick.
  for (int i = 0; i < 3; i++) {
    ServiceDirty();
    next = kNever;
    for (const auto& [id, port] : port_map()) {
      next = std::min(next, static_cast<Port*>(port.get())->EndRound());
    }
    if (shared_.dirty.empty()) break;
  }
  if (!shared_.dirty.empty()) next = now_us;
  DeleteFinished();
  next = std::min(next, CloseUnusedPorts());
  return std::min(next, shared_.next_timer_us);
}

void UtpEngine::RunTimers() {
  const uint64_t now = shared_.now_us;
  if (now >= next_shrink_us_) {
    next_shrink_us_ = now + kShrinkUs;
    for (const auto& [id, connection] : connections_) {
      connection->ReleaseMemory();
    }
  }
  if (now < shared_.next_timer_us) return;
  shared_.next_timer_us = kNever;
  for (const auto& [id, connection] : connections_) {
    if (connection->timer_us() <= now) connection->OnTimer();
    shared_.next_timer_us =
        std::min(shared_.next_timer_us, connection->timer_us());
  }
}

void UtpEngine::ServiceDirty() {
  // Servicing one may mark another, or itself for the next turn.
  servicing_.swap(shared_.dirty);
  for (Connection* connection : servicing_) connection->Service();
  servicing_.clear();
}

void UtpEngine::DeleteFinished() {
  if (shared_.finished.empty()) return;
  // A connection that is over may be in the list of dirty ones still.
  if (!shared_.dirty.empty()) ServiceDirty();
  for (const uint32_t id : shared_.finished) connections_.erase(id);
  shared_.finished.clear();
}

void UtpEngine::OnStop(uint64_t now_us) {
  if (stopped_) return;
  shared_.now_us = now_us;
  stopped_ = true;
  for (const auto& [id, connection] : connections_) {
    if (!connection->over()) connection->Stop();
  }
  shared_.dirty.clear();
  shared_.finished.clear();
  connections_.clear();
  CloseAllPorts();
}

}  // namespace xtp::utp
