#include "engine.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/setting_fields.h"
#include "socket.h"

namespace xtp::tcp {
namespace {

// Connections that the kernel has made and nobody has accepted.
constexpr int kBacklog = 511;
// After accept has failed, as it does without free descriptors.
constexpr uint64_t kAcceptPauseUs = 100 * 1000;

int NewSocket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

}  // namespace

// A listening socket. Its connections outlive it.
class TcpPort final : public PortBase {
 public:
  TcpPort(TcpEngine* engine, SocketId id, const Endpoint& local, int fd)
      : PortBase(id, local, engine->now_us()), engine_(engine), fd_(fd) {
    engine_->listeners_[fd_] = this;
  }
  ~TcpPort() override { Close(); }

  int fd() const { return fd_; }
  uint64_t paused_until_us() const { return paused_until_us_; }
  void Pause(uint64_t until_us) { paused_until_us_ = until_us; }

  void StopListening(uint64_t now_us) override {
    PortBase::StopListening(now_us);
    Close();
  }
  bool reusable() const override { return fd_ >= 0; }
  void SetWatched(bool watched) {
    if (watched_ == watched) return;
    watched_ = watched;
    engine_->Watch(fd_, watched ? POLLIN : 0);
  }

 private:
  void Close() {
    if (fd_ < 0) return;
    SetWatched(false);
    engine_->listeners_.erase(fd_);
    close(fd_);
    fd_ = -1;
  }

  TcpEngine* const engine_;
  int fd_;
  bool watched_ = false;
  uint64_t paused_until_us_ = 0;
};

// --- listening

Status TcpEngine::OpenPort(const Endpoint& local,
                           std::unique_ptr<PortBase>* out) {
  const std::string what = "listen on " + local.ToString();
  const int fd = NewSocket(local.family());
  if (fd < 0) return Status::FromErrno(errno, what);
  const int on = 1;
  // Connections of a former listener do not keep its port from a new one.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (local.family() == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  Endpoint bound;
  socklen_t length = sizeof(sockaddr_storage);
  if (bind(fd, local.address(), local.length()) != 0 ||
      listen(fd, kBacklog) != 0 ||
      getsockname(fd, bound.mutable_address(), &length) != 0) {
    const Status status = Status::FromErrno(errno, what);
    close(fd);
    return status;
  }
  *out = std::make_unique<TcpPort>(this, next_port_++, bound, fd);
  return Status::Ok();
}

void TcpEngine::AcceptAll(TcpPort* port) {
  while (CanAccept(*port)) {
    Endpoint peer;
    socklen_t length = sizeof(sockaddr_storage);
    const int fd = accept4(port->fd(), peer.mutable_address(), &length,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      accepts_failed_++;
      port->Pause(now_us() + kAcceptPauseUs);
      return;
    }
    ByteConnection* connection = nullptr;
    if (AddInbound(port, peer, std::make_unique<TcpSocket>(this, fd),
                   &connection)) {
      connections_[fd] = connection;
    }
  }
}

// Whoever cannot be accepted waits in the kernel's queue.
uint64_t TcpEngine::BeginRound() {
  uint64_t next = kNever;
  for (const auto& [fd, port] : listeners_) {
    const bool paused = now_us() < port->paused_until_us();
    if (paused) next = std::min(next, port->paused_until_us());
    port->SetWatched(!paused && CanAccept(*port));
  }
  return next;
}

// --- dialling

// Each dial has a socket of its own.
Status TcpEngine::PortForDial(const Endpoint& /*to*/, PortBase** out) {
  *out = nullptr;
  return Status::Ok();
}

Status TcpEngine::Connect(PortBase* /*port*/, ByteConnection* connection,
                          std::unique_ptr<ByteSocket>* out) {
  const Endpoint& to = connection->peer();
  const std::string what = "dial of " + to.ToString();
  const int fd = NewSocket(to.family());
  if (fd < 0) return Status::FromErrno(errno, what);
  auto made = std::make_unique<TcpSocket>(this, fd);
  if (connect(fd, to.address(), to.length()) != 0 && errno != EINPROGRESS) {
    return Status::FromErrno(errno, what);
  }
  connections_[fd] = connection;
  made->WaitForConnect();
  *out = std::move(made);
  return Status::Ok();
}

// --- readiness

void TcpEngine::OnReady(int fd, short events, uint64_t /*now_us*/) {
  const auto listener = listeners_.find(fd);
  if (listener != listeners_.end()) {
    AcceptAll(listener->second);
    return;
  }
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  ByteConnection* const connection = found->second;
  auto* const socket = static_cast<TcpSocket*>(connection->socket());
  if (!connection->dialing()) {
    socket->OnReady(events);
    connection->OnSocket();
    return;
  }
  bool done = false;
  const Status status =
      socket->FinishConnect("dial of " + connection->peer().ToString(), &done);
  if (!done) return;
  if (status.ok()) {
    connection->OnConnected();
  } else {
    connection->OnFailed(status);
  }
}

void TcpEngine::Forget(int fd) {
  Watch(fd, 0);
  connections_.erase(fd);
}

// --- the rest

void TcpEngine::AppendStats(std::string* text) const {
  AddStat(text, "accepts_failed", accepts_failed_);
}

std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status) {
  ByteEngine::Limits limits;
  *status = ParseSettingFields(settings, &limits, ByteEngine::kLimitFields);
  if (!status->ok()) return nullptr;
  return std::make_unique<TcpEngine>(host, limits);
}

}  // namespace xtp::tcp
