#include "common/engine_base.h"

#include <algorithm>
#include <utility>

#include "common/address.h"

namespace xtp {

void AddStat(std::string* text, const char* key, uint64_t value) {
  *text += key;
  *text += ' ';
  *text += std::to_string(value);
  *text += '\n';
}

void EngineBase::Reply(uint32_t request, const Status& status,
                       const Endpoint& local) {
  Event event;
  event.kind = Event::Kind::kReply;
  event.request = request;
  event.status = status;
  event.local = local;
  host_->Emit(std::move(event));
}

// --- listeners

void EngineBase::Listen(uint32_t request, uint32_t listener,
                        const Endpoint& local, uint32_t accept,
                        uint64_t now_us) {
  *now_us_ = now_us;
  if (listener == 0) {
    Reply(request, Status(Code::kInvalidArgument, "listener id 0"));
    return;
  }
  if (FindListener(listener) != nullptr) {
    Reply(request,
          Status(Code::kAlreadyExists, "listener " + std::to_string(listener)));
    return;
  }
  Status status = CheckListen();
  PortBase* port = nullptr;
  // The socket of a former listener may still be there for its connections.
  for (const auto& [id, candidate] : ports_) {
    if (candidate->listener() == 0 && candidate->reusable() &&
        candidate->local() == local) {
      port = candidate.get();
    }
  }
  if (status.ok() && port == nullptr) status = Open(local, &port);
  if (!status.ok()) {
    Reply(request, status);
    return;
  }
  port->StartListening(listener, accept);
  Reply(request, Status::Ok(), port->local());
}

void EngineBase::Unlisten(uint32_t request, uint32_t listener,
                          uint64_t now_us) {
  *now_us_ = now_us;
  PortBase* const port = FindListener(listener);
  if (port == nullptr) {
    Reply(request,
          Status(Code::kNotFound, "listener " + std::to_string(listener)));
    return;
  }
  port->StopListening(now_us);
  Reply(request, Status::Ok());
}

void EngineBase::Accept(uint32_t listener, uint32_t count, uint64_t now_us) {
  *now_us_ = now_us;
  PortBase* const port = FindListener(listener);
  if (port != nullptr) port->AddCredit(count);
}

// --- connections

Status EngineBase::CheckDial(uint32_t connection, const Endpoint& to) const {
  if (connection % 2 == 0) {
    return Status(Code::kInvalidArgument, "connection ids of dials are odd");
  }
  if (InUse(connection)) {
    return Status(Code::kAlreadyExists,
                  "connection " + std::to_string(connection));
  }
  if (to.family() != AF_INET && to.family() != AF_INET6) {
    return Status(Code::kInvalidArgument, "cannot dial: not an IP address");
  }
  if (to.port() == 0 || to.IsUnspecified()) {
    return Status(Code::kInvalidArgument,
                  "cannot dial " + to.ToString() + ": no such peer");
  }
  if (connection_count() >= options_.max_connections) {
    return Status(Code::kResourceExhausted,
                  "there are " + std::to_string(connection_count()) +
                      " connections, max_connections allows no more");
  }
  return Status::Ok();
}

void EngineBase::Dial(uint32_t request, uint32_t connection, const Endpoint& to,
                      uint32_t timeout_ms, uint64_t now_us) {
  *now_us_ = now_us;
  CountDial();
  if (timeout_ms == 0) timeout_ms = options_.dial_timeout_ms;
  PortBase* port = nullptr;
  Status status = CheckDial(connection, to);
  if (status.ok()) status = PortForDial(to, &port);
  if (status.ok())
    status = StartDial(port, connection, to, request, timeout_ms);
  if (status.ok()) return;
  CountFailedDial();
  Reply(request, status);
}

void EngineBase::Close(uint32_t request, uint32_t connection, bool abort,
                       uint32_t code, uint64_t now_us) {
  *now_us_ = now_us;
  ConnectionBase* const found = FindConnection(connection);
  if (found == nullptr) {
    Reply(request,
          Status(Code::kNotFound, "connection " + std::to_string(connection)));
    return;
  }
  Reply(request, Status::Ok());
  if (found->dialing()) {
    found->CancelDial();
  } else if (abort) {
    found->Abort(code);
  } else {
    found->CloseGracefully();
  }
}

bool EngineBase::OnStreamOpen(Stream* stream, uint32_t connection,
                              uint32_t kind, uint64_t now_us) {
  *now_us_ = now_us;
  ConnectionBase* const found = FindConnection(connection);
  return kind == options_.stream_kind && found != nullptr &&
         found->AttachStream(stream);
}

void EngineBase::Stats(uint32_t request, uint32_t connection, uint64_t now_us) {
  *now_us_ = now_us;
  Event event;
  event.kind = Event::Kind::kStats;
  event.request = request;
  event.connection = connection;
  if (connection == 0) {
    event.text = ServiceStats();
  } else if (const ConnectionBase* found = FindConnection(connection)) {
    event.text = found->StatsText();
  } else {
    Reply(request,
          Status(Code::kNotFound, "connection " + std::to_string(connection)));
    return;
  }
  host_->Emit(std::move(event));
}

// --- ports

Status EngineBase::Open(const Endpoint& local, PortBase** out) {
  std::unique_ptr<PortBase> port;
  const Status status = OpenPort(local, &port);
  if (!status.ok()) return status;
  *out = port.get();
  ports_[port->socket()] = std::move(port);
  return Status::Ok();
}

Status EngineBase::PortForDial(const Endpoint& to, PortBase** out) {
  for (const auto& [id, port] : ports_) {
    if (port->listener() != 0 && CanReach(port->local(), to)) {
      *out = port.get();
      return Status::Ok();
    }
  }
  SocketId* const shared =
      to.family() == AF_INET6 ? &dial_socket_v6_ : &dial_socket_v4_;
  const auto found = ports_.find(*shared);
  if (found != ports_.end()) {
    *out = found->second.get();
    return Status::Ok();
  }
  const Status status = Open(AnyAddress(to.family()), out);
  if (status.ok()) *shared = (*out)->socket();
  return status;
}

PortBase* EngineBase::FindPort(SocketId socket) {
  if (last_port_ != nullptr && last_port_->socket() == socket) {
    return last_port_;
  }
  const auto found = ports_.find(socket);
  if (found == ports_.end()) return nullptr;
  last_port_ = found->second.get();
  return last_port_;
}

PortBase* EngineBase::FindListener(uint32_t listener) {
  for (const auto& [id, port] : ports_) {
    if (port->listener() == listener && listener != 0) return port.get();
  }
  return nullptr;
}

size_t EngineBase::listeners() const {
  size_t count = 0;
  for (const auto& [id, port] : ports_) count += port->listener() != 0;
  return count;
}

uint64_t EngineBase::CloseUnusedPorts() {
  uint64_t next = kNever;
  for (auto it = ports_.begin(); it != ports_.end();) {
    PortBase* const port = it->second.get();
    const SocketId id = it->first;
    if (port->in_use()) {
      ++it;
      continue;
    }
    const bool dials = id == dial_socket_v4_ || id == dial_socket_v6_;
    const uint64_t until =
        port->unused_since_us() + (dials ? options_.keep_dial_socket_us : 0);
    if (*now_us_ < until) {
      next = std::min(next, until);
      ++it;
      continue;
    }
    if (id == dial_socket_v4_) dial_socket_v4_ = 0;
    if (id == dial_socket_v6_) dial_socket_v6_ = 0;
    last_port_ = nullptr;
    it = ports_.erase(it);
    CloseSocket(id);
  }
  return next;
}

void EngineBase::CloseAllPorts() {
  last_port_ = nullptr;
  dial_socket_v4_ = dial_socket_v6_ = 0;
  while (!ports_.empty()) {
    const SocketId id = ports_.begin()->first;
    ports_.erase(ports_.begin());
    CloseSocket(id);
  }
}

void EngineBase::ForgetPorts() {
  last_port_ = nullptr;
  ports_.clear();
}

}  // namespace xtp
