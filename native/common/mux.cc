#include "common/mux.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/stream_header.h"

namespace xtp {
namespace {

constexpr size_t kSlabBytes = 128 * 1024;
constexpr size_t kMaxFreeSlabs = 64;
// A slab with less room than this is not read into any more.
constexpr size_t kMinReadBytes = 16 * 1024;
// Smaller pieces of payload are copied: each would keep a whole slab alive.
constexpr size_t kCopyBelowBytes = 8 * 1024;
constexpr size_t kSmallSlabBytes = 16 * 1024;
constexpr size_t kMaxFreeSmallSlabs = 64;

// What one stream may write in a turn while others wait.
constexpr size_t kTurnBytes = 64 * 1024;
// What all may write in one Dispatch, so that UDP gets its turn too.
constexpr size_t kDispatchBytes = 1024 * 1024;

// Answers (PING, credit, RST) beyond the limit that stop the reading, and
// output of any kind that ends the link.
constexpr size_t kPauseInputBytes = 256 * 1024;
constexpr size_t kOverflowBytes = 16 * 1024 * 1024;

Status Violation(const char* what, uint32_t stream_id) {
  return Status(
      Code::kProtocolViolation,
      std::string("yamux: ") + what + ", stream " + std::to_string(stream_id));
}

uint32_t Wire(Code code) { return static_cast<uint32_t>(code); }

}  // namespace

class Mux::StreamImpl : public Stream {
 public:
  // What Dispatch has to tell.
  enum Events : uint8_t { kOpened = 1, kReadable = 2, kReset = 4, kCredit = 8 };

  StreamImpl(Mux* mux, uint32_t id, bool remote)
      : mux_(mux),
        id_(id),
        remote_(remote),
        window_(mux->NewWindow()),
        receive_credit_(window_),
        header_done_(!remote) {}

  ~StreamImpl() override = default;

  // --- Stream

  void set_handler(StreamHandler* handler) override { handler_ = handler; }
  size_t Write(const uint8_t* data, size_t length) override;
  void CloseWrite() override;
  size_t Peek(iovec* slices, size_t max) override {
    return PeekFrom(0, slices, max);
  }
  size_t PeekFrom(size_t offset, iovec* slices, size_t max) override;
  size_t readable() const override { return readable_; }
  void Consume(size_t length) override;
  void Widen(uint32_t bytes) override;
  void Enlarge(uint32_t bytes) override;
  bool FinReceived() const override { return remote_fin_ && !dying_; }
  bool ReadEnded() const override {
    return remote_fin_ && received_.empty() && !dying_;
  }
  void Reset(uint32_t code) override;
  void Release() override;

 private:
  friend class Mux;

  bool MayQueue() const;
  void Notify(uint8_t event);
  void Store(const uint8_t* data, size_t length);
  void Grant(size_t length);

  Mux* const mux_;
  const uint32_t id_;
  const bool remote_;  // opened by the parent
  uint32_t window_;    // receive_credit_ while nothing is kept
  StreamHandler* handler_ = nullptr;

  uint32_t send_credit_ = kYamuxInitialWindow;
  uint32_t receive_credit_;
  uint32_t ungranted_ = 0;  // consumed, and not yet given back as credit
  uint32_t credited_ = 0;   // by the parent, and not yet told to handler_
  bool fin_sent_ = false;
  bool remote_fin_ = false;
  bool announced_ = false;     // the transport knows this stream
  bool dying_ = false;         // reset by the parent
  bool last_call_ = false;     // OnReset is running, and deletes it afterwards
  bool wants_credit_ = false;  // a short Write for lack of credit
  uint32_t reset_code_ = 0;

  // StreamHeader, until it is whole.
  bool header_done_;
  uint8_t header_have_ = 0;
  uint8_t header_[kMaxStreamHeaderPrefixed];
  StreamHeader opened_;

  SliceQueue received_;
  size_t readable_ = 0;  // bytes in received_
  uint8_t pending_ = 0;  // Events
  IntrusiveList<StreamImpl>::Node event_node_{this};
  IntrusiveList<StreamImpl>::Node waiter_node_{this};
};

// Those who wait for room are served in turn; nobody overtakes them.
bool Mux::StreamImpl::MayQueue() const {
  return mux_->writer_ == this || mux_->waiters_.empty();
}

size_t Mux::StreamImpl::Write(const uint8_t* data, size_t length) {
  if (fin_sent_ || dying_ || length == 0) return 0;
  size_t written = 0;
  if (MayQueue()) {
    size_t turn = length;
    if (mux_->writer_ == this) turn = std::min(turn, mux_->turn_left_);
    while (written < turn && send_credit_ > 0) {
      const size_t want = std::min<size_t>(turn - written, send_credit_);
      size_t room = mux_->output_.room();
      if (room < want) {
        mux_->delegate_->OnOutputFull();
        room = mux_->output_.room();
        if (room == 0) break;
      }
      const size_t take = std::min(want, room);
      mux_->output_.Data(id_, 0, data + written, take);
      send_credit_ -= static_cast<uint32_t>(take);
      written += take;
    }
    if (mux_->writer_ == this) mux_->turn_left_ -= written;
  }
  if (written == length) return written;
  if (mux_->writer_ == this) mux_->writer_ = nullptr;  // its turn is over
  if (send_credit_ == 0) {
    wants_credit_ = true;
  } else {
    mux_->waiters_.PushBack(&waiter_node_);
  }
  return written;
}

void Mux::StreamImpl::CloseWrite() {
  if (fin_sent_ || dying_) return;
  fin_sent_ = true;
  wants_credit_ = false;
  waiter_node_.Unlink();
  mux_->output_.Fin(id_);
}

size_t Mux::StreamImpl::PeekFrom(size_t offset, iovec* slices, size_t max) {
  size_t count = 0;
  for (size_t i = 0; i < received_.size() && count < max; i++) {
    Slice& slice = received_.at(i);
    if (offset >= slice.length) {
      offset -= slice.length;
      continue;
    }
    slices[count].iov_base = const_cast<uint8_t*>(slice.data) + offset;
    slices[count].iov_len = slice.length - offset;
    offset = 0;
    count++;
  }
  return count;
}

void Mux::StreamImpl::Consume(size_t length) {
  size_t left = length;
  while (left > 0 && !received_.empty()) {
    Slice& front = received_.front();
    const size_t take = std::min(left, front.length);
    front.data += take;
    front.length -= take;
    left -= take;
    if (front.length == 0) received_.pop_front();
  }
  readable_ -= length - left;
  Grant(length - left);
}

void Mux::StreamImpl::Widen(uint32_t bytes) {
  if (remote_fin_ || dying_) return;
  bytes = std::min(bytes, kYamuxMaxWindow - receive_credit_);
  if (bytes == 0) return;
  mux_->Send(YamuxType::kWindowUpdate, 0, id_, bytes);
  receive_credit_ += bytes;
}

void Mux::StreamImpl::Enlarge(uint32_t bytes) {
  window_ += std::min(bytes, kYamuxMaxWindow - window_);
  Widen(bytes);
}

void Mux::StreamImpl::Grant(size_t length) {
  ungranted_ += static_cast<uint32_t>(length);
  if (remote_fin_ || dying_ || ungranted_ < window_ / 2) {
    return;
  }
  mux_->Send(YamuxType::kWindowUpdate, 0, id_, ungranted_);
  receive_credit_ += ungranted_;
  ungranted_ = 0;
}

void Mux::StreamImpl::Reset(uint32_t code) {
  if (last_call_) return;
  // After RST, or both FINs, the parent has forgotten the stream.
  if (!dying_ && (!fin_sent_ || !remote_fin_)) {
    mux_->Send(YamuxType::kWindowUpdate, kYamuxRst, id_, code);
  }
  mux_->Forget(this);
}

void Mux::StreamImpl::Release() {
  // Releasing too early would leave the parent with half a stream.
  Reset(Wire(Code::kConnectionAborted));
}

void Mux::StreamImpl::Notify(uint8_t event) {
  pending_ |= event;
  mux_->events_.PushBack(&event_node_);
}

void Mux::StreamImpl::Store(const uint8_t* data, size_t length) {
  readable_ += length;
  if (!received_.empty()) {
    // A piece of the same frame, read into the same slab right behind the last.
    Slice& last = received_.back();
    if (last.slab.get() == mux_->slab_.get() &&
        last.data + last.length == data) {
      last.length += length;
      return;
    }
  }
  if (length >= kCopyBelowBytes) {
    received_.push_back(Slice{mux_->slab_, data, length});
    return;
  }
  while (length > 0) {
    SlabPool& pool = mux_->small_slabs_;
    const bool fits = !received_.empty() &&
                      received_.back().slab->pool == &pool &&
                      pool.room(received_.back().slab) > 0;
    if (!fits) {
      SlabRef slab = pool.Take();
      const uint8_t* start = slab->data();
      received_.push_back(Slice{std::move(slab), start, 0});
    }
    Slice& last = received_.back();
    const size_t take = std::min(length, pool.room(last.slab));
    memcpy(last.slab->data() + last.slab->filled, data, take);
    last.slab->filled += static_cast<uint32_t>(take);
    last.length += take;
    data += take;
    length -= take;
  }
}

Mux::Mux(MuxDelegate* delegate, const MuxOptions& options)
    : delegate_(delegate),
      options_([&] {
        MuxOptions checked = options;
        checked.receive_window =
            std::min(std::max(checked.receive_window, kYamuxInitialWindow),
                     kYamuxMaxWindow);
        checked.output_limit = std::max<size_t>(checked.output_limit, 4096);
        return checked;
      }()),
      slabs_(kSlabBytes, kMaxFreeSlabs),
      small_slabs_(kSmallSlabBytes, kMaxFreeSmallSlabs),
      output_(options_.output_limit) {}

Mux::~Mux() { Close(Wire(Code::kConnectionAborted), kYamuxGoAwayNormal); }

uint8_t* Mux::ReceiveBuffer(size_t* room) {
  if (slab_ && slab_->references == 1) {
    slab_->filled = 0;  // nobody kept anything: the same, warm memory again
  } else if (!slab_ || slabs_.room(slab_) < kMinReadBytes) {
    slab_ = slabs_.Take();
  }
  *room = slabs_.room(slab_);
  return slab_->data() + slab_->filled;
}

Status Mux::Received(size_t length) {
  if (closed_ || ended_) return Status();
  const uint8_t* data = slab_->data() + slab_->filled;
  slab_->filled += static_cast<uint32_t>(length);
  Status status = Parse(data, data + length);
  if (!status.ok()) {
    Close(Wire(Code::kConnectionAborted), kYamuxGoAwayProtocolError);
  }
  return status;
}

Status Mux::Receive(const uint8_t* data, size_t length) {
  while (length > 0) {
    size_t room;
    uint8_t* buffer = ReceiveBuffer(&room);
    const size_t take = std::min(room, length);
    memcpy(buffer, data, take);
    Status status = Received(take);
    if (!status.ok()) return status;
    data += take;
    length -= take;
  }
  return Status();
}

bool Mux::WantsInput() const {
  return output_.size() < options_.output_limit + kPauseInputBytes;
}

bool Mux::Overflowed() const { return output_.size() > kOverflowBytes; }

Status Mux::Parse(const uint8_t* data, const uint8_t* end) {
  while (data < end && !ended_) {
    const size_t have = static_cast<size_t>(end - data);
    if (payload_left_ > 0) {
      const size_t take = std::min<size_t>(payload_left_, have);
      payload_left_ -= static_cast<uint32_t>(take);
      Status status = OnPayload(data, take);
      if (!status.ok()) return status;
      data += take;
      continue;
    }
    YamuxFrame frame;
    Status status;
    if (header_have_ == 0 && have >= kYamuxHeaderBytes) {
      status = DecodeYamuxFrame(data, &frame);
      data += kYamuxHeaderBytes;
    } else {
      const size_t take = std::min(kYamuxHeaderBytes - header_have_, have);
      memcpy(header_ + header_have_, data, take);
      header_have_ += take;
      data += take;
      if (header_have_ < kYamuxHeaderBytes) break;
      header_have_ = 0;
      status = DecodeYamuxFrame(header_, &frame);
    }
    if (status.ok()) status = OnFrame(frame);
    if (!status.ok()) return status;
  }
  return Status();
}

Status Mux::OnFrame(const YamuxFrame& frame) {
  switch (frame.type) {
    case YamuxType::kPing:
      // An answer (ACK) can only be unsolicited: we never ask.
      if (frame.flags & kYamuxSyn) {
        Send(YamuxType::kPing, kYamuxAck, 0, frame.length);
      }
      return Status();
    case YamuxType::kGoAway:
      ended_ = true;
      if (frame.length == kYamuxGoAwayNormal) return Status();
      return Status(Code::kProtocolViolation,
                    "yamux: the parent said GO_AWAY with reason " +
                        std::to_string(frame.length));
    case YamuxType::kData:
    case YamuxType::kWindowUpdate:
      return OnStreamFrame(frame);
  }
  return Status();
}

Status Mux::OnStreamFrame(const YamuxFrame& frame) {
  const uint32_t id = frame.stream_id;
  const bool data = frame.type == YamuxType::kData;
  StreamImpl* stream = nullptr;
  if (frame.flags & kYamuxSyn) {
    Status status = OnSyn(frame, &stream);
    if (!status.ok()) return status;
  } else {
    const bool ours = id % 2 == 0;
    if (ours ? next_id_ != 0 && id >= next_id_ : id > last_remote_id_) {
      return Violation("frame for a stream that was never opened", id);
    }
    auto found = streams_.find(id);
    if (found != streams_.end() && !found->second->dying_) {
      stream = found->second;
    }
  }
  if (data) {
    payload_left_ = frame.length;
    payload_stream_ = nullptr;  // skip, unless found to be wanted below
    payload_fin_ = false;
  }
  // Reset and forgotten on this side: the parent did not know yet.
  if (stream == nullptr) return Status();

  if (frame.flags & kYamuxRst) {
    // One whose header has come is told of all the same: its reset is what ends
    // the connection that it is for.
    if (!stream->announced_ && !(stream->pending_ & StreamImpl::kOpened)) {
      Forget(stream);
      return Status();
    }
    stream->dying_ = true;
    stream->reset_code_ = data ? 0 : frame.length;
    stream->waiter_node_.Unlink();
    stream->Notify(StreamImpl::kReset);
    return Status();
  }

  if (!data) {
    if (frame.length > kYamuxMaxWindow - stream->send_credit_) {
      return Violation("window overflow", id);
    }
    stream->send_credit_ += frame.length;
    if (frame.length > 0) {
      stream->credited_ += frame.length;
      stream->Notify(StreamImpl::kCredit);
    }
    if (stream->wants_credit_ && stream->send_credit_ > 0) {
      stream->wants_credit_ = false;
      waiters_.PushBack(&stream->waiter_node_);
    }
  } else if (frame.length > 0) {
    if (stream->remote_fin_) return Violation("data after FIN", id);
    if (frame.length > stream->receive_credit_) {
      return Violation("data beyond the credit", id);
    }
    stream->receive_credit_ -= frame.length;
    payload_stream_ = stream;
    payload_fin_ = (frame.flags & kYamuxFin) != 0;
    return Status();  // FIN counts when the payload is here
  }

  if (frame.flags & kYamuxFin) return OnFin(stream);
  return Status();
}

Status Mux::OnSyn(const YamuxFrame& frame, StreamImpl** stream) {
  const uint32_t id = frame.stream_id;
  if (id % 2 == 0) return Violation("SYN with an even id", id);
  if (id <= last_remote_id_) return Violation("SYN with an old id", id);
  last_remote_id_ = id;
  if (remote_streams_ >= options_.max_streams) {
    Send(YamuxType::kWindowUpdate, kYamuxRst, id,
         Wire(Code::kResourceExhausted));
    return Status();
  }
  *stream = new StreamImpl(this, id, true);
  streams_.emplace(id, *stream);
  remote_streams_++;
  Send(YamuxType::kWindowUpdate, kYamuxAck, id,
       (*stream)->window_ - kYamuxInitialWindow);
  return Status();
}

Status Mux::OnFin(StreamImpl* stream) {
  if (!stream->header_done_) {
    // Opened and closed without a word: nobody to give it to.
    stream->Reset(Wire(Code::kProtocolViolation));
    return Status();
  }
  if (stream->remote_fin_) return Status();
  stream->remote_fin_ = true;
  stream->Notify(StreamImpl::kReadable);
  return Status();
}

Status Mux::OnPayload(const uint8_t* data, size_t length) {
  StreamImpl* stream = payload_stream_;
  if (stream == nullptr) return Status();
  if (!stream->header_done_) {
    size_t taken = 0;
    Status status = OnHeaderBytes(stream, data, length, &taken);
    if (!status.ok()) return status;
    data += taken;
    length -= taken;
  }
  if (length > 0) {
    stream->Store(data, length);
    stream->Notify(StreamImpl::kReadable);
  }
  if (payload_left_ > 0) return Status();
  payload_stream_ = nullptr;
  return payload_fin_ ? OnFin(stream) : Status();
}

Status Mux::OnHeaderBytes(StreamImpl* stream, const uint8_t* data,
                          size_t length, size_t* taken) {
  while (*taken < length) {
    stream->header_[stream->header_have_++] = data[(*taken)++];
    // The prefix is one byte: 64 needs no more, and more would be too long.
    const size_t message = stream->header_[0];
    if (message > kMaxStreamHeaderBytes) {
      return Violation("stream header too long", stream->id_);
    }
    if (stream->header_have_ < 1 + message) continue;
    Status status =
        DecodeStreamHeader(stream->header_ + 1, message, &stream->opened_);
    if (!status.ok()) return status;
    stream->header_done_ = true;
    stream->Notify(StreamImpl::kOpened);
    break;
  }
  stream->Grant(*taken);
  return Status();
}

void Mux::Send(YamuxType type, uint16_t flags, uint32_t id, uint32_t length) {
  YamuxFrame frame;
  frame.type = type;
  frame.flags = flags;
  frame.stream_id = id;
  frame.length = length;
  output_.Frame(frame);
}

Stream* Mux::Open(uint32_t connection, uint32_t kind) {
  if (closed_ || ended_ || next_id_ == 0) return nullptr;
  const uint32_t id = next_id_;
  next_id_ += 2;  // wraps to 0 behind the last even id
  auto* stream = new StreamImpl(this, id, false);
  streams_.emplace(id, stream);
  stream->announced_ = true;
  Send(YamuxType::kWindowUpdate, kYamuxSyn, id,
       stream->window_ - kYamuxInitialWindow);
  uint8_t header[kMaxStreamHeaderPrefixed];
  const size_t length = EncodeStreamHeader({connection, kind}, header);
  output_.Data(id, 0, header, length);
  stream->send_credit_ -= static_cast<uint32_t>(length);
  return stream;
}

uint32_t Mux::NewWindow() const {
  const uint64_t all =
      (streams_.size() + 1) * uint64_t{options_.receive_window};
  return all <= options_.window_budget ? options_.receive_window
                                       : kYamuxInitialWindow;
}

void Mux::Forget(StreamImpl* stream) {
  if (payload_stream_ == stream) payload_stream_ = nullptr;
  if (dispatched_ == stream) dispatched_ = nullptr;
  if (writer_ == stream) writer_ = nullptr;
  if (stream->remote_) remote_streams_--;
  streams_.erase(stream->id_);
  delete stream;
}

void Mux::Close(uint32_t code, uint32_t go_away_reason) {
  if (closed_) return;
  closed_ = true;
  // A handler may reset other streams, so look anew each time.
  while (!streams_.empty()) {
    StreamImpl* stream = streams_.begin()->second;
    if (!stream->dying_) stream->reset_code_ = code;
    stream->dying_ = true;
    if (stream->announced_) {
      TellReset(stream);
    } else {
      Forget(stream);
    }
  }
  Send(YamuxType::kGoAway, 0, 0, go_away_reason);
}

void Mux::TellReset(StreamImpl* stream) {
  stream->last_call_ = true;
  if (stream->handler_ != nullptr) {
    stream->handler_->OnReset(stream->reset_code_);
  }
  Forget(stream);
}

bool Mux::NeedsDispatch() const {
  if (closed_) return false;
  return !events_.empty() || (!waiters_.empty() && HasRoom());
}

void Mux::Dispatch() {
  while (StreamImpl* stream = events_.PopFront()) DispatchEvents(stream);
  DispatchWritable();
}

void Mux::DispatchEvents(StreamImpl* stream) {
  const uint8_t events = stream->pending_;
  stream->pending_ = 0;
  dispatched_ = stream;
  if (events & StreamImpl::kOpened) {
    stream->announced_ = true;
    const bool taken = delegate_->OnStreamOpen(
        stream, stream->opened_.connection, stream->opened_.kind);
    if (dispatched_ != stream) return;
    if (!taken) {
      stream->Reset(Wire(Code::kNotFound));
      return;
    }
  }
  if (events & StreamImpl::kReset) {
    TellReset(stream);
    return;
  }
  if ((events & StreamImpl::kCredit) && stream->handler_ != nullptr) {
    const uint32_t bytes = stream->credited_;
    stream->credited_ = 0;
    stream->handler_->OnCredit(bytes);
    if (dispatched_ != stream) return;
  }
  if ((events & StreamImpl::kReadable) && stream->handler_ != nullptr) {
    stream->handler_->OnReadable();
  }
  dispatched_ = nullptr;
}

void Mux::DispatchWritable() {
  const uint64_t stop = output_.total() + kDispatchBytes;
  while (!waiters_.empty() && output_.total() < stop) {
    if (!HasRoom()) delegate_->OnOutputFull();
    if (!HasRoom()) break;
    StreamImpl* stream = waiters_.PopFront();
    if (stream->handler_ == nullptr) continue;
    turn_left_ = stop - output_.total();
    if (!waiters_.empty()) turn_left_ = std::min(turn_left_, kTurnBytes);
    writer_ = stream;
    stream->handler_->OnWritable();
    writer_ = nullptr;
  }
}

}  // namespace xtp
