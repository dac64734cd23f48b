// Connection's view of the packets that pass, libutp's callbacks, and timers.
#include <utp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "utp/connection.h"
#include "utp/errors.h"
#include "utp/libutp_window.h"
#include "utp/port.h"

namespace xtp::utp {
namespace {

// Beyond the advertised window: what was under way when the window shrank.
constexpr size_t kWindowSlackBytes = 256 * 1024;
// libutp probes a closed window with one packet per 15 s, and it cannot refuse
// what it received.
constexpr uint64_t kProbeIntervalUs = 10 * 1000 * 1000;
constexpr size_t kProbeBytes = 1500;

// Out-of-order packets that may always come: those just before the gap closes.
constexpr uint16_t kAlwaysAdmitted = 64;

// A RST may name a packet of ours that is so much older than the newest.
constexpr uint16_t kResetWindow = 4096;

// Whoever forges data has to guess the acknowledgement as well: this keeps it
// at one in 256.
constexpr uint16_t kMaxAckAge = 256;

// A packet may have been overtaken by so much; a clock that went back further
// was set.
constexpr uint32_t kMaxOvertakenUs = 2 * 1000 * 1000;

// How long a gap is taken for a mere reordering: a quarter of a round trip, as
// RACK does (RFC 8985, section 6.2), within limits.
constexpr uint64_t kReorderShare = 4;
constexpr uint64_t kMinReorderUs = 3000;
constexpr uint64_t kMaxReorderUs = 25000;

// A queue of so much of a round trip ends a slow start, within limits: by the
// time that it is seen, the window has doubled (RFC 9406, section 4.3).
constexpr uint64_t kQueueShare = 8;
constexpr uint64_t kMinQueueUs = 4000;
constexpr uint64_t kMaxQueueUs = 16000;

constexpr uint64_t kSynRepeatUs[] = {1000 * 1000, 2000 * 1000};
constexpr int kSynRepeats = 2;

}  // namespace

bool Connection::AdmitPacket(const Packet& packet) {
  const Header& header = packet.header;
  if (!connected_) {
    // libutp would take any acknowledgement near ours. Data that overtook the
    // SYN-ACK comes again.
    if (header.type != PacketType::kState || header.ack != syn_seq_) {
      return false;
    }
    proof_.type = PacketType::kState;
    proof_.connection_id = send_id_;
    proof_.window_bytes = shared_->settings.receive_window_bytes;
    proof_.timestamp_difference_us =
        static_cast<uint32_t>(shared_->now_us) - header.timestamp_us;
    proof_.seq = static_cast<uint16_t>(header.ack + 1);
    proof_.ack = static_cast<uint16_t>(header.seq - 1);
    first_ack_ = proof_.ack;
    sent_ack_ = proof_.ack;
    if (syn_repeats_ == 0) SampleRtt(shared_->now_us - dialed_us_);
  } else if (header.timestamp_difference_us != 0 ||
             header.type != PacketType::kState) {
    heard_ = true;  // not a duplicate SYN-ACK, which measures nothing
  }
  last_heard_us_ = shared_->now_us;

  if (packet.payload_bytes > 0 && shared_->guards.reorder_limit) {
    const auto ahead = static_cast<uint16_t>(header.seq - sent_ack_ - 1);
    const size_t limit =
        2 * shared_->settings.receive_window_bytes + kWindowSlackBytes;
    if (ahead > kAlwaysAdmitted && reorder_bytes_ > limit) {
      shared_->counters.reorder_dropped++;
      return false;
    }
  }
  if (header.ack != acked_) TrackAck(header.ack);
  TrackWindow(header);
  if (closed_ || Behind()) port_->WantTick();
  return true;
}

// libutp delivers what is in order at once and keeps the rest without a limit
// in bytes. A packet that delivered nothing is there, or was a duplicate; an
// acknowledgement without a selective one says that nothing is there (OnSent).
void Connection::AfterPacket(const Packet& packet, size_t reads,
                             size_t read_bytes) {
  if (packet.payload_bytes == 0 || closed_) return;
  if (reads == 0) {
    reorder_bytes_ += packet.payload_bytes;
  } else {
    const size_t drained =
        read_bytes - std::min(read_bytes, packet.payload_bytes);
    reorder_bytes_ -= std::min(reorder_bytes_, drained);
  }
}

// libutp takes a packet whose acknowledgement is more than three packets older
// than another's for a forgery, also if the network only changed their order,
// and drops its data. What is acknowledged since then is true for it as well.
uint16_t Connection::AckForLibutp(const Header& header) const {
  const bool data =
      header.type == PacketType::kData || header.type == PacketType::kFin;
  const auto age = static_cast<uint16_t>(acked_ - header.ack);
  if (!data || age > kMaxAckAge || !shared_->guards.old_acks) {
    return header.ack;
  }
  return acked_;
}

// Every packet tells when it was sent, also one that is sent again; but data
// that is sent again has the window of the first time (libutp, libtorrent).
void Connection::TrackWindow(const Header& header) {
  // What the peer's next new data will have.
  uint16_t next = header.seq;
  if (header.type != PacketType::kState) next++;
  const uint32_t overtaken_us = peer_timestamp_us_ - header.timestamp_us;
  const bool repeated =
      header.type != PacketType::kState && !SeqLess(peer_next_seq_, next);
  const bool overtaken = peer_timestamp_us_ != 0 && header.timestamp_us != 0 &&
                         overtaken_us != 0 && overtaken_us <= kMaxOvertakenUs;
  if (peer_known_ && (repeated || overtaken)) return;
  if (!peer_known_ || SeqLess(peer_next_seq_, next)) peer_next_seq_ = next;
  peer_known_ = true;
  peer_timestamp_us_ = header.timestamp_us;
  peer_window_bytes_ = header.window_bytes;
}

uint32_t Connection::WindowForLibutp(const Header& header) const {
  return shared_->guards.latest_window ? peer_window_bytes_
                                       : header.window_bytes;
}

// libutp resends as soon as three packets behind a gap have arrived, and then
// halves its window. On a long path a little patience costs nothing.
bool Connection::HoldsBack(const Packet& packet) {
  const uint16_t ack = packet.header.ack;
  if (held_bytes_ != 0 && SeqLess(held_ack_, ack)) held_bytes_ = 0;
  if (packet.selective_ack == nullptr || !send_window_.long_path() ||
      packet.header.type != PacketType::kState ||
      !shared_->guards.reorder_tolerance) {
    return false;
  }
  if (gap_real_ && gap_ack_ == ack) return false;
  if (held_bytes_ != 0 && ack != held_ack_) return true;  // an old one
  if (held_bytes_ == 0) {
    hold_until_us_ = shared_->now_us + std::clamp(min_rtt_us_ / kReorderShare,
                                                  kMinReorderUs, kMaxReorderUs);
  }
  Packet bare = packet;
  bare.payload_bytes = 0;
  held_bytes_ = CopyKnownExtensions(bare, held_);
  held_ack_ = ack;
  ArmTimer();
  return true;
}

bool Connection::AdmitReset(const Header& header) const {
  if (!shared_->guards.strict_reset) return true;
  return static_cast<uint16_t>(next_seq_ - header.ack) <= kResetWindow;
}

void Connection::TrackAck(uint16_t ack) {
  if (!SeqLess(acked_, ack) || !SeqLess(ack, next_seq_)) return;
  const auto packets = static_cast<uint16_t>(ack - acked_);
  if (send_window_.OnAcked(packets)) ApplySendWindow();
  GrowWindow(packets);
  acked_ = ack;
  if (closed_) owner_->OnSocket();
  if (recovering_ && !SeqLess(ack, recover_seq_)) recovering_ = false;
  if (rtt_probing_ && !SeqLess(ack, rtt_seq_)) {
    rtt_probing_ = false;
    SampleRtt(shared_->now_us - rtt_sent_us_);
  }
}

void Connection::SampleRtt(uint64_t rtt_us) {
  rtt_us_ = rtt_us_ == 0 ? rtt_us : (7 * rtt_us_ + rtt_us) / 8;
  if (min_rtt_us_ == 0 || rtt_us < min_rtt_us_) min_rtt_us_ = rtt_us;
  if (send_window_.OnMinimalRtt(min_rtt_us_)) ApplySendWindow();
}

// A slow start that doubles the window in a round trip, as TCP's does, where
// libutp's adds two packets. It is over with the first loss or a queue that
// begins to fill; what follows is libutp's.
void Connection::GrowWindow(uint16_t acked_packets) {
  if (socket_ != nullptr && window_full_ && retransmits_ == 0 &&
      send_window_.long_path() && shared_->guards.slow_start) {
    utp_grow_window(socket_, acked_packets);
  }
}

void Connection::OnQueueingDelay(uint32_t ms) {
  const uint64_t limit_us =
      std::clamp(min_rtt_us_ / kQueueShare, kMinQueueUs, kMaxQueueUs);
  if (socket_ != nullptr && send_window_.long_path() &&
      shared_->guards.slow_start && uint64_t{ms} * 1000 >= limit_us) {
    utp_end_slow_start(socket_);
  }
}

void Connection::ApplySendWindow() {
  utp_setsockopt(socket_, UTP_SNDBUF, static_cast<int>(send_window_.bytes()));
}

void Connection::RefreshWindow(const uint8_t* packet) const {
  const size_t window = receive_room();
  // libutp's own memory, of a packet that it makes or keeps: never constant.
  StoreWindow(static_cast<uint32_t>(window), const_cast<uint8_t*>(packet));
}

void Connection::OnSent(const Packet& packet, bool retransmit) {
  const Header& header = packet.header;
  if (header.type == PacketType::kSyn) {
    memcpy(syn_, packet.data, sizeof syn_);
    receive_id_ = header.connection_id;
    send_id_ = static_cast<uint16_t>(header.connection_id + 1);
    syn_seq_ = header.seq;
    acked_ = static_cast<uint16_t>(header.seq - 1);
    next_seq_ = static_cast<uint16_t>(header.seq + 1);
    return;
  }
  sent_ack_ = header.ack;
  if (header.type == PacketType::kState) {
    if (packet.selective_ack == nullptr) reorder_bytes_ = 0;
    return;
  }
  if (retransmit) {
    retransmits_++;
    shared_->counters.retransmits++;
    if (send_window_.OnLoss()) ApplySendWindow();
    recovering_ = true;
    recover_seq_ = static_cast<uint16_t>(next_seq_ - 1);
    if (header.seq == rtt_seq_) rtt_probing_ = false;  // Karn's algorithm
    return;
  }
  next_seq_ = static_cast<uint16_t>(header.seq + 1);
  bytes_sent_ += packet.payload_bytes;
  if (header.type == PacketType::kFin) {
    fin_sent_ = true;
    fin_seq_ = header.seq;
  }
  if (!rtt_probing_) {
    rtt_probing_ = true;
    rtt_seq_ = header.seq;
    rtt_sent_us_ = shared_->now_us;
  }
}

void Connection::OnBytes(const uint8_t* data, size_t length) {
  const size_t before = buffered_bytes();
  owner_->OnBytes(data, length);
  const size_t after = buffered_bytes();
  if (after == before) return;
  if (before == 0) stalled_since_us_ = shared_->now_us;
  if (after <= InboundLimit()) return;
  shared_->counters.misbehaved++;
  Fail(Status(Code::kRemoteMisbehaved,
              peer().ToString() + " ignores the receive window"));
}

size_t Connection::InboundLimit() const {
  if (!shared_->guards.window_limit) return SIZE_MAX;
  const uint64_t probes =
      (shared_->now_us - stalled_since_us_) / kProbeIntervalUs;
  return shared_->settings.receive_window_bytes + kWindowSlackBytes +
         probes * kProbeBytes;
}

void Connection::OnState(int state) {
  switch (state) {
    case UTP_STATE_CONNECT:
      Connected();
      break;
    case UTP_STATE_EOF:
      remote_ended_ = true;
      owner_->OnEnd();
      break;
    case UTP_STATE_DESTROYING:
      socket_ = nullptr;
      if (closed_) {
        owner_->OnEnd();
      } else {
        Fail(Status(Code::kInternal, "libutp dropped the connection"));
      }
      break;
    default:
      owner_->OnSocket();
      break;
  }
}

void Connection::Fail(const Status& status) {
  peer_gone_ = peer_gone_ || status.code() == Code::kConnectionReset ||
               status.code() == Code::kConnectionRefused;
  owner_->OnFailed(status);
}

void Connection::OnLibutpError(int error) {
  const bool refused =
      owner_->dialing() && shared_->guards.refused_while_dialing;
  Fail(StatusOfLibutpError(error, refused, peer().ToString()));
}

// Whoever does not see our packets has to guess this, too (RFC 5927, section
// 4.1). An acknowledgement has the number of the data that comes next.
bool Connection::MayBeOnItsWay(const Header& sent) const {
  if (!connected_) return sent.seq == syn_seq_;
  return static_cast<uint16_t>(sent.seq - acked_) <=
         static_cast<uint16_t>(next_seq_ - acked_);
}

// A dial cannot go on when the network refuses its packets. An open connection
// only ends when the peer's host says that nobody has the port any more:
// routes come back, and an ICMP message is easily forged (RFC 5927).
void Connection::OnIcmp(int error) {
  if (!connected_) {
    Fail(Status::FromErrno(error, "dial " + peer().ToString()));
  } else if (error == ECONNREFUSED || !shared_->guards.soft_icmp) {
    Fail(Status(Code::kConnectionReset,
                peer().ToString() + " is not there any more", error));
  }
}

bool Connection::Behind() const {
  return recovering_ || bytes_sent_ < bytes_given_ ||
         (fin_queued_ && !fin_sent_);
}

void Connection::ArmTimer() {
  const Settings& settings = shared_->settings;
  uint64_t at = kNever;
  if (!connected_) {
    if (shared_->guards.repeat_syn && syn_repeats_ < kSynRepeats) {
      at = dialed_us_ + kSynRepeatUs[syn_repeats_];
    }
  } else if (!closed_) {
    if (settings.idle_timeout_ms != 0) {
      at = last_heard_us_ + uint64_t{settings.idle_timeout_ms} * 1000;
    }
    if (!heard_) at = std::min(at, next_proof_us_);
  }
  if (held_bytes_ != 0) at = std::min(at, hold_until_us_);
  owner_->SetSocketTimer(at);
}

void Connection::OnTimer() {
  if (held_bytes_ != 0 && shared_->now_us >= hold_until_us_) {
    gap_real_ = true;
    gap_ack_ = held_ack_;
    Packet packet;
    const bool sound = ParsePacket(held_, held_bytes_, &packet);
    held_bytes_ = 0;
    if (sound) port_->DeliverHeld(this, packet);
  }
  if (!connected_) {
    DialTimer();
  } else if (!closed_) {
    OpenTimer();
  }
  ArmTimer();
}

// libutp waits 3 s. The SYN is libutp's own, only its time is new.
void Connection::DialTimer() {
  if (syn_repeats_ == kSynRepeats ||
      shared_->now_us < dialed_us_ + kSynRepeatUs[syn_repeats_]) {
    return;
  }
  syn_repeats_++;
  Packet syn;
  if (ParsePacket(syn_, sizeof syn_, &syn)) {
    port_->SendHeader(syn.header, peer());
  }
}

void Connection::OpenTimer() {
  const uint64_t idle_us = uint64_t{shared_->settings.idle_timeout_ms} * 1000;
  const uint64_t now = shared_->now_us;
  if (!heard_ && now >= next_proof_us_) {
    next_proof_us_ = kNever;
    // Data proves the address too, and libutp repeats it.
    if (bytes_given_ == 0 && !fin_queued_) SendProof();
  }
  if (idle_us != 0 && now >= last_heard_us_ + idle_us) {
    Fail(Status(Code::kConnectionTimedOut,
                "nothing heard from " + peer().ToString()));
  }
}

}  // namespace xtp::utp
