// The mux against a reference client: random actions, random chunks, every
// byte, credit, FIN and RST checked; then frames that make no sense at all.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/mux.h"
#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace {

using test::Random;
using test::YamuxClient;

// Byte `at` of what one side sends on a connection.
char Pattern(uint32_t connection, bool from_client, uint64_t at) {
  return static_cast<char>(at * 31 + (at >> 8) * 7 + connection * 13 +
                           (from_client ? 101 : 0));
}

std::string PatternBytes(uint32_t connection, bool from_client, uint64_t at,
                         size_t length) {
  std::string result(length, '\0');
  for (size_t i = 0; i < length; i++) {
    result[i] = Pattern(connection, from_client, at + i);
  }
  return result;
}

// The service's end of a stream.
struct Peer : StreamHandler {
  Stream* stream = nullptr;
  uint32_t connection = 0;
  uint64_t read = 0;
  uint64_t written = 0;
  uint64_t to_write = 0;  // refused so far: OnWritable has to come
  bool waiting = false;
  bool closed_write = false;
  bool ended = false;  // ReadEnded was seen
  bool dead = false;   // by whomever
  bool reset_by_client = false;
  uint32_t reset_code = 0;

  void OnReadable() override { CHECK(!dead); }
  void OnWritable() override {
    CHECK(!dead);
    CHECK(waiting);  // only after a short Write
    waiting = false;
    Push();
  }
  void OnReset(uint32_t code) override {
    CHECK(!dead);
    dead = true;
    reset_by_client = true;
    reset_code = code;
  }

  void Push() {
    if (dead || closed_write || waiting || to_write == 0) return;
    const std::string bytes =
        PatternBytes(connection, false, written, size_t(to_write));
    const size_t took = stream->Write(
        reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    CHECK(took <= bytes.size());
    waiting = took < bytes.size();
    written += took;
    to_write -= took;
  }

  void Pull(size_t most) {
    iovec slices[3];
    while (!dead && most > 0) {
      const size_t count = stream->Peek(slices, 3);
      size_t taken = 0;
      for (size_t i = 0; i < count && taken < most; i++) {
        const char* bytes = static_cast<char*>(slices[i].iov_base);
        const size_t take = std::min(slices[i].iov_len, most - taken);
        for (size_t k = 0; k < take; k++) {
          REQUIRE(bytes[k] == Pattern(connection, true, read + k));
        }
        read += take;
        taken += take;
      }
      if (taken == 0) break;
      stream->Consume(taken);
      most -= taken;
    }
    if (!dead && stream->ReadEnded()) ended = true;
  }
};

class Model : public MuxDelegate {
 public:
  explicit Model(uint64_t seed)
      : random_(seed), flushes_(random_.OneIn(2)), mux_(this, Options()) {}

  void Run(int steps) {
    for (int i = 0; i < steps; i++) Step();
    Finish();
  }

  uint64_t bytes() const { return bytes_; }

 private:
  MuxOptions Options() {
    MuxOptions options;
    options.receive_window = kYamuxInitialWindow << random_.Below(4);
    options.output_limit = size_t{4096} << random_.Below(8);
    return options;
  }

  bool OnStreamOpen(Stream* stream, uint32_t connection,
                    uint32_t kind) override {
    CHECK_EQ(kind, connection % 3);
    Adopt(stream, connection);
    return true;
  }
  void OnOutputFull() override {
    if (flushes_) MoveToClient(random_.Below(mux_.output_size() + 1));
  }

  void Adopt(Stream* stream, uint32_t connection) {
    CHECK(peers_.count(connection) == 0);
    auto& peer = peers_[connection];
    peer.reset(new Peer());
    peer->stream = stream;
    peer->connection = connection;
    stream->set_handler(peer.get());
  }

  // Out of at most 30 that live, so that something happens on each.
  YamuxClient::Stream* SomeStream() {
    std::vector<YamuxClient::Stream*> live;
    for (auto& entry : client_.streams) {
      YamuxClient::Stream& s = entry.second;
      if (s.connection != 0 && !s.reset_sent && !s.reset_received) {
        live.push_back(&s);
      }
    }
    return live.empty() ? nullptr : live[random_.Below(live.size())];
  }
  Peer* SomePeer() {
    std::vector<Peer*> live;
    for (auto& entry : peers_) {
      if (!entry.second->dead) live.push_back(entry.second.get());
    }
    return live.empty() ? nullptr : live[random_.Below(live.size())];
  }

  void Step() {
    YamuxClient::Stream* stream = SomeStream();
    Peer* peer = SomePeer();
    const uint32_t dice = random_.Below(100);
    if (dice < 4) {
      if (mux_.stream_count() < 30) {
        const uint32_t connection = next_connection_++;
        client_.Open(connection, connection % 3, random_.Below(1000000));
      }
    } else if (dice < 6) {
      const uint32_t connection = next_connection_++;
      Stream* opened =
          mux_.stream_count() < 30 ? mux_.Open(connection, 0) : nullptr;
      if (opened != nullptr) Adopt(opened, connection);
    } else if (dice < 30 && stream != nullptr && !stream->fin_sent) {
      const size_t most =
          size_t(std::min<int64_t>(stream->send_credit, 150000));
      const size_t length = random_.Below(
          (random_.OneIn(2) ? most : std::min<size_t>(most, 2000)) + 1);
      client_.Write(
          stream, PatternBytes(stream->connection, true, stream->sent, length),
          random_.OneIn(40));
    } else if (dice < 36 && stream != nullptr &&
               stream->receive_credit < 2000000) {
      client_.Grant(stream, random_.Below(200000));
    } else if (dice < 37 && stream != nullptr && !stream->fin_sent) {
      client_.Fin(stream);
    } else if (dice < 38 && stream != nullptr && random_.OneIn(4)) {
      client_.Reset(stream, 1000 + stream->connection);
    } else if (dice < 55 && peer != nullptr) {
      peer->Pull(random_.Below(300000));
    } else if (dice < 70 && peer != nullptr && !peer->closed_write) {
      if (peer->to_write == 0) peer->to_write = random_.Below(200000);
      peer->Push();
    } else if (dice < 71 && peer != nullptr && peer->to_write == 0) {
      peer->stream->CloseWrite();
      peer->closed_write = true;
    } else if (dice < 72 && peer != nullptr && random_.OneIn(4)) {
      Kill(peer);
    } else if (dice < 74 && peer != nullptr && peer->ended &&
               peer->closed_write) {
      peer->stream->Release();
      peer->dead = true;
    } else if (dice < 75) {
      client_.Frame(YamuxType::kPing, kYamuxSyn, 0, ++pings_);
    } else if (dice < 88) {
      MoveToMux(random_.Below(random_.OneIn(3) ? 300000 : 40));
      if (!random_.OneIn(8)) mux_.Dispatch();
    } else {
      MoveToClient(random_.Below(random_.OneIn(3) ? 300000 : 40));
      if (!random_.OneIn(8)) mux_.Dispatch();
    }
  }

  void Kill(Peer* peer) {
    killed_[peer->connection] = 2000 + peer->connection;
    peer->stream->Reset(2000 + peer->connection);
    peer->dead = true;
  }

  void MoveToMux(size_t most) {
    const size_t length = std::min(most, client_.out.size());
    const auto* data = reinterpret_cast<const uint8_t*>(client_.out.data());
    if (random_.OneIn(2)) {
      REQUIRE(mux_.Receive(data, length).ok());
    } else {
      for (size_t at = 0; at < length;) {
        size_t room;
        uint8_t* buffer = mux_.ReceiveBuffer(&room);
        const size_t take = std::min(room, length - at);
        memcpy(buffer, data + at, take);
        REQUIRE(mux_.Received(take).ok());
        at += take;
      }
    }
    client_.out.erase(0, length);
    bytes_ += length;
  }

  void MoveToClient(size_t most) {
    const size_t length = std::min(most, mux_.output_size());
    client_.Receive(mux_.output(), length);
    mux_.OutputSent(length);
    bytes_ += length;
    for (auto& entry : client_.streams) {
      YamuxClient::Stream& s = entry.second;
      if (s.connection == 0 || s.data.empty()) continue;
      const uint64_t start = s.received - s.data.size();
      REQUIRE(s.data ==
              PatternBytes(s.connection, false, start, s.data.size()));
      s.data.clear();
    }
  }

  // Both sides stop opening, send what is due, half-close, and read to the end.
  void Finish() {
    for (int quiet = 0; quiet < 4;) {
      const uint64_t before = bytes_;
      for (auto& entry : client_.streams) {
        YamuxClient::Stream& s = entry.second;
        if (s.reset_sent || s.reset_received) continue;
        if (!s.fin_sent) client_.Fin(&s);
        if (s.receive_credit < 300000) client_.Grant(&s, 300000);
      }
      MoveToMux(SIZE_MAX);
      mux_.Dispatch();
      for (auto& entry : peers_) {
        Peer& peer = *entry.second;
        if (peer.dead) continue;
        peer.Pull(SIZE_MAX);
        if (peer.dead) continue;
        peer.Push();
        if (peer.to_write == 0 && !peer.closed_write) {
          peer.stream->CloseWrite();
          peer.closed_write = true;
        }
      }
      MoveToClient(SIZE_MAX);
      mux_.Dispatch();
      quiet = bytes_ == before ? quiet + 1 : 0;
    }
    Check();
  }

  void Check() {
    CHECK_EQ(client_.pongs, uint64_t{pings_});
    for (auto& entry : client_.streams) {
      YamuxClient::Stream& s = entry.second;
      auto found = peers_.find(s.connection);
      if (found == peers_.end()) {
        CHECK(s.reset_sent);  // before the transport heard of it
        continue;
      }
      Peer& peer = *found->second;
      if (s.reset_received) {
        CHECK_EQ(s.reset_code, killed_[s.connection]);
        CHECK(s.received <= peer.written);
        CHECK(peer.read <= s.sent);
      } else if (s.reset_sent) {
        CHECK(peer.dead);
        if (peer.reset_by_client) {
          CHECK_EQ(peer.reset_code, 1000 + s.connection);
        }
        CHECK(peer.read <= s.sent);
      } else if (killed_.count(s.connection) != 0) {
        // Too late to be told: both halves had been closed.
        CHECK(s.fin_received && s.fin_sent);
        CHECK_EQ(s.received, peer.written);
      } else {
        CHECK(s.fin_received);
        CHECK(peer.ended);
        CHECK_EQ(s.received, peer.written);
        CHECK_EQ(peer.read, s.sent);
        CHECK(!peer.reset_by_client);
        if (!peer.dead) peer.stream->Release();
        peer.dead = true;
      }
    }
    CHECK_EQ(mux_.stream_count(), size_t{0});
    CHECK(mux_.slabs() <= 1);
  }

  Random random_;
  const bool flushes_;
  YamuxClient client_;
  uint32_t next_connection_ = 1;
  uint32_t pings_ = 0;
  uint64_t bytes_ = 0;
  std::map<uint32_t, std::unique_ptr<Peer>> peers_;  // by connection
  std::map<uint32_t, uint32_t> killed_;
  Mux mux_;
};

TEST(RandomSessionsLoseNothing) {
  uint64_t bytes = 0;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const uint64_t sessions = 12;  // ten times slower
#else
  const uint64_t sessions = 40;
#endif
  for (uint64_t seed = 1; seed <= sessions; seed++) {
    Model model(seed);
    model.Run(5000);
    bytes += model.bytes();
  }
  CHECK(bytes > sessions * 2000000);
}

// --- nonsense

// Does anything a transport may do, at random.
struct Chaos : MuxDelegate {
  explicit Chaos(uint64_t seed) : random(seed), mux(this, MuxOptions()) {}

  struct Handler : StreamHandler {
    Chaos* chaos = nullptr;
    Stream* stream = nullptr;
    void OnReadable() override { chaos->Act(this); }
    void OnWritable() override { chaos->Act(this); }
    void OnReset(uint32_t) override { stream = nullptr; }
  };

  Random random;
  std::vector<std::unique_ptr<Handler>> handlers;
  uint64_t opened = 0;
  Mux mux;

  Handler* Add(Stream* stream) {
    handlers.emplace_back(new Handler());
    Handler* handler = handlers.back().get();
    handler->chaos = this;
    handler->stream = stream;
    stream->set_handler(handler);
    return handler;
  }
  bool OnStreamOpen(Stream* stream, uint32_t, uint32_t) override {
    opened++;
    if (random.OneIn(5)) return false;
    Act(Add(stream));
    return true;
  }
  void OnOutputFull() override { mux.OutputSent(mux.output_size() / 2); }

  void Act(Handler* handler) {
    static const std::vector<uint8_t> bytes(300000, 'x');
    if (handler->stream == nullptr) return;
    iovec slices[2];
    switch (random.Below(8)) {
      case 0:
        handler->stream->Reset(random.Below(100));
        handler->stream = nullptr;
        break;
      case 1:
        handler->stream->CloseWrite();
        break;
      case 2:
        handler->stream->Release();
        handler->stream = nullptr;
        break;
      case 3:
      case 4:
        handler->stream->Write(bytes.data(), random.Below(bytes.size()));
        break;
      case 5:
        if (!handlers.empty() && random.OneIn(4)) {
          Act(handlers[random.Below(handlers.size())].get());
        }
        break;
      default:
        if (handler->stream->Peek(slices, 2) > 0) {
          handler->stream->Consume(random.Below(slices[0].iov_len + 10));
        }
    }
  }
};

// Frames that are nearly right get further than random bytes.
std::string NonsenseFrame(Random* random) {
  YamuxFrame frame;
  frame.type = static_cast<YamuxType>(
      random->Below(100) < 98 ? random->Below(2) : random->Below(5));
  frame.flags = static_cast<uint16_t>(random->OneIn(3)   ? random->Below(16)
                                      : random->OneIn(3) ? kYamuxSyn
                                                         : 0);
  frame.stream_id = random->OneIn(300) ? static_cast<uint32_t>(random->Next())
                                       : random->Below(40);
  if (static_cast<int>(frame.type) >= 2) frame.stream_id = 0;
  frame.length = random->OneIn(300) ? static_cast<uint32_t>(random->Next())
                                    : random->Below(300);
  std::string payload;
  if (frame.flags & kYamuxSyn) {
    static thread_local uint32_t id = 0;
    if (random->OneIn(100)) id = 0;
    frame.stream_id = id = (id + 2) | 1;
    if (frame.type == YamuxType::kData) {
      payload = YamuxClient::Header(1 + random->Below(100), random->Below(2));
      if (random->OneIn(20)) payload[random->Below(payload.size())] ^= 0x81;
      frame.length = static_cast<uint32_t>(payload.size());
    }
  } else if (frame.type == YamuxType::kData) {
    payload.resize(std::min<size_t>(frame.length, 400));
    for (char& byte : payload) byte = static_cast<char>(random->Next());
  }
  uint8_t header[kYamuxHeaderBytes];
  EncodeYamuxFrame(frame, header);
  return std::string(reinterpret_cast<char*>(header), sizeof header) + payload;
}

TEST(NonsenseIsSurvived) {
  uint64_t frames = 0, violations = 0, opened = 0, longest = 0;
  for (uint64_t seed = 1; frames < 100000; seed++) {
    Chaos chaos(seed);
    uint64_t lasted = 0;
    for (;; lasted++) {
      frames++;
      std::string bytes = NonsenseFrame(&chaos.random);
      if (chaos.random.OneIn(500)) {
        bytes[chaos.random.Below(bytes.size())] ^= 1 << chaos.random.Below(8);
      }
      const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
      const size_t cut = chaos.random.Below(bytes.size() + 1);
      Status status = chaos.mux.Receive(data, cut);
      if (status.ok() && chaos.random.OneIn(2)) chaos.mux.Dispatch();
      if (status.ok()) {
        status = chaos.mux.Receive(data + cut, bytes.size() - cut);
      }
      chaos.mux.Dispatch();
      if (!status.ok()) {
        CHECK_EQ(status.code(), Code::kProtocolViolation);
        CHECK(chaos.mux.closed());
        violations++;
        break;
      }
      if (chaos.mux.ended() || lasted > 2000) break;
      if (chaos.random.OneIn(10)) {
        if (Stream* stream = chaos.mux.Open(2, 0)) chaos.Add(stream);
      }
      if (chaos.random.OneIn(10)) {
        chaos.mux.OutputSent(chaos.mux.output_size());
      }
    }
    longest = std::max(longest, lasted);
    opened += chaos.opened;
  }
  // The generator is any good only if sessions live, streams open, and die.
  CHECK(violations > 100);
  CHECK(opened > 1000);
  CHECK(longest > 100);
}

TEST(RandomBytesAreSurvived) {
  Random random(99);
  for (int i = 0; i < 20000; i++) {
    Chaos chaos(static_cast<uint64_t>(i));
    uint8_t bytes[200];
    for (uint8_t& byte : bytes) {
      byte = random.OneIn(2) ? 0 : static_cast<uint8_t>(random.Next());
    }
    const Status status = chaos.mux.Receive(bytes, sizeof bytes);
    chaos.mux.Dispatch();
    if (!status.ok()) CHECK_EQ(status.code(), Code::kProtocolViolation);
  }
}

}  // namespace
}  // namespace xtp
