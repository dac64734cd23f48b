#include "common/testing/network.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace xtp::sim {

uint8_t PatternByte(uint64_t seed, uint64_t offset) {
  const uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15u + seed;
  return static_cast<uint8_t>((x ^ (x >> 29)) >> (offset % 8 * 8));
}

Endpoint Address(const std::string& ip, uint16_t port) {
  Endpoint result;
  CHECK(Endpoint::Parse(ip, port, &result).ok());
  return result;
}

// --- a machine

void Machine::Listen(uint16_t port, uint32_t accept, uint32_t listener) {
  transport()->Listen(next_request_++, listener, At(port), accept,
                      network_->now_us);
}

void Machine::Dial(uint32_t connection, const Endpoint& to,
                   uint32_t timeout_ms) {
  transport()->Dial(connection, connection, to, timeout_ms, network_->now_us);
  WakeNow();
}

void Machine::Close(uint32_t connection, bool abort, uint32_t code) {
  transport()->Close(next_request_++, connection, abort, code,
                     network_->now_us);
  WakeNow();
}

void Machine::Stop() {
  transport()->OnStop(network_->now_us);
  wake_us_ = UINT64_MAX;
}

void Machine::WakeNow() { wake_us_ = network_->now_us; }

void Machine::Round() {
  parent_due_ = false;
  RunParent();
  wake_us_ = transport()->OnRound(network_->now_us);
  if (parent_due_) WakeNow();
}

const Event* Machine::Find(Event::Kind kind, uint32_t id) const {
  const bool by_request =
      kind == Event::Kind::kReply || kind == Event::Kind::kStats;
  for (auto it = events.rbegin(); it != events.rend(); ++it) {
    if (it->kind == kind && (by_request ? it->request : it->connection) == id) {
      return &*it;
    }
  }
  return nullptr;
}

size_t Machine::Count(Event::Kind kind) const {
  size_t count = 0;
  for (const Event& event : events) count += event.kind == kind;
  return count;
}

size_t Machine::Count(Event::Kind kind, uint32_t id) const {
  size_t count = 0;
  for (const Event& event : events) {
    count += event.kind == kind &&
             (kind == Event::Kind::kReply ? event.request == id
                                          : event.connection == id);
  }
  return count;
}

Code Machine::ClosedWith(uint32_t connection) const {
  const Event* const event = Find(Event::Kind::kClosed, connection);
  return event == nullptr ? Code::kOk : event->status.code();
}

uint64_t Machine::Stat(const std::string& key, uint32_t connection) {
  transport()->Stats(next_request_++, connection, network_->now_us);
  const std::string text = "\n" + events.back().text;
  events.pop_back();
  const size_t at = text.find("\n" + key + " ");
  if (at == std::string::npos) return UINT64_MAX;
  return std::strtoull(text.c_str() + at + key.size() + 2, nullptr, 10);
}

Status Machine::Bind(const Endpoint& local, SocketId* out) {
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

void Machine::SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                           const Endpoint& to) {
  if (sockets.count(socket) == 0) return;
  network_->Send(
      Datagram{sockets.at(socket), to,
               std::string(reinterpret_cast<const char*>(data), length)});
}

// --- the network

void Network::Send(Datagram datagram) {
  sent++;
  if (filter && !filter(datagram)) return;
  if (datagram.bytes.size() > link.mtu) return;
  largest = std::max(largest, datagram.bytes.size());
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

Machine* Network::Owner(const Endpoint& to, SocketId* socket) {
  for (const auto& machine : machines_) {
    for (const auto& [id, local] : machine->sockets) {
      if (local == to) {
        *socket = id;
        return machine.get();
      }
    }
  }
  return nullptr;
}

void Network::Inject(const Datagram& datagram) {
  SocketId socket = 0;
  Machine* const machine = Owner(datagram.to, &socket);
  if (machine == nullptr) return;
  const size_t length = datagram.bytes.size();
  // Its own allocation, so that a sanitizer sees what reads too far.
  auto buffer = std::make_unique<uint8_t[]>(length + Transport::kSlackBytes);
  memcpy(buffer.get(), datagram.bytes.data(), length);
  memset(buffer.get() + length, 0, Transport::kSlackBytes);
  machine->transport()->OnDatagram(socket, buffer.get(), length, datagram.from,
                                   now_us);
  machine->wake_us_ = now_us;
}

bool Network::Run(uint64_t max_us, const std::function<bool()>& done) {
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
    for (const auto& machine : machines_) machine->Round();
    if (done()) return true;
    uint64_t next = end;
    for (const auto& machine : machines_) {
      next = std::min(next, machine->wake_us_);
    }
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

void Network::Run(uint64_t us) {
  Run(us, [] { return false; });
}

}  // namespace xtp::sim
