// What transports do alike with the parent's requests: ports and listeners
// with their credit, dials and their ports, ids, answers. What is left to a
// transport is what a port and a connection are. I/O thread only.
#ifndef XTP_COMMON_ENGINE_BASE_H_
#define XTP_COMMON_ENGINE_BASE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/controlled_transport.h"
#include "common/endpoint.h"
#include "common/status.h"
#include "common/transport.h"

namespace xtp {

constexpr uint64_t kNever = UINT64_MAX;

// A bound socket, for a listener, for dials, or for both.
class PortBase {
 public:
  PortBase(SocketId socket, const Endpoint& local, uint64_t now_us)
      : socket_(socket), local_(local), unused_since_us_(now_us) {}
  virtual ~PortBase() = default;
  PortBase(const PortBase&) = delete;
  PortBase& operator=(const PortBase&) = delete;

  SocketId socket() const { return socket_; }
  const Endpoint& local() const { return local_; }

  // Accepting. Listener 0 is none. Credit: inbound connections that the parent
  // will still take.
  uint32_t listener() const { return listener_; }
  uint32_t credit() const { return credit_; }
  virtual void StartListening(uint32_t listener, uint32_t credit) {
    listener_ = listener;
    credit_ = credit;
  }
  virtual void StopListening(uint64_t now_us) {
    listener_ = credit_ = 0;
    unused_since_us_ = now_us;
  }
  // After StopListening, while connections still hold it: whether a listener on
  // the same address may have it, or gets a new port.
  virtual bool reusable() const { return true; }
  void AddCredit(uint32_t count) {
    credit_ = count > UINT32_MAX - credit_ ? UINT32_MAX : credit_ + count;
  }
  void TakeCredit() { credit_--; }

  // Connections hold their port.
  void Hold() { connections_++; }
  void Drop(uint64_t now_us) {
    connections_--;
    unused_since_us_ = now_us;
  }
  size_t connections() const { return connections_; }
  bool in_use() const { return listener_ != 0 || connections_ > 0; }
  uint64_t unused_since_us() const { return unused_since_us_; }

 private:
  const SocketId socket_;
  const Endpoint local_;
  uint32_t listener_ = 0;
  uint32_t credit_ = 0;
  size_t connections_ = 0;
  uint64_t unused_since_us_;
};

// A connection, as the parent's requests see it.
class ConnectionBase {
 public:
  ConnectionBase() = default;
  virtual ~ConnectionBase() = default;
  ConnectionBase(const ConnectionBase&) = delete;
  ConnectionBase& operator=(const ConnectionBase&) = delete;
  virtual bool dialing() const = 0;
  // The dial's own request is answered with kCancelled.
  virtual void CancelDial() = 0;
  virtual void Abort(uint32_t code) = 0;
  virtual void CloseGracefully() = 0;
  // "key value\n" lines.
  virtual std::string StatsText() const = 0;
  // The parent opened a stream. False refuses it.
  virtual bool AttachStream(Stream* stream) = 0;
};

class EngineBase : public ControlledTransport {
 public:
  void Listen(uint32_t request, uint32_t listener, const Endpoint& local,
              uint32_t accept, uint64_t now_us) override;
  void Unlisten(uint32_t request, uint32_t listener, uint64_t now_us) override;
  void Accept(uint32_t listener, uint32_t count, uint64_t now_us) override;
  void Dial(uint32_t request, uint32_t connection, const Endpoint& to,
            uint32_t timeout_ms, uint64_t now_us) override;
  void Close(uint32_t request, uint32_t connection, bool abort, uint32_t code,
             uint64_t now_us) override;
  void Stats(uint32_t request, uint32_t connection, uint64_t now_us) override;
  bool OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind,
                    uint64_t now_us) override;

  size_t ports() const { return ports_.size(); }

 protected:
  struct Options {
    uint32_t max_connections = 0;
    // For dials that name no time.
    uint32_t dial_timeout_ms = 0;
    // Of the streams that the parent opens: 0 where a connection is one.
    uint32_t stream_kind = 0;
    // A dial socket without connections goes away after this long.
    uint64_t keep_dial_socket_us = 30 * 1000 * 1000;
  };

  // `now_us` is the engine's clock: every request sets it.
  EngineBase(Host* host, const Options& options, uint64_t* now_us)
      : host_(host), options_(options), now_us_(now_us) {}

  // --- what a transport is

  // Binds; port 0 lets the system choose.
  virtual Status OpenPort(const Endpoint& local,
                          std::unique_ptr<PortBase>* out) = 0;
  // Its port has been deleted.
  virtual void CloseSocket(SocketId socket) { host_->CloseSocket(socket); }
  // Why there can be no listener now.
  virtual Status CheckListen() const { return Status::Ok(); }
  // Begins a dial; its request is answered later, unless this fails. The port
  // is null where PortForDial gives none.
  virtual Status StartDial(PortBase* port, uint32_t connection,
                           const Endpoint& to, uint32_t request,
                           uint32_t timeout_ms) = 0;
  // By the parent's id; null once it is over.
  virtual ConnectionBase* FindConnection(uint32_t id) = 0;
  virtual bool InUse(uint32_t id) const = 0;
  virtual size_t connection_count() const = 0;
  virtual std::string ServiceStats() const = 0;
  virtual void CountDial() {}
  virtual void CountFailedDial() {}
  // A dial from a listening socket shows the peer, and every NAT between, the
  // port that answers. Other dials of a family share one socket.
  virtual Status PortForDial(const Endpoint& to, PortBase** out);

  // --- what it gets

  void Reply(uint32_t request, const Status& status,
             const Endpoint& local = Endpoint());
  PortBase* FindPort(SocketId socket);
  PortBase* FindListener(uint32_t listener);
  size_t listeners() const;
  const std::map<SocketId, std::unique_ptr<PortBase>>& port_map() const {
    return ports_;
  }
  // Returns when to look again.
  uint64_t CloseUnusedPorts();
  void CloseAllPorts();
  // Without a word to anybody. For destructors: ports may refer to the engine.
  void ForgetPorts();
  Host* host() const { return host_; }

 private:
  Status CheckDial(uint32_t connection, const Endpoint& to) const;
  Status Open(const Endpoint& local, PortBase** out);

  Host* const host_;
  const Options options_;
  uint64_t* const now_us_;
  std::map<SocketId, std::unique_ptr<PortBase>> ports_;
  PortBase* last_port_ = nullptr;  // of FindPort
  // Shared by all dials that no listening socket suits, by family.
  SocketId dial_socket_v4_ = 0;
  SocketId dial_socket_v6_ = 0;
};

// Appends a line of an answer to Stats.
void AddStat(std::string* text, const char* key, uint64_t value);

}  // namespace xtp

#endif  // XTP_COMMON_ENGINE_BASE_H_
