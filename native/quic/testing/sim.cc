#include "quic/testing/sim.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace xtp::quic::sim {
namespace {

constexpr size_t kChunkBytes = 48 * 1024;
constexpr uint64_t kParentWindow = 256 * 1024;
// spec/xtp-ctl.md, R41.
constexpr uint64_t kMaxKeptBack = 1024 * 1024;

}  // namespace

// --- a parent's stream

void FakeStream::SendPattern(uint64_t seed, uint64_t length) {
  pattern_seed_ = seed;
  pattern_left_ += length;
}

void FakeStream::End() { end_wanted_ = true; }

void FakeStream::ResetByParent(uint32_t code) {
  if (dead()) return;
  parent_code_ = code;
  reset_event_ = true;
}

void FakeStream::Refill() {
  while (pattern_left_ > 0 && stored_ < send_window + widened) {
    const size_t length = std::min<uint64_t>(pattern_left_, kChunkBytes);
    Chunk chunk{std::make_unique<uint8_t[]>(length), length, 0};
    for (size_t i = 0; i < length; i++) {
      chunk.bytes[i] = PatternByte(pattern_seed_, pattern_offset_ + i);
    }
    chunks_.push_back(std::move(chunk));
    pattern_offset_ += length;
    pattern_left_ -= length;
    stored_ += length;
    readable_event_ = true;
  }
  if (pattern_left_ == 0 && end_wanted_ && !fin_) {
    fin_ = true;
    readable_event_ = true;
  }
}

size_t FakeStream::PeekFrom(size_t offset, iovec* slices, size_t max) {
  size_t count = 0;
  for (Chunk& chunk : chunks_) {
    if (count == max) break;
    const size_t left = chunk.length - chunk.taken;
    if (offset >= left) {
      offset -= left;
      continue;
    }
    slices[count++] = {chunk.bytes.get() + chunk.taken + offset, left - offset};
    offset = 0;
  }
  return count;
}

void FakeStream::Consume(size_t length) {
  CHECK(!dead());
  CHECK(length <= stored_);
  stored_ -= length;
  while (length > 0) {
    Chunk& front = chunks_.front();
    const size_t take = std::min(length, front.length - front.taken);
    front.taken += take;
    length -= take;
    if (front.taken < front.length) break;
    // Whoever still refers to it sends this.
    memset(front.bytes.get(), 0xdd, front.length);
    chunks_.pop_front();
  }
}

size_t FakeStream::Write(const uint8_t* data, size_t length) {
  CHECK(!dead());
  CHECK(!ended);
  const size_t taken =
      std::min<uint64_t>(length, std::min<uint64_t>(credit_, node_->link_room));
  if (taken < length) blocked_ = true;
  credit_ -= taken;
  if (node_->link_room != UINT64_MAX) node_->link_room -= taken;
  for (size_t i = 0; i < taken; i++) {
    if (expect_seed_ != 0 &&
        data[i] != PatternByte(expect_seed_, received + i)) {
      intact = false;
    }
  }
  received += taken;
  if (paused_) {
    unread_ += taken;
  } else {
    kept_back_ += taken;
    node_->kept_back_[connection] += taken;
  }
  return taken;
}

void FakeStream::Resume() {
  paused_ = false;
  kept_back_ += unread_;
  node_->kept_back_[connection] += unread_;
  unread_ = 0;
}

void FakeStream::Grant(bool all) {
  if (kept_back_ == 0 || dead()) return;
  if (!all && !ended && kept_back_ < kParentWindow / 2) return;
  credit_ += kept_back_;
  credit_event_ += kept_back_;
  node_->kept_back_[connection] -= kept_back_;
  kept_back_ = 0;
}

void FakeStream::CloseWrite() {
  CHECK(!dead());
  CHECK(!ended);
  ended = true;
}

void FakeStream::Reset(uint32_t code) {
  CHECK(!dead());
  was_reset = true;
  reset_code = code;
  chunks_.clear();
  node_->kept_back_[connection] -= kept_back_;
  kept_back_ = 0;
}

void FakeStream::Release() {
  CHECK(!dead());
  CHECK(ended);
  CHECK(ReadEnded());
  released = true;
  node_->kept_back_[connection] -= kept_back_;
  kept_back_ = 0;
}

void FakeStream::Dispatch() {
  if (dead() || handler_ == nullptr) return;
  if (reset_event_) {
    reset_by_parent_ = true;
    node_->kept_back_[connection] -= kept_back_;
    kept_back_ = 0;
    handler_->OnReset(parent_code_);
    for (Chunk& chunk : chunks_) {
      memset(chunk.bytes.get(), 0xdd, chunk.length);
    }
    chunks_.clear();
    return;
  }
  if (credit_event_ > 0) {
    const auto bytes = static_cast<uint32_t>(credit_event_);
    credit_event_ = 0;
    handler_->OnCredit(bytes);
  }
  Refill();
  if (readable_event_ && !dead()) {
    readable_event_ = false;
    handler_->OnReadable();
  }
  if (blocked_ && !dead() && credit_ > 0 && node_->link_room > 0) {
    blocked_ = false;
    handler_->OnWritable();
  }
}

// --- a machine

Node::Node(Sim* sim, const std::string& ip, const Settings& settings)
    : Machine(sim, ip), settings_(settings) {
  Start();
}

Node::~Node() { engine_->OnStop(network_->now_us); }

void Node::Start() {
  engine_ = std::make_unique<QuicEngine>(this, settings_);
  CHECK(engine_->Init().ok());
  std::string spki;
  CHECK(engine_->identity()->GenerateKey(&spki).ok());
  CHECK_EQ(spki.size(), size_t{91});
  CHECK(engine_->identity()->SetCertificate("key of " + ip_, "signed").ok());
}

void Node::Restart() {
  for (const auto& stream : streams_) stream->handler_ = nullptr;
  // Without a word to anybody.
  const auto filter = network_->filter;
  network_->filter = [](Datagram&) { return false; };
  engine_->OnStop(network_->now_us);
  network_->filter = filter;
  streams_.clear();
  incoming_.clear();
  events.clear();
  Start();
}

void Node::UseTls(std::shared_ptr<const TlsContexts> contexts) {
  static_cast<QuicIdentity*>(engine_->identity().get())
      ->Override(std::move(contexts));
}

FakeStream* Node::Open(uint32_t connection) {
  streams_.push_back(
      std::make_unique<FakeStream>(this, connection, kParentWindow));
  FakeStream* const stream = streams_.back().get();
  stream->refused =
      !engine_->OnStreamOpen(stream, connection, 1, network_->now_us);
  if (stream->refused) stream->was_reset = true;
  return stream;
}

void Node::RunParent() {
  for (size_t i = 0; i < streams_.size(); i++) {
    FakeStream* const stream = streams_[i].get();
    if (stream->dead()) continue;
    stream->Grant(kept_back_[stream->connection] >= kMaxKeptBack);
    stream->Dispatch();
  }
}

Stream* Node::OpenStream(uint32_t connection, uint32_t kind) {
  CHECK_EQ(kind, 1u);
  if (link_lost) return nullptr;
  // The header takes some of the credit.
  streams_.push_back(
      std::make_unique<FakeStream>(this, connection, kParentWindow - 9));
  incoming_.push_back(streams_.back().get());
  if (on_stream) on_stream(incoming_.back());
  return incoming_.back();
}

Node* Sim::AddNode(const Settings& settings, std::string ip) {
  if (ip.empty()) ip = "10.0.0." + std::to_string(machines() + 1);
  return Add(std::make_unique<Node>(this, ip, settings));
}

uint64_t CountFrom(const char* variable, uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

Pair::Pair(const Settings& settings, uint64_t seed, bool loopback)
    : sim(seed),
      client(sim.AddNode(settings, loopback ? "127.0.0.1" : "")),
      server(sim.AddNode(settings, loopback ? "127.0.0.2" : "")) {
  server->Listen(4000);
}

bool Pair::Connect(uint32_t id) {
  const size_t before = server->Count(Event::Kind::kIncoming);
  client->Dial(id, server->At(4000));
  return sim.Run(10 * kSecond, [&] {
    return server->Count(Event::Kind::kIncoming) > before &&
           client->Find(Event::Kind::kConnected, id) != nullptr;
  });
}

}  // namespace xtp::quic::sim
