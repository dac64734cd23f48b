// Streams and packets on their way out, once per round.
#include <algorithm>

#include "common/address.h"
#include "quic/connection.h"
#include "quic/errors.h"
#include "quic/ngtcp2_state.h"

// Of ngtcp2's own lib/ngtcp2_conn.h: its public header has no way to choose
// when.
extern "C" {
int ngtcp2_conn_start_pmtud(ngtcp2_conn*);
void ngtcp2_conn_stop_pmtud(ngtcp2_conn*);
}

namespace xtp::quic {
namespace {

// Batches of one round: others have their turn, and acknowledgements are read.
constexpr int kBatchesPerRound = 16;
// Of the kernel, for one segmented send.
constexpr size_t kMaxSegments = 64;
constexpr size_t kMaxSlices = 8;
constexpr uint64_t kSocketFullRetryUs = 200;
constexpr uint64_t kWindowPerProbe = 2;
// For a probe of what has fit before: about the first congestion window.
constexpr uint64_t kBytesBeforeKnownProbe = 16 * 1024;
// A probe that is not acknowledged by then does not fit.
constexpr uint64_t kMtuSearchUs = 1000 * 1000;
constexpr uint64_t kStreamReturnRetryUs = 10000;
// Where nothing more is acknowledged for so long, the peer's buffer is not what
// it waits in: it was lost, or there is nobody. Others do not wait for it; what
// asks for an acknowledgement is sent as before.
constexpr uint64_t kStuckUs = 200 * 1000;

}  // namespace

void Connection::MarkDirty() {
  if (dirty_ || state_ == State::kGone) return;
  dirty_ = true;
  shared_->dirty.push_back(this);
}

void Connection::ArmTimer(uint64_t due_us) {
  if (due_us == timer_us_) return;
  if (timer_us_ != kNever) shared_->timers.erase({timer_us_, this});
  timer_us_ = due_us;
  if (timer_us_ != kNever) shared_->timers.insert({timer_us_, this});
}

uint64_t Connection::NextTimer() const {
  if (more_output_) return shared_->now_us;
  uint64_t due = deadline_us_;
  const ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry2(conn_);
  if (expiry != UINT64_MAX) {
    due = std::min<uint64_t>(due, expiry / 1000 + (expiry % 1000 != 0));
  }
  if (socket_full_) due = std::min(due, shared_->now_us + kSocketFullRetryUs);
  if (streams_to_return_ > 0) {
    due = std::min(due, shared_->now_us + kStreamReturnRetryUs);
  }
  return std::max(due, shared_->now_us);
}

void Connection::Service() {
  dirty_ = false;
  if (state_ == State::kEnding) {
    if (!FlushesPending() || shared_->now_us >= deadline_us_) {
      Report();
    } else {
      ArmTimer(deadline_us_);
    }
    return;
  }
  if (conn_ == nullptr) return;
  ShutStreams();
  OpenStreams();
  ReturnStreams();
  ReviveBlocked();
  CountInFlight();
  if (!SearchPathMtu() || !WritePackets()) {
    // It ended, and is dirty again.
    return;
  }
  if (xtp_ngtcp2_unblock(conn_) != 0) more_output_ = true;
  if (!mtu_found_) NotePathMtu();
  SweepStreams();
  CheckClosing();
  if (conn_ != nullptr) ArmTimer(NextTimer());
}

// --- streams

void Connection::StreamHasOutput(QuicStream* stream) {
  if (stream->id() >= 0 && conn_ != nullptr && stream->HasOutput() &&
      !stream->blocked_node.linked()) {
    ready_.PushBack(&stream->ready_node);
  }
  MarkDirty();
}

void Connection::StreamChanged(QuicStream* stream) {
  changed_.push_back(stream);
  MarkDirty();
}

void Connection::SweepStreams() {
  for (QuicStream* stream : changed_) {
    // It may be there twice.
    if (streams_.count(stream) == 0 || !stream->done()) continue;
    streams_.erase(stream);
    delete stream;
  }
  changed_.clear();
}

void Connection::ExtendStreamWindow(int64_t id, uint64_t bytes) {
  if (conn_ == nullptr) return;
  ngtcp2_conn_extend_max_stream_offset(conn_, id, bytes);
  MarkDirty();
}

void Connection::ExtendWindow(uint64_t bytes) {
  if (conn_ == nullptr) return;
  ngtcp2_conn_extend_max_offset(conn_, bytes);
  MarkDirty();
}

void Connection::ShutStream(int64_t id, uint64_t code) {
  if (conn_ == nullptr) return;
  ngtcp2_conn_shutdown_stream(conn_, 0, id, code);
  MarkDirty();
}

void Connection::ShutStreamLater(int64_t id, uint64_t code) {
  to_shut_.emplace_back(id, code);
  MarkDirty();
}

void Connection::ShutStreams() {
  for (const auto& [id, code] : to_shut_) {
    ngtcp2_conn_shutdown_stream(conn_, 0, id, code);
  }
  to_shut_.clear();
}

void Connection::OpenStreams() {
  while (!waiting_.empty() && ngtcp2_conn_get_streams_bidi_left2(conn_) > 0) {
    QuicStream* const stream = waiting_.Front();
    int64_t id = -1;
    if (ngtcp2_conn_open_bidi_stream(conn_, &id, stream) != 0) return;
    stream->waiting_node.Unlink();
    stream->Opened(id);
    StreamHasOutput(stream);
  }
}

void Connection::ReturnStreams() {
  while (streams_to_return_ > 0 &&
         shared_->stream_returns.Take(shared_->now_us)) {
    ngtcp2_conn_extend_max_streams_bidi(conn_, 1);
    streams_to_return_--;
  }
}

// ngtcp2 has no callback for a connection's window.
void Connection::ReviveBlocked() {
  if (blocked_.empty() || ngtcp2_conn_get_max_data_left2(conn_) == 0) return;
  while (QuicStream* stream = blocked_.PopFront()) {
    if (stream->HasOutput()) ready_.PushBack(&stream->ready_node);
  }
}

void Connection::CountSent(size_t bytes) {
  bytes_out_ += bytes;
  shared_->counters.payload_bytes_out += bytes;
}

uint64_t Connection::MoreSendWindow(uint64_t window, uint64_t in_flight) {
  const Settings& s = shared_->settings;
  if (window >= s.max_send_window_bytes) return 0;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  // Only where the network, not the peer's reader, would take more.
  if (info.cwnd < in_flight) return 0;
  const uint64_t wanted =
      std::min<uint64_t>(window, s.max_send_window_bytes - window);
  const uint64_t left = s.max_extra_send_bytes > extra_send_bytes_
                            ? s.max_extra_send_bytes - extra_send_bytes_
                            : 0;
  const uint64_t more = std::min(wanted, left);
  extra_send_bytes_ += more;
  return more;
}

uint64_t Connection::MoreReceiveWindow(uint64_t window) {
  const Settings& s = shared_->settings;
  if (conn_ == nullptr || window >= s.max_receive_window_bytes) return 0;
  const uint64_t wanted =
      std::min<uint64_t>(window, s.max_receive_window_bytes - window);
  const uint64_t left = s.max_extra_receive_bytes > extra_receive_bytes_
                            ? s.max_extra_receive_bytes - extra_receive_bytes_
                            : 0;
  const uint64_t more = std::min(wanted, left);
  extra_receive_bytes_ += more;
  // What a stream has left behind, the next one has.
  if (extra_receive_bytes_ > most_extra_receive_bytes_) {
    ExtendWindow(extra_receive_bytes_ - most_extra_receive_bytes_);
    most_extra_receive_bytes_ = extra_receive_bytes_;
  }
  return more;
}

uint64_t Connection::MinRttUs() const {
  if (conn_ == nullptr) return UINT64_MAX;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  return info.min_rtt == UINT64_MAX ? UINT64_MAX : info.min_rtt / 1000;
}

bool Connection::AllSent() const {
  if (!ready_.empty() || !blocked_.empty() || !waiting_.empty()) return false;
  for (const QuicStream* stream : streams_) {
    // What is lost is not in flight until it is sent again.
    if (!stream->Settled()) return false;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  return info.bytes_in_flight == 0;
}

// --- the peer's buffer

void Connection::EnterPeerBuffer() {
  if (!IsLoopback(peer_.address())) return;
  peer_buffer_ = &shared_->peer_buffers[peer_];
  peer_buffer_->peer = peer_;
  peer_buffer_->connections++;
}

// Nothing of this connection is on its way, or waits for room.
void Connection::EmptyPeerBuffer() {
  if (peer_buffer_ == nullptr) return;
  turn_node_.Unlink();
  peer_buffer_->in_flight -= in_flight_;
  in_flight_ = 0;
}

void Connection::LeavePeerBuffer() {
  if (peer_buffer_ == nullptr) return;
  EmptyPeerBuffer();
  if (--peer_buffer_->connections == 0) {
    const Endpoint peer = peer_buffer_->peer;
    shared_->peer_buffers.erase(peer);
  }
}

void Connection::CountInFlight() {
  if (peer_buffer_ == nullptr) return;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  const uint64_t now = shared_->now_us;
  const uint64_t unacknowledged = info.bytes_in_flight;
  if (unacknowledged == 0 || unacknowledged < unacknowledged_) {
    progress_us_ = now;
  }
  unacknowledged_ = unacknowledged;
  stuck_ = now - progress_us_ > kStuckUs;
  const uint64_t bytes = stuck_ ? 0 : unacknowledged;
  peer_buffer_->in_flight += bytes - in_flight_;
  in_flight_ = bytes;
}

bool Connection::MaySendData() const {
  if (peer_buffer_ == nullptr) return true;
  return !stuck_ && peer_buffer_->in_flight < PeerBuffer::kBytes &&
         (has_turn_ || peer_buffer_->waiting.empty());
}

void Connection::LineUp() {
  if (stuck_ || ready_.empty()) return;
  peer_buffer_->waiting.PushBack(&turn_node_);
  shared_->crowded.PushBack(&peer_buffer_->crowded_node);
}

bool Connection::TakeTurn() {
  turn_node_.Unlink();
  has_turn_ = true;
  Service();
  has_turn_ = false;
  return !socket_full_;
}

// --- packets

// False: the connection ended.
bool Connection::WritePackets() {
  more_output_ = false;
  socket_full_ = false;
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info;
  const ngtcp2_tstamp now = now_ns();
  const auto write = [](ngtcp2_conn*, ngtcp2_path* path, ngtcp2_pkt_info* pi,
                        uint8_t* out, size_t room, ngtcp2_tstamp ts,
                        void* user) {
    return static_cast<Connection*>(user)->WritePacket(path, pi, out, room, ts);
  };
  // In a line, a turn is one batch.
  const bool one_batch = has_turn_ && !peer_buffer_->waiting.empty();
  const int batches = one_batch ? 1 : kBatchesPerRound;
  for (int batch = 0; batch < batches; batch++) {
    if (!shared_->host->CanSend(port_->socket())) {
      socket_full_ = true;
      break;
    }
    may_send_data_ = MaySendData();
    // The buffer has room for a probe of the path; their number is what paces.
    const size_t size = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_);
    const size_t quantum = ngtcp2_conn_get_send_quantum2(conn_) / size;
    size_t segment = 0;
    const ngtcp2_ssize length = ngtcp2_conn_write_aggregate_pkt2(
        conn_, &storage.path, &info, shared_->send_buffer.get(),
        kMaxDatagramBytes, &segment, write,
        std::min(std::max<size_t>(quantum, 1), kMaxSegments), now);
    if (length < 0) {
      OnError(static_cast<int>(length));
      return false;
    }
    ngtcp2_conn_update_pkt_tx_time(conn_, now);
    if (length == 0) {
      if (!may_send_data_) LineUp();
      break;
    }
    Send(storage.path, shared_->send_buffer.get(), static_cast<size_t>(length),
         segment);
    CountInFlight();
    more_output_ = batch + 1 == kBatchesPerRound;
    if (one_batch) LineUp();
  }
  return true;
}

// ngtcp2 begins with the end of the handshake. A probe counts against the
// congestion window, which a large one fills until it is acknowledged or given
// up: the first requests would wait. So it waits until the window has grown,
// which only connections do that send much. On loopback what fits once fits
// again: further connections find out as soon as they send more than a few
// requests. False: the connection ended.
bool Connection::SearchPathMtu() {
  if (mtu_searched_ || mtu_probes_.empty() || state_ < State::kOpen) {
    return true;
  }
  ngtcp2_conn_stop_pmtud(conn_);
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  const size_t largest =
      *std::max_element(mtu_probes_.begin(), mtu_probes_.end());
  const bool* const fits = LoopbackFits();
  const bool known =
      fits != nullptr && *fits && bytes_out_ >= kBytesBeforeKnownProbe;
  if (!known && info.cwnd < kWindowPerProbe * largest) return true;
  if (!MaySendData()) return true;
  mtu_searched_ = true;
  mtu_search_us_ = shared_->now_us;
  const int error = ngtcp2_conn_start_pmtud(conn_);
  if (error != 0) OnError(error);
  return error == 0;
}

void Connection::NotePathMtu() {
  bool* const fits = LoopbackFits();
  if (fits == nullptr || !mtu_searched_ || mtu_found_) return;
  const size_t size = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_);
  mtu_found_ =
      size >= *std::max_element(mtu_probes_.begin(), mtu_probes_.end());
  if (mtu_found_) {
    *fits = true;
  } else if (shared_->now_us - mtu_search_us_ > kMtuSearchUs) {
    *fits = false;
  }
}

bool* Connection::LoopbackFits() const {
  if (!IsLoopback(peer_.address())) return nullptr;
  return &shared_->loopback_fits[peer_.family() == AF_INET6 ? 1 : 0];
}

// Fills one packet with what the ready streams have, in turn.
ngtcp2_ssize Connection::WritePacket(ngtcp2_path* path, ngtcp2_pkt_info* info,
                                     uint8_t* out, size_t room,
                                     ngtcp2_tstamp now) {
  for (;;) {
    QuicStream* const stream = may_send_data_ ? ready_.Front() : nullptr;
    ngtcp2_vec slices[kMaxSlices];
    size_t count = 0;
    bool fin = false;
    uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream != nullptr) {
      count = stream->Unsent(slices, kMaxSlices, &fin);
      flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
      if (fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    }
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize result = ngtcp2_conn_writev_stream(
        conn_, path, info, out, room, &taken, flags,
        stream != nullptr ? stream->id() : -1, slices, count, now);
    if (stream != nullptr && taken >= 0) {
      size_t offered = 0;
      for (size_t i = 0; i < count; i++) offered += slices[i].len;
      const auto sent = static_cast<size_t>(taken);
      stream->Sent(sent, fin && sent == offered);
      stream->ready_node.Unlink();
      if (stream->HasOutput()) ready_.PushBack(&stream->ready_node);
    }
    switch (result) {
      case NGTCP2_ERR_WRITE_MORE:
        continue;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        // The stream's own window: MoreStreamData comes.
        stream->ready_node.Unlink();
        if (ngtcp2_conn_get_max_data_left2(conn_) == 0) {
          blocked_.PushBack(&stream->blocked_node);
        }
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream->ready_node.Unlink();
        continue;
      default:
        return result;
    }
  }
}

void Connection::Send(const ngtcp2_path& path, const uint8_t* data,
                      size_t length, size_t segment) {
  const Endpoint to =
      Endpoint::FromSockaddr(path.remote.addr, path.remote.addrlen);
  for (size_t at = 0; at < length; at += segment) {
    shared_->counters.datagrams_out++;
    shared_->host->SendDatagram(port_->socket(), data + at,
                                std::min(segment, length - at), to);
  }
}

}  // namespace xtp::quic
