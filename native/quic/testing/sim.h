// A network, a clock and parents for tests of the QUIC engine: no sockets, no
// threads, no sleeping. The network is deterministic for a seed; keys and
// connection ids are OpenSSL's.
#ifndef XTP_QUIC_TESTING_SIM_H_
#define XTP_QUIC_TESTING_SIM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "common/testing/test.h"
#include "quic/engine.h"

namespace xtp::quic::sim {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kSecond = 1000 * kMs;

// The byte at `offset` of the test data number `seed`.
uint8_t PatternByte(uint64_t seed, uint64_t offset);

class Node;

// A stream of the data link, with the parent that uses it. As in the mux,
// handlers are called from Dispatch only; unconsumed bytes stay where they are,
// and are gone once they are consumed.
class FakeStream : public Stream {
 public:
  FakeStream(Node* node, uint32_t connection, uint64_t credit)
      : connection(connection), node_(node), credit_(credit) {}
  ~FakeStream() override = default;

  // The parent's side.
  void SendPattern(uint64_t seed, uint64_t length);
  void End();
  void ResetByParent(uint32_t code);
  void Expect(uint64_t seed) { expect_seed_ = seed; }
  void Pause() { paused_ = true; }
  void Resume();

  const uint32_t connection;
  uint64_t received = 0;
  bool intact = true;  // all of it was as Expect said
  bool ended = false;  // CloseWrite
  bool was_reset = false;
  uint32_t reset_code = 0;
  bool released = false;
  bool refused = false;
  bool dead() const { return was_reset || released || reset_by_parent_; }
  bool complete(uint64_t bytes) const {
    return received == bytes && intact && ended;
  }
  uint64_t unconsumed() const { return stored_; }
  uint64_t offered() const { return pattern_offset_; }
  // What may be unconsumed; Widen adds to it.
  uint64_t send_window = 1024 * 1024;
  uint64_t widened = 0;

  // Stream.
  void set_handler(StreamHandler* handler) override { handler_ = handler; }
  size_t Write(const uint8_t* data, size_t length) override;
  void CloseWrite() override;
  size_t Peek(iovec* slices, size_t max) override {
    return PeekFrom(0, slices, max);
  }
  size_t PeekFrom(size_t offset, iovec* slices, size_t max) override;
  size_t readable() const override { return stored_; }
  void Consume(size_t length) override;
  void Widen(uint32_t bytes) override { widened += bytes; }
  bool FinReceived() const override { return fin_; }
  bool ReadEnded() const override { return fin_ && stored_ == 0; }
  void Reset(uint32_t code) override;
  void Release() override;

 private:
  friend class Node;
  struct Chunk {
    std::unique_ptr<uint8_t[]> bytes;
    size_t length;
    size_t taken;
  };

  void Refill();
  void Dispatch();
  void Grant(bool all);

  Node* const node_;
  StreamHandler* handler_ = nullptr;

  // Parent to network.
  std::deque<Chunk> chunks_;
  size_t stored_ = 0;
  uint64_t pattern_seed_ = 0;
  uint64_t pattern_offset_ = 0;
  uint64_t pattern_left_ = 0;
  bool end_wanted_ = false;
  bool fin_ = false;
  bool reset_by_parent_ = false;
  uint32_t parent_code_ = 0;
  bool readable_event_ = false;
  bool reset_event_ = false;

  // Network to parent.
  uint64_t credit_;
  uint64_t kept_back_ = 0;  // read by the parent, and not yet granted
  uint64_t credit_event_ = 0;
  bool blocked_ = false;
  bool paused_ = false;
  uint64_t unread_ = 0;  // while paused
  uint64_t expect_seed_ = 0;
};

class Sim;

// A machine: an engine, its sockets and its parent.
class Node : public Host {
 public:
  Node(Sim* sim, const std::string& ip, const Settings& settings);
  ~Node() override;

  QuicEngine& engine() { return *engine_; }
  // Forgets everything, as a process that crashed; the sockets stay.
  void Restart();
  // Shows the world other TLS than it should.
  void UseTls(std::shared_ptr<const TlsContexts> contexts);

  void Listen(uint16_t port, uint32_t accept = 100, uint32_t listener = 1);
  void Dial(uint32_t connection, const Endpoint& to, uint32_t timeout_ms = 0);
  void Close(uint32_t connection, bool abort, uint32_t code = 0);
  FakeStream* Open(uint32_t connection);
  void Round();
  void Stop();

  // The latest event of a kind for a connection or request; null if none.
  const Event* Find(Event::Kind kind, uint32_t id) const;
  size_t Count(Event::Kind kind) const;
  Code ClosedWith(uint32_t connection) const;  // kOk also while it is open
  uint64_t Stat(const std::string& key, uint32_t connection = 0);
  Endpoint At(uint16_t port) const;
  // Streams that the peer opened, in their order.
  const std::vector<FakeStream*>& incoming() const { return incoming_; }

  std::deque<Event> events;         // pointers to them stay good
  bool link_lost = false;           // OpenStream gives null
  uint64_t link_room = UINT64_MAX;  // what all streams may still write
  std::map<SocketId, Endpoint> sockets;
  // Called for every stream that the peer opens.
  std::function<void(FakeStream*)> on_stream;

  // Host.
  Status Bind(const Endpoint& local, SocketId* out) override;
  void CloseSocket(SocketId socket) override;
  Endpoint LocalEndpoint(SocketId socket) const override;
  void SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                    const Endpoint& to) override;
  Stream* OpenStream(uint32_t connection, uint32_t kind) override;
  void Emit(Event event) override;

 private:
  friend class Sim;
  friend class FakeStream;

  void Start();
  void Dispatch();

  Sim* const sim_;
  const std::string ip_;
  const Settings settings_;
  std::unique_ptr<QuicEngine> engine_;
  std::vector<std::unique_ptr<FakeStream>> streams_;
  std::vector<FakeStream*> incoming_;
  std::map<uint32_t, uint64_t> kept_back_;  // per connection
  SocketId next_socket_ = 1;
  uint16_t next_port_ = 40000;
  uint32_t next_request_ = 1000000;
  uint64_t wake_us_ = 0;
};

struct Datagram {
  Endpoint from;
  Endpoint to;
  std::string bytes;
};

struct Link {
  uint64_t delay_us = 100;
  uint64_t jitter_us = 0;
  double loss = 0;
  double duplication = 0;
  size_t mtu = 65507;  // of UDP payload
  // Bytes per second; 0: no limit.
  uint64_t rate = 0;
};

class Sim {
 public:
  explicit Sim(uint64_t seed = 1) : random(seed) {}
  ~Sim();

  // Its address is `ip`, or the next of 10.0.0.0/8.
  Node* AddNode(const Settings& settings = Settings(), std::string ip = "");
  // Runs until `done` holds, at most for `max_us`. True if it holds.
  bool Run(uint64_t max_us, const std::function<bool()>& done);
  void Run(uint64_t us);
  // A datagram appears in the network.
  void Send(Datagram datagram);
  // Delivered at once, in the current round of its receiver.
  void Inject(const Datagram& datagram);

  uint64_t now_us = 1000 * kSecond;
  Link link;
  test::Random random;
  // Sees every datagram, and may change it; false loses it.
  std::function<bool(Datagram*)> filter;
  uint64_t sent = 0;
  size_t largest = 0;

 private:
  struct Later {
    uint64_t at_us;
    uint64_t order;
    Datagram datagram;
    bool operator<(const Later& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };

  Node* Owner(const Endpoint& to, SocketId* socket);

  std::vector<std::unique_ptr<Node>> nodes_;
  std::priority_queue<Later> queue_;
  uint64_t order_ = 0;
  uint64_t link_free_us_ = 0;
};

Endpoint Address(const std::string& ip, uint16_t port);
// `fallback`, or the number in this environment variable.
uint64_t CountFrom(const char* variable, uint64_t fallback);

// Two nodes and an open connection: the dialer's id is 1, the acceptor's 2.
struct Pair {
  explicit Pair(const Settings& settings = Settings(), uint64_t seed = 1,
                bool loopback = false);
  bool Connect(uint32_t id = 1);
  bool BothClosed() {
    return client->Find(Event::Kind::kClosed, 1) != nullptr &&
           server->Find(Event::Kind::kClosed, 2) != nullptr;
  }

  Sim sim;
  Node* client;
  Node* server;
};

}  // namespace xtp::quic::sim

#endif  // XTP_QUIC_TESTING_SIM_H_
