// Nodes of QUIC and their parents, on a simulated network
// (common/testing/network.h), which is deterministic for a seed; keys and
// connection ids are OpenSSL's.
#ifndef XTP_QUIC_TESTING_SIM_H_
#define XTP_QUIC_TESTING_SIM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/network.h"
#include "quic/engine.h"

namespace xtp::quic::sim {

using xtp::sim::Address;
using xtp::sim::Datagram;
using xtp::sim::kMs;
using xtp::sim::kSecond;
using xtp::sim::Link;
using xtp::sim::PatternByte;

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
class Node final : public xtp::sim::Machine {
 public:
  Node(Sim* sim, const std::string& ip, const Settings& settings);
  ~Node() override;

  QuicEngine& engine() { return *engine_; }
  // Forgets everything, as a process that crashed; the sockets stay.
  void Restart();
  // Shows the world other TLS than it should.
  void UseTls(std::shared_ptr<const TlsContexts> contexts);
  FakeStream* Open(uint32_t connection);
  // Streams that the peer opened, in their order.
  const std::vector<FakeStream*>& incoming() const { return incoming_; }

  uint64_t link_room = UINT64_MAX;  // what all streams may still write
  // Called for every stream that the peer opens.
  std::function<void(FakeStream*)> on_stream;

  // Host.
  Stream* OpenStream(uint32_t connection, uint32_t kind) override;

 private:
  friend class FakeStream;

  QuicEngine* transport() override { return engine_.get(); }
  void RunParent() override;
  void Start();

  const Settings settings_;
  std::unique_ptr<QuicEngine> engine_;
  std::vector<std::unique_ptr<FakeStream>> streams_;
  std::vector<FakeStream*> incoming_;
  std::map<uint32_t, uint64_t> kept_back_;  // per connection
};

class Sim final : public xtp::sim::Network {
 public:
  explicit Sim(uint64_t seed = 1) : Network(seed) {}
  ~Sim() { RemoveAll(); }  // the nodes say goodbye through the network

  // Its address is `ip`, or the next of 10.0.0.0/8.
  Node* AddNode(const Settings& settings = Settings(), std::string ip = "");
};

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
