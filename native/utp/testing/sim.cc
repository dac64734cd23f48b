#include "utp/testing/sim.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace xtp::utp::sim {

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
    : Machine(sim, ip) {
  UtpEngine::Seed seed;
  seed.syn = {sim->random.Next(), sim->random.Next()};
  seed.random = {sim->random.Next(), sim->random.Next()};
  engine_ = std::make_unique<UtpEngine>(this, settings, seed, guards);
}

// What the parent did in answer to events comes with the next round.
void Node::RunParent() {
  std::vector<uint32_t> open;
  open.swap(to_open_);
  for (const uint32_t id : open) {
    auto& slot = streams_[id];
    if (slot == nullptr) slot = std::make_unique<FakeStream>();
    if (!engine_->OnStreamOpen(slot.get(), id, 0, network_->now_us)) {
      slot->Reset(static_cast<uint32_t>(Code::kNotFound));
    }
  }
}

FakeStream* Node::stream(uint32_t connection) {
  const auto found = streams_.find(connection);
  return found == streams_.end() ? nullptr : found->second.get();
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
    parent_due_ = true;
  }
  Machine::Emit(std::move(event));
}

Node* Sim::AddNode(const Guards& guards, const Settings& settings, bool ipv6) {
  const std::string ip =
      (ipv6 ? "fd00::" : "10.0.0.") + std::to_string(machines() + 1);
  return Add(std::make_unique<Node>(this, ip, settings, guards));
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
