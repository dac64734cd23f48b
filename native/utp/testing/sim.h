// Nodes of uTP and their parents, on a simulated network
// (common/testing/network.h). Everything is deterministic for a seed.
#ifndef XTP_UTP_TESTING_SIM_H_
#define XTP_UTP_TESTING_SIM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/network.h"
#include "utp/engine.h"

namespace xtp::utp::sim {

using xtp::sim::Address;
using xtp::sim::Datagram;
using xtp::sim::kMs;
using xtp::sim::kSecond;
using xtp::sim::Link;
using xtp::sim::PatternByte;

constexpr uint64_t kLong = 3600 * kSecond;

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
class Node final : public xtp::sim::Machine {
 public:
  Node(Sim* sim, const std::string& ip, const Settings& settings,
       const Guards& guards);

  UtpEngine& engine() { return *engine_; }
  FakeStream* stream(uint32_t connection);

  bool open_streams = true;  // on Connected

  // Host.
  Stream* OpenStream(uint32_t connection, uint32_t kind) override;
  void Emit(Event event) override;

 private:
  UtpEngine* transport() override { return engine_.get(); }
  void RunParent() override;

  std::unique_ptr<UtpEngine> engine_;
  std::map<uint32_t, std::unique_ptr<FakeStream>> streams_;
  std::vector<uint32_t> to_open_;
};

class Sim final : public xtp::sim::Network {
 public:
  explicit Sim(uint64_t seed = 1) : Network(seed) {}

  Node* AddNode(const Guards& guards = Guards(),
                const Settings& settings = Settings(), bool ipv6 = false);
};

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
  Code ClientCode() { return client->ClosedWith(1); }
  Code ServerCode() { return server->ClosedWith(2); }

  Sim sim;
  Node* client;
  Node* server;
};

// Runs `body` in a child process; true if it exited with 0.
bool Survives(const std::function<void()>& body);

}  // namespace xtp::utp::sim

#endif  // XTP_UTP_TESTING_SIM_H_
