#include "udt/socket.h"

#include <udt/udt.h>

#include <algorithm>
#include <cstring>

#include "common/byte_order.h"
#include "udt/errors.h"

namespace xtp::udt {
namespace {

// The peer's libudt has everything; its reader may be slow.
constexpr uint64_t kEndTakenUs = 5 * 1000 * 1000;
constexpr size_t kCodeBytes = 4;

}  // namespace

UdtSocket::UdtSocket(SocketOwner* owner, std::shared_ptr<Channel> channel,
                     int socket, size_t frame_bytes)
    : owner_(owner),
      channel_(std::move(channel)),
      frame_bytes_(frame_bytes),
      socket_(socket),
      since_us_(owner->clock_us()) {}

UdtSocket::~UdtSocket() {
  if (socket_ != UDT::INVALID_SOCK) owner_->Bury(socket_, channel_.get(), true);
}

void UdtSocket::Replace(int socket) {
  owner_->Bury(socket_, channel_.get(), true);
  socket_ = socket;
  since_us_ = owner_->clock_us();
}

void UdtSocket::Opened() {
  if (opened_) return;
  opened_ = true;
  staged_.insert(staged_.begin(), kPreface, kPreface + kPrefaceBytes);
  FlushStaged();
  UpdateInterest();
}

void UdtSocket::UpdateInterest() {
  const int wanted = !opened_ || lost_ ? 0
                                       : (read_waits_ ? kReadable : 0) |
                                             (write_waits_ ? kWritable : 0);
  if (wanted == interest_) return;
  interest_ = wanted;
  owner_->waiter().SetInterest(socket_, wanted);
}

Status UdtSocket::LostStatus() const {
  if (reader_.aborted()) {
    return Status(Code::kConnectionReset, "the peer aborted the connection");
  }
  if (peer_gone_) {
    return Status(Code::kConnectionReset, "the peer closed the connection");
  }
  return Status(Code::kConnectionTimedOut, "the peer does not answer any more");
}

// --- towards the network

// Returns how many bytes libudt took; fewer: it has no room, or is lost.
size_t UdtSocket::Send(const uint8_t* data, size_t length) {
  if (peer_gone_) lost_ = true;
  size_t at = 0;
  while (at < length && !lost_) {
    const int sent =
        UDT::send(socket_, reinterpret_cast<const char*>(data) + at,
                  static_cast<int>(length - at), 0);
    if (sent <= 0) {
      if (sent < 0 && !LastErrorIsAgain()) lost_ = true;
      break;
    }
    at += static_cast<size_t>(sent);
  }
  write_waits_ = at < length && !lost_;
  return at;
}

// True when nothing is left.
bool UdtSocket::FlushStaged() {
  write_waits_ = false;
  if (staged_.empty()) return !lost_;
  staged_at_ += Send(staged_.data() + staged_at_, staged_.size() - staged_at_);
  if (staged_at_ < staged_.size()) return false;
  std::vector<uint8_t>().swap(staged_);
  staged_at_ = 0;
  return true;
}

// A frame of what is there, in one piece: each call of UDT::send ends with a
// packet that may be short. 0: nothing is there.
size_t UdtSocket::BuildFrame(const iovec* slices, size_t count, size_t* taken) {
  uint8_t* const frame = owner_->frame_buffer();
  size_t skip = *taken;
  size_t at = kFrameHeaderBytes;
  for (size_t i = 0; i < count && at < frame_bytes_; i++) {
    if (skip >= slices[i].iov_len) {
      skip -= slices[i].iov_len;
      continue;
    }
    const size_t size = std::min(slices[i].iov_len - skip, frame_bytes_ - at);
    memcpy(frame + at, static_cast<const uint8_t*>(slices[i].iov_base) + skip,
           size);
    skip = 0;
    at += size;
  }
  if (at == kFrameHeaderBytes) return 0;
  const size_t length = at - kFrameHeaderBytes;
  PutFrameHeader(frame, FrameType::kData, static_cast<uint32_t>(length));
  *taken += length;
  return at;
}

void UdtSocket::StageControl(FrameType type) {
  uint8_t header[kFrameHeaderBytes];
  PutFrameHeader(header, type, 0);
  staged_.insert(staged_.end(), header, header + sizeof header);
}

Status UdtSocket::Write(const iovec* slices, size_t count, size_t* taken) {
  *taken = 0;
  while (FlushStaged()) {
    const size_t length = BuildFrame(slices, count, taken);
    if (length == 0) break;
    const uint8_t* const frame = owner_->frame_buffer();
    const size_t sent = Send(frame, length);
    if (sent == length) continue;
    staged_.assign(frame + sent, frame + length);
    break;
  }
  UpdateInterest();
  return lost_ ? LostStatus() : Status::Ok();
}

Status UdtSocket::Flush() {
  FlushStaged();
  UpdateInterest();
  return lost_ ? LostStatus() : Status::Ok();
}

Status UdtSocket::EndWriting(bool* done) {
  if (!end_staged_) {
    end_staged_ = true;
    StageControl(FrameType::kEnd);
  }
  FlushStaged();
  UpdateInterest();
  *done = !lost_;  // what is staged leaves by itself
  return lost_ ? LostStatus() : Status::Ok();
}

int64_t UdtSocket::QueuedPackets() const {
  int32_t packets = 0;
  int length = sizeof packets;
  if (UDT::getsockopt(socket_, 0, UDT_SNDDATA, &packets, &length) != 0) {
    return 0;
  }
  return packets;
}

uint64_t UdtSocket::Undelivered() {
  if (!lost_) FlushStaged();
  if (!lost_ && reader_.ended() && !ReadControl().ok()) lost_ = true;
  UpdateInterest();
  const uint64_t queued = static_cast<uint64_t>(QueuedPackets());
  const bool left = !staged_.empty() || queued > 0;
  if (reader_.end_taken() && (lost_ || !left)) return 0;
  if (lost_ || left) {
    end_taken_until_us_ = 0;
    return 2 + queued + staged_.size() - staged_at_;
  }
  const uint64_t now = owner_->clock_us();
  if (end_taken_until_us_ == 0) end_taken_until_us_ = now + kEndTakenUs;
  return now < end_taken_until_us_ ? 1 : 0;
}

Status UdtSocket::Check() {
  const Status status = ReadControl();
  const bool orderly = lost_ && peer_gone_ && reader_.ended() &&
                       !reader_.aborted() && staged_.empty() &&
                       QueuedPackets() == 0;
  return orderly ? Status(Code::kConnectionClosed, "the peer has closed")
                 : status;
}

void UdtSocket::Abort(uint32_t code) {
  if (socket_ == UDT::INVALID_SOCK) return;
  const bool can_tell = opened_ && !lost_ && !peer_gone_ && staged_.empty();
  if (can_tell) {
    uint8_t frame[kFrameHeaderBytes + kCodeBytes];
    PutFrameHeader(frame, FrameType::kAbort, kCodeBytes);
    PutU32(frame + kFrameHeaderBytes, code);
    UDT::send(socket_, reinterpret_cast<const char*>(frame), sizeof frame, 0);
  }
  owner_->waiter().SetInterest(socket_, 0);
  owner_->Bury(socket_, channel_.get(), !can_tell);
  socket_ = UDT::INVALID_SOCK;
}

// --- from the network

Status UdtSocket::ReadFrames(uint8_t* buffer, size_t room, size_t* got) {
  while (!reader_.aborted()) {
    const bool data = reader_.data_left() > 0;
    if (data && *got == room) break;
    uint8_t* const into = data ? buffer + *got : reader_.into();
    const size_t wanted =
        data ? std::min<size_t>(room - *got, reader_.data_left())
             : reader_.wanted();
    const int length = UDT::recv(socket_, reinterpret_cast<char*>(into),
                                 static_cast<int>(wanted), 0);
    if (length <= 0) {
      if (peer_gone_ || (length < 0 && !LastErrorIsAgain())) lost_ = true;
      read_waits_ = !lost_;
      break;
    }
    channel_->OnRead(static_cast<uint32_t>(socket_));
    if (data) {
      reader_.TookData(static_cast<size_t>(length));
      *got += static_cast<size_t>(length);
      continue;
    }
    const bool ended = reader_.ended();
    const Status status = reader_.Took(static_cast<size_t>(length));
    if (!status.ok()) return status;
    if (!ended && reader_.ended()) {
      StageControl(FrameType::kEndTaken);
      FlushStaged();
    }
  }
  return reader_.aborted() ? LostStatus() : Status::Ok();
}

Status UdtSocket::Read(uint8_t* buffer, size_t room, size_t* got, bool* end) {
  *got = 0;
  read_waits_ = false;
  const Status status = ReadFrames(buffer, room, got);
  if (reader_.ended()) read_waits_ = !lost_;
  UpdateInterest();
  if (!status.ok()) return status;
  if (reader_.ended() && !end_told_) {
    *end = end_told_ = true;
    return Status::Ok();
  }
  if (lost_ && *got == 0) return LostStatus();
  return Status::Ok();
}

// Behind the peer's end there is kEndTaken, or nothing.
Status UdtSocket::ReadControl() {
  size_t got = 0;
  const Status status = ReadFrames(nullptr, 0, &got);
  UpdateInterest();
  if (!status.ok()) return status;
  return lost_ ? LostStatus() : Status::Ok();
}

void UdtSocket::AppendStats(std::string* text) const {
  CPerfMon monitor = {};
  if (socket_ == UDT::INVALID_SOCK ||
      UDT::perfmon(socket_, &monitor, false) != 0) {
    return;
  }
  const auto add = [text](const char* key, auto value) {
    AddStat(text, key, value > 0 ? static_cast<uint64_t>(value) : 0);
  };
  add("rtt_us", monitor.msRTT * 1000);
  add("packets_in", monitor.pktRecvTotal);
  add("packets_out", monitor.pktSentTotal);
  add("retransmits", monitor.pktRetransTotal);
  add("lost_packets", monitor.pktSndLossTotal);
  add("window_packets", monitor.pktFlowWindow);
  add("congestion_window_packets", monitor.pktCongestionWindow);
  add("packets_in_flight", monitor.pktFlightSize);
  add("packet_interval_ns", monitor.usPktSndPeriod * 1000);
  add("unacknowledged_packets", QueuedPackets());
}

}  // namespace xtp::udt
