// uTP (BEP 29) for XTP: libutp between the I/O thread's UDP sockets and the
// parent's streams. No I/O and no clock of its own: see common/transport.h.
//
// What a transport does alike with all others is in ByteEngine. Port: a UDP
// socket and its packets. Connection: one connection, a ByteSocket.
// half_open.h: what happens before there is one.
#ifndef XTP_UTP_ENGINE_H_
#define XTP_UTP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "common/byte_engine.h"
#include "utp/connection.h"
#include "utp/guards.h"
#include "utp/port.h"
#include "utp/settings.h"
#include "utp/shared.h"

namespace xtp::utp {

class UtpEngine final : public ByteEngine, private Acceptor {
 public:
  // 32 random bytes: connection ids, sequence numbers, proofs of address.
  struct Seed {
    SipKey syn;
    SipKey random;
  };

  UtpEngine(Host* host, const Settings& settings, const Seed& seed,
            const Guards& guards = Guards());
  ~UtpEngine() override { DropEverything(); }

  // Transport.
  void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                  const Endpoint& from, uint64_t now_us) override;
  void OnIcmpError(SocketId socket, const uint8_t* payload, size_t length,
                   const Endpoint& to, int error, uint32_t mtu,
                   uint64_t now_us) override;

  size_t libutp_sockets() const { return shared_.libutp_sockets; }

 private:
  // Acceptor.
  bool HasRoom(const Port& port) const override { return CanAccept(port); }
  Connection* OnAccept(Port* port, UTPSocket* socket, const Endpoint& peer,
                       const Header& first) override;

  // ByteEngine and EngineBase.
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override;
  Status Connect(PortBase* port, ByteConnection* connection,
                 std::unique_ptr<ByteSocket>* out) override;
  uint64_t EndRound() override;
  void AppendStats(std::string* text) const override;

  void OnPathMtu(Port* port, const uint8_t* payload, size_t length,
                 const Endpoint& to, uint32_t mtu);

  Shared shared_;
};

// For XTP_TRANSPORT_ADDON.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::utp

#endif  // XTP_UTP_ENGINE_H_
