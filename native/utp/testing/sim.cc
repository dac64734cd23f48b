#include "utp/testing/sim.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace xtp::utp::sim {

uint8_t PatternByte(uint64_t seed, uint64_t offset) {
  const uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15u + seed;
  return static_cast<uint8_t>((x ^ (x >> 29)) >> (offset % 8 * 8));
}

void FakeStream::Send(const std::string& bytes) {
  queue_ += bytes;
  if (handler_ != nullptr) handler_->OnReadable();
}

void FakeStream::SendPattern(uint64_t seed, uint64_t length) {
  pattern_seed_ = seed;
  pattern_offset_ = 0;
  pattern_left_ = length;
  if (handler_ != nullptr) handler_->OnReadable();
}

void FakeStream::End() {
  end_wanted_ = true;
  if (handler_ != nullptr && !dead()) handler_->OnReadable();
}

void FakeStream::ResetByParent(uint32_t code) {
  reset_by_parent_ = true;
  if (handler_ != nullptr) handler_->OnReset(code);
}

void FakeStream::SetCredit(uint64_t bytes) {
  credit_ = bytes;
  if (blocked_ && credit_ > 0) {
    blocked_ = false;
    if (handler_ != nullptr && !dead()) handler_->OnWritable();
  }
}

size_t FakeStream::Write(const uint8_t* data, size_t length) {
  CHECK(!dead());
  CHECK(!ended);
  const size_t taken = std::min<uint64_t>(length, credit_);
  if (taken < length) blocked_ = true;
  if (credit_ != UINT64_MAX) credit_ -= taken;
  for (size_t i = 0; i < taken; i++) {
    if (expect_seed_ != 0 &&
        data[i] != PatternByte(expect_seed_, received + i)) {
      intact = false;
    }
  }
  const size_t keep =
      std::min(taken, 4096 - std::min<size_t>(4096, head.size()));
  head.append(reinterpret_cast<const char*>(data), keep);
  received += taken;
  return taken;
}

void FakeStream::CloseWrite() {
  CHECK(!dead());
  CHECK(!ended);
  ended = true;
}

void FakeStream::Refill() {
  if (consumed_ < queue_.size()) return;
  queue_.clear();
  consumed_ = 0;
  const uint64_t chunk = std::min<uint64_t>(pattern_left_, 65536);
  queue_.resize(chunk);
  for (uint64_t i = 0; i < chunk; i++) {
    queue_[i] = PatternByte(pattern_seed_, pattern_offset_ + i);
  }
  pattern_offset_ += chunk;
  pattern_left_ -= chunk;
}

size_t FakeStream::Peek(iovec* slices, size_t max) {
  CHECK(!dead());
  Refill();
  // Two slices, so that they are not always one.
  const size_t left = queue_.size() - consumed_;
  if (left == 0 || max == 0) return 0;
  const size_t first = max > 1 && left > 100 ? 100 : left;
  slices[0] = {&queue_[consumed_], first};
  if (first == left) return 1;
  slices[1] = {&queue_[consumed_ + first], left - first};
  return 2;
}

void FakeStream::Consume(size_t length) {
  CHECK(!dead());
  CHECK(length <= queue_.size() - consumed_);
  consumed_ += length;
}

bool FakeStream::ReadEnded() const {
  CHECK(!dead());
  return end_wanted_ && unsent() == 0;
}

void FakeStream::Reset(uint32_t code) {
  CHECK(!dead());
  was_reset = true;
  reset_code = code;
  handler_ = nullptr;
}

void FakeStream::Release() {
  CHECK(!dead());
  CHECK(ended);
  CHECK(end_wanted_ && unsent() == 0);
  released = true;
  handler_ = nullptr;
}

Node::Node(Sim* sim, const std::string& ip, const Settings& settings,
           const Guards& guards)
    : sim_(sim), ip_(ip) {
  UtpEngine::Seed seed;
  seed.syn = {sim->random.Next(), sim->random.Next()};
  seed.random = {sim->random.Next(), sim->random.Next()};
  engine_ = std::make_unique<UtpEngine>(this, settings, seed, guards);
}

Endpoint Node::At(uint16_t port) const { return Address(ip_, port); }

void Node::Listen(uint16_t port, uint32_t accept, uint32_t listener) {
  engine_->Listen(next_request_++, listener, At(port), accept, sim_->now_us);
}

void Node::Dial(uint32_t connection, const Endpoint& to, uint32_t timeout_ms) {
  engine_->Dial(connection, connection, to, timeout_ms, sim_->now_us);
  wake_us_ = sim_->now_us;
}

void Node::Close(uint32_t connection, bool abort) {
  engine_->Close(next_request_++, connection, abort, 0, sim_->now_us);
  wake_us_ = sim_->now_us;
}

void Node::Round() {
  // What the parent did in answer to events comes with the next round.
  std::vector<uint32_t> open;
  open.swap(to_open_);
  for (const uint32_t id : open) {
    auto& slot = streams_[id];
    if (slot == nullptr) slot = std::make_unique<FakeStream>();
    if (!engine_->OnStreamOpen(slot.get(), id, 0, sim_->now_us)) {
      slot->Reset(static_cast<uint32_t>(Code::kNotFound));
    }
  }
  wake_us_ = engine_->OnRound(sim_->now_us);
  if (!to_open_.empty()) wake_us_ = sim_->now_us;
}

void Node::Stop() {
  engine_->OnStop(sim_->now_us);
  wake_us_ = kNever;
}

const Event* Node::Find(Event::Kind kind, uint32_t id) const {
  for (auto it = events.rbegin(); it != events.rend(); ++it) {
    const bool by_request = kind == Event::Kind::kReply;
    if (it->kind == kind && (by_request ? it->request : it->connection) == id) {
      return &*it;
    }
  }
  return nullptr;
}

size_t Node::Count(Event::Kind kind) const {
  size_t count = 0;
  for (const Event& event : events) count += event.kind == kind;
  return count;
}

size_t Node::Count(Event::Kind kind, uint32_t id) const {
  size_t count = 0;
  for (const Event& event : events) {
    count += event.kind == kind &&
             (kind == Event::Kind::kReply ? event.request == id
                                          : event.connection == id);
  }
  return count;
}

FakeStream* Node::stream(uint32_t connection) {
  const auto found = streams_.find(connection);
  return found == streams_.end() ? nullptr : found->second.get();
}

uint64_t Node::Stat(const std::string& key, uint32_t connection) {
  engine_->Stats(999, connection, sim_->now_us);
  const std::string text = "\n" + events.back().text;
  events.pop_back();
  const size_t at = text.find("\n" + key + " ");
  if (at == std::string::npos) return UINT64_MAX;
  return strtoull(text.c_str() + at + key.size() + 2, nullptr, 10);
}

Status Node::Bind(const Endpoint& local, SocketId* out) {
  if (bind_fails) return Status(Code::kAddressNotAvailable, "test");
  const uint16_t port = local.port() != 0 ? local.port() : next_port_++;
  const Endpoint bound =
      Address(local.IsUnspecified() ? ip_ : local.ip(), port);
  for (const auto& [id, taken] : sockets) {
    if (taken == bound) return Status(Code::kAddressInUse, "test");
  }
  *out = next_socket_++;
  sockets[*out] = bound;
  return Status::Ok();
}

void Node::CloseSocket(SocketId socket) { sockets.erase(socket); }

Endpoint Node::LocalEndpoint(SocketId socket) const {
  return sockets.at(socket);
}

void Node::SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                        const Endpoint& to) {
  sim_->Send({sockets.at(socket), to,
              std::string(reinterpret_cast<const char*>(data), length)});
}

Stream* Node::OpenStream(uint32_t connection, uint32_t kind) {
  CHECK_EQ(kind, 0u);
  if (link_lost) return nullptr;
  auto& slot = streams_[connection];
  CHECK(slot == nullptr);
  slot = std::make_unique<FakeStream>();
  return slot.get();
}

void Node::Emit(Event event) {
  if (event.kind == Event::Kind::kConnected && open_streams) {
    to_open_.push_back(event.connection);
  }
  events.push_back(std::move(event));
}

Sim::~Sim() = default;

Node* Sim::AddNode(const Guards& guards, const Settings& settings, bool ipv6) {
  const std::string ip =
      (ipv6 ? "fd00::" : "10.0.0.") + std::to_string(nodes_.size() + 1);
  nodes_.push_back(std::make_unique<Node>(this, ip, settings, guards));
  return nodes_.back().get();
}

void Sim::Send(const Datagram& datagram) {
  sent++;
  if (filter && !filter(datagram)) return;
  const auto chance = [this](double p) {
    return p > 0 && random.Below(1000000) < p * 1000000;
  };
  if (chance(link.loss)) return;
  uint64_t at = now_us;
  if (link.rate != 0) {
    const uint64_t wait_us = link_free_us_ - std::min(link_free_us_, now_us);
    if (wait_us * link.rate / kSecond > link.queue_bytes) return;
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
  std::vector<uint8_t> buffer(length + Transport::kSlackBytes);
  memcpy(buffer.data(), datagram.bytes.data(), length);
  node->engine().OnDatagram(socket, buffer.data(), length, datagram.from,
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

std::string PacketBytes(const Header& header, const std::string& payload) {
  uint8_t bytes[kHeaderBytes];
  BuildHeader(header, bytes);
  return std::string(reinterpret_cast<char*>(bytes), sizeof bytes) + payload;
}

Header HeaderOf(const std::string& bytes) {
  Header header;
  CHECK(ParseHeader(reinterpret_cast<const uint8_t*>(bytes.data()),
                    bytes.size(), &header));
  return header;
}

Pair::Pair(const Guards& guards, const Settings& settings, uint64_t seed)
    : sim(seed),
      client(sim.AddNode(guards, settings)),
      server(sim.AddNode(guards, settings)) {
  server->Listen(4000);
}

bool Pair::Connect() {
  client->Dial(1, server->At(4000));
  return sim.Run(10 * kSecond, [this] {
    return Announced() && client->stream(1) != nullptr;
  });
}

bool Survives(const std::function<void()>& body) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    body();
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace xtp::utp::sim
