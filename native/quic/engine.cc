// The parent's requests.
#include "quic/engine.h"

#include <string>
#include <utility>

#include "common/address.h"

namespace xtp::quic {

QuicEngine::QuicEngine(Host* host, const Settings& settings)
    : shared_(host, settings) {}

QuicEngine::~QuicEngine() {
  connections_.clear();  // they refer to ports and to shared_
}

Status QuicEngine::Init() {
  if (shared_.tokens.Init()) return Status::Ok();
  return Status(Code::kInternal, "no random numbers from OpenSSL");
}

void QuicEngine::Reply(uint32_t request, const Status& status,
                       const Endpoint& local) {
  Event event;
  event.kind = Event::Kind::kReply;
  event.request = request;
  event.status = status;
  event.local = local;
  shared_.host->Emit(std::move(event));
}

void QuicEngine::Listen(uint32_t request, uint32_t listener,
                        const Endpoint& local, uint32_t accept,
                        uint64_t now_us) {
  shared_.now_us = now_us;
  if (listener == 0) {
    Reply(request, Status(Code::kInvalidArgument, "listener id 0"));
    return;
  }
  if (FindListener(listener) != nullptr) {
    Reply(request,
          Status(Code::kAlreadyExists, "listener " + std::to_string(listener)));
    return;
  }
  if (shared_.identity->contexts() == nullptr) {
    Reply(request,
          Status(Code::kUnavailable, "the host has not signed a TLS key yet"));
    return;
  }
  Port* port = nullptr;
  // The socket of a former listener may still be there for its connections.
  for (const auto& [id, candidate] : ports_) {
    if (candidate->listener == 0 && candidate->local == local) {
      port = candidate.get();
    }
  }
  if (port == nullptr) {
    const Status status = BindPort(local, &port);
    if (!status.ok()) {
      Reply(request, status);
      return;
    }
  }
  port->listener = listener;
  port->credit = accept;
  Reply(request, Status::Ok(), port->local);
}

void QuicEngine::Unlisten(uint32_t request, uint32_t listener,
                          uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindListener(listener);
  if (port == nullptr) {
    Reply(request,
          Status(Code::kNotFound, "listener " + std::to_string(listener)));
    return;
  }
  port->listener = 0;
  port->credit = 0;
  port->unused_since_us = now_us;
  Reply(request, Status::Ok());
}

void QuicEngine::Accept(uint32_t listener, uint32_t count, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindListener(listener);
  if (port == nullptr) return;
  port->credit =
      count > UINT32_MAX - port->credit ? UINT32_MAX : port->credit + count;
}

Status QuicEngine::CheckDial(uint32_t connection, const Endpoint& to) const {
  if (connection % 2 == 0) {
    return Status(Code::kInvalidArgument, "connection ids of dials are odd");
  }
  if (shared_.ids.count(connection) != 0) {
    return Status(Code::kAlreadyExists,
                  "connection " + std::to_string(connection));
  }
  if (to.family() != AF_INET && to.family() != AF_INET6) {
    return Status(Code::kInvalidArgument, "cannot dial: not an IP address");
  }
  if (to.port() == 0 || to.IsUnspecified()) {
    return Status(Code::kInvalidArgument, "cannot dial " + to.ToString());
  }
  if (connections_.size() >= shared_.settings.max_connections) {
    return Status(Code::kResourceExhausted,
                  "there are " + std::to_string(connections_.size()) +
                      " connections, max_connections allows no more");
  }
  return Status::Ok();
}

void QuicEngine::Dial(uint32_t request, uint32_t connection, const Endpoint& to,
                      uint32_t timeout_ms, uint64_t now_us) {
  shared_.now_us = now_us;
  shared_.counters.dials++;
  Port* port = nullptr;
  Status status = CheckDial(connection, to);
  if (status.ok()) status = PortForDial(to, &port);
  if (!status.ok()) {
    shared_.counters.dials_failed++;
    Reply(request, status);
    return;
  }
  auto made = std::make_unique<Connection>(&shared_, port, connection, to);
  if (timeout_ms == 0) timeout_ms = shared_.settings.dial_timeout_ms;
  status = made->Dial(request, timeout_ms);
  if (!status.ok()) {
    shared_.counters.dials_failed++;
    Reply(request, status);
    return;
  }
  shared_.ids[connection] = made.get();
  Connection* const key = made.get();
  connections_[key] = std::move(made);
}

void QuicEngine::Close(uint32_t request, uint32_t connection, bool abort,
                       uint32_t code, uint64_t now_us) {
  shared_.now_us = now_us;
  Connection* const found = FindConnection(connection);
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

bool QuicEngine::OnStreamOpen(Stream* stream, uint32_t connection,
                              uint32_t kind, uint64_t now_us) {
  shared_.now_us = now_us;
  Connection* const found = FindConnection(connection);
  return kind == 1 && found != nullptr && found->AttachStream(stream);
}

Status QuicEngine::BindPort(const Endpoint& local, Port** out) {
  auto port = std::make_unique<Port>();
  const Status status = shared_.host->Bind(local, &port->socket);
  if (!status.ok()) return status;
  port->local = shared_.host->LocalEndpoint(port->socket);
  port->unused_since_us = shared_.now_us;
  *out = port.get();
  ports_[port->socket] = std::move(port);
  return Status::Ok();
}

// A dial from a listening socket shows the peer, and every NAT between, the
// port that answers.
Status QuicEngine::PortForDial(const Endpoint& to, Port** out) {
  for (const auto& [id, port] : ports_) {
    if (port->listener != 0 && CanReach(port->local, to)) {
      *out = port.get();
      return Status::Ok();
    }
  }
  SocketId* const shared_socket =
      to.family() == AF_INET6 ? &dial_socket_v6_ : &dial_socket_v4_;
  const auto found = ports_.find(*shared_socket);
  if (found != ports_.end()) {
    *out = found->second.get();
    return Status::Ok();
  }
  const Status status = BindPort(AnyAddress(to.family()), out);
  if (status.ok()) *shared_socket = (*out)->socket;
  return status;
}

Port* QuicEngine::FindListener(uint32_t listener) {
  for (const auto& [id, port] : ports_) {
    if (port->listener == listener && listener != 0) return port.get();
  }
  return nullptr;
}

Connection* QuicEngine::FindConnection(uint32_t id) {
  const auto found = shared_.ids.find(id);
  if (found == shared_.ids.end() || found->second->over()) return nullptr;
  return found->second;
}

void QuicEngine::Stats(uint32_t request, uint32_t connection, uint64_t now_us) {
  shared_.now_us = now_us;
  Event event;
  event.kind = Event::Kind::kStats;
  event.request = request;
  event.connection = connection;
  if (connection == 0) {
    event.text = ServiceStats();
  } else if (const Connection* found = FindConnection(connection)) {
    event.text = found->StatsText();
  } else {
    Reply(request,
          Status(Code::kNotFound, "connection " + std::to_string(connection)));
    return;
  }
  shared_.host->Emit(std::move(event));
}

std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status) {
  Settings parsed;
  *status = ParseSettings(settings, &parsed);
  if (!status->ok()) return nullptr;
  auto engine = std::make_unique<QuicEngine>(host, parsed);
  *status = engine->Init();
  if (!status->ok()) return nullptr;
  return engine;
}

}  // namespace xtp::quic
