// What a port and a connection are for the parent's requests.
#include "utp/engine.h"

#include <unistd.h>

#include <memory>
#include <utility>

#if defined(__APPLE__)
#include <sys/random.h>
#endif

namespace xtp::utp {

UtpEngine::UtpEngine(Host* host, const Settings& settings, const Seed& seed,
                     const Guards& guards)
    : EngineBase(host, {settings.max_connections, settings.dial_timeout_ms},
                 &shared_.now_us),
      shared_(host, settings, guards, seed.syn, seed.random) {}

UtpEngine::~UtpEngine() {
  connections_.clear();  // before the contexts that their sockets live in
  ForgetPorts();
}

Status UtpEngine::OpenPort(const Endpoint& local,
                           std::unique_ptr<PortBase>* out) {
  SocketId socket = 0;
  const Status status = shared_.host->Bind(local, &socket);
  if (status.ok()) out->reset(new Port(&shared_, this, socket));
  return status;
}

Status UtpEngine::StartDial(PortBase* port, uint32_t connection,
                            const Endpoint& to, uint32_t request,
                            uint32_t timeout_ms) {
  auto made = std::make_unique<Connection>(&shared_, static_cast<Port*>(port),
                                           connection, to);
  const Status status = made->Dial(request, timeout_ms);
  if (status.ok()) connections_[connection] = std::move(made);
  return status;
}

Connection* UtpEngine::FindConnection(uint32_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->over()) return nullptr;
  return found->second.get();
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
