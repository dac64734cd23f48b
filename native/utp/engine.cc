// The parent's requests.
#include "utp/engine.h"

#include <unistd.h>

#include <string>
#include <utility>

#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include "common/address.h"

namespace xtp::utp {

UtpEngine::UtpEngine(Host* host, const Settings& settings, const Seed& seed,
                     const Guards& guards)
    : shared_(host, settings, guards, seed.syn, seed.random) {}

UtpEngine::~UtpEngine() {
  connections_.clear();  // before the contexts that their sockets live in
}

void UtpEngine::Reply(uint32_t request, const Status& status,
                      const Endpoint& local) {
  Event event;
  event.kind = Event::Kind::kReply;
  event.request = request;
  event.status = status;
  event.local = local;
  shared_.host->Emit(std::move(event));
}

void UtpEngine::Listen(uint32_t request, uint32_t listener,
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
  Port* port = nullptr;
  // The socket of a former listener may still be there for its connections.
  for (const auto& [id, candidate] : ports_) {
    if (candidate->listener() == 0 && candidate->local() == local) {
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
  port->StartListening(listener, accept);
  Reply(request, Status::Ok(), port->local());
}

void UtpEngine::Unlisten(uint32_t request, uint32_t listener, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindListener(listener);
  if (port == nullptr) {
    Reply(request,
          Status(Code::kNotFound, "listener " + std::to_string(listener)));
    return;
  }
  port->StopListening();
  Reply(request, Status::Ok());
}

void UtpEngine::Accept(uint32_t listener, uint32_t count, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindListener(listener);
  if (port != nullptr) port->AddCredit(count);
}

Status UtpEngine::CheckDial(uint32_t connection, const Endpoint& to) const {
  if (connection % 2 == 0) {
    return Status(Code::kInvalidArgument, "connection ids of dials are odd");
  }
  if (connections_.count(connection) != 0) {
    return Status(Code::kAlreadyExists,
                  "connection " + std::to_string(connection));
  }
  if (to.family() != AF_INET && to.family() != AF_INET6) {
    return Status(Code::kInvalidArgument, "cannot dial: not an IP address");
  }
  if (connections_.size() >= shared_.settings.max_connections) {
    return Status(Code::kResourceExhausted,
                  "there are " + std::to_string(connections_.size()) +
                      " connections, max_connections allows no more");
  }
  return Status::Ok();
}

void UtpEngine::Dial(uint32_t request, uint32_t connection, const Endpoint& to,
                     uint32_t timeout_ms, uint64_t now_us) {
  shared_.now_us = now_us;
  Status status = CheckDial(connection, to);
  Port* port = nullptr;
  if (status.ok()) status = PortForDial(to, &port);
  if (!status.ok()) {
    shared_.counters.dials_failed++;
    Reply(request, status);
    return;
  }
  shared_.counters.dials++;
  auto made = std::make_unique<Connection>(&shared_, port, connection, to);
  if (timeout_ms == 0) timeout_ms = shared_.settings.dial_timeout_ms;
  status = made->Dial(request, timeout_ms);
  if (!status.ok()) {
    shared_.counters.dials_failed++;
    Reply(request, status);
    return;
  }
  connections_[connection] = std::move(made);
}

void UtpEngine::Close(uint32_t request, uint32_t connection, bool abort,
                      uint32_t /*code*/, uint64_t now_us) {
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
    found->AbortLocally("aborted by the parent");
  } else {
    found->CloseGracefully();
  }
}

bool UtpEngine::OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind,
                             uint64_t now_us) {
  shared_.now_us = now_us;
  Connection* const found = FindConnection(connection);
  return kind == 0 && found != nullptr && found->AttachStream(stream);
}

Status UtpEngine::BindPort(const Endpoint& local, Port** out) {
  SocketId socket = 0;
  const Status status = shared_.host->Bind(local, &socket);
  if (!status.ok()) return status;
  std::unique_ptr<Port> port(new Port(&shared_, this, socket));
  *out = port.get();
  ports_[socket] = std::move(port);
  return Status::Ok();
}

// A dial from a listening socket shows the peer, and every NAT between, the
// port that answers.
Status UtpEngine::PortForDial(const Endpoint& to, Port** out) {
  for (const auto& [id, port] : ports_) {
    if (port->listener() != 0 && CanReach(port->local(), to)) {
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
  if (status.ok()) *shared_socket = (*out)->socket();
  return status;
}

Port* UtpEngine::FindListener(uint32_t listener) {
  for (const auto& [id, port] : ports_) {
    if (port->listener() == listener && listener != 0) return port.get();
  }
  return nullptr;
}

Connection* UtpEngine::FindConnection(uint32_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->over()) return nullptr;
  return found->second.get();
}

void UtpEngine::Stats(uint32_t request, uint32_t connection, uint64_t now_us) {
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
  UtpEngine::Seed seed;
  if (getentropy(&seed, sizeof seed) != 0) {
    *status = Status(Code::kInternal, "no random numbers from the system");
    return nullptr;
  }
  return std::make_unique<UtpEngine>(host, parsed, seed);
}

}  // namespace xtp::utp
