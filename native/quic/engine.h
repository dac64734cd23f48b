// QUIC v1 (RFC 9000) with libp2p's TLS for XTP: ngtcp2 between the I/O
// thread's UDP sockets and the parent's streams. No I/O and no clock of its
// own: see common/transport.h.
//
// engine.cc: the parent's requests. engine_network.cc: datagrams, routing, and
// what happens before there is a connection. Connection: one connection.
#ifndef XTP_QUIC_ENGINE_H_
#define XTP_QUIC_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/engine_base.h"
#include "common/rate_limit.h"
#include "quic/connection.h"
#include "quic/settings.h"
#include "quic/shared.h"

namespace xtp::quic {

class QuicEngine final : public EngineBase {
 public:
  // Init before anything else.
  QuicEngine(Host* host, const Settings& settings);
  ~QuicEngine() override;
  Status Init();

  std::shared_ptr<Identity> identity() override { return shared_.identity; }
  // Transport.
  void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                  const Endpoint& from, uint64_t now_us) override;
  void OnIcmpError(SocketId socket, const uint8_t* payload, size_t length,
                   const Endpoint& to, int error, uint32_t mtu,
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
  // EngineBase.
  Status CheckListen() const override;
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override;
  Status StartDial(PortBase* port, uint32_t connection, const Endpoint& to,
                   uint32_t request, uint32_t timeout_ms) override;
  Connection* FindConnection(uint32_t id) override;
  bool InUse(uint32_t id) const override { return shared_.ids.count(id) != 0; }
  size_t connection_count() const override { return connections_.size(); }
  std::string ServiceStats() const override;  // in stats.cc
  void CountDial() override { shared_.counters.dials++; }
  void CountFailedDial() override { shared_.counters.dials_failed++; }

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
  // To those that wait for room in their peers' buffers.
  void GiveTurns();
  void DeleteFinished();

  Shared shared_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> servicing_;
  size_t most_connections_ = 0;  // since the heap was trimmed
  // Answers to datagrams that nobody here knows: never worth a flood.
  RateLimit strangers_{200, 50};
  bool stopped_ = false;
};

// For RegisterTransport.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::quic

#endif  // XTP_QUIC_ENGINE_H_
