// uTP (BEP 29) for XTP: libutp between the I/O thread's UDP sockets and the
// parent's streams. No I/O and no clock of its own: see common/transport.h.
//
// Engine: requests, listeners, rounds. Port: a UDP socket and its packets.
// Connection: one connection. half_open.h: what happens before there is one.
#ifndef XTP_UTP_ENGINE_H_
#define XTP_UTP_ENGINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/controlled_transport.h"
#include "utp/connection.h"
#include "utp/guards.h"
#include "utp/port.h"
#include "utp/settings.h"
#include "utp/shared.h"

namespace xtp::utp {

class UtpEngine final : public ControlledTransport, private Acceptor {
 public:
  // 32 random bytes: connection ids, sequence numbers, proofs of address.
  struct Seed {
    SipKey syn;
    SipKey random;
  };

  UtpEngine(Host* host, const Settings& settings, const Seed& seed,
            const Guards& guards = Guards());
  ~UtpEngine() override;

  // ControlledTransport.
  void Listen(uint32_t request, uint32_t listener, const Endpoint& local,
              uint32_t accept, uint64_t now_us) override;
  void Unlisten(uint32_t request, uint32_t listener, uint64_t now_us) override;
  void Accept(uint32_t listener, uint32_t count, uint64_t now_us) override;
  void Dial(uint32_t request, uint32_t connection, const Endpoint& to,
            uint32_t timeout_ms, uint64_t now_us) override;
  void Close(uint32_t request, uint32_t connection, bool abort, uint32_t code,
             uint64_t now_us) override;
  void Stats(uint32_t request, uint32_t connection, uint64_t now_us) override;

  // Transport.
  void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                  const Endpoint& from, uint64_t now_us) override;
  void OnIcmpError(SocketId socket, const uint8_t* payload, size_t length,
                   const Endpoint& to, int error, uint32_t mtu,
                   uint64_t now_us) override;
  bool OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind,
                    uint64_t now_us) override;
  uint64_t OnRound(uint64_t now_us) override;
  void OnStop(uint64_t now_us) override;

  const Counters& counters() const { return shared_.counters; }
  size_t libutp_sockets() const { return shared_.libutp_sockets; }
  size_t connections() const { return connections_.size(); }
  size_t ports() const { return ports_.size(); }

 private:
  bool CanAccept() const override;
  Connection* OnAccept(Port* port, UTPSocket* socket, const Endpoint& peer,
                       const Header& first) override;

  void Reply(uint32_t request, const Status& status,
             const Endpoint& local = Endpoint());
  Status CheckDial(uint32_t connection, const Endpoint& to) const;
  Status BindPort(const Endpoint& local, Port** out);
  Status PortForDial(const Endpoint& to, Port** out);
  Port* FindPort(SocketId socket);
  Port* FindListener(uint32_t listener);
  Connection* FindConnection(uint32_t id);
  void OnPathMtu(Port* port, const uint8_t* payload, size_t length,
                 const Endpoint& to, uint32_t mtu);
  void RunTimers();
  void ServiceDirty();
  void DeleteFinished();
  uint64_t CloseUnusedPorts();
  std::string ServiceStats() const;

  Shared shared_;
  std::map<SocketId, std::unique_ptr<Port>> ports_;
  Port* last_port_ = nullptr;  // of FindPort
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> servicing_;
  uint32_t next_inbound_id_ = 2;  // even; 0 once all are used
  // Shared by all dials that no listening socket suits, by family.
  SocketId dial_socket_v4_ = 0;
  SocketId dial_socket_v6_ = 0;
  uint64_t next_shrink_us_ = 0;
  bool stopped_ = false;
};

// For RegisterTransport.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::utp

#endif  // XTP_UTP_ENGINE_H_
