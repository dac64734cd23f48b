#include "utp/connection.h"

#include <sys/socket.h>
#include <utp.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "utp/port.h"

namespace xtp::utp {
namespace {

constexpr size_t kSlices = 32;
// A parent that asked for an orderly close but has not ended its stream: its
// last bytes may still be on the other link.
constexpr uint64_t kCloseIdleUs = 250 * 1000;

}  // namespace

Connection::Connection(Shared* shared, Port* port, uint32_t id,
                       const Endpoint& peer)
    : shared_(shared),
      port_(port),
      id_(id),
      peer_(peer),
      window_(&shared->window_budget),
      send_window_(shared->settings) {}

Connection::~Connection() {
  if (socket_ != nullptr) utp_set_userdata(socket_, nullptr);
}

void Connection::MarkDirty() {
  if (dirty_) return;
  dirty_ = true;
  shared_->dirty.push_back(this);
}

Status Connection::Dial(uint32_t request, uint32_t timeout_ms) {
  const auto create = [this] {
    socket_ = utp_create_socket(port_->context());
    utp_set_userdata(socket_, this);
    shared_->libutp_sockets++;
  };
  if (!shared_->guards.create_last) create();
  if (peer_.port() == 0 || peer_.IsUnspecified()) {
    return Status(Code::kInvalidArgument,
                  "cannot dial " + peer_.ToString() + ": no such peer");
  }
  if (socket_ == nullptr) create();
  state_ = State::kDialing;
  dial_request_ = request;
  dialed_us_ = shared_->now_us;
  dial_deadline_us_ = shared_->now_us + uint64_t{timeout_ms} * 1000;
  port_->PrepareDial();
  utp_connect(socket_, peer_.address(), peer_.length());  // calls OnSent
  port_->Register(PeerKey(peer_, receive_id_), this);
  registered_ = true;
  ArmTimer();
  return Status::Ok();
}

bool Connection::Accept(UTPSocket* socket, uint32_t listener,
                        const Header& first) {
  stream_ = shared_->host->OpenStream(id_, 0);
  if (stream_ == nullptr) return false;
  stream_->set_handler(this);
  had_stream_ = true;
  socket_ = socket;
  utp_set_userdata(socket, this);
  send_id_ = first.connection_id;
  receive_id_ = static_cast<uint16_t>(first.connection_id + 1);
  first_ack_ = acked_ = first.ack;
  next_seq_ = static_cast<uint16_t>(first.ack + 1);
  last_heard_us_ = shared_->now_us;
  heard_ = true;
  state_ = State::kOpen;
  announced_ = true;
  port_->Register(PeerKey(peer_, receive_id_), this);
  registered_ = true;
  Event event;
  event.kind = Event::Kind::kIncoming;
  event.listener = listener;
  event.connection = id_;
  event.local = port_->local();
  event.remote = peer_;
  shared_->host->Emit(std::move(event));
  MarkDirty();
  return true;
}

bool Connection::AttachStream(Stream* stream) {
  if (state_ != State::kOpen || !announced_ || had_stream_) return false;
  had_stream_ = true;
  stream_ = stream;
  stream_->set_handler(this);
  MarkDirty();
  return true;
}

void Connection::OnReadable() { MarkDirty(); }

void Connection::OnWritable() { MarkDirty(); }

void Connection::OnReset(uint32_t) {
  stream_ = nullptr;
  stream_lost_ = true;
  MarkDirty();
}

void Connection::Service() {
  dirty_ = false;
  if (state_ == State::kOver) return;
  if (stream_lost_) {
    AbortLocally("the parent reset the stream");
    return;
  }
  if (!failure_.ok()) {
    Fail(failure_);
    return;
  }
  if (state_ == State::kClosing) {
    if (destroyed_) {
      Finish(Status(Code::kConnectionClosed, "closed"));
    } else {
      ArmTimer();
    }
    return;
  }
  if (state_ == State::kDialing && connected_) Connected();
  if (state_ == State::kOpen && socket_ == nullptr) {
    Fail(Status(Code::kInternal, "libutp dropped the connection"));
    return;
  }
  if (state_ == State::kOpen) {
    FlushToParent();
    PumpToNetwork();
    CheckEnds();
  }
  ArmTimer();
}

void Connection::Connected() {
  state_ = State::kOpen;
  announced_ = true;
  last_heard_us_ = shared_->now_us;
  Event event;
  event.kind = Event::Kind::kConnected;
  event.request = dial_request_;
  event.connection = id_;
  event.local = port_->local();
  event.remote = peer_;
  shared_->host->Emit(std::move(event));
  SendProof();
}

// An acceptor of ours takes any packet of the new connection as proof that our
// address is ours, and until then it does not tell its parent of us. libutp
// sends nothing before there is data, so that a dialer that waits for the
// acceptor to speak first would wait for ever. BEP 29 permits an
// acknowledgement at any time; other implementations ignore this one.
void Connection::SendProof() {
  constexpr int kMaxProofs = 6;
  constexpr uint64_t kFirstRepeatUs = 250 * 1000;
  port_->SendHeader(proof_, peer_);
  proofs_sent_++;
  next_proof_us_ = kNever;
  if (!shared_->guards.repeat_proof || proofs_sent_ == kMaxProofs) return;
  next_proof_us_ = shared_->now_us + (kFirstRepeatUs << (proofs_sent_ - 1));
}

void Connection::FlushToParent() {
  if (stream_ == nullptr) return;
  if (!inbound_.empty()) {
    const size_t written = stream_->Write(inbound_.data(), inbound_.size());
    if (written > 0) {
      inbound_.Consume(written);
      stalled_since_us_ = shared_->now_us;
      utp_read_drained(socket_);
      port_->WantAcks();
    }
  }
  if (remote_ended_ && inbound_.empty() && !write_closed_) {
    write_closed_ = true;
    stream_->CloseWrite();
  }
}

void Connection::PumpToNetwork() {
  if (fin_queued_) return;
  if (stream_ == nullptr) {
    if (closing_requested_) EndWriting();
    return;
  }
  iovec slices[kSlices];
  utp_iovec copies[kSlices];
  for (;;) {
    const size_t count = stream_->Peek(slices, kSlices);
    if (count == 0) break;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
      copies[i] = {slices[i].iov_base, slices[i].iov_len};
      total += slices[i].iov_len;
    }
    const ssize_t taken = utp_writev(socket_, copies, count);
    window_full_ = taken < static_cast<ssize_t>(total);
    if (taken <= 0) return;  // UTP_STATE_WRITABLE follows
    stream_->Consume(static_cast<size_t>(taken));
    window_.OnConsumed(stream_, static_cast<size_t>(taken), shared_->now_us);
    bytes_given_ += static_cast<uint64_t>(taken);
    close_idle_at_us_ = shared_->now_us + kCloseIdleUs;
    if (static_cast<size_t>(taken) < total) return;
  }
  const bool idle_close =
      closing_requested_ && shared_->now_us >= close_idle_at_us_;
  if (stream_->ReadEnded() || idle_close) EndWriting();
}

void Connection::EndWriting() {
  fin_queued_ = true;
  utp_shutdown(socket_, SHUT_WR);
}

void Connection::CloseGracefully() {
  if (state_ != State::kOpen || closing_requested_) return;
  closing_requested_ = true;
  discard_inbound_ = true;
  inbound_.Clear();
  linger_from_us_ = shared_->now_us;
  close_idle_at_us_ = shared_->now_us + kCloseIdleUs;
  if (stream_ != nullptr && !write_closed_) {
    write_closed_ = true;
    stream_->CloseWrite();
  }
  MarkDirty();
}

void Connection::CheckEnds() {
  if (!fin_queued_) return;
  if (closing_requested_ || (remote_ended_ && write_closed_)) StartClosing();
}

// libutp acknowledges the end of a socket only after utp_close.
void Connection::StartClosing() {
  state_ = State::kClosing;
  linger_from_us_ = shared_->now_us;
  if (stream_ != nullptr) {
    if (write_closed_ && stream_->ReadEnded()) {
      stream_->Release();
      stream_ = nullptr;
    } else {
      DropStream(static_cast<uint32_t>(Code::kConnectionClosed));
    }
  }
  inbound_.Clear();
  utp_close(socket_);
  port_->WantTick();
}

void Connection::AbortLocally(const char* why) {
  if (state_ == State::kOver) return;
  SendReset();
  DropStream(static_cast<uint32_t>(Code::kConnectionAborted));
  Kill();
  Finish(Status(Code::kConnectionAborted,
                "connection with " + peer_.ToString() + ": " + why));
}

void Connection::CancelDial() {
  SendReset();  // the acceptor may be connected already
  Kill();
  Finish(Status(Code::kCancelled, "dial of " + peer_.ToString()));
}

void Connection::Fail(const Status& status) {
  // Once everything is acknowledged it does not matter how the peer's socket
  // went away.
  if (state_ == State::kClosing && AllDataAcknowledged()) {
    Kill();
    Finish(Status(Code::kConnectionClosed, "closed"));
    return;
  }
  if (status.code() != Code::kConnectionReset &&
      status.code() != Code::kConnectionRefused) {
    SendReset();
  }
  if (status.code() == Code::kRemoteMisbehaved) shared_->counters.misbehaved++;
  DropStream(static_cast<uint32_t>(status.code()));
  Kill();
  Finish(status);
}

void Connection::Finish(const Status& status) {
  const bool orderly =
      remote_ended_ && status.code() == Code::kConnectionClosed;
  state_ = State::kOver;
  timer_us_ = kNever;
  shared_->finished.push_back(id_);
  if (registered_) {
    TimeWait::Entry entry;
    entry.send_id = send_id_;
    entry.next_seq = next_seq_;
    entry.last_ack = sent_ack_;
    entry.first_ack = first_ack_;
    entry.orderly = orderly;
    port_->Unregister(PeerKey(peer_, receive_id_), entry);
    registered_ = false;
  }
  Event event;
  event.connection = id_;
  event.status = status;
  event.remote = peer_;
  if (announced_) {
    shared_->counters.closed++;
    event.kind = Event::Kind::kClosed;
    event.bytes_in = bytes_in_;
    event.bytes_out = bytes_sent_;
  } else {
    shared_->counters.dials_failed++;
    event.kind = Event::Kind::kReply;
    event.request = dial_request_;
  }
  shared_->host->Emit(std::move(event));
}

void Connection::Stop() {
  if (state_ == State::kDialing) {
    CancelDial();
  } else if (state_ == State::kClosing && AllDataAcknowledged()) {
    Kill();
    Finish(Status(Code::kConnectionClosed, "closed"));
  } else {
    AbortLocally("the service stops");
  }
}

void Connection::DropStream(uint32_t code) {
  if (stream_ == nullptr) return;
  Stream* const stream = stream_;
  stream_ = nullptr;
  stream->Reset(code);
}

void Connection::SendReset() {
  Header reset;
  reset.type = PacketType::kReset;
  reset.connection_id = send_id_;
  reset.seq = next_seq_;
  reset.ack = sent_ack_;
  port_->SendReset(reset, peer_);
}

// libutp has no abort: utp_close would go on sending what it holds. A RST that
// seems to come from the peer makes it forget everything.
void Connection::Kill() {
  if (socket_ == nullptr) return;
  UTPSocket* const socket = socket_;
  socket_ = nullptr;
  utp_set_userdata(socket, nullptr);
  const bool closed = state_ == State::kClosing;
  port_->InjectReset(receive_id_, peer_);
  if (!closed) utp_close(socket);
  port_->WantTick();
}

}  // namespace xtp::utp
