// QUIC v1 (RFC 9000) with libp2p's TLS for XTP: ngtcp2 between the I/O
// thread's UDP sockets and the parent's streams. No I/O and no clock of its
// own: see common/transport.h.
//
// engine.cc: the parent's requests. engine_network.cc: datagrams, routing, and
// what happens before there is a connection. Connection: one connection.
#ifndef XTP_QUIC_ENGINE_H_
#define XTP_QUIC_ENGINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/controlled_transport.h"
#include "quic/connection.h"
#include "quic/settings.h"
#include "quic/shared.h"

namespace xtp::quic {

class QuicEngine final : public ControlledTransport {
 public:
  // Init before anything else.
  QuicEngine(Host* host, const Settings& settings);
  ~QuicEngine() override;
  Status Init();

  // ControlledTransport.
  std::shared_ptr<Identity> identity() override { return shared_.identity; }
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
  // Those included that only linger.
  size_t connections() const { return connections_.size(); }
  size_t ids() const { return shared_.cids.size(); }
  size_t half_open() const { return shared_.half_open; }
  // For tests: drops every connection without a word to anybody.
  void ForgetForTest();

 private:
  void Reply(uint32_t request, const Status& status,
             const Endpoint& local = Endpoint());
  Status CheckDial(uint32_t connection, const Endpoint& to) const;
  Status BindPort(const Endpoint& local, Port** out);
  Status PortForDial(const Endpoint& to, Port** out);
  Port* FindPort(SocketId socket);
  Port* FindListener(uint32_t listener);
  Connection* FindConnection(uint32_t id);

  void OnInitial(Port* port, const uint8_t* data, size_t length,
                 const Endpoint& from);
  bool WantsProof(const Port& port) const;
  void SendRetry(Port* port, const ngtcp2_pkt_hd& header, const Endpoint& from);
  void Refuse(Port* port, const ngtcp2_pkt_hd& header, uint64_t error,
              const Endpoint& from);
  void OnStranger(Port* port, const uint8_t* data, size_t length,
                  const ngtcp2_version_cid& ids, const Endpoint& from);
  void SendVersions(Port* port, const ngtcp2_version_cid& ids, size_t length,
                    const Endpoint& from);
  void Send(Port* port, const uint8_t* data, size_t length, const Endpoint& to);

  void RunTimers();
  void DeleteFinished();
  uint64_t CloseUnusedPorts();
  std::string ServiceStats() const;  // in stats.cc

  Shared shared_;
  std::map<SocketId, std::unique_ptr<Port>> ports_;
  Port* last_port_ = nullptr;  // of FindPort
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> servicing_;
  size_t most_connections_ = 0;  // since the heap was trimmed
  // Shared by all dials that no listening socket suits, by family.
  SocketId dial_socket_v4_ = 0;
  SocketId dial_socket_v6_ = 0;
  // Answers to datagrams that nobody here knows: never worth a flood.
  RateLimit strangers_{200, 50};
  bool stopped_ = false;
};

// For RegisterTransport.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::quic

#endif  // XTP_QUIC_ENGINE_H_
