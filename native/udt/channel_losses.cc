// What libudt does not do about packets that are lost, or that it has no room
// for (channel.h).
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "common/byte_order.h"
#include "common/io_thread.h"
#include "udt/channel.h"

namespace xtp::udt {
namespace {

// As long as packets that changed places are apart.
constexpr uint64_t kReorderUs = 3000;
constexpr size_t kMaxHeldNaks = 256;
// Between the first read from a full buffer and what is put into it next: a
// window that says how much was read is worth more than one of a packet.
constexpr uint64_t kRoomUs = 2000;

}  // namespace

// A full receive buffer is a window of two packets to libudt, which then drops
// both. Its sender sends neither them nor anything else before 300 ms have
// passed, whatever later acknowledgements say of the window: none of them
// acknowledges anything.
void Channel::Keep(uint32_t socket, Connection* connection, uint32_t sequence,
                   const uint8_t* data, size_t length) {
  std::vector<Kept>& kept = connection->kept;
  const auto is_same = [&](const Kept& k) { return k.sequence == sequence; };
  if (SequenceDistance(connection->gap.wanted(), sequence) >= kLeastWindow ||
      std::any_of(kept.begin(), kept.end(), is_same)) {
    return;
  }
  if (kept.empty()) {
    keepers_.insert(socket);
    keeping_ = keepers_.size();
    // Once in any case: it may have been read before it was kept.
    OfferAt(connection, IoThread::NowUs() + kTimerStepUs);
  }
  kept.push_back(Kept{sequence, {data, data + length}});
}

void Channel::OnAcknowledged(uint32_t socket, const SentFacts& ack) {
  Connection& connection = sockets_[socket];
  connection.gap.OnAcknowledged(ack.acknowledged, IoThread::NowUs());
  if (ack.has_window) {
    connection.gap.OnRoundTrip(ack.rtt_us, ack.rtt_variance_us);
    connection.full = ack.window <= kLeastWindow;
  }
  std::vector<Kept>& kept = connection.kept;
  if (kept.empty()) return;
  const auto is_behind = [&](const Kept& k) {
    return SequenceDistance(ack.acknowledged, k.sequence) >= kLeastWindow;
  };
  kept.erase(std::remove_if(kept.begin(), kept.end(), is_behind), kept.end());
  if (!kept.empty()) return;
  keepers_.erase(socket);
  keeping_ = keepers_.size();
}

void Channel::OfferAt(Connection* connection, uint64_t due_us) {
  connection->offer_us = due_us;
  if (next_offer_us_ == 0 || due_us < next_offer_us_) next_offer_us_ = due_us;
}

void Channel::OfferSoon(uint32_t socket) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (keepers_.count(socket) == 0) return;
    Connection& connection = sockets_[socket];
    const uint64_t due_us = IoThread::NowUs() + kRoomUs;
    if (connection.offer_us != 0 && connection.offer_us <= due_us) return;
    OfferAt(&connection, due_us);
  }
  Wake();
}

// Nothing of what was offered before is in received_ any more.
void Channel::Offer() {
  offered_.clear();
  const uint64_t now = IoThread::NowUs();
  if (next_offer_us_ == 0 || next_offer_us_ > now) return;
  std::lock_guard<std::mutex> lock(mutex_);
  next_offer_us_ = 0;
  for (const uint32_t socket : keepers_) {
    Connection& connection = sockets_[socket];
    if (connection.offer_us == 0) continue;
    if (connection.offer_us > now) {
      OfferAt(&connection, connection.offer_us);
      continue;
    }
    connection.offer_us = 0;
    for (const Kept& kept : connection.kept) {
      offered_.push_back(kept.bytes);
      received_.push_back(Datagram{offered_.back().data(), kept.bytes.size(),
                                   connection.peer.address, now});
    }
  }
}

// libudt asks for a packet again as soon as a later one has come, and its
// sender slows down for every such question.
bool Channel::HoldNak(const msghdr* message, const Endpoint& to) {
  if (message->msg_iovlen != 2 || held_naks_.size() >= kMaxHeldNaks) {
    return false;
  }
  const auto* header =
      static_cast<const uint8_t*>(message->msg_iov[0].iov_base);
  HeldNak held;
  held.missing = MissingOf(
      header, static_cast<const uint8_t*>(message->msg_iov[1].iov_base),
      message->msg_iov[1].iov_len);
  if (held.missing.empty()) return false;
  held.to = to;
  memcpy(held.header.data(), header, kHeaderBytes);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = peers_.find(Peer{GetU32(header + 12), held.to});
    if (found == peers_.end()) return false;
    held.socket = found->second;
  }
  held.due_us = IoThread::NowUs() + kReorderUs;
  held_naks_.push_back(std::move(held));
  return true;
}

void Channel::OnSequence(uint32_t socket, uint32_t sequence) {
  for (HeldNak& held : held_naks_) {
    if (held.socket != socket) continue;
    const auto found =
        std::find(held.missing.begin(), held.missing.end(), sequence);
    if (found != held.missing.end()) held.missing.erase(found);
  }
}

void Channel::SendDueNaks(uint64_t now_us) {
  while (!held_naks_.empty() && (held_naks_.front().due_us <= now_us ||
                                 held_naks_.front().missing.empty())) {
    const HeldNak& held = held_naks_.front();
    if (!held.missing.empty()) {
      uint8_t packet[kHeaderBytes + 4 * kMaxMissing];
      MakeNak(held.header.data(), held.missing, packet);
      std::shared_lock<std::shared_mutex> lock(socket_mutex_);
      SendRaw(packet, kHeaderBytes + 4 * held.missing.size(), held.to);
    }
    held_naks_.pop_front();
  }
}

void Channel::AskAgain(uint64_t now_us) {
  asked_us_ = now_us;
  struct Question {
    std::vector<MissingRange> missing;
    Peer peer;
  };
  std::vector<Question> questions;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [socket, connection] : sockets_) {
      // Without room libudt would not take it.
      if (connection.full) continue;
      auto missing = connection.gap.TakeDue(now_us);
      if (missing.empty()) continue;
      questions.push_back({std::move(missing), connection.peer});
    }
  }
  if (questions.empty()) return;
  std::shared_lock<std::shared_mutex> lock(socket_mutex_);
  for (const Question& question : questions) {
    uint8_t packet[kMaxNakBytes];
    const size_t length = MakeNakOf(question.peer.id, question.missing, packet);
    SendRaw(packet, length, question.peer.address);
    counters_->repeated_naks++;
  }
}

// libudt is told that its peer asks for the last packet: the peer will miss
// what it has not got when that comes.
void Channel::ProbeTails(uint64_t now_us) {
  probes_.clear();
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [socket, connection] : sockets_) {
    const auto last = connection.tail.TakeDue(now_us);
    if (!last.has_value()) continue;
    uint8_t* const packet = probes_.emplace_back().data();
    const size_t length = MakeNakOf(socket, {{*last, *last}}, packet);
    received_.push_back(
        Datagram{packet, length, connection.peer.address, now_us});
    counters_->tail_probes++;
  }
}

}  // namespace xtp::udt
