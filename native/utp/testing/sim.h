// A network, a clock and parents for tests of the engine: no sockets, no
// threads, no sleeping. Everything is deterministic for a seed.
#ifndef XTP_UTP_TESTING_SIM_H_
#define XTP_UTP_TESTING_SIM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "common/testing/test.h"
#include "utp/engine.h"

namespace xtp::utp::sim {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kSecond = 1000 * kMs;
constexpr uint64_t kLong = 3600 * kSecond;

// The byte at `offset` of the test data number `seed`.
uint8_t PatternByte(uint64_t seed, uint64_t offset);

// A stream of the data link, with the parent that uses it.
class FakeStream : public Stream {
 public:
  // The parent's side.
  void Send(const std::string& bytes);
  void SendPattern(uint64_t seed, uint64_t length);
  void End();
  void ResetByParent(uint32_t code);
  void Expect(uint64_t seed) { expect_seed_ = seed; }
  void SetCredit(uint64_t bytes);  // what may be received from now on

  uint64_t received = 0;
  std::string head;    // the first bytes that were received
  bool intact = true;  // all of them were as Expect said
  bool ended = false;  // CloseWrite
  bool was_reset = false;
  uint32_t reset_code = 0;
  bool released = false;
  bool dead() const { return was_reset || released || reset_by_parent_; }
  uint64_t unsent() const { return queue_.size() - consumed_ + pattern_left_; }

  // Stream.
  void set_handler(StreamHandler* handler) override { handler_ = handler; }
  size_t Write(const uint8_t* data, size_t length) override;
  void CloseWrite() override;
  size_t Peek(iovec* slices, size_t max) override;
  // libutp copies what it is given: nothing looks further than Peek.
  size_t PeekFrom(size_t offset, iovec* slices, size_t max) override {
    CHECK_EQ(offset, size_t{0});
    return Peek(slices, max);
  }
  size_t readable() const override { return unsent(); }
  void Consume(size_t length) override;
  void Widen(uint32_t) override {}
  bool FinReceived() const override { return end_wanted_; }
  bool ReadEnded() const override;
  void Reset(uint32_t code) override;
  void Release() override;

 private:
  void Refill();

  StreamHandler* handler_ = nullptr;
  std::string queue_;
  size_t consumed_ = 0;
  uint64_t pattern_seed_ = 0;
  uint64_t pattern_offset_ = 0;
  uint64_t pattern_left_ = 0;
  bool end_wanted_ = false;
  bool reset_by_parent_ = false;
  bool blocked_ = false;
  uint64_t credit_ = UINT64_MAX;
  uint64_t expect_seed_ = 0;
};

class Sim;

// A machine: an engine, its sockets and its parent.
class Node : public Host {
 public:
  Node(Sim* sim, const std::string& ip, const Settings& settings,
       const Guards& guards);

  UtpEngine& engine() { return *engine_; }
  void Listen(uint16_t port, uint32_t accept = 100, uint32_t listener = 1);
  // Answers Connected with an opened stream.
  void Dial(uint32_t connection, const Endpoint& to, uint32_t timeout_ms = 0);
  void Close(uint32_t connection, bool abort);
  void Round();
  void Stop();

  // The latest event of a kind for a connection or request; null if none.
  const Event* Find(Event::Kind kind, uint32_t id) const;
  size_t Count(Event::Kind kind) const;
  size_t Count(Event::Kind kind, uint32_t id) const;
  FakeStream* stream(uint32_t connection);
  uint64_t Stat(const std::string& key, uint32_t connection = 0);
  Endpoint At(uint16_t port) const;

  std::deque<Event> events;  // pointers to them stay good
  bool open_streams = true;  // on Connected
  bool link_lost = false;    // OpenStream gives null
  bool bind_fails = false;
  std::map<SocketId, Endpoint> sockets;

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

  Sim* const sim_;
  const std::string ip_;
  std::unique_ptr<UtpEngine> engine_;
  std::map<uint32_t, std::unique_ptr<FakeStream>> streams_;
  std::vector<uint32_t> to_open_;
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
  // Bytes per second of the slower direction; 0: no limit.
  uint64_t rate = 0;
  // What may wait for that; what comes when it is full is lost.
  uint64_t queue_bytes = UINT64_MAX;
};

class Sim {
 public:
  explicit Sim(uint64_t seed = 1) : random(seed) {}
  ~Sim();

  Node* AddNode(const Guards& guards = Guards(),
                const Settings& settings = Settings(), bool ipv6 = false);
  // Runs until `done` holds, at most for `max_us`. True if it holds.
  bool Run(uint64_t max_us, const std::function<bool()>& done);
  void Run(uint64_t us);

  // A datagram appears in the network.
  void Send(const Datagram& datagram);
  // Delivered at once, in the current round of its receiver.
  void Inject(const Datagram& datagram);

  uint64_t now_us = 1000 * kSecond;
  Link link;
  test::Random random;
  // Sees every datagram; false loses it.
  std::function<bool(const Datagram&)> filter;
  uint64_t sent = 0;

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
std::string PacketBytes(const Header& header, const std::string& payload = "");
Header HeaderOf(const std::string& bytes);

// Two nodes and an open connection: the dialer's id is 1, the acceptor's 2.
struct Pair {
  explicit Pair(const Guards& guards = Guards(),
                const Settings& settings = Settings(), uint64_t seed = 1);
  bool Connect();
  bool Announced() {
    return server->Count(Event::Kind::kIncoming) > 0 &&
           client->Find(Event::Kind::kConnected, 1) != nullptr;
  }
  bool BothClosed() {
    return client->Find(Event::Kind::kClosed, 1) != nullptr &&
           server->Find(Event::Kind::kClosed, 2) != nullptr;
  }
  // kOk while it is not closed.
  Code ClientCode() { return CodeOf(client->Find(Event::Kind::kClosed, 1)); }
  Code ServerCode() { return CodeOf(server->Find(Event::Kind::kClosed, 2)); }
  static Code CodeOf(const Event* event) {
    return event == nullptr ? Code::kOk : event->status.code();
  }

  Sim sim;
  Node* client;
  Node* server;
};

// Runs `body` in a child process; true if it exited with 0.
bool Survives(const std::function<void()>& body);

}  // namespace xtp::utp::sim

#endif  // XTP_UTP_TESTING_SIM_H_
