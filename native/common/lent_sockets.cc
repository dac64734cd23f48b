#include "common/lent_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xtp {
namespace {

// One more than is allowed: the kernel closes what does not fit, and the
// message is known to be wrong.
constexpr size_t kMaxFds = 2;

const char* DialId(int family) {
  return family == AF_INET6 ? "dial6" : "dial4";
}

bool IsUdp(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
         type == SOCK_DGRAM;
}

}  // namespace

LentSockets::~LentSockets() {
  for (const Lent& lent : sockets_) close(lent.fd);
  if (fd_ >= 0) close(fd_);
}

Status LentSockets::Take(const Endpoint& local, int* out) {
  Receive();
  const bool dials = local.port() == 0;
  const auto found =
      std::find_if(sockets_.begin(), sockets_.end(), [&](const Lent& lent) {
        return dials ? lent.id == DialId(local.family()) : lent.local == local;
      });
  if (found == sockets_.end()) {
    if (cut_off_) {
      errno = EMFILE;
      return Status::FromErrno(errno, "a lent socket");
    }
    return Status(Code::kUnavailable,
                  "no socket for " + local.ToString() + " was lent");
  }
  if (dials) {
    *out = fcntl(found->fd, F_DUPFD_CLOEXEC, 0);
    if (*out < 0) return Status::FromErrno(errno, "copy of a lent socket");
    return Status();
  }
  *out = found->fd;
  sockets_.erase(found);
  return Status();
}

void LentSockets::Receive() {
  while (fd_ >= 0 && ReceiveOne()) {
  }
}

// False when there is no more for now.
bool LentSockets::ReceiveOne() {
  char text[kMaxIdBytes + 1];
  union {
    cmsghdr header;
    char bytes[CMSG_SPACE(kMaxFds * sizeof(int))];
  } control;
  iovec into = {text, sizeof text};
  msghdr message = {};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
#if defined(MSG_CMSG_CLOEXEC)
  constexpr int kFlags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
#else
  constexpr int kFlags = MSG_DONTWAIT;
#endif
  const ssize_t length = recvmsg(fd_, &message, kFlags);
  if (length < 0) return errno == EINTR;

  int fds[kMaxFds];
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
       c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), count * sizeof(int));
  }
  if (length == 0 && count == 0) {  // the launcher is gone
    close(fd_);
    fd_ = -1;
    return false;
  }
  const bool whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  if (whole && count == 1 && length > 0 &&
      static_cast<size_t>(length) <= kMaxIdBytes) {
    Add(std::string(text, static_cast<size_t>(length)), fds[0]);
    return true;
  }
  for (size_t i = 0; i < count; i++) close(fds[i]);
  // Nobody sends none: the kernel had no descriptor left for it.
  cut_off_ |= count == 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  refused_++;
  return true;
}

void LentSockets::Add(const std::string& id, int fd) {
  sockaddr_storage name = {};
  socklen_t length = sizeof name;
  auto* address = reinterpret_cast<sockaddr*>(&name);
  Endpoint local;
  if (IsUdp(fd) && getsockname(fd, address, &length) == 0) {
    local = Endpoint::FromSockaddr(address, length);
  }
  if (local.port() == 0 || sockets_.size() == kMax) {
    close(fd);
    refused_++;
    return;
  }
  // The same one again takes the place of the first.
  const auto same =
      std::find_if(sockets_.begin(), sockets_.end(),
                   [&](const Lent& lent) { return lent.id == id; });
  if (same != sockets_.end()) {
    close(same->fd);
    sockets_.erase(same);
  }
  sockets_.push_back(Lent{id, fd, local});
  cut_off_ = false;
}

}  // namespace xtp
