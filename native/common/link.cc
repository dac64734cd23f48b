#include "common/link.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace xtp {
namespace {

constexpr char kProtocol[] = "/yamux/1.0.0";
// In one Read, so that UDP gets its turn.
constexpr size_t kReadsPerBurst = 4;

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // SO_NOSIGPIPE, set by the constructor
#endif

// The parent is gone: an end like any other, as parents die without warning.
bool IsHangUp(int error) {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

Link::Link(int fd, const MuxOptions& options, OnOpen on_open)
    : fd_(fd),
      on_open_(std::move(on_open)),
      negotiation_(kProtocol),
      mux_(this, options) {
#if !defined(MSG_NOSIGNAL) && defined(SO_NOSIGPIPE)
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

Link::~Link() {
  if (fd_ >= 0) close(fd_);
}

bool Link::OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind) {
  return on_open_(stream, connection, kind);
}

void Link::Over(Status status) {
  if (over_) return;
  over_ = true;
  status_ = std::move(status);
}

bool Link::Read() {
  for (size_t i = 0; i < kReadsPerBurst && !over_; i++) {
    size_t room;
    uint8_t* buffer = mux_.ReceiveBuffer(&room);
    const ssize_t got = read(fd_, buffer, room);
    counters_.read_calls++;
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      gone_ = true;
      Over(IsHangUp(errno) ? Status() : Status::FromErrno(errno, "data link"));
      break;
    }
    if (got == 0) {
      gone_ = true;
      Over(Status());
      break;
    }
    const size_t length = static_cast<size_t>(got);
    counters_.bytes_in += length;
    Status status =
        negotiation_.done() ? mux_.Received(length) : Negotiate(buffer, length);
    if (!status.ok()) {
      Over(std::move(status));
      break;
    }
    mux_.Dispatch();
    if (mux_.ended()) Over(Status());
    if (length < room || !mux_.WantsInput()) break;
  }
  return !over_;
}

// The bytes are at the start of the mux' own buffer; so goes the rest.
Status Link::Negotiate(const uint8_t* data, size_t length) {
  size_t consumed;
  Status status = negotiation_.Receive(data, length, &consumed, &reply_);
  if (!status.ok() || consumed == length) return status;
  size_t room;
  uint8_t* start = mux_.ReceiveBuffer(&room);
  memmove(start, data + consumed, length - consumed);
  return mux_.Received(length - consumed);
}

size_t Link::pending_bytes() const {
  // Who does not speak yamux is not told GO_AWAY.
  return reply_.size() + (negotiation_.done() ? mux_.output_size() : 0);
}

ssize_t Link::WriteSome() {
  const bool reply = !reply_.empty();
  const void* data = reply ? static_cast<const void*>(reply_.data())
                           : static_cast<const void*>(mux_.output());
  const size_t size = reply ? reply_.size() : mux_.output_size();
  counters_.write_calls++;
  ssize_t sent;
  if (is_socket_) {
    sent = send(fd_, data, size, kSendFlags);
    if (sent < 0 && errno == ENOTSOCK) {
      is_socket_ = false;
      sent = write(fd_, data, size);
    }
  } else {
    sent = write(fd_, data, size);
  }
  if (sent <= 0) return sent;
  if (reply) {
    reply_.erase(0, static_cast<size_t>(sent));
  } else {
    mux_.OutputSent(static_cast<size_t>(sent));
  }
  counters_.bytes_out += static_cast<uint64_t>(sent);
  return sent;
}

bool Link::Flush() {
  blocked_ = false;
  while (!gone_ && pending_bytes() > 0) {
    if (WriteSome() >= 0 || errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      blocked_ = true;
      break;
    }
    gone_ = true;
    Over(IsHangUp(errno) ? Status() : Status::FromErrno(errno, "data link"));
  }
  if (mux_.Overflowed()) {
    Over(Status(Code::kResourceExhausted,
                "the parent does not read the data link"));
  }
  return !over_;
}

void Link::Close(uint32_t code, int linger_ms) {
  if (fd_ < 0) return;
  mux_.Close(code, kYamuxGoAwayNormal);
  Flush();
  const int64_t deadline = NowMs() + linger_ms;
  while (blocked_ && !gone_) {
    const int64_t left = deadline - NowMs();
    pollfd room = {fd_, POLLOUT, 0};
    if (left <= 0 || poll(&room, 1, static_cast<int>(left)) <= 0) break;
    Flush();
  }
  Over(Status());
  close(fd_);
  fd_ = -1;
}

}  // namespace xtp
