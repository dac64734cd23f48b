#include "common/byte_engine.h"

#include <algorithm>
#include <utility>

namespace xtp {
namespace {

constexpr size_t kSlices = 32;
constexpr size_t kReadBytes = 256 * 1024;
// What one connection may move in a round, each way.
constexpr size_t kBurstBytes = 1024 * 1024;
// A parent that asked for an orderly close but has not ended its stream: its
// last bytes may still be on the other link.
constexpr uint64_t kCloseIdleUs = 250 * 1000;
// After an orderly close, how long the peer may take to end, too.
constexpr uint64_t kPeerEndUs = 250 * 1000;

}  // namespace

// --- a connection

ByteConnection::ByteConnection(ByteEngine* engine, PortBase* port, uint32_t id,
                               const Endpoint& peer)
    : engine_(engine),
      port_(port),
      id_(id),
      peer_(peer),
      window_(&engine->window_budget_) {
  if (port_ != nullptr) port_->Hold();
}

ByteConnection::~ByteConnection() {
  DropPending();
  socket_.reset();
  if (port_ != nullptr) port_->Drop(engine_->now_us());
}

Endpoint ByteConnection::Local() const {
  const Endpoint local = socket_->local();
  const bool known = local.family() != AF_UNSPEC || port_ == nullptr;
  return known ? local : port_->local();
}

void ByteConnection::PutOnList() {
  dirty_ = true;
  engine_->dirty_.push_back(this);
}

void ByteConnection::SetTimer(uint64_t due_us) {
  timer_us_ = due_us;
  engine_->next_timer_us_ = std::min(engine_->next_timer_us_, due_us);
}

void ByteConnection::SetSocketTimer(uint64_t due_us) {
  socket_timer_us_ = due_us;
  engine_->next_timer_us_ = std::min(engine_->next_timer_us_, due_us);
}

void ByteConnection::OnConnected() {
  connected_ = true;
  MarkDirty();
}

void ByteConnection::OnFailed(const Status& status) {
  if (failure_.ok()) failure_ = status;
  MarkDirty();
}

void ByteConnection::OnEnd() {
  remote_ended_ = true;
  MarkDirty();
}

void ByteConnection::OnReset(uint32_t code) {
  stream_ = nullptr;
  stream_lost_ = true;
  reset_code_ = code;
  MarkDirty();
}

bool ByteConnection::AttachStream(Stream* stream) {
  if (state_ != State::kOpen || !announced_ || had_stream_) return false;
  had_stream_ = true;
  stream_ = stream;
  stream_->set_handler(this);
  MarkDirty();
  return true;
}

void ByteConnection::Service() {
  dirty_ = false;
  if (state_ == State::kOver) return;
  if (stream_lost_) {
    Abort(reset_code_);
  } else if (!failure_.ok()) {
    Fail(failure_);
  } else if (state_ == State::kDialing && connected_) {
    Announce();
  } else if (state_ == State::kDialing && engine_->now_us() >= timer_us_) {
    Fail(Status(Code::kConnectionTimedOut,
                peer_.ToString() + " does not answer"));
  }
  if (state_ == State::kDialing || state_ == State::kOver) return;
  const bool more_in = PumpToParent();
  if (state_ == State::kOver) return;
  const bool more_out = PumpToNetwork();
  if (state_ == State::kOver) return;
  CheckEnds();
  if (state_ != State::kOver && (more_in || more_out)) MarkDirty();
}

void ByteConnection::Announce() {
  state_ = State::kOpen;
  announced_ = true;
  SetTimer(kNever);
  Event event;
  event.kind = Event::Kind::kConnected;
  event.request = dial_request_;
  event.connection = id_;
  event.local = Local();
  event.remote = peer_;
  engine_->host()->Emit(std::move(event));
}

// --- towards the parent

void ByteConnection::Keep(const uint8_t* data, size_t length) {
  pending_.Append(data, length);
  engine_->buffered_ += length;
}

void ByteConnection::DropPending() {
  engine_->buffered_ -= pending_.size();
  pending_.Clear();
}

void ByteConnection::FlushPending() {
  if (stream_ == nullptr || pending_.empty()) return;
  const size_t before = pending_.size();
  while (!pending_.empty()) {
    const iovec front = pending_.front();
    const size_t taken = stream_->Write(
        static_cast<const uint8_t*>(front.iov_base), front.iov_len);
    pending_.Consume(taken);
    if (taken < front.iov_len) break;
  }
  if (pending_.size() == before) return;
  engine_->buffered_ -= before - pending_.size();
  socket_->OnTaken();
}

bool ByteConnection::PumpToParent() {
  FlushPending();
  if (remote_ended_ && state_ == State::kOpen && write_failure_.ok()) {
    write_failure_ = socket_->Check();
  }
  size_t moved = 0;
  while (!remote_ended_ && pending_.empty() && moved < kBurstBytes &&
         (stream_ != nullptr || discard_inbound_)) {
    uint8_t* const buffer = engine_->scratch_.get();
    size_t got = 0;
    const Status status =
        socket_->Read(buffer, kReadBytes, &got, &remote_ended_);
    if (!status.ok()) {
      Fail(write_failure_.ok() ? status : write_failure_);
      return false;
    }
    if (got == 0) break;
    moved += got;
    bytes_in_ += got;
    if (!discard_inbound_) PassToParent(buffer, got);
  }
  if (remote_ended_ && pending_.empty() && !write_closed_ &&
      stream_ != nullptr) {
    write_closed_ = true;
    stream_->CloseWrite();
  }
  return moved >= kBurstBytes;
}

// --- towards the network

size_t ByteConnection::WriteWhatThereIs() {
  size_t moved = 0;
  iovec slices[kSlices];
  while (moved < kBurstBytes) {
    const size_t count = stream_->Peek(slices, kSlices);
    if (count == 0) break;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += slices[i].iov_len;
    size_t taken = 0;
    write_failure_ = socket_->Write(slices, count, &taken);
    if (!write_failure_.ok() || taken == 0) break;
    stream_->Consume(taken);
    window_.OnConsumed(stream_, taken, engine_->now_us());
    moved += taken;
    if (taken < total) break;
  }
  return moved;
}

bool ByteConnection::PumpToNetwork() {
  size_t moved = 0;
  if (write_failure_.ok()) write_failure_ = socket_->Flush();
  if (!end_wanted_ && stream_ != nullptr && write_failure_.ok()) {
    moved = WriteWhatThereIs();
    bytes_out_ += moved;
    if (closing_requested_ && moved > 0) DelayEnd();
    const bool idle_close = closing_requested_ && stream_->readable() == 0 &&
                            engine_->now_us() >= close_idle_at_us_;
    if (stream_->ReadEnded() || idle_close) end_wanted_ = true;
  }
  if (stream_ == nullptr && closing_requested_) end_wanted_ = true;
  EndWriting();
  if (closing_requested_ && !end_written_) WaitToEnd();
  return moved >= kBurstBytes;
}

void ByteConnection::EndWriting() {
  if (!end_wanted_ || end_written_ || !write_failure_.ok()) return;
  const Status status = socket_->EndWriting(&end_written_);
  if (!status.ok()) write_failure_ = status;
  if (!end_written_) return;
  undelivered_ = UINT64_MAX;
  linger_until_us_ = engine_->now_us() + engine_->limits().linger_ms * 1000ull;
}

void ByteConnection::CloseGracefully() {
  if (state_ != State::kOpen || closing_requested_) return;
  closing_requested_ = true;
  discard_inbound_ = true;
  DropPending();
  DelayEnd();
  if (stream_ != nullptr && !write_closed_) {
    write_closed_ = true;
    stream_->CloseWrite();
  }
  MarkDirty();
}

// Of an orderly close: the parent, or the network, goes on.
void ByteConnection::DelayEnd() {
  close_idle_at_us_ = engine_->now_us() + kCloseIdleUs;
  linger_until_us_ = close_idle_at_us_ + engine_->limits().linger_ms * 1000ull;
  undelivered_ = socket_->Undelivered();
}

// Without progress the wait is over at linger_until_us_.
uint64_t ByteConnection::Undelivered() {
  const uint64_t left = socket_->Undelivered();
  if (left < undelivered_) {
    undelivered_ = left;
    linger_until_us_ =
        engine_->now_us() + engine_->limits().linger_ms * 1000ull;
  }
  return left;
}

void ByteConnection::WaitToEnd() {
  const uint64_t now = engine_->now_us();
  if (now >= linger_until_us_) Undelivered();
  if (now >= linger_until_us_) {
    Fail(Status(Code::kConnectionTimedOut,
                peer_.ToString() + " takes no data, and is being closed"));
    return;
  }
  SetTimer(now < close_idle_at_us_ ? close_idle_at_us_ : linger_until_us_);
}

// Nothing of either side is left to be moved: only the last acknowledgements
// are waited for.
void ByteConnection::CheckEnds() {
  if (state_ == State::kOpen && end_written_ &&
      (closing_requested_ || (remote_ended_ && write_closed_))) {
    state_ = State::kClosing;
    discard_inbound_ = true;
    if (stream_ != nullptr) {
      if (write_closed_ && stream_->ReadEnded()) {
        stream_->Release();
        stream_ = nullptr;
      } else {
        DropStream(static_cast<uint32_t>(Code::kConnectionClosed));
      }
    }
    socket_->Close();
  }
  if (state_ == State::kClosing) {
    CheckDelivered();
  } else if (!write_failure_.ok() && write_closed_) {
    // There is nothing more to read, either.
    const bool unsent = stream_ != nullptr && stream_->readable() > 0;
    if (write_failure_.code() == Code::kConnectionClosed && !unsent) {
      DropStream(static_cast<uint32_t>(Code::kConnectionClosed));
      Finish(write_failure_);
    } else if (write_failure_.code() == Code::kConnectionClosed) {
      Fail(Status(Code::kConnectionReset, write_failure_.message()));
    } else {
      Fail(write_failure_);
    }
  }
}

void ByteConnection::CheckDelivered() {
  const uint64_t now = engine_->now_us();
  if (!delivered_) {
    delivered_ = Undelivered() == 0;
    if (delivered_) linger_until_us_ = now + kPeerEndUs;
  }
  if (!delivered_ && remote_ended_) {
    const Status alive = socket_->Check();
    if (alive.code() == Code::kConnectionClosed) {
      delivered_ = true;
    } else if (!alive.ok()) {
      Fail(alive);
      return;
    }
  }
  if (delivered_ && (remote_ended_ || now >= linger_until_us_)) {
    Finish(Status(Code::kConnectionClosed, "closed"));
  } else if (!delivered_ && now >= linger_until_us_) {
    Fail(Status(Code::kConnectionTimedOut,
                peer_.ToString() + " does not acknowledge the last bytes"));
  } else {
    SetTimer(now + std::min(linger_until_us_ - now, socket_->poll_us()));
  }
}

void ByteConnection::Abort(uint32_t code) {
  if (state_ == State::kOver) return;
  socket_->Abort(code);
  DropStream(static_cast<uint32_t>(Code::kConnectionAborted));
  Finish(Status(Code::kConnectionAborted,
                "connection with " + peer_.ToString() +
                    (stream_lost_ ? ": the parent reset the stream"
                                  : ": aborted by the parent")));
}

void ByteConnection::CancelDial() {
  socket_->Abort(static_cast<uint32_t>(Code::kCancelled));
  Finish(Status(Code::kCancelled, "dial of " + peer_.ToString()));
}

void ByteConnection::Fail(const Status& status) {
  // Once everything is delivered it does not matter how the peer went away.
  if (state_ == State::kClosing && (delivered_ || socket_->AllArrived())) {
    Finish(Status(Code::kConnectionClosed, "closed"));
    return;
  }
  socket_->Abort(static_cast<uint32_t>(status.code()));
  DropStream(static_cast<uint32_t>(status.code()));
  Finish(status);
}

void ByteConnection::Finish(const Status& status) {
  state_ = State::kOver;
  timer_us_ = socket_timer_us_ = kNever;
  socket_.reset();
  engine_->payload_bytes_in_ += bytes_in_;
  engine_->payload_bytes_out_ += bytes_out_;
  engine_->finished_.push_back(id_);
  Event event;
  event.connection = id_;
  event.status = status;
  event.remote = peer_;
  if (announced_) {
    engine_->closed_++;
    event.kind = Event::Kind::kClosed;
    event.bytes_in = bytes_in_;
    event.bytes_out = bytes_out_;
  } else {
    engine_->dials_failed_++;
    event.kind = Event::Kind::kReply;
    event.request = dial_request_;
  }
  engine_->host()->Emit(std::move(event));
}

void ByteConnection::Stop() {
  if (state_ == State::kDialing) {
    CancelDial();
  } else if (state_ == State::kClosing && socket_->AllArrived()) {
    Finish(Status(Code::kConnectionClosed, "closed"));
  } else {
    socket_->Abort(static_cast<uint32_t>(Code::kConnectionAborted));
    DropStream(static_cast<uint32_t>(Code::kConnectionAborted));
    Finish(
        Status(Code::kConnectionAborted,
               "connection with " + peer_.ToString() + ": the service stops"));
  }
}

void ByteConnection::DropStream(uint32_t code) {
  if (stream_ == nullptr) return;
  Stream* const stream = stream_;
  stream_ = nullptr;
  stream->Reset(code);
}

std::string ByteConnection::StatsText() const {
  std::string text;
  AddStat(&text, "bytes_in", bytes_in_);
  AddStat(&text, "bytes_out", bytes_out_);
  AddStat(&text, "buffered_in_bytes", buffered_bytes());
  if (socket_ != nullptr) socket_->AppendStats(&text);
  return text;
}

// --- the engine

ByteEngine::ByteEngine(Host* host, const Limits& limits)
    : EngineBase(host, {limits.max_connections, limits.dial_timeout_ms},
                 &now_us_),
      limits_(limits),
      scratch_(new uint8_t[kReadBytes]) {}

ByteEngine::~ByteEngine() { DropEverything(); }

void ByteEngine::DropEverything() {
  connections_.clear();  // they hold their ports
  ForgetPorts();
}

Status ByteEngine::StartDial(PortBase* port, uint32_t connection,
                             const Endpoint& to, uint32_t request,
                             uint32_t timeout_ms) {
  auto made = std::make_unique<ByteConnection>(this, port, connection, to);
  made->dial_request_ = request;
  const Status status = Connect(port, made.get(), &made->socket_);
  if (!status.ok()) return status;
  made->SetTimer(now_us_ + uint64_t{timeout_ms} * 1000);
  connections_[connection] = std::move(made);
  return status;
}

bool ByteEngine::CanAccept(const PortBase& port) const {
  return !stopped_ && port.listener() != 0 && port.credit() > 0 &&
         next_inbound_id_ != 0 && connections_.size() < limits_.max_connections;
}

bool ByteEngine::AddInbound(PortBase* port, const Endpoint& peer,
                            std::unique_ptr<ByteSocket> socket,
                            ByteConnection** out) {
  const uint32_t id = next_inbound_id_;
  Stream* const stream = host()->OpenStream(id, 0);
  if (stream == nullptr) return false;
  auto made = std::make_unique<ByteConnection>(this, port, id, peer);
  made->socket_ = std::move(socket);
  made->state_ = ByteConnection::State::kOpen;
  made->announced_ = made->had_stream_ = true;
  made->stream_ = stream;
  stream->set_handler(made.get());
  next_inbound_id_ += 2;
  port->TakeCredit();
  accepted_++;
  Event event;
  event.kind = Event::Kind::kIncoming;
  event.listener = port->listener();
  event.connection = id;
  event.local = made->Local();
  event.remote = peer;
  host()->Emit(std::move(event));
  made->MarkDirty();
  *out = made.get();
  connections_[id] = std::move(made);
  return true;
}

ByteConnection* ByteEngine::FindConnection(uint32_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->over()) return nullptr;
  return found->second.get();
}

uint64_t ByteEngine::OnRound(uint64_t now_us) {
  now_us_ = now_us;
  if (stopped_) return kNever;
  uint64_t next = BeginRound();
  RunTimers();
  ServeConnections();
  next = std::min(next, EndRound());
  if (HasWork()) next = now_us;
  next = std::min(next, CloseUnusedPorts());
  return std::min(next, next_timer_us_);
}

void ByteEngine::RunTimers() {
  if (now_us_ < next_timer_us_) return;
  next_timer_us_ = kNever;
  for (const auto& [id, connection] : connections_) {
    if (connection->socket_timer_us_ <= now_us_) {
      connection->socket_timer_us_ = kNever;
      connection->socket_->OnTimer();
    }
    if (connection->timer_us_ <= now_us_) {
      connection->MarkDirty();
      if (!connection->dialing()) connection->timer_us_ = kNever;
    }
    next_timer_us_ = std::min(next_timer_us_, connection->socket_timer_us_);
    if (connection->timer_us_ > now_us_) {
      next_timer_us_ = std::min(next_timer_us_, connection->timer_us_);
    }
  }
}

void ByteEngine::ServeConnections() {
  // Servicing one may mark it again: for the next time.
  servicing_.swap(dirty_);
  for (ByteConnection* connection : servicing_) connection->Service();
  servicing_.clear();
  if (finished_.empty()) return;
  // One that is over may have been marked once more.
  dirty_.erase(std::remove_if(dirty_.begin(), dirty_.end(),
                              [](const ByteConnection* connection) {
                                return connection->over();
                              }),
               dirty_.end());
  for (const uint32_t id : finished_) connections_.erase(id);
  finished_.clear();
}

void ByteEngine::OnStop(uint64_t now_us) {
  if (stopped_) return;
  now_us_ = now_us;
  stopped_ = true;
  for (const auto& [id, connection] : connections_) {
    if (!connection->over()) connection->Stop();
  }
  dirty_.clear();
  finished_.clear();
  connections_.clear();
  CloseAllPorts();
}

std::string ByteEngine::ServiceStats() const {
  uint64_t dialing = 0;
  uint64_t payload_in = payload_bytes_in_;
  uint64_t payload_out = payload_bytes_out_;
  for (const auto& [id, connection] : connections_) {
    if (connection->dialing()) dialing++;
    if (connection->over()) continue;
    payload_in += connection->bytes_in_;
    payload_out += connection->bytes_out_;
  }
  std::string text;
  AddStat(&text, "connections", connections_.size() - dialing);
  AddStat(&text, "dialing", dialing);
  AddStat(&text, "listeners", listeners());
  AddStat(&text, "sockets", ports());
  AddStat(&text, "buffered_in_bytes", buffered_);
  AddStat(&text, "payload_bytes_in", payload_in);
  AddStat(&text, "payload_bytes_out", payload_out);
  AddStat(&text, "dials", dials_);
  AddStat(&text, "dials_failed", dials_failed_);
  AddStat(&text, "accepted", accepted_);
  AddStat(&text, "closed", closed_);
  AppendStats(&text);
  return text;
}

}  // namespace xtp
