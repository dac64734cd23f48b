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

uint8_t PatternByte(uint64_t seed, uint64_t offset) {
  const uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15u + seed;
  return static_cast<uint8_t>((x ^ (x >> 29)) >> (offset % 8 * 8));
}

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
    : sim_(sim), ip_(ip), settings_(settings) {
  Start();
}

Node::~Node() { engine_->OnStop(sim_->now_us); }

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
  const auto filter = sim_->filter;
  sim_->filter = [](Datagram*) { return false; };
  engine_->OnStop(sim_->now_us);
  sim_->filter = filter;
  streams_.clear();
  incoming_.clear();
  events.clear();
  Start();
}

void Node::UseTls(std::shared_ptr<const TlsContexts> contexts) {
  static_cast<QuicIdentity*>(engine_->identity().get())
      ->Override(std::move(contexts));
}

void Node::Listen(uint16_t port, uint32_t accept, uint32_t listener) {
  engine_->Listen(next_request_++, listener, At(port), accept, sim_->now_us);
  CHECK(events.back().status.ok());
}

void Node::Dial(uint32_t connection, const Endpoint& to, uint32_t timeout_ms) {
  engine_->Dial(connection, connection, to, timeout_ms, sim_->now_us);
  wake_us_ = sim_->now_us;
}

void Node::Close(uint32_t connection, bool abort, uint32_t code) {
  engine_->Close(next_request_++, connection, abort, code, sim_->now_us);
  wake_us_ = sim_->now_us;
}

FakeStream* Node::Open(uint32_t connection) {
  streams_.push_back(
      std::make_unique<FakeStream>(this, connection, kParentWindow));
  FakeStream* const stream = streams_.back().get();
  stream->refused = !engine_->OnStreamOpen(stream, connection, 1, sim_->now_us);
  if (stream->refused) stream->was_reset = true;
  return stream;
}

void Node::Dispatch() {
  for (size_t i = 0; i < streams_.size(); i++) {
    FakeStream* const stream = streams_[i].get();
    if (stream->dead()) continue;
    stream->Grant(kept_back_[stream->connection] >= kMaxKeptBack);
    stream->Dispatch();
  }
}

void Node::Round() {
  Dispatch();
  wake_us_ = engine_->OnRound(sim_->now_us);
}

void Node::Stop() { engine_->OnStop(sim_->now_us); }

const Event* Node::Find(Event::Kind kind, uint32_t id) const {
  for (auto it = events.rbegin(); it != events.rend(); ++it) {
    if (it->kind != kind) continue;
    const bool request =
        kind == Event::Kind::kReply || kind == Event::Kind::kStats;
    if ((request ? it->request : it->connection) == id) return &*it;
  }
  return nullptr;
}

size_t Node::Count(Event::Kind kind) const {
  return static_cast<size_t>(
      std::count_if(events.begin(), events.end(),
                    [kind](const Event& e) { return e.kind == kind; }));
}

Code Node::ClosedWith(uint32_t connection) const {
  const Event* event = Find(Event::Kind::kClosed, connection);
  return event == nullptr ? Code::kOk : event->status.code();
}

uint64_t Node::Stat(const std::string& key, uint32_t connection) {
  const uint32_t request = next_request_++;
  engine_->Stats(request, connection, sim_->now_us);
  const Event* event = Find(Event::Kind::kStats, request);
  if (event == nullptr) return 0;
  const std::string text = "\n" + event->text;
  const size_t at = text.find("\n" + key + " ");
  CHECK(at != std::string::npos);
  if (at == std::string::npos) return 0;
  return std::strtoull(text.c_str() + at + key.size() + 2, nullptr, 10);
}

Endpoint Node::At(uint16_t port) const { return Address(ip_, port); }

Status Node::Bind(const Endpoint& local, SocketId* out) {
  *out = next_socket_++;
  const uint16_t port = local.port() != 0 ? local.port() : next_port_++;
  sockets[*out] = Address(ip_, port);
  return Status::Ok();
}

void Node::CloseSocket(SocketId socket) { sockets.erase(socket); }

Endpoint Node::LocalEndpoint(SocketId socket) const {
  return sockets.at(socket);
}

void Node::SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                        const Endpoint& to) {
  if (sockets.count(socket) == 0) return;
  sim_->Send(
      Datagram{sockets.at(socket), to,
               std::string(reinterpret_cast<const char*>(data), length)});
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

void Node::Emit(Event event) { events.push_back(std::move(event)); }

// --- the network

// The nodes say goodbye through the network.
Sim::~Sim() { nodes_.clear(); }

Node* Sim::AddNode(const Settings& settings, std::string ip) {
  if (ip.empty()) ip = "10.0.0." + std::to_string(nodes_.size() + 1);
  nodes_.push_back(std::make_unique<Node>(this, ip, settings));
  return nodes_.back().get();
}

void Sim::Send(Datagram datagram) {
  sent++;
  if (filter && !filter(&datagram)) return;
  if (datagram.bytes.size() > link.mtu) return;
  largest = std::max(largest, datagram.bytes.size());
  const auto chance = [this](double p) {
    return p > 0 && random.Below(1000000) < p * 1000000;
  };
  if (chance(link.loss)) return;
  uint64_t at = now_us;
  if (link.rate != 0) {
    link_free_us_ = std::max(link_free_us_, now_us) +
                    datagram.bytes.size() * kSecond / link.rate;
    at = link_free_us_;
  }
  const int copies = chance(link.duplication) ? 2 : 1;
  for (int i = 0; i < copies; i++) {
    uint64_t delay = link.delay_us;
    if (link.jitter_us > 0) delay += random.Below(link.jitter_us);
    queue_.push({at + delay, order_++, datagram});
  }
}

Node* Sim::Owner(const Endpoint& to, SocketId* socket) {
  for (const auto& node : nodes_) {
    for (const auto& [id, local] : node->sockets) {
      if (local == to) {
        *socket = id;
        return node.get();
      }
    }
  }
  return nullptr;
}

void Sim::Inject(const Datagram& datagram) {
  SocketId socket = 0;
  Node* const node = Owner(datagram.to, &socket);
  if (node == nullptr) return;
  const size_t length = datagram.bytes.size();
  // Its own allocation, so that a sanitizer sees what reads too far.
  auto buffer = std::make_unique<uint8_t[]>(length + Transport::kSlackBytes);
  memcpy(buffer.get(), datagram.bytes.data(), length);
  memset(buffer.get() + length, 0, Transport::kSlackBytes);
  node->engine().OnDatagram(socket, buffer.get(), length, datagram.from,
                            now_us);
  node->wake_us_ = now_us;
}

bool Sim::Run(uint64_t max_us, const std::function<bool()>& done) {
  const uint64_t end = now_us + max_us;
  uint64_t last_us = now_us;
  for (int standing = 0;; standing++) {
    if (now_us != last_us) standing = 0;
    last_us = now_us;
    if (standing > 10000) {
      CHECK(!"the engine asks for rounds and time stands still");
      return false;
    }
    // Rounds may have become due by what the test did.
    for (const auto& node : nodes_) node->Round();
    if (done()) return true;
    uint64_t next = end;
    for (const auto& node : nodes_) next = std::min(next, node->wake_us_);
    if (!queue_.empty()) next = std::min(next, queue_.top().at_us);
    now_us = std::max(now_us, next);
    if (now_us >= end) return done();
    while (!queue_.empty() && queue_.top().at_us <= now_us) {
      const Datagram datagram = queue_.top().datagram;
      queue_.pop();
      Inject(datagram);
    }
  }
}

void Sim::Run(uint64_t us) {
  Run(us, [] { return false; });
}

Endpoint Address(const std::string& ip, uint16_t port) {
  Endpoint result;
  CHECK(Endpoint::Parse(ip, port, &result).ok());
  return result;
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
