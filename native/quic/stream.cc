#include "quic/stream.h"

#include <algorithm>

#include "quic/connection.h"

namespace xtp::quic {
namespace {

// Widening begins when this much is unacknowledged, and doubles it.
constexpr uint64_t kFirstWiden = 512 * 1024;

}  // namespace

QuicStream::QuicStream(Connection* connection, Stream* link, int64_t id)
    : connection_(connection), link_(link), id_(id) {
  link_->set_handler(this);
}

void QuicStream::Opened(int64_t id) {
  id_ = id;
  if (early_credit_ > 0) connection_->ExtendStreamWindow(id_, early_credit_);
  early_credit_ = 0;
}

// --- the parent

void QuicStream::OnReadable() {
  if (swallow_) {
    ConsumeAll();
    ReleaseIfOver();
    return;
  }
  connection_->StreamHasOutput(this);
}

void QuicStream::OnWritable() { FlushPending(); }

void QuicStream::OnCredit(uint32_t bytes) {
  if (closed_) return;
  parent_room_ += bytes;
  parent_window_ =
      std::max(parent_window_,
               static_cast<uint64_t>(std::max<int64_t>(parent_room_, 0)));
  if (id_ < 0) {
    early_credit_ += bytes;
    return;
  }
  connection_->ExtendStreamWindow(id_, bytes);
  ReturnWindow(bytes);
  WidenForPeer(bytes);
}

void QuicStream::OnReset(uint32_t code) {
  link_ = nullptr;
  DropLink();
  if (id_ < 0) closed_ = true;
  // At once: the slabs that ngtcp2 refers to are gone after this call.
  if (!closed_) connection_->ShutStream(id_, code);
  connection_->StreamChanged(this);
}

// --- ngtcp2

void QuicStream::OnData(const uint8_t* data, size_t length, bool fin) {
  ungranted_ += length;
  parent_room_ -= static_cast<int64_t>(length);
  if (fin) peer_fin_ = true;
  if (link_ == nullptr) {
    ReturnWindow(ungranted_);
    return;
  }
  size_t written = 0;
  if (pending_.empty() && length > 0) written = link_->Write(data, length);
  pending_.Append(data + written, length - written);
  EndWriting();
}

void QuicStream::FlushPending() {
  if (link_ == nullptr) return;
  while (!pending_.empty()) {
    const iovec front = pending_.front();
    const size_t written = link_->Write(
        static_cast<const uint8_t*>(front.iov_base), front.iov_len);
    pending_.Consume(written);
    if (written < front.iov_len) break;
    // The connection may wait for it to end.
    if (pending_.empty()) connection_->StreamChanged(this);
  }
  EndWriting();
  ReleaseIfOver();
}

void QuicStream::EndWriting() {
  if (!peer_fin_ || write_closed_ || !pending_.empty()) return;
  write_closed_ = true;
  link_->CloseWrite();
}

void QuicStream::OnAcked(uint64_t length) {
  const size_t acked = std::min<uint64_t>(length, in_flight_);
  in_flight_ -= acked;
  if (link_ == nullptr || swallow_) return;
  link_->Consume(acked);
}

void QuicStream::OnPeerReset(uint64_t code) {
  ReturnWindow(ungranted_);
  if (link_ == nullptr) return;
  Stream* const link = link_;
  link_ = nullptr;
  DropLink();
  const auto clipped =
      static_cast<uint32_t>(std::min<uint64_t>(code, UINT32_MAX));
  link->Reset(clipped);
  // The parent has one RST for both directions.
  connection_->ShutStreamLater(id_, code);
}

// ngtcp2 answers with RESET_STREAM by itself.
void QuicStream::OnStopSending() {
  if (swallow_) return;
  swallow_ = true;
  in_flight_ = 0;
  ready_node.Unlink();
  blocked_node.Unlink();
  if (link_ != nullptr) ConsumeAll();
}

void QuicStream::OnClosed() {
  closed_ = true;
  ready_node.Unlink();
  blocked_node.Unlink();
  ReturnWindow(ungranted_);
  if (link_ == nullptr) return;
  // Everything is acknowledged; or nobody will ever ask for it again.
  if (!link_->ReadEnded() && !link_->FinReceived()) swallow_ = true;
  if (swallow_) ConsumeAll();
  ReleaseIfOver();
}

// --- sending

bool QuicStream::HasOutput() const {
  if (link_ == nullptr || swallow_ || fin_sent_) return false;
  return link_->readable() > in_flight_ || link_->FinReceived();
}

size_t QuicStream::Unsent(ngtcp2_vec* slices, size_t max, bool* fin) {
  if (slices_at_ == slices_count_) {
    slices_at_ = 0;
    slices_count_ = link_->PeekFrom(in_flight_, slices_, kSlices);
  }
  size_t count = 0;
  size_t bytes = 0;
  for (size_t i = slices_at_; i < slices_count_ && count < max; i++) {
    slices[count].base = static_cast<uint8_t*>(slices_[i].iov_base);
    slices[count].len = slices_[i].iov_len;
    bytes += slices_[i].iov_len;
    count++;
  }
  *fin = link_->FinReceived() && in_flight_ + bytes == link_->readable();
  return count;
}

void QuicStream::Sent(size_t length, bool fin) {
  in_flight_ += length;
  connection_->CountSent(length);
  if (fin) fin_sent_ = true;
  while (length > 0 && slices_at_ < slices_count_) {
    iovec& slice = slices_[slices_at_];
    const size_t take = std::min(length, slice.iov_len);
    slice.iov_base = static_cast<uint8_t*>(slice.iov_base) + take;
    slice.iov_len -= take;
    length -= take;
    if (slice.iov_len == 0) slices_at_++;
  }
  WidenIfUseful();
}

// The parent may have as much under way as the link's window, which is too
// little for a long path: what is acknowledged comes back a round trip later.
void QuicStream::WidenIfUseful() {
  const uint64_t window = kFirstWiden + extra_credit_;
  if (in_flight_ < window || link_->FinReceived()) return;
  const uint64_t more = connection_->MoreSendWindow(window, in_flight_);
  if (more == 0) return;
  extra_credit_ += more;
  link_->Widen(static_cast<uint32_t>(more));
}

// The same for what the peer may send: where the parent takes in a round trip
// more than half of the window, the window may be what holds the peer up.
void QuicStream::WidenForPeer(uint64_t credit) {
  if (peer_fin_) return;
  granted_ += credit;
  const uint64_t round_trip_us = connection_->MinRttUs();
  const uint64_t elapsed_us = connection_->now_us() - granted_since_us_;
  if (elapsed_us < round_trip_us) return;
  const uint64_t window = parent_window_ + extra_window_;
  const bool useful = granted_ * round_trip_us >= window / 2 * elapsed_us;
  granted_ = 0;
  granted_since_us_ = connection_->now_us();
  if (!useful) return;
  const uint64_t more = connection_->MoreReceiveWindow(window);
  extra_window_ += more;
  if (more > 0) connection_->ExtendStreamWindow(id_, more);
}

// --- the end

void QuicStream::ReturnWindow(uint64_t bytes) {
  const uint64_t returned = std::min(bytes, ungranted_);
  ungranted_ -= returned;
  if (returned > 0) connection_->ExtendWindow(returned);
}

void QuicStream::ConsumeAll() { link_->Consume(link_->readable()); }

void QuicStream::ReleaseIfOver() {
  if (link_ == nullptr || !closed_ || !write_closed_ || !link_->ReadEnded()) {
    return;
  }
  Stream* const link = link_;
  link_ = nullptr;
  DropLink();
  link->Release();
  connection_->StreamChanged(this);
}

void QuicStream::DropLink() {
  ready_node.Unlink();
  blocked_node.Unlink();
  waiting_node.Unlink();
  pending_.Clear();
  slices_at_ = slices_count_ = 0;
  connection_->ReturnSendWindow(extra_credit_);
  extra_credit_ = 0;
  connection_->ReturnReceiveWindow(extra_window_);
  extra_window_ = 0;
  ReturnWindow(ungranted_);
}

void QuicStream::Abort(uint32_t code) {
  closed_ = true;
  ungranted_ = 0;
  if (link_ == nullptr) return;
  Stream* const link = link_;
  link_ = nullptr;
  DropLink();
  link->Reset(code);
}

}  // namespace xtp::quic
