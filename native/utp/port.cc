#include "utp/port.h"

#include <algorithm>
#include <cstring>

#include "utp/connection.h"

namespace xtp::utp {
namespace {

// A whole window may arrive in one round. If it is acknowledged once, the loss
// of that packet costs the sender a timeout.
constexpr size_t kAckEvery = 16;

// When to say again that a connection is reset, and for how many at a time.
constexpr uint64_t kResetRepeatUs[] = {200 * 1000, 1000 * 1000};
constexpr size_t kMaxRepeats = 256;

// The dialer sends with its id + 1, and libutp computes that in 32 bits: it
// never finds the connection of this id again.
constexpr uint16_t kUnusableSynId = 0xffff;

}  // namespace

void Port::OnDatagram(const uint8_t* data, size_t length,
                      const Endpoint& from) {
  shared_->counters.datagrams_in++;
  Packet packet;
  if (!ParsePacket(data, length, &packet)) {
    shared_->counters.malformed_datagrams++;
    return;
  }
  switch (packet.header.type) {
    case PacketType::kSyn:
      OnSyn(packet, from);
      return;
    case PacketType::kReset:
      OnReset(packet, from);
      return;
    default:
      break;
  }
  const PeerKey key(from, packet.header.connection_id);
  if (Connection* connection = Find(key)) {
    Deliver(connection, packet, from);
  } else {
    OnStranger(packet, key, from);
  }
}

Connection* Port::Find(const PeerKey& key) {
  if (last_found_ != nullptr && last_key_ == key) return last_found_;
  const auto found = connections_.find(key);
  if (found == connections_.end()) return nullptr;
  last_key_ = key;
  last_found_ = found->second;
  return last_found_;
}

Connection* Port::FindBySent(const Header& sent, const Endpoint& to) const {
  // A SYN bears the id that we receive on, everything else the peer's; one is
  // the other plus or minus one, depending on who dialed.
  for (const int offset : {0, 1, -1}) {
    const auto id = static_cast<uint16_t>(sent.connection_id + offset);
    const auto found = connections_.find(PeerKey(to, id));
    if (found == connections_.end()) continue;
    const uint16_t expected = sent.type == PacketType::kSyn
                                  ? found->second->receive_id()
                                  : found->second->send_id();
    if (expected == sent.connection_id && found->second->MayBeOnItsWay(sent)) {
      return found->second;
    }
  }
  return nullptr;
}

void Port::Deliver(Connection* connection, const Packet& packet,
                   const Endpoint& from) {
  if (!connection->AdmitPacket(packet)) return;
  reads_ = read_bytes_ = 0;
  acks_due_ = true;
  const uint16_t ack = connection->AckForLibutp(packet.header);
  const uint32_t window = connection->WindowForLibutp(packet.header);
  const bool plain = ack != packet.header.ack || connection->HoldsBack(packet);
  if (!plain && window == packet.header.window_bytes) {
    ToLibutp(packet, from);
  } else {
    Packet shown = packet;
    shown.header.ack = ack;
    shown.header.window_bytes = window;
    // is relative to the acknowledgement
    if (plain) shown.selective_ack = nullptr;
    CopyToLibutp(shown, from);
  }
  connection->AfterPacket(packet, reads_, read_bytes_);
  if (packet.payload_bytes > 0 && ++unacknowledged_ == kAckEvery) IssueAcks();
}

void Port::DeliverHeld(Connection* connection, const Packet& packet) {
  WantTick();
  Packet shown = packet;
  shown.header.window_bytes = connection->WindowForLibutp(packet.header);
  CopyToLibutp(shown, connection->peer());
}

void Port::OnSyn(const Packet& packet, const Endpoint& from) {
  const Header& syn = packet.header;
  shared_->counters.syns++;
  if (listener() == 0 || syn.connection_id == kUnusableSynId) {
    SendResetTo(syn, from);
    return;
  }
  // No room: say nothing, the dialer tries again.
  if (!acceptor_->HasRoom(*this)) {
    shared_->counters.syns_dropped++;
    return;
  }
  if (!shared_->guards.stateless_syn) {
    ToLibutp(packet, from);
    return;
  }
  // A dialer that has proven itself got its SYN-ACK: this one is old.
  const auto receive_id = static_cast<uint16_t>(syn.connection_id + 1);
  if (Find(PeerKey(from, receive_id)) != nullptr) {
    shared_->counters.syns_dropped++;
    return;
  }
  Header reply;
  reply.type = PacketType::kState;
  reply.connection_id = syn.connection_id;
  reply.window_bytes = shared_->settings.receive_window_bytes;
  reply.seq = shared_->syn_guard.SynAckSeq(PeerKey(from, syn.connection_id),
                                           syn.seq, shared_->now_us);
  reply.ack = syn.seq;
  SendHeader(reply, from);
}

void Port::OnReset(const Packet& packet, const Endpoint& from) {
  // The id is that of a packet that we sent, or that the peer sent.
  const Header& reset = packet.header;
  Connection* connection = nullptr;
  for (const int offset : {0, 1, -1}) {
    const auto id = static_cast<uint16_t>(reset.connection_id + offset);
    Connection* found = Find(PeerKey(from, id));
    if (found == nullptr) continue;
    if (offset != 0 && found->send_id() != reset.connection_id) continue;
    connection = found;
    break;
  }
  if (connection == nullptr || !connection->AdmitReset(reset)) {
    shared_->counters.resets_ignored++;
    return;
  }
  shared_->counters.resets_received++;
  InjectReset(connection->receive_id(), from);
}

void Port::OnStranger(const Packet& packet, const PeerKey& key,
                      const Endpoint& from) {
  const Header& header = packet.header;
  SynGuard::Proof proof;
  auto verdict = SynGuard::Verdict::kStranger;
  if (listener() != 0) {
    verdict = shared_->syn_guard.Check(key, header, shared_->now_us, &proof);
  }
  const TimeWait::Entry* old = time_wait_.Find(key);
  // A connection that was proven once and has ended must not come to life
  // again from a packet that was replayed or came late.
  if (old != nullptr &&
      (verdict != SynGuard::Verdict::kProven || old->first_ack == header.ack)) {
    AnswerTimeWait(*old, packet, from);
    return;
  }
  switch (verdict) {
    case SynGuard::Verdict::kProven:
      // Without credit: silence. The dialer's data comes again.
      if (acceptor_->HasRoom(*this)) Accept(packet, key, proof, from);
      return;
    case SynGuard::Verdict::kEarly:
      return;
    case SynGuard::Verdict::kStranger:
      shared_->counters.unknown_datagrams++;
      SendResetTo(header, from);
      return;
  }
}

// libutp is shown a SYN with a sequence number one too low, is made to choose
// the sequence number that the peer acknowledged, and gets an empty packet in
// between: that takes it from SYN_RECV, where it neither times out nor lets
// anybody write, to CONNECTED. Then it is where the peer is.
void Port::Accept(const Packet& packet, const PeerKey& key,
                  const SynGuard::Proof& proof, const Endpoint& from) {
  const bool ready = shared_->guards.acceptor_ready;
  Header syn = packet.header;
  syn.type = PacketType::kSyn;
  syn.connection_id = static_cast<uint16_t>(key.id - 1);
  syn.seq = static_cast<uint16_t>(proof.syn_seq - (ready ? 1 : 0));
  forced_random_ = proof.syn_ack_seq;
  muted_ = true;
  HeaderToLibutp(syn, from);
  muted_ = false;
  forced_random_ = -1;
  Connection* connection = Find(key);  // made by the accept callback
  if (connection == nullptr) return;
  time_wait_.Forget(key);
  if (ready) {
    Header first = packet.header;
    first.type = PacketType::kData;
    first.seq = proof.syn_seq;
    HeaderToLibutp(first, from);
  }
  Deliver(connection, packet, from);
}

void Port::AnswerTimeWait(const TimeWait::Entry& entry, const Packet& packet,
                          const Endpoint& from) {
  if (!entry.orderly) {
    SendResetTo(packet.header, from);
    return;
  }
  if (packet.header.type == PacketType::kState) return;
  Header ack;
  ack.type = PacketType::kState;
  ack.connection_id = entry.send_id;
  ack.seq = entry.next_seq;
  ack.ack = entry.last_ack;
  SendHeader(ack, from);
}

void Port::SendResetTo(const Header& offending, const Endpoint& to) {
  if (!strangers_.Take(shared_->now_us)) return;
  Header reset;
  reset.type = PacketType::kReset;
  reset.connection_id = offending.connection_id;
  reset.seq = static_cast<uint16_t>(shared_->random.Next());
  reset.ack = offending.seq;
  SendHeader(reset, to);
}

void Port::SendHeader(const Header& header, const Endpoint& to) {
  Header stamped = header;
  stamped.timestamp_us = static_cast<uint32_t>(shared_->now_us);
  uint8_t bytes[kHeaderBytes];
  BuildHeader(stamped, bytes);
  if (header.type == PacketType::kReset) shared_->counters.resets_sent++;
  shared_->counters.datagrams_out++;
  shared_->host->SendDatagram(socket(), bytes, sizeof bytes, to);
}

// Nobody acknowledges a RST, and a peer that has nothing to send would not ask.
void Port::SendReset(const Header& reset, const Endpoint& to) {
  SendHeader(reset, to);
  if (!shared_->guards.repeat_reset) return;
  for (const uint64_t later : kResetRepeatUs) {
    if (repeats_.size() == kMaxRepeats) return;
    repeats_.push_back({shared_->now_us + later, reset, to});
  }
}

uint64_t Port::RepeatResets() {
  uint64_t next = kNever;
  size_t kept = 0;
  for (const Repeat& repeat : repeats_) {
    if (repeat.at_us <= shared_->now_us) {
      SendHeader(repeat.reset, repeat.to);
    } else {
      next = std::min(next, repeat.at_us);
      repeats_[kept++] = repeat;
    }
  }
  repeats_.resize(kept);
  return next;
}

void Port::InjectReset(uint16_t receive_id, const Endpoint& peer) {
  Header reset;
  reset.type = PacketType::kReset;
  reset.connection_id = receive_id;
  HeaderToLibutp(reset, peer);
}

void Port::Register(const PeerKey& key, Connection* connection) {
  connections_[key] = connection;
}

void Port::Unregister(const PeerKey& key, const TimeWait::Entry& entry) {
  connections_.erase(key);
  last_found_ = nullptr;
  if (shared_->guards.time_wait) time_wait_.Add(key, entry, shared_->now_us);
}

}  // namespace xtp::utp
