// TCP for XTP: the kernel's sockets between the network and the parent's
// streams. What a transport does alike with all others is in ByteEngine.
#ifndef XTP_TCP_ENGINE_H_
#define XTP_TCP_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/byte_engine.h"
#include "common/controlled_transport.h"

namespace xtp::tcp {

class TcpPort;

class TcpEngine final : public ByteEngine {
 public:
  TcpEngine(Host* host, const Limits& limits) : ByteEngine(host, limits) {}
  ~TcpEngine() override { DropEverything(); }

  // Transport.
  void OnReady(int fd, short events, uint64_t now_us) override;

  // --- for TcpSocket

  void Watch(int fd, short events) { host()->Watch(fd, events); }
  // Before it is closed.
  void Forget(int fd);

 private:
  friend class TcpPort;

  // ByteEngine and EngineBase.
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override;
  void CloseSocket(SocketId) override {}  // ~TcpPort has done it
  Status PortForDial(const Endpoint& to, PortBase** out) override;
  Status Connect(PortBase* port, ByteConnection* connection,
                 std::unique_ptr<ByteSocket>* out) override;
  uint64_t BeginRound() override;
  void AppendStats(std::string* text) const override;

  void AcceptAll(TcpPort* port);

  SocketId next_port_ = 1;
  // By descriptor.
  std::unordered_map<int, ByteConnection*> connections_;
  std::unordered_map<int, TcpPort*> listeners_;
  uint64_t accepts_failed_ = 0;
};

// For XTP_TRANSPORT_ADDON.
std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status);

}  // namespace xtp::tcp

#endif  // XTP_TCP_ENGINE_H_
