#include "socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "engine.h"

namespace xtp::tcp {
namespace {

bool IsAgain(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

TcpSocket::TcpSocket(TcpEngine* engine, int fd) : engine_(engine), fd_(fd) {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

TcpSocket::~TcpSocket() {
  if (fd_ < 0) return;
  engine_->Forget(fd_);
  close(fd_);
}

// --- readiness

void TcpSocket::WaitFor(short events) {
  if (waits_ == events) return;
  waits_ = events;
  engine_->Watch(fd_, events);
}

void TcpSocket::WaitForConnect() { WaitFor(POLLOUT); }

Status TcpSocket::FinishConnect(const std::string& what, bool* done) {
  const int error = TakeError();
  *done = true;
  if (error != 0) return Status::FromErrno(error, what);
  // A descriptor is ready by number, and its number may have been another's.
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  *done = getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
  if (*done) WaitFor(POLLERR);
  return Status::Ok();
}

// poll(2) is level-triggered: what nobody takes now would be found again at
// once. Read and Write ask for it anew. A reset is waited for all the time, by
// POLLERR, until it has come.
void TcpSocket::OnReady(short events) {
  const bool broken = (events & (POLLERR | POLLHUP)) != 0;
  WaitFor(broken ? 0 : POLLERR);
}

// --- errors

int TcpSocket::TakeError() {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error_ == 0) error_ = error;
  return error_;
}

Status TcpSocket::Lost(int error) {
  if (error_ == 0) error_ = error;
  return Status::FromErrno(error_, "the connection broke");
}

// --- ByteSocket

Status TcpSocket::Write(const iovec* slices, size_t count, size_t* taken) {
  *taken = 0;
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(slices);
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent < 0 && !IsAgain(errno)) return Lost(errno);
  if (sent > 0) *taken = static_cast<size_t>(sent);
  size_t offered = 0;
  for (size_t i = 0; i < count; i++) offered += slices[i].iov_len;
  if (*taken < offered) WaitFor(waits_ | POLLOUT | POLLERR);
  return Status::Ok();
}

Status TcpSocket::Read(uint8_t* buffer, size_t room, size_t* got, bool* end) {
  *got = 0;
  const ssize_t length = recv(fd_, buffer, room, 0);
  if (length > 0) {
    *got = static_cast<size_t>(length);
  } else if (length == 0) {
    // After a reset that Write was told of this is no end, unless the peer had
    // ended before: then the reset was EPIPE.
    if (error_ != 0 && error_ != EPIPE) return Lost(error_);
    *end = true;
  } else if (IsAgain(errno)) {
    WaitFor(waits_ | POLLIN | POLLERR);
  } else {
    return Lost(errno);
  }
  return Status::Ok();
}

Status TcpSocket::EndWriting(bool* done) {
  if (shutdown(fd_, SHUT_WR) != 0) return Lost(errno);
  *done = true;
  return Status::Ok();
}

// The kernel counts the FIN as a byte.
uint64_t TcpSocket::Undelivered() {
  int bytes = 0;
  if (ioctl(fd_, SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<uint64_t>(bytes);
}

Status TcpSocket::Check() {
  const int error = TakeError();
  return error == 0 ? Status::Ok() : Lost(error);
}

// TCP's RST has no room for a code.
void TcpSocket::Abort(uint32_t /*code*/) {
  if (fd_ < 0) return;
  const linger reset = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  engine_->Forget(fd_);
  close(fd_);
  fd_ = -1;
}

Endpoint TcpSocket::local() const {
  Endpoint local;
  socklen_t length = sizeof(sockaddr_storage);
  if (getsockname(fd_, local.mutable_address(), &length) != 0) return {};
  return local;
}

void TcpSocket::AppendStats(std::string* text) const {
  tcp_info info = {};
  socklen_t length = sizeof info;
  if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return;
  AddStat(text, "rtt_us", info.tcpi_rtt);
  AddStat(text, "retransmits", info.tcpi_total_retrans);
  AddStat(text, "packets_in_flight", info.tcpi_unacked);
}

}  // namespace xtp::tcp
