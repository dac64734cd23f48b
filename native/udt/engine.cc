#include "udt/engine.h"

#include <netinet/in.h>
#include <udt/udt.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/address.h"
#include "udt/acknowledgement.h"
#include "udt/errors.h"
#include "udt/framing.h"

namespace xtp::udt {
namespace {

constexpr size_t kMaxFrameBytes = 64 * 1024;
// libudt tells of some broken connections, and of dials that failed, to nobody
// who does not ask.
constexpr uint64_t kScanUs = 100 * 1000;
// How long a closed connection's last frame may take.
constexpr uint64_t kDyingUs = 200 * 1000;
// A dial without an answer begins anew: the cookie that it has may be that of a
// peer which has been restarted.
constexpr uint64_t kRedialUs = 3 * 1000 * 1000;
constexpr size_t kMaxDying = 1024;
// libudt counts IPv4's headers always.
constexpr uint32_t kCountedBytes = UdpOverhead(AF_INET);
constexpr size_t kUdtHeaderBytes = 16;
// Ours besides the listener's own UDT socket: connections in its queue.
constexpr int kBacklog = 1024;

uint32_t SegmentBytes(const Settings& settings, int family) {
  return settings.mtu_bytes - (UdpOverhead(family) - kCountedBytes);
}

template <typename Value>
bool SetOption(int socket, UDTOpt option, Value value) {
  return UDT::setsockopt(socket, 0, option, &value, sizeof value) == 0;
}

}  // namespace

// A UDP socket, and the UDT socket that listens on it. That one is there for
// as long as the port is, whether it has a listener or not: libudt takes
// seconds to close one, accepts on meanwhile, and dies if it is the last.
class Port final : public PortBase {
 public:
  Port(UdtEngine* engine, SocketId id, std::shared_ptr<Channel> channel,
       int listener)
      : PortBase(id, channel->local(), engine->now_us()),
        engine_(engine),
        channel_(std::move(channel)),
        listener_(listener) {
    engine_->listeners_[listener_] = this;
    engine_->waiter_.SetInterest(listener_, kReadable);
  }
  ~Port() override {
    engine_->listeners_.erase(listener_);
    DropHalfOpen();
    engine_->waiter_.SetInterest(listener_, 0);
    UDT::close(listener_);
    channel_->Close();
  }

  const std::shared_ptr<Channel>& channel() const { return channel_; }
  int udt_listener() const { return listener_; }

  void StopListening(uint64_t now_us) override {
    PortBase::StopListening(now_us);
    DropHalfOpen();
  }
  void DropHalfOpen() {
    auto& all = engine_->half_open_;
    for (auto it = all.begin(); it != all.end();) {
      if (it->second.port != this) {
        ++it;
        continue;
      }
      const auto socket = std::move(it->second.socket);
      it = all.erase(it);
    }
    half_open = 0;
  }

  size_t half_open = 0;

 private:
  UdtEngine* const engine_;
  const std::shared_ptr<Channel> channel_;
  const int listener_;
};

UdtEngine::UdtEngine(Host* host, const Settings& settings)
    : ByteEngine(host, settings),
      settings_(settings),
      owner_(std::make_shared<ChannelOwner>()),
      waiter_(host),
      frame_buffer_(new uint8_t[kMaxFrameBytes]) {
  owner_->host = host;
}

UdtEngine::~UdtEngine() {
  DropEverything();
  CloseDying(true);
  waiter_.Stop();
  std::lock_guard<std::mutex> lock(owner_->mutex);
  owner_->host = nullptr;
}

Status UdtEngine::Init() {
  if (UDT::startup() != 0) return LastError("libudt");
  return waiter_.Start();
}

uint64_t UdtEngine::LastAliveUs(uint64_t now_us) {
  uint64_t last = waiter_.LastAliveUs(now_us);
  for (const auto& [id, port] : port_map()) {
    const Channel& channel = *static_cast<Port*>(port.get())->channel();
    last = std::min(last, channel.LastAliveUs(now_us));
  }
  return last;
}

// --- sockets

Status UdtEngine::NewSocket(const Channel& channel, int* out) {
  const int family = channel.local().family();
  const int socket = UDT::socket(family, SOCK_STREAM, 0);
  if (socket == UDT::INVALID_SOCK) return LastError("a UDT socket");
  const auto segment = static_cast<int>(SegmentBytes(settings_, family));
  const int packet = segment - static_cast<int>(kCountedBytes);
  const int flight =
      static_cast<int>(settings_.receive_buffer_bytes) / packet + 1;
  if (SetOption(socket, UDT_MSS, segment) &&
      SetOption(socket, UDT_FC, flight) &&
      SetOption(socket, UDT_SNDBUF,
                static_cast<int>(settings_.send_buffer_bytes)) &&
      SetOption(socket, UDT_RCVBUF,
                static_cast<int>(settings_.receive_buffer_bytes)) &&
      SetOption(socket, UDT_LINGER, linger{0, 0}) &&
      SetOption(socket, UDT_SNDSYN, false) &&
      SetOption(socket, UDT_RCVSYN, false) &&
      SetOption(socket, UDT_REUSEADDR, true) &&
      UDT::setsockopt(socket, 0, UDT_CC, AckingControlFactory(),
                      sizeof(CCCVirtualFactory*)) == 0 &&
      UDT::bind2(socket, channel.handle()) == 0) {
    *out = socket;
    return Status::Ok();
  }
  const Status status = LastError("a UDT socket");
  UDT::close(socket);
  return status;
}

size_t UdtEngine::FrameBytes(const Channel& channel) const {
  const size_t payload = SegmentBytes(settings_, channel.local().family()) -
                         kCountedBytes - kUdtHeaderBytes;
  return kMaxFrameBytes / payload * payload;
}

Status UdtEngine::OpenPort(const Endpoint& local,
                           std::unique_ptr<PortBase>* out) {
  if (ports() >= settings_.max_ports) {
    return Status(Code::kResourceExhausted,
                  "there are " + std::to_string(ports()) +
                      " UDP sockets, max_ports allows no more");
  }
  std::unique_ptr<UdpSocket> udp;
  Status status = host()->OpenUdp(local, &udp);
  if (!status.ok()) return status;
  PacketLimits limits;
  limits.max_segment_bytes = SegmentBytes(settings_, udp->local().family());
  limits.max_flight_packets = settings_.receive_buffer_bytes /
                                  (limits.max_segment_bytes - kCountedBytes) +
                              1;
  udp->AllowFragments();
  std::shared_ptr<Channel> channel;
  status = Channel::Create(std::move(udp), limits, owner_, &channel);
  if (!status.ok()) return status;
  int listener;
  status = NewSocket(*channel, &listener);
  if (!status.ok()) {
    channel->Close();
    channel->Released();
    return status;
  }
  if (UDT::listen(listener, kBacklog) != 0) {
    status = LastError("listening");
    UDT::close(listener);
    channel->Close();
    return status;
  }
  channel->Open();
  waiter_.SetProbe(listener);
  *out =
      std::make_unique<Port>(this, next_port_++, std::move(channel), listener);
  return Status::Ok();
}

Status UdtEngine::Connect(PortBase* port, ByteConnection* connection,
                          std::unique_ptr<ByteSocket>* out) {
  const auto& channel = static_cast<Port*>(port)->channel();
  int socket;
  Status status = NewSocket(*channel, &socket);
  if (!status.ok()) return status;
  channel->AddDialing(static_cast<uint32_t>(socket));
  channel->SetBusy(true);
  waiter_.SetBusy(true);
  const Endpoint& to = connection->peer();
  bool begun;
  {
    const auto hold = channel->HoldAnswers();
    begun =
        UDT::connect(socket, to.address(), static_cast<int>(to.length())) == 0;
  }
  if (!begun) {
    status = LastError("dial of " + to.ToString());
    Bury(socket, channel.get(), true);
    return status;
  }
  sockets_[socket] = connection;
  waiter_.SetInterest(socket, kWritable);
  if (*out == nullptr) {
    *out = std::make_unique<UdtSocket>(this, channel, socket,
                                       FrameBytes(*channel));
  } else {
    static_cast<UdtSocket*>(out->get())->Replace(socket);
  }
  return Status::Ok();
}

void UdtEngine::Bury(int socket, Channel* channel, bool at_once) {
  sockets_.erase(socket);
  waiter_.SetInterest(socket, 0);
  const bool answered = !channel->StopDialing(static_cast<uint32_t>(socket)) &&
                        UDT::getsockstate(socket) == CONNECTING;
  if (!answered && (at_once || dying_.size() >= kMaxDying)) {
    Close(socket, channel);
    return;
  }
  // No second answer.
  if (answered) channel->Forget(static_cast<uint32_t>(socket));
  dying_.push_back(Dying{socket, Channel::Find(channel->handle()),
                         now_us() + kDyingUs, answered, channel->settled()});
}

// libudt must not be closed by one thread while another one connects it.
bool UdtEngine::IsBeingAnswered(const Dying& dying) {
  return dying.answered && UDT::getsockstate(dying.socket) == CONNECTING &&
         dying.channel->settled() == dying.settled;
}

void UdtEngine::Close(int socket, Channel* channel) {
  UDT::close(socket);
  if (channel != nullptr) channel->Forget(static_cast<uint32_t>(socket));
}

void UdtEngine::CloseDying(bool all) {
  for (size_t i = 0; i < dying_.size();) {
    const Dying& dying = dying_[i];
    int32_t left = 0;
    int length = sizeof left;
    const bool sent =
        dying.answered ||
        UDT::getsockopt(dying.socket, 0, UDT_SNDDATA, &left, &length) != 0 ||
        left == 0;
    // Not even at the end: libudt ends with the process.
    if (IsBeingAnswered(dying) ||
        (!all && !sent && now_us() < dying.until_us)) {
      i++;
      continue;
    }
    Close(dying.socket, dying.channel.get());
    dying_[i] = std::move(dying_.back());
    dying_.pop_back();
  }
}

// --- rounds

uint64_t UdtEngine::BeginRound() {
  waiter_.Take(&ready_);
  took_ready_ = !ready_.empty();
  for (const int socket : ready_) Ready(socket);
  ready_.clear();
  for (const auto& [id, port] : port_map()) {
    static_cast<Port*>(port.get())->channel()->TakeNotices(&notices_);
  }
  for (const Notice& notice : notices_) OnNotice(notice);
  notices_.clear();
  CloseDying(false);
  if (now_us() >= next_scan_us_) {
    next_scan_us_ = now_us() + kScanUs;
    Scan();
  }
  const bool idle = sockets_.empty() && half_open_.empty() && dying_.empty();
  return idle ? kNever : next_scan_us_;
}

uint64_t UdtEngine::EndRound() {
  if (took_ready_) waiter_.Continue();
  took_ready_ = false;
  const bool busy = !sockets_.empty() || !half_open_.empty() || !dying_.empty();
  waiter_.SetBusy(busy);
  for (const auto& [id, base] : port_map()) {
    Port* const port = static_cast<Port*>(base.get());
    port->channel()->SetListening(port->listener() != 0);
    const size_t room =
        std::min<size_t>(port->credit(), settings_.max_half_open);
    port->channel()->SetFull(!CanAccept(*port) || port->half_open >= room);
    port->channel()->SetBusy(busy);
  }
  return kNever;
}

void UdtEngine::Ready(int socket) {
  const auto listener = listeners_.find(socket);
  if (listener != listeners_.end()) {
    AcceptAll(listener->second);
    return;
  }
  if (half_open_.count(socket) != 0) {
    TryPreface(socket);
    return;
  }
  const auto found = sockets_.find(socket);
  if (found == sockets_.end()) {
    waiter_.SetInterest(socket, 0);
    return;
  }
  ByteConnection* const connection = found->second;
  if (connection->dialing()) {
    DialIsReady(connection, static_cast<UdtSocket*>(connection->socket()));
  } else {
    connection->OnSocket();
  }
}

void UdtEngine::DialIsReady(ByteConnection* connection, UdtSocket* socket) {
  switch (UDT::getsockstate(socket->socket())) {
    case CONNECTED:
      socket->Opened();
      connection->OnConnected();
      break;
    case INIT:
    case OPENED:
      break;
    case CONNECTING:
      if (now_us() - socket->since_us() < kRedialUs) break;
      [[fallthrough]];
    default: {
      waiter_.SetInterest(socket->socket(), 0);
      std::unique_ptr<ByteSocket> same(socket);
      const Status status = Connect(connection->port(), connection, &same);
      same.release();
      if (!status.ok()) connection->OnFailed(status);
    }
  }
}

void UdtEngine::OnNotice(const Notice& notice) {
  const int socket = static_cast<int>(notice.socket);
  if (half_open_.count(socket) != 0) {
    TryPreface(socket);
    return;
  }
  const auto found = sockets_.find(socket);
  if (found == sockets_.end()) return;
  ByteConnection* const connection = found->second;
  if (connection->dialing()) {
    if (notice.kind != Notice::Kind::kRefused) return;
    connection->OnFailed(
        Status(Code::kConnectionRefused,
               connection->peer().ToString() + " refused the connection",
               ECONNREFUSED));
    return;
  }
  static_cast<UdtSocket*>(connection->socket())->OnPeerGone();
  connection->OnSocket();
}

// --- inbound

void UdtEngine::AcceptAll(Port* port) {
  for (;;) {
    sockaddr_storage name = {};
    int length = sizeof name;
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    const int socket = UDT::accept(port->udt_listener(), address, &length);
    if (socket == UDT::INVALID_SOCK) return;
    const Endpoint peer = Endpoint::FromSockaddr(address, sizeof name);
    if (!CanAccept(*port) || half_open_.size() >= settings_.max_half_open) {
      Close(socket, port->channel().get());
      continue;
    }
    auto made = std::make_unique<UdtSocket>(this, port->channel(), socket,
                                            FrameBytes(*port->channel()));
    made->Opened();
    port->half_open++;
    half_open_.emplace(
        socket, HalfOpen{port, peer, std::move(made),
                         now_us() + settings_.handshake_timeout_ms * 1000ull});
  }
}

// The parent hears of a connection when its peer has shown that it gets what
// is sent to its address.
void UdtEngine::TryPreface(int socket) {
  const auto found = half_open_.find(socket);
  HalfOpen& half = found->second;
  const Status status = half.socket->ReadControl();
  if (status.ok() && !half.socket->greeted() && now_us() < half.until_us) {
    return;
  }
  HalfOpen taken = std::move(half);
  half_open_.erase(found);
  taken.port->half_open--;
  if (!taken.socket->greeted() || !CanAccept(*taken.port)) {
    prefaces_failed_++;
    return;
  }
  ByteConnection* connection = nullptr;
  if (AddInbound(taken.port, taken.peer, std::move(taken.socket),
                 &connection)) {
    sockets_[socket] = connection;
  }
}

// --- what libudt tells nobody

void UdtEngine::Scan() {
  std::vector<int> late;
  for (const auto& [socket, half] : half_open_) {
    if (now_us() >= half.until_us || UDT::getsockstate(socket) != CONNECTED) {
      late.push_back(socket);
    }
  }
  for (const int socket : late) TryPreface(socket);
  late.clear();
  for (const auto& [socket, connection] : sockets_) {
    const UDTSTATUS state = UDT::getsockstate(socket);
    if (state == CONNECTED && !connection->dialing()) continue;
    late.push_back(socket);
  }
  for (const int socket : late) Ready(socket);
}

// --- the end

void UdtEngine::OnStop(uint64_t now_us) {
  half_open_.clear();
  ByteEngine::OnStop(now_us);
  CloseDying(true);
  waiter_.Stop();
}

void UdtEngine::AppendStats(std::string* text) const {
  const ChannelCounters& c = owner_->counters;
  AddStat(text, "half_open", half_open_.size());
  AddStat(text, "prefaces_failed", prefaces_failed_);
  AddStat(text, "datagrams_in", c.datagrams_in);
  AddStat(text, "datagrams_out", c.datagrams_out);
  AddStat(text, "receive_calls", c.receive_calls);
  AddStat(text, "send_drops", c.send_drops);
  AddStat(text, "malformed_datagrams", c.malformed);
  AddStat(text, "unknown_datagrams", c.unknown);
  AddStat(text, "requests", c.requests);
  AddStat(text, "requests_dropped", c.requests_dropped);
  AddStat(text, "refusals_sent", c.refusals_sent);
  AddStat(text, "repeated_naks", c.repeated_naks);
  AddStat(text, "tail_probes", c.tail_probes);
}

std::unique_ptr<ControlledTransport> CreateEngine(
    Host* host, const TransportSettings& settings, Status* status) {
  Settings parsed;
  *status = ParseSettings(settings, &parsed);
  if (!status->ok()) return nullptr;
  auto engine = std::make_unique<UdtEngine>(host, parsed);
  *status = engine->Init();
  if (!status->ok()) return nullptr;
  return engine;
}

}  // namespace xtp::udt
