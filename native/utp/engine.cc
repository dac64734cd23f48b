#include "utp/engine.h"

#include <utp.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "common/address.h"
#include "common/siphash.h"

namespace xtp::utp {
namespace {

constexpr uint32_t kMinPayload = 576;     // libutp assumes that this fits
constexpr uint32_t kMaxSaneMtu = 0x1fff;  // beyond, libutp guesses instead

ByteEngine::Limits LimitsOf(const Settings& settings, const Guards& guards) {
  ByteEngine::Limits limits = settings;
  if (!guards.linger_limit) limits.linger_ms = UINT32_MAX;
  return limits;
}

}  // namespace

UtpEngine::UtpEngine(Host* host, const Settings& settings, const Seed& seed,
                     const Guards& guards)
    : ByteEngine(host, LimitsOf(settings, guards)),
      shared_(host, settings, guards, seed.syn, seed.random, now_us()) {}

// --- ports and connections

Status UtpEngine::OpenPort(const Endpoint& local,
                           std::unique_ptr<PortBase>* out) {
  SocketId socket = 0;
  const Status status = host()->Bind(local, &socket);
  if (status.ok()) out->reset(new Port(&shared_, this, socket));
  return status;
}

Status UtpEngine::Connect(PortBase* port, ByteConnection* connection,
                          std::unique_ptr<ByteSocket>* out) {
  auto made = std::make_unique<Connection>(&shared_, static_cast<Port*>(port));
  made->Dial(connection);
  *out = std::move(made);
  return Status::Ok();
}

Connection* UtpEngine::OnAccept(Port* port, UTPSocket* socket,
                                const Endpoint& peer, const Header& first) {
  auto made = std::make_unique<Connection>(&shared_, port);
  Connection* const result = made.get();
  ByteConnection* owner = nullptr;
  if (!AddInbound(port, peer, std::move(made), &owner)) return nullptr;
  result->Accept(owner, socket, first);
  return result;
}

// --- what comes from the network

void UtpEngine::OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                           const Endpoint& from, uint64_t now_us) {
  set_now_us(now_us);
  auto* const port = static_cast<Port*>(FindPort(socket));
  if (port != nullptr) port->OnDatagram(data, length, from);
}

void UtpEngine::OnIcmpError(SocketId socket, const uint8_t* payload,
                            size_t length, const Endpoint& to, int error,
                            uint32_t mtu, uint64_t now_us) {
  set_now_us(now_us);
  auto* const port = static_cast<Port*>(FindPort(socket));
  Header sent;
  if (port == nullptr || !ParseHeader(payload, length, &sent)) return;
  Connection* const connection = port->FindBySent(sent, to);
  if (connection == nullptr) return;
  if (error == EMSGSIZE) {
    OnPathMtu(port, payload, length, to, mtu);
  } else {
    connection->OnIcmp(error);
  }
}

// libutp counts the MTU as UDP payload, and guesses when it does not believe
// the number.
void UtpEngine::OnPathMtu(Port* port, const uint8_t* payload, size_t length,
                          const Endpoint& to, uint32_t mtu) {
  uint32_t usable = mtu;
  if (shared_.guards.mtu_sanity) {
    const uint32_t overhead = UdpOverhead(to.family());
    if (mtu == 0 || mtu > kMaxSaneMtu) return;
    usable = std::max(kMinPayload, mtu - std::min(mtu, overhead));
  }
  utp_process_icmp_fragmentation(port->context(), payload, length, to.address(),
                                 to.length(), static_cast<uint16_t>(usable));
}

uint64_t UtpEngine::EndRound() {
  uint64_t next = kNever;
  // libutp's tick may end connections, and their end may need a tick.
  for (int i = 0; i < 3; i++) {
    if (i > 0) ServeConnections();
    next = kNever;
    for (const auto& [id, port] : port_map()) {
      next = std::min(next, static_cast<Port*>(port.get())->EndRound());
    }
    if (!HasWork()) break;
  }
  return next;
}

// --- the rest

void UtpEngine::AppendStats(std::string* text) const {
  const Counters& c = shared_.counters;
  AddStat(text, "libutp_sockets", shared_.libutp_sockets);
  AddStat(text, "datagrams_in", c.datagrams_in);
  AddStat(text, "datagrams_out", c.datagrams_out);
  AddStat(text, "retransmits", c.retransmits);
  AddStat(text, "malformed_datagrams", c.malformed_datagrams);
  AddStat(text, "unknown_datagrams", c.unknown_datagrams);
  AddStat(text, "syns", c.syns);
  AddStat(text, "syns_dropped", c.syns_dropped);
  AddStat(text, "resets_sent", c.resets_sent);
  AddStat(text, "resets_received", c.resets_received);
  AddStat(text, "resets_ignored", c.resets_ignored);
  AddStat(text, "misbehaved", c.misbehaved);
  AddStat(text, "reorder_dropped", c.reorder_dropped);
}

std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status) {
  Settings parsed;
  *status = ParseSettings(settings, &parsed);
  if (!status->ok()) return nullptr;
  UtpEngine::Seed seed;
  if (!FillRandom(&seed, sizeof seed)) {
    *status = Status(Code::kInternal, "no random numbers from the system");
    return nullptr;
  }
  return std::make_unique<UtpEngine>(host, parsed, seed);
}

}  // namespace xtp::utp
