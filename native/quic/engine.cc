// What a port and a connection are for the parent's requests.
#include "quic/engine.h"

#include <memory>
#include <utility>

namespace xtp::quic {

QuicEngine::QuicEngine(Host* host, const Settings& settings)
    : EngineBase(host, {settings.max_connections, settings.dial_timeout_ms, 1},
                 &shared_.now_us),
      shared_(host, settings) {}

QuicEngine::~QuicEngine() {
  connections_.clear();  // they refer to ports and to shared_
  ForgetPorts();
}

Status QuicEngine::Init() {
  if (shared_.tokens.Init() && shared_.cids.Init()) return Status::Ok();
  return Status(Code::kInternal, "no random numbers");
}

Status QuicEngine::CheckListen() const {
  if (shared_.identity->contexts() != nullptr) return Status::Ok();
  return Status(Code::kUnavailable, "the host has not signed a TLS key yet");
}

Status QuicEngine::OpenPort(const Endpoint& local,
                            std::unique_ptr<PortBase>* out) {
  SocketId socket = 0;
  const Status status = shared_.host->Bind(local, &socket);
  if (status.ok()) {
    *out = std::make_unique<Port>(socket, shared_.host->LocalEndpoint(socket),
                                  shared_.now_us);
  }
  return status;
}

Status QuicEngine::StartDial(PortBase* port, uint32_t connection,
                             const Endpoint& to, uint32_t request,
                             uint32_t timeout_ms) {
  auto made = std::make_unique<Connection>(&shared_, port, connection, to);
  const Status status = made->Dial(request, timeout_ms);
  if (!status.ok()) return status;
  shared_.ids[connection] = made.get();
  Connection* const key = made.get();
  connections_[key] = std::move(made);
  return status;
}

Connection* QuicEngine::FindConnection(uint32_t id) {
  const auto found = shared_.ids.find(id);
  if (found == shared_.ids.end() || found->second->over()) return nullptr;
  return found->second;
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
