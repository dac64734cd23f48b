// Life and end of a connection.
#include "quic/connection.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cerrno>

#include "quic/errors.h"
#include "quic/path_mtu.h"

namespace xtp::quic {
namespace {

constexpr uint64_t kMs = 1000;  // µs
constexpr uint64_t kNsPerMs = 1000000;
constexpr size_t kInitialDestinationBytes = 18;
constexpr size_t kClosePacketBytes = 1200;
constexpr uint64_t kActiveConnectionIds = 4;
// A peer that does useless things more often than any honest one is cut off.
// Bytes that were sent again for nothing are among them, so that a path which
// reorders every packet costs thousands per second (network_test, Reordering).
constexpr uint64_t kGlitchBurst = 100000;
constexpr uint64_t kGlitchRate = 10000;

ngtcp2_ccerr LocalClose(int error, uint8_t alert) {
  ngtcp2_ccerr close;
  ngtcp2_ccerr_default(&close);
  if (error == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&close, alert, nullptr, 0);
  } else {
    ngtcp2_ccerr_set_liberr(&close, error, nullptr, 0);
  }
  return close;
}

ngtcp2_ccerr ApplicationClose(uint64_t code) {
  ngtcp2_ccerr close;
  ngtcp2_ccerr_default(&close);
  ngtcp2_ccerr_set_application_error(&close, code, nullptr, 0);
  return close;
}

}  // namespace

Connection::Connection(Shared* shared, Port* port, uint32_t id,
                       const Endpoint& peer)
    : shared_(shared), port_(port), id_(id), peer_(peer) {
  port_->Hold();
  EnterPeerBuffer();
  reference_.user_data = this;
  reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
    return static_cast<Connection*>(reference->user_data)->conn_;
  };
}

Connection::~Connection() {
  DropCids();
  LeavePeerBuffer();
  ArmTimer(kNever);
  ngtcp2_conn_del(conn_);
  for (QuicStream* stream : streams_) {
    stream->Abort(end_code_);
    delete stream;
  }
  port_->Drop(shared_->now_us);
}

// --- the beginning

void Connection::FillSettings(ngtcp2_settings* settings,
                              uint64_t handshake_timeout_ms) {
  ngtcp2_settings_default(settings);
  constexpr ngtcp2_cc_algo kAlgorithms[] = {
      NGTCP2_CC_ALGO_CUBIC, NGTCP2_CC_ALGO_BBR, NGTCP2_CC_ALGO_RENO};
  settings->cc_algo = kAlgorithms[shared_->settings.congestion % 3];
  settings->initial_ts = now_ns();
  settings->handshake_timeout = handshake_timeout_ms * kNsPerMs;
  settings->max_window = shared_->settings.max_connection_window_bytes;
  settings->glitch_ratelim_burst = kGlitchBurst;
  settings->glitch_ratelim_rate = kGlitchRate;
  mtu_probes_ = MtuProbes(peer_, shared_->settings);
  if (mtu_probes_.empty()) {
    settings->no_pmtud = 1;
    settings->max_tx_udp_payload_size = NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  } else {
    settings->pmtud_probes = mtu_probes_.data();
    settings->pmtud_probeslen = mtu_probes_.size();
    settings->max_tx_udp_payload_size =
        *std::max_element(mtu_probes_.begin(), mtu_probes_.end());
  }
}

void Connection::FillParameters(ngtcp2_transport_params* parameters) const {
  const Settings& s = shared_->settings;
  ngtcp2_transport_params_default(parameters);
  parameters->initial_max_streams_bidi = s.max_streams;
  parameters->initial_max_streams_uni = 0;
  parameters->initial_max_stream_data_bidi_local = QuicStream::kInitialWindow;
  parameters->initial_max_stream_data_bidi_remote = QuicStream::kInitialWindow;
  parameters->initial_max_data = s.connection_window_bytes;
  parameters->max_idle_timeout = s.idle_timeout_ms * kNsPerMs;
  parameters->active_connection_id_limit = kActiveConnectionIds;
  parameters->max_udp_payload_size = 65527;
}

bool Connection::NewCid(ngtcp2_cid* cid) {
  cid->datalen = kCidBytes;
  if (RAND_bytes(cid->data, kCidBytes) != 1) return false;
  if (!shared_->cids.Add(*cid, this)) return false;
  cids_.push_back(*cid);
  return true;
}

ngtcp2_path Connection::Path(const Endpoint* from) const {
  ngtcp2_path path = {};
  // ngtcp2 copies, and wants no const.
  path.local.addr = const_cast<sockaddr*>(port_->local().address());
  path.local.addrlen = port_->local().length();
  path.remote.addr = const_cast<sockaddr*>(from->address());
  path.remote.addrlen = from->length();
  return path;
}

Status Connection::CreateTls(bool server) {
  const auto contexts = shared_->identity->contexts();
  if (contexts == nullptr) {
    return Status(Code::kUnavailable, "the host has not signed a TLS key yet");
  }
  tls_ = TlsSession::Create(contexts, server, &reference_);
  if (tls_ == nullptr) {
    return Status(Code::kInternal, "OpenSSL cannot make a TLS session");
  }
  ngtcp2_conn_set_tls_native_handle(conn_, tls_->native());
  return Status::Ok();
}

Status Connection::Dial(uint32_t request, uint32_t timeout_ms) {
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  FillSettings(&settings, timeout_ms);
  FillParameters(&parameters);
  ngtcp2_cid to, from;
  to.datalen = kInitialDestinationBytes;
  if (RAND_bytes(to.data, kInitialDestinationBytes) != 1 || !NewCid(&from)) {
    return Status(Code::kInternal, "no random numbers from OpenSSL");
  }
  const ngtcp2_path path = Path(&peer_);
  const int error = ngtcp2_conn_client_new(
      &conn_, &to, &from, &path, NGTCP2_PROTO_VER_V1, &CallbacksOf(false),
      &settings, &parameters, nullptr, this);
  if (error != 0) return StatusOfError(error, 0, peer_.ToString());
  const Status status = CreateTls(false);
  if (!status.ok()) return status;
  dial_request_ = request;
  MarkDirty();
  return Status::Ok();
}

Status Connection::Accept(const ngtcp2_pkt_hd& header,
                          const ngtcp2_cid* original) {
  inbound_ = true;
  listener_ = port_->listener();
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  FillSettings(&settings, shared_->settings.handshake_timeout_ms);
  FillParameters(&parameters);
  ngtcp2_cid ours;
  if (!NewCid(&ours)) {
    return Status(Code::kInternal, "no random numbers from OpenSSL");
  }
  parameters.original_dcid = original != nullptr ? *original : header.dcid;
  parameters.original_dcid_present = 1;
  if (original != nullptr) {
    parameters.retry_scid = header.dcid;
    parameters.retry_scid_present = 1;
    settings.token = header.token;
    settings.tokenlen = header.tokenlen;
    settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
  }
  const ngtcp2_stateless_reset_token token = shared_->tokens.ResetToken(ours);
  std::copy(std::begin(token.data), std::end(token.data),
            parameters.stateless_reset_token);
  parameters.stateless_reset_token_present = 1;
  const ngtcp2_path path = Path(&peer_);
  const int error = ngtcp2_conn_server_new(
      &conn_, &header.scid, &ours, &path, header.version, &CallbacksOf(true),
      &settings, &parameters, nullptr, this);
  if (error != 0) return StatusOfError(error, 0, peer_.ToString());
  const Status status = CreateTls(true);
  if (!status.ok()) return status;
  // Until it knows ours, the peer uses the id that it chose itself.
  if (!shared_->cids.Add(header.dcid, this)) {
    return Status(Code::kAlreadyExists, "connection id in use");
  }
  cids_.push_back(header.dcid);
  shared_->half_open++;
  return Status::Ok();
}

// From handshake_completed.
void Connection::Completed() {
  if (inbound_) {
    shared_->half_open--;
    id_ = shared_->next_inbound_id;
    shared_->next_inbound_id += 2;
    shared_->ids[id_] = this;
  }
  state_ = State::kOpen;
  if (shared_->settings.keep_alive_ms != 0) {
    ngtcp2_conn_set_keep_alive_timeout(
        conn_, shared_->settings.keep_alive_ms * kNsPerMs);
  }
  announced_ = true;
  Event event;
  event.kind = inbound_ ? Event::Kind::kIncoming : Event::Kind::kConnected;
  event.request = dial_request_;
  event.listener = listener_;
  event.connection = id_;
  event.local = port_->local();
  event.remote = peer_;
  event.certificate = tls_->PeerCertificate();
  dial_request_ = 0;
  if (inbound_) shared_->counters.accepted++;
  shared_->host->Emit(std::move(event));
}

// --- input

Connection::After Connection::OnPacket(const Endpoint& from,
                                       const uint8_t* data, size_t length) {
  if (conn_ == nullptr) {
    // Whoever has not heard of the end is told again, ever more rarely.
    packets_after_close_++;
    if ((packets_after_close_ & (packets_after_close_ - 1)) == 0 &&
        !close_packet_.empty() && from == close_to_) {
      shared_->counters.datagrams_out++;
      shared_->host->SendDatagram(
          port_->socket(),
          reinterpret_cast<const uint8_t*>(close_packet_.data()),
          close_packet_.size(), from);
    }
    return After::kNothing;
  }
  const ngtcp2_path path = Path(&from);
  const ngtcp2_pkt_info info = {};
  const int error =
      ngtcp2_conn_read_pkt(conn_, &path, &info, data, length, now_ns());
  if (error == NGTCP2_ERR_RETRY) {
    Bury();
    return After::kRetry;
  }
  if (error != 0) {
    OnError(error);
  } else {
    MarkDirty();
  }
  return After::kNothing;
}

void Connection::OnError(int error) {
  const std::string name = peer_.ToString();
  switch (error) {
    case NGTCP2_ERR_DROP_CONN:
      close_packet_.clear();
      End(Status(Code::kRemoteMisbehaved, name + " sent no handshake"));
      return;
    case NGTCP2_ERR_DRAINING:
      if (reset_by_peer_) {
        shared_->counters.resets_received++;
        End(Status(Code::kConnectionReset,
                   name + " has forgotten the connection", ECONNRESET));
      } else {
        const ngtcp2_ccerr* close = ngtcp2_conn_get_ccerr2(conn_);
        if (close->type == NGTCP2_CCERR_TYPE_APPLICATION) {
          end_code_ = static_cast<uint32_t>(
              std::min<uint64_t>(close->error_code, UINT32_MAX));
        }
        End(StatusOfClose(*close, name));
      }
      return;
    case NGTCP2_ERR_CLOSING:
      return;
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      End(refused_by_icmp_ ? Status(Code::kConnectionRefused,
                                    name + " is not reachable", ECONNREFUSED)
                           : StatusOfError(error, 0, name));
      return;
    default:
      break;
  }
  uint8_t alert = ngtcp2_conn_get_tls_alert2(conn_);
  Status status = failure_;
  if (!status.ok() && failure_alert_ != 0) {
    alert = failure_alert_;
    error = NGTCP2_ERR_CRYPTO;
  } else if (status.ok()) {
    status = StatusOfError(error, alert, name);
  }
  if (status.code() == Code::kRemoteMisbehaved) shared_->counters.misbehaved++;
  Fail(status, LocalClose(error, alert));
}

// An ICMP message can be forged by whoever sees the first packet; it ends a
// dial that nobody has answered, and nothing else.
void Connection::OnIcmp(int error) {
  if (!dialing()) return;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  if (info.pkt_recv > 0) return;
  switch (error) {
    case ECONNREFUSED:
      End(Status(Code::kConnectionRefused,
                 peer_.ToString() + " refused the connection", error));
      return;
    case ENETUNREACH:
    case EHOSTUNREACH:
      End(Status::FromErrno(error, peer_.ToString()));
      return;
    default:
      return;
  }
}

// --- the parent

bool Connection::AttachStream(Stream* link) {
  if (state_ != State::kOpen) return false;
  auto* stream = new QuicStream(this, link, -1);
  streams_.insert(stream);
  waiting_.PushBack(&stream->waiting_node);
  MarkDirty();
  return true;
}

void Connection::CancelDial() {
  Fail(Status(Code::kCancelled, "the dial was cancelled"), ApplicationClose(0));
}

void Connection::Abort(uint32_t code) {
  end_code_ = static_cast<uint32_t>(code);
  Fail(Status(Code::kConnectionAborted, "aborted by the parent"),
       ApplicationClose(code));
}

void Connection::CloseGracefully() {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  deadline_us_ = shared_->now_us + shared_->settings.linger_ms * kMs;
  MarkDirty();
}

void Connection::CheckClosing() {
  if (state_ != State::kClosing) return;
  if (!AllSent() && shared_->now_us < deadline_us_) return;
  Fail(Status::Ok(), ApplicationClose(0));
}

void Connection::Stop() {
  if (state_ >= State::kLingering) return;
  if (conn_ != nullptr) {
    MakeClosePacket(ApplicationClose(0));
    ngtcp2_conn_del(conn_);
    conn_ = nullptr;
    EmptyPeerBuffer();
  }
  end_status_ = Status(Code::kConnectionAborted, "the service stops");
  Report();
}

// --- the end

void Connection::Fail(const Status& status, const ngtcp2_ccerr& close) {
  if (conn_ == nullptr) return;
  MakeClosePacket(close);
  End(status);
}

void Connection::MakeClosePacket(const ngtcp2_ccerr& close) {
  uint8_t* const packet = shared_->send_buffer.get();
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info;
  const ngtcp2_ssize length = ngtcp2_conn_write_connection_close(
      conn_, &storage.path, &info, packet, kClosePacketBytes, &close, now_ns());
  if (length <= 0) return;
  close_packet_.assign(reinterpret_cast<char*>(packet),
                       static_cast<size_t>(length));
  close_to_ = Endpoint::FromSockaddr(storage.path.remote.addr,
                                     storage.path.remote.addrlen);
  Send(storage.path, packet, static_cast<size_t>(length),
       static_cast<size_t>(length));
}

void Connection::End(const Status& status) {
  if (conn_ == nullptr) return;
  linger_us_ = 3 * ngtcp2_conn_get_pto2(conn_) / 1000;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn_, &info);
  shared_->counters.lost_packets += info.pkt_lost;
  if (half_open()) shared_->half_open--;
  end_status_ = status;
  ngtcp2_conn_del(conn_);
  conn_ = nullptr;
  EmptyPeerBuffer();
  tls_.reset();
  state_ = State::kEnding;
  deadline_us_ = shared_->now_us + shared_->settings.linger_ms * kMs;
  MarkDirty();
}

// False: nothing of what the peer has sent completely waits for the link.
bool Connection::FlushesPending() {
  bool pending = false;
  for (auto it = streams_.begin(); it != streams_.end();) {
    QuicStream* const stream = *it;
    if (!stream->only_pending()) stream->Abort(end_code_);
    if (stream->done()) {
      it = streams_.erase(it);
      delete stream;
      continue;
    }
    pending = true;
    ++it;
  }
  changed_.clear();
  return pending;
}

void Connection::Report() {
  for (QuicStream* stream : streams_) {
    stream->Abort(end_code_);
    delete stream;
  }
  streams_.clear();
  changed_.clear();
  Event event;
  event.connection = id_;
  event.status = end_status_;
  event.bytes_in = bytes_in_;
  event.bytes_out = bytes_out_;
  event.local = port_->local();
  event.remote = peer_;
  if (announced_) {
    event.kind = Event::Kind::kClosed;
    shared_->counters.closed++;
    shared_->host->Emit(std::move(event));
  } else if (!inbound_) {
    event.kind = Event::Kind::kReply;
    event.request = dial_request_;
    // In good order, but there is no connection.
    if (event.status.ok()) {
      event.status =
          Status(Code::kConnectionReset,
                 peer_.ToString() + " closed the connection in the handshake",
                 ECONNRESET);
    }
    if (dial_request_ != 0) shared_->host->Emit(std::move(event));
    shared_->counters.dials_failed++;
  } else {
    // The parent never heard of it: the place is free again.
    if (port_->listener() == listener_ && listener_ != 0) port_->AddCredit(1);
    shared_->counters.handshakes_failed++;
    const Code code = event.status.code();
    // Who only falls silent, or leaves, was not refused.
    const bool refused = code == Code::kHandshakeFailed ||
                         code == Code::kNoCommonAlpn ||
                         code == Code::kRemoteMisbehaved;
    if (refused && shared_->refusals.Take(shared_->now_us)) {
      event.kind = Event::Kind::kRefused;
      event.listener = listener_;
      shared_->host->Emit(std::move(event));
    }
  }
  dial_request_ = 0;
  Linger();
}

void Connection::Linger() {
  state_ = State::kLingering;
  deadline_us_ = shared_->now_us + linger_us_;
  ArmTimer(deadline_us_);
}

void Connection::Bury() {
  if (half_open()) shared_->half_open--;
  if (inbound_ && !announced_ && port_->listener() == listener_ &&
      listener_ != 0) {
    port_->AddCredit(1);
  }
  ngtcp2_conn_del(conn_);
  conn_ = nullptr;
  EmptyPeerBuffer();
  tls_.reset();
  state_ = State::kGone;
  DropCids();
  ArmTimer(kNever);
  shared_->finished.push_back(this);
}

void Connection::DropCids() {
  for (const ngtcp2_cid& cid : cids_) shared_->cids.Remove(cid, this);
  cids_.clear();
  for (const uint64_t token : reset_tokens_) {
    const auto found = shared_->reset_tokens.find(token);
    if (found != shared_->reset_tokens.end() && found->second == this) {
      shared_->reset_tokens.erase(found);
    }
  }
  reset_tokens_.clear();
}

void Connection::OnTimer() {
  timer_us_ = kNever;  // the engine has taken it out
  switch (state_) {
    case State::kLingering:
      state_ = State::kGone;
      DropCids();
      shared_->finished.push_back(this);
      return;
    case State::kGone:
      return;
    case State::kEnding:
      MarkDirty();
      return;
    default:
      break;
  }
  if (ngtcp2_conn_get_expiry2(conn_) <= now_ns()) {
    const int error = ngtcp2_conn_handle_expiry(conn_, now_ns());
    if (error != 0) {
      OnError(error);
      return;
    }
  }
  MarkDirty();
}

size_t Connection::buffered_bytes() const {
  size_t result = 0;
  for (const QuicStream* stream : streams_) result += stream->pending_bytes();
  return result;
}

}  // namespace xtp::quic
