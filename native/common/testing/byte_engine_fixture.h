// An engine of byte streams under test: its library, its parent, and the time.
#ifndef XTP_COMMON_TESTING_BYTE_ENGINE_FIXTURE_H_
#define XTP_COMMON_TESTING_BYTE_ENGINE_FIXTURE_H_

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/byte_engine.h"
#include "common/testing/test.h"

namespace xtp {
namespace test {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kStart = 1000 * 1000 * kMs;

inline Endpoint Peer(uint16_t port = 4000) {
  Endpoint result;
  CHECK(Endpoint::Parse("10.0.0.1", port, &result).ok());
  return result;
}

// A socket of the library, as the test sees it. Outlives the engine's part.
struct Wire {
  std::string sent;         // what the engine wrote
  size_t room = SIZE_MAX;   // what the library still takes
  std::string incoming;     // what the peer sent, unread
  bool peer_ended = false;  // behind that
  bool ended = false;       // EndWriting
  bool end_has_room = true;
  bool closed = false;  // Close
  uint64_t undelivered = 0;
  bool only_end_left = false;  // of what is not delivered
  size_t taken = 0;            // calls of OnTaken
  size_t timers = 0;           // and of OnTimer
  Status read_status;          // once `incoming` is read
  Status write_status;
  Status check_status;
  bool aborted = false;
  uint32_t abort_code = 0;
  bool gone = false;  // its ByteSocket is destroyed
  ByteConnection* connection = nullptr;
};

class WireSocket final : public ByteSocket {
 public:
  explicit WireSocket(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~WireSocket() override { wire_->gone = true; }

  Status Write(const iovec* slices, size_t count, size_t* taken) override {
    *taken = 0;
    if (!wire_->write_status.ok()) return wire_->write_status;
    for (size_t i = 0; i < count; i++) {
      const size_t size = std::min(slices[i].iov_len, wire_->room);
      wire_->sent.append(static_cast<const char*>(slices[i].iov_base), size);
      wire_->room -= size;
      *taken += size;
    }
    return Status::Ok();
  }
  Status Read(uint8_t* buffer, size_t room, size_t* got, bool* end) override {
    *got = std::min(room, wire_->incoming.size());
    if (*got > 0) {
      memcpy(buffer, wire_->incoming.data(), *got);
      wire_->incoming.erase(0, *got);
      return Status::Ok();
    }
    *end = wire_->peer_ended;
    return wire_->peer_ended ? Status::Ok() : wire_->read_status;
  }
  Status EndWriting(bool* done) override {
    *done = wire_->ended = wire_->end_has_room;
    return Status::Ok();
  }
  void OnTaken() override { wire_->taken++; }
  void Close() override { wire_->closed = true; }
  uint64_t Undelivered() override { return wire_->undelivered; }
  bool AllArrived() override {
    return wire_->undelivered == 0 || wire_->only_end_left;
  }
  void OnTimer() override { wire_->timers++; }
  Status Check() override { return wire_->check_status; }
  void Abort(uint32_t code) override {
    wire_->aborted = true;
    wire_->abort_code = code;
  }

 private:
  const std::shared_ptr<Wire> wire_;
};

// The parent's side of a stream.
class ParentStream final : public Stream {
 public:
  std::string outgoing;  // to the network, not consumed
  bool fin = false;      // behind that
  std::string received;
  size_t credit = SIZE_MAX;
  bool ended = false;  // CloseWrite
  bool was_reset = false;
  uint32_t reset_code = 0;
  bool released = false;
  StreamHandler* handler = nullptr;

  void set_handler(StreamHandler* value) override { handler = value; }
  size_t Write(const uint8_t* data, size_t length) override {
    const size_t size = std::min(length, credit);
    received.append(reinterpret_cast<const char*>(data), size);
    credit -= size;
    return size;
  }
  void CloseWrite() override { ended = true; }
  // Two slices, where there is enough for two.
  size_t Peek(iovec* slices, size_t max) override {
    CHECK(max >= 2);
    if (outgoing.empty()) return 0;
    const size_t half = (outgoing.size() + 1) / 2;
    slices[0] = {outgoing.data(), half};
    slices[1] = {outgoing.data() + half, outgoing.size() - half};
    return slices[1].iov_len > 0 ? 2 : 1;
  }
  size_t PeekFrom(size_t, iovec*, size_t) override { return 0; }
  size_t readable() const override { return outgoing.size(); }
  void Consume(size_t length) override { outgoing.erase(0, length); }
  void Widen(uint32_t) override {}
  bool FinReceived() const override { return fin; }
  bool ReadEnded() const override { return fin && outgoing.empty(); }
  void Reset(uint32_t code) override {
    was_reset = true;
    reset_code = code;
  }
  void Release() override { released = true; }
};

class TestHost final : public Host {
 public:
  Status Bind(const Endpoint&, SocketId*) override { return Status::Ok(); }
  void CloseSocket(SocketId) override {}
  Endpoint LocalEndpoint(SocketId) const override { return Endpoint(); }
  void SendDatagram(SocketId, const uint8_t*, size_t,
                    const Endpoint&) override {}
  Stream* OpenStream(uint32_t connection, uint32_t) override {
    return link_lost ? nullptr : &streams[connection];
  }
  void Emit(Event event) override { events.push_back(std::move(event)); }

  // Null if there is none.
  const Event* Find(Event::Kind kind, uint32_t id) const {
    for (const Event& event : events) {
      const bool reply = kind == Event::Kind::kReply;
      if (event.kind == kind &&
          (reply ? event.request : event.connection) == id) {
        return &event;
      }
    }
    return nullptr;
  }
  Code ClosedWith(uint32_t connection) const {
    const Event* const event = Find(Event::Kind::kClosed, connection);
    return event == nullptr ? Code::kOk : event->status.code();
  }

  std::deque<Event> events;
  std::map<uint32_t, ParentStream> streams;
  bool link_lost = false;
};

class TestEngine final : public ByteEngine {
 public:
  TestEngine(TestHost* host, const Limits& limits) : ByteEngine(host, limits) {}
  ~TestEngine() override { DropEverything(); }

  using ByteEngine::AddInbound;
  using ByteEngine::CanAccept;
  PortBase* port() { return FindListener(1); }

  std::map<uint32_t, std::shared_ptr<Wire>> dialed;
  Status connect_status;

 protected:
  Status OpenPort(const Endpoint& local,
                  std::unique_ptr<PortBase>* out) override {
    *out = std::make_unique<PortBase>(++sockets_, local, now_us());
    return Status::Ok();
  }
  Status PortForDial(const Endpoint&, PortBase** out) override {
    *out = nullptr;
    return Status::Ok();
  }
  Status Connect(PortBase*, ByteConnection* connection,
                 std::unique_ptr<ByteSocket>* out) override {
    if (!connect_status.ok()) return connect_status;
    auto wire = std::make_shared<Wire>();
    wire->connection = connection;
    dialed[connection->id()] = wire;
    *out = std::make_unique<WireSocket>(wire);
    return Status::Ok();
  }

 private:
  SocketId sockets_ = 0;
};

struct ByteEngineFixture {
  explicit ByteEngineFixture(
      const ByteEngine::Limits& limits = ByteEngine::Limits())
      : engine(&host, limits) {}

  // Rounds until nothing wants one before `us` have passed.
  void Run(uint64_t us) {
    const uint64_t end = now + us;
    for (int i = 0; i < 100000; i++) {
      const uint64_t next = engine.OnRound(now);
      if (next > end) break;
      now = std::max(now, next);
    }
    now = end;
    engine.OnRound(now);
  }
  void Round() { Run(0); }
  // The network, or the library, has news.
  void Touch(const std::shared_ptr<Wire>& wire) {
    wire->connection->OnSocket();
    Round();
  }
  // The parent has.
  void Touch(ParentStream* stream) {
    stream->handler->OnReadable();
    Round();
  }
  // Connection 1, with its stream.
  std::shared_ptr<Wire> Connect() {
    engine.Dial(7, 1, Peer(), 1000, now);
    const std::shared_ptr<Wire> wire = engine.dialed[1];
    wire->connection->OnConnected();
    Round();
    CHECK(host.Find(Event::Kind::kConnected, 1) != nullptr);
    CHECK(engine.OnStreamOpen(&stream(), 1, 0, now));
    Round();
    return wire;
  }
  // Both sides have ended; so much of this one's is not acknowledged.
  std::shared_ptr<Wire> EndBoth(uint64_t undelivered) {
    const std::shared_ptr<Wire> wire = Connect();
    wire->peer_ended = true;
    Touch(wire);
    stream().fin = true;
    wire->undelivered = undelivered;
    Touch(&stream());
    return wire;
  }
  ParentStream& stream() { return host.streams[1]; }
  bool Over() const { return engine.connections() == 0; }

  uint64_t now = kStart;
  TestHost host;
  TestEngine engine;
};

}  // namespace test
}  // namespace xtp

#endif  // XTP_COMMON_TESTING_BYTE_ENGINE_FIXTURE_H_
