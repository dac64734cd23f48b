// The engine of a transport whose library gives byte streams: uTP, UDT, TCP. It
// moves bytes between the library's sockets and the parent's streams, and does
// half-close, close, abort, backpressure, timers, dials and their time-outs.
// What is left to a transport is a ByteSocket, a port, and to say what is
// ready. I/O thread only.
#ifndef XTP_COMMON_BYTE_ENGINE_H_
#define XTP_COMMON_BYTE_ENGINE_H_

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/byte_queue.h"
#include "common/endpoint.h"
#include "common/engine_base.h"
#include "common/parent_window.h"
#include "common/setting_fields.h"
#include "common/status.h"
#include "common/stream.h"
#include "common/transport.h"

namespace xtp {

class ByteConnection;
class ByteEngine;

// A connected, or connecting, socket of a library. No call may block. Its
// destructor cuts off what is left of it.
class ByteSocket {
 public:
  virtual ~ByteSocket() = default;
  // Takes from the front what there is room for; ByteConnection::OnSocket has
  // to be called when there is room again. A failure is final; what the peer
  // sent before can still be read.
  virtual Status Write(const iovec* slices, size_t count, size_t* taken) = 0;
  // Passes on what Write took and the library had no room for.
  virtual Status Flush() { return Status::Ok(); }
  // `*got` 0: nothing now, and OnSocket follows; or, with `*end`, the peer's
  // half-close. A failure is the end of the connection, and not a good one.
  // A library that is not asked but calls has nothing here: see OnBytes.
  virtual Status Read(uint8_t* /*buffer*/, size_t /*room*/, size_t* got,
                      bool* /*end*/) {
    *got = 0;
    return Status::Ok();
  }
  // The parent has taken some of what OnBytes had to keep.
  virtual void OnTaken() {}
  // Half-closes behind everything written. `*done` false: no room yet.
  virtual Status EndWriting(bool* done) = 0;
  // Nothing is written or read any more: what is left is to deliver.
  virtual void Close() {}
  // Bytes, or packets, that the peer has not acknowledged, its end included; 0
  // is delivered. OnSocket, or `poll_us`, tells when to ask again.
  virtual uint64_t Undelivered() = 0;
  // Whether nothing is lost if a connection that closes breaks now: at most its
  // end is still under way.
  virtual bool AllArrived() { return Undelivered() == 0; }
  // Whether it is still alive, once the peer has ended and nothing is read;
  // while a connection closes, too. kConnectionClosed: the peer is gone, and
  // has everything.
  virtual Status Check() { return Status::Ok(); }
  // How often Undelivered is asked while a connection closes.
  virtual uint64_t poll_us() const { return 10 * 1000; }
  // The time given to ByteConnection::SetSocketTimer has come.
  virtual void OnTimer() {}
  // Ends it at once; the peer learns of it, and of `code` where that can be
  // said.
  virtual void Abort(uint32_t code) = 0;
  // Where it is bound, once it is connected; without an address: where its
  // port is.
  virtual Endpoint local() const { return Endpoint(); }
  // "key value\n" lines of the library's own.
  virtual void AppendStats(std::string* /*text*/) const {}
};

class ByteConnection final : public ConnectionBase, public StreamHandler {
 public:
  ByteConnection(ByteEngine* engine, PortBase* port, uint32_t id,
                 const Endpoint& peer);
  ~ByteConnection() override;

  uint32_t id() const { return id_; }
  const Endpoint& peer() const { return peer_; }
  PortBase* port() const { return port_; }  // null where dials have none
  ByteSocket* socket() const { return socket_.get(); }

  // --- from the transport, at any time, also from inside its library. They
  // call nothing of the transport's.
  // The dial has succeeded.
  void OnConnected();
  // The dial, or the connection, is over; what was not read is lost.
  void OnFailed(const Status& status);
  // The socket may be readable or writable, or is broken: look.
  void OnSocket() { MarkDirty(); }
  // For libraries that call with what the peer has sent. What the parent has no
  // room for is kept here, whatever it is: see `buffered_bytes`.
  void OnBytes(const uint8_t* data, size_t length) {
    bytes_in_ += length;
    MarkDirty();
    // Some libraries go on after the end if the peer does.
    if (discard_inbound_ || remote_ended_ || !failure_.ok()) return;
    PassToParent(data, length);
  }
  // The peer has half-closed; or, while it closes, can send nothing more.
  void OnEnd();
  // The only one of this socket. kNever: none.
  void SetSocketTimer(uint64_t due_us);

  // --- from the parent
  bool dialing() const override { return state_ == State::kDialing; }
  void CancelDial() override;
  void Abort(uint32_t code) override;
  void CloseGracefully() override;
  std::string StatsText() const override;
  bool AttachStream(Stream* stream) override;
  void OnReadable() override { MarkDirty(); }
  void OnWritable() override { MarkDirty(); }
  void OnReset(uint32_t code) override;

  bool over() const { return state_ == State::kOver; }
  size_t buffered_bytes() const { return pending_.size(); }
  // How much of a receive window of `bytes` the peer may still use: less than
  // is free where much is kept for others, too.
  inline uint64_t ReceiveRoom(uint64_t bytes) const;

 private:
  friend class ByteEngine;

  enum class State {
    kDialing,
    kOpen,
    kClosing,  // both sides ended, or the parent wants the end
    kOver,     // reported; deleted at the end of the round
  };

  void MarkDirty() {
    if (!dirty_) PutOnList();
  }
  void PutOnList();
  void Service();
  void Stop();
  Endpoint Local() const;
  void Announce();
  bool PumpToParent();  // true: there may be more
  bool PumpToNetwork();
  void PassToParent(const uint8_t* data, size_t length) {
    size_t taken = 0;
    if (stream_ != nullptr && pending_.empty()) {
      taken = stream_->Write(data, length);
    }
    if (taken < length) Keep(data + taken, length - taken);
  }
  void Keep(const uint8_t* data, size_t length);
  void DropPending();
  void FlushPending();
  size_t WriteWhatThereIs();
  void EndWriting();
  void DelayEnd();
  uint64_t Undelivered();
  void WaitToEnd();
  void CheckEnds();
  void CheckDelivered();
  void Fail(const Status& status);
  void Finish(const Status& status);
  void DropStream(uint32_t code);
  void SetTimer(uint64_t due_us);

  ByteEngine* const engine_;
  PortBase* const port_;
  const uint32_t id_;
  const Endpoint peer_;
  State state_ = State::kDialing;
  std::unique_ptr<ByteSocket> socket_;  // null once it is over
  Stream* stream_ = nullptr;  // null before it is open and once it is over
  bool had_stream_ = false;
  bool announced_ = false;
  bool dirty_ = false;
  uint32_t dial_request_ = 0;

  // What was said since the last Service.
  Status failure_;
  bool connected_ = false;
  bool stream_lost_ = false;
  uint32_t reset_code_ = 0;

  // Towards the parent.
  ByteQueue pending_;  // the stream has no room for them
  bool remote_ended_ = false;
  bool write_closed_ = false;  // FIN given to the stream
  bool discard_inbound_ = false;

  // Towards the network.
  Status write_failure_;  // reading goes on
  ParentWindow window_;
  bool end_wanted_ = false;
  bool end_written_ = false;
  bool closing_requested_ = false;
  bool delivered_ = false;
  uint64_t close_idle_at_us_ = 0;
  uint64_t undelivered_ = 0;
  uint64_t linger_until_us_ = 0;

  uint64_t timer_us_ = kNever;
  uint64_t socket_timer_us_ = kNever;
  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;  // that the library took
};

class ByteEngine : public EngineBase {
 public:
  // Settings that all have, by these names.
  struct Limits {
    // Connections at a time, dials included. 1 to 60,000.
    uint32_t max_connections = 3000;
    // For dials that name no time. 100 to 600,000.
    uint32_t dial_timeout_ms = 20000;
    // How long an ended connection waits without progress for its last bytes
    // to be acknowledged. 100 to 600,000.
    uint32_t linger_ms = 10000;
  };
  static constexpr SettingField<Limits> kLimitFields[] = {
      {"max_connections", &Limits::max_connections, 1, 60000},
      {"dial_timeout_ms", &Limits::dial_timeout_ms, 100, 600000},
      {"linger_ms", &Limits::linger_ms, 100, 600000},
  };

  ByteEngine(Host* host, const Limits& limits);
  ~ByteEngine() override;

  // What all connections may keep for the parent, as far as libraries let us
  // tell their peers.
  static constexpr uint64_t kReceiveBudget = 128 * 1024 * 1024;
  // What one may keep in any case.
  static constexpr uint64_t kLeastReceiveRoom = 32 * 1024;

  // For libraries that read and write their UDP sockets themselves.
  void OnDatagram(SocketId, const uint8_t*, size_t, const Endpoint&,
                  uint64_t) override {}
  void OnIcmpError(SocketId, const uint8_t*, size_t, const Endpoint&, int,
                   uint32_t, uint64_t) override {}
  uint64_t OnRound(uint64_t now_us) override;
  void OnStop(uint64_t now_us) override;

  size_t connections() const { return connections_.size(); }

 protected:
  // --- what a transport is, besides OpenPort and CloseSocket of EngineBase

  // Begins to connect. The connection outlives the socket.
  virtual Status Connect(PortBase* port, ByteConnection* connection,
                         std::unique_ptr<ByteSocket>* out) = 0;
  // Once per round, before connections are served: OnSocket for what is ready,
  // AddInbound for what has come in. Returns when it wants to be called again.
  virtual uint64_t BeginRound() { return kNever; }
  // After they have been served. Returns the same.
  virtual uint64_t EndRound() { return kNever; }
  // More lines for Stats of the whole service.
  virtual void AppendStats(std::string* /*text*/) const {}

  // --- what it gets

  // An inbound connection. Takes the listener's credit: check that there is
  // some. False: the parent cannot have it, and the socket is gone.
  bool AddInbound(PortBase* port, const Endpoint& peer,
                  std::unique_ptr<ByteSocket> socket, ByteConnection** out);
  // There is room for one more inbound connection.
  bool CanAccept(const PortBase& port) const;
  // For EndRound, where it had news for connections.
  bool HasWork() const { return !dirty_.empty(); }
  void ServeConnections();
  const uint64_t& now_us() const { return now_us_; }
  // Where a library gets datagrams, between rounds.
  void set_now_us(uint64_t now_us) { now_us_ = now_us; }
  const Limits& limits() const { return limits_; }

  // Before a derived engine's own members go.
  void DropEverything();

 private:
  friend class ByteConnection;
  using ConnectionMap =
      std::unordered_map<uint32_t, std::unique_ptr<ByteConnection>>;

  // EngineBase.
  Status StartDial(PortBase* port, uint32_t connection, const Endpoint& to,
                   uint32_t request, uint32_t timeout_ms) final;
  ByteConnection* FindConnection(uint32_t id) final;
  bool InUse(uint32_t id) const final { return connections_.count(id) != 0; }
  size_t connection_count() const final { return connections_.size(); }
  std::string ServiceStats() const final;
  void CountDial() final { dials_++; }
  void CountFailedDial() final { dials_failed_++; }

  void RunTimers();

  const Limits limits_;
  uint64_t now_us_ = 0;
  WindowBudget window_budget_;  // of the connections, which give it back
  uint64_t buffered_ = 0;       // of all connections, towards the parent
  ConnectionMap connections_;
  uint32_t next_inbound_id_ = 2;  // even; 0 once all are used
  // No connection's timer is due before this.
  uint64_t next_timer_us_ = kNever;
  // Connections with something to do, once each.
  std::vector<ByteConnection*> dirty_;
  std::vector<ByteConnection*> servicing_;
  std::vector<uint32_t> finished_;
  std::unique_ptr<uint8_t[]> scratch_;  // of one Read
  bool stopped_ = false;
  uint64_t dials_ = 0;
  uint64_t dials_failed_ = 0;
  uint64_t accepted_ = 0;
  uint64_t closed_ = 0;
  uint64_t payload_bytes_in_ = 0;  // of connections that are over
  uint64_t payload_bytes_out_ = 0;
};

// Each may keep an eighth of what is left of the budget (Choudhury and Hahne,
// Dynamic queue length thresholds, 1998): a few get all they want, a thousand
// equal parts, and something is always left for the next one.
inline uint64_t ByteConnection::ReceiveRoom(uint64_t bytes) const {
  const uint64_t all = engine_->buffered_;
  if (all == 0) return bytes;
  constexpr uint64_t kBudget = ByteEngine::kReceiveBudget;
  const uint64_t left = kBudget - std::min(kBudget, all);
  const uint64_t share = std::max(left / 8, ByteEngine::kLeastReceiveRoom);
  const uint64_t most = std::min(bytes, share);
  return most - std::min<uint64_t>(most, buffered_bytes());
}

}  // namespace xtp

#endif  // XTP_COMMON_BYTE_ENGINE_H_
