// uTP (BEP 29) for XTP: libutp between the I/O thread's UDP sockets and the
// parent's streams. No I/O and no clock of its own: see common/transport.h.
//
// Engine: requests, listeners, rounds. Port: a UDP socket and its packets.
// Connection: one connection. half_open.h: what happens before there is one.
#ifndef XTP_UTP_ENGINE_H_
#define XTP_UTP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/engine_base.h"
#include "utp/connection.h"
#include "utp/guards.h"
#include "utp/port.h"
#include "utp/settings.h"
#include "utp/shared.h"

namespace xtp::utp {

class UtpEngine final : public EngineBase, private Acceptor {
 public:
  // 32 random bytes: connection ids, sequence numbers, proofs of address.
  struct Seed {
    SipKey syn;
    SipKey random;
  };

  UtpEngine(Host* host, const Settings& settings, const Seed& seed,
            const Guards& guards = Guards());
  ~UtpEngine() override;

  // Transport.
  void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                  const Endpoint& from, uint64_t now_us) override;
  void OnIcmpError(SocketId socket, const uint8_t* payload, size_t length,
                   const Endpoint& to, int error, uint32_t mtu,
                   uint64_t now_us) override;
  uint64_t OnRound(uint64_t now_us) override;
  void OnStop(uint64_t now_us) override;

  const Counters& counters() const { return shared_.counters; }
  size_t libutp_sockets() const { return shared_.libutp_sockets; }
  size_t connections() const { return connections_.size(); }

 private:
  bool CanAccept() const override;
  Connection* OnAccept(Port* port, UTPSocket* socket, const Endpoint& peer,
                       const Header& first) override;

  // EngineBase.
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override;
  Status StartDial(PortBase* port, uint32_t connection, const Endpoint& to,
                   uint32_t request, uint32_t timeout_ms) override;
  Connection* FindConnection(uint32_t id) override;
  bool InUse(uint32_t id) const override { return connections_.count(id) != 0; }
  size_t connection_count() const override { return connections_.size(); }
  std::string ServiceStats() const override;  // in stats.cc
  void CountDial() override { shared_.counters.dials++; }
  void CountFailedDial() override { shared_.counters.dials_failed++; }

  Port* FindPort(SocketId socket) {
    return static_cast<Port*>(EngineBase::FindPort(socket));
  }
  void OnPathMtu(Port* port, const uint8_t* payload, size_t length,
                 const Endpoint& to, uint32_t mtu);
  void RunTimers();
  void ServiceDirty();
  void DeleteFinished();

  Shared shared_;
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> servicing_;
  uint32_t next_inbound_id_ = 2;  // even; 0 once all are used
  uint64_t next_shrink_us_ = 0;
  bool stopped_ = false;
};

// For RegisterTransport.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::utp

#endif  // XTP_UTP_ENGINE_H_
