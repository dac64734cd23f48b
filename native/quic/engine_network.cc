// What comes from the network, and the rounds of the loop.
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/rand.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <utility>

#include "quic/engine.h"

namespace xtp::quic {
namespace {

// RFC 9000, section 10.3: what could be a stateless reset, and what may be
// answered with one without a loop of them.
constexpr size_t kMinResetBytes = 21;
constexpr size_t kMinAnsweredBytes = 43;
constexpr size_t kMaxResetRandomBytes = 24;

// RFC 9000, section 14.1: the smallest datagram that begins a connection.
constexpr size_t kMinInitialBytes = 1200;
constexpr size_t kSmallPacketBytes = 256;

constexpr uint32_t kVersions[] = {NGTCP2_PROTO_VER_V1};

// Of so many connections at once, the memory is worth giving back.
constexpr size_t kMinTrimmed = 64;

// The heap of a thread shrinks from its end alone: what is free in between
// stays with the process for good.
void TrimHeap() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

bool IsLong(const uint8_t* data) { return (data[0] & 0x80) != 0; }

}  // namespace

void QuicEngine::Send(Port* port, const uint8_t* data, size_t length,
                      const Endpoint& to) {
  shared_.counters.datagrams_out++;
  shared_.host->SendDatagram(port->socket(), data, length, to);
}

void QuicEngine::OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                            const Endpoint& from, uint64_t now_us) {
  shared_.now_us = now_us;
  shared_.counters.datagrams_in++;
  Port* const port = FindPort(socket);
  if (port == nullptr || stopped_) return;
  ngtcp2_version_cid ids;
  const int error =
      length > 0 ? ngtcp2_pkt_decode_version_cid(&ids, data, length, kCidBytes)
                 : NGTCP2_ERR_INVALID_ARGUMENT;
  if (error == NGTCP2_ERR_VERSION_NEGOTIATION) {
    SendVersions(port, ids, length, from);
    return;
  }
  if (error != 0) {
    shared_.counters.malformed_datagrams++;
    return;
  }
  Connection* const found = shared_.cids.Find(ids.dcid, ids.dcidlen);
  // An id is valid on the socket that it was given out on alone.
  if (found != nullptr && found->port() == port) {
    found->OnPacket(from, data, length);
  } else if (IsLong(data)) {
    OnInitial(port, data, length, from);
  } else {
    OnStranger(port, data, length, ids, from);
  }
}

// --- before there is a connection

void QuicEngine::OnInitial(Port* port, const uint8_t* data, size_t length,
                           const Endpoint& from) {
  ngtcp2_pkt_hd header;
  if (length < kMinInitialBytes || from.port() == 0 ||
      ngtcp2_accept(&header, data, length) != 0) {
    shared_.counters.unknown_datagrams++;
    return;
  }
  shared_.counters.initials++;
  if (port->listener() == 0 || shared_.identity->contexts() == nullptr) {
    Refuse(port, header, NGTCP2_CONNECTION_REFUSED, from);
    return;
  }
  ngtcp2_cid original;
  const Tokens::Verdict verdict =
      shared_.tokens.Check(header, from, shared_.now_us, &original);
  if (verdict == Tokens::Verdict::kInvalid) {
    Refuse(port, header, NGTCP2_INVALID_TOKEN, from);
    return;
  }
  const bool proven = verdict == Tokens::Verdict::kValid;
  if (!proven && WantsProof(*port)) {
    SendRetry(port, header, from);
    return;
  }
  // Dropped, not refused: by the time the peer repeats itself there may be
  // room.
  if (port->credit() == 0 ||
      shared_.half_open >= shared_.settings.max_half_open ||
      connections_.size() >= shared_.settings.max_connections ||
      UINT32_MAX - shared_.next_inbound_id < 2 * shared_.half_open + 2) {
    shared_.counters.initials_dropped++;
    return;
  }
  auto made = std::make_unique<Connection>(&shared_, port, 0, from);
  if (!made->Accept(header, proven ? &original : nullptr).ok()) {
    shared_.counters.initials_dropped++;
    return;
  }
  port->TakeCredit();
  Connection* const connection = made.get();
  connections_[connection] = std::move(made);
  if (connection->OnPacket(from, data, length) == Connection::After::kRetry) {
    SendRetry(port, header, from);
  }
}

// Spoofed Initials must not use up the places of real peers.
bool QuicEngine::WantsProof(const Port& port) const {
  const size_t limit =
      std::min<size_t>(shared_.settings.retry_half_open,
                       (port.credit() + shared_.half_open) / 2);
  return shared_.half_open >= limit && port.credit() > 0;
}

void QuicEngine::SendRetry(Port* port, const ngtcp2_pkt_hd& header,
                           const Endpoint& from) {
  const std::string packet = shared_.tokens.Retry(header, from, shared_.now_us);
  if (packet.empty()) return;
  shared_.counters.retries_sent++;
  Send(port, reinterpret_cast<const uint8_t*>(packet.data()), packet.size(),
       from);
}

void QuicEngine::Refuse(Port* port, const ngtcp2_pkt_hd& header, uint64_t error,
                        const Endpoint& from) {
  if (!strangers_.Take(shared_.now_us)) return;
  uint8_t packet[kSmallPacketBytes];
  const ngtcp2_ssize length = ngtcp2_crypto_write_connection_close(
      packet, sizeof packet, header.version, &header.scid, &header.dcid, error,
      nullptr, 0);
  if (length <= 0) return;
  shared_.counters.initials_refused++;
  Send(port, packet, static_cast<size_t>(length), from);
}

void QuicEngine::SendVersions(Port* port, const ngtcp2_version_cid& ids,
                              size_t length, const Endpoint& from) {
  shared_.counters.unknown_datagrams++;
  if (length < kMinInitialBytes || port->listener() == 0 || from.port() == 0 ||
      !strangers_.Take(shared_.now_us)) {
    return;
  }
  uint8_t packet[2 * kSmallPacketBytes + 64];
  uint8_t random = 0;
  RAND_bytes(&random, 1);
  const ngtcp2_ssize written = ngtcp2_pkt_write_version_negotiation(
      packet, sizeof packet, random, ids.scid, ids.scidlen, ids.dcid,
      ids.dcidlen, kVersions, 1);
  if (written > 0) Send(port, packet, static_cast<size_t>(written), from);
}

// A short header with an id of nobody's: the peer has forgotten us, or we it.
void QuicEngine::OnStranger(Port* port, const uint8_t* data, size_t length,
                            const ngtcp2_version_cid& ids,
                            const Endpoint& from) {
  shared_.counters.unknown_datagrams++;
  if (length < kMinResetBytes) return;
  if (!shared_.reset_tokens.empty()) {
    const uint8_t* const token =
        data + length - NGTCP2_STATELESS_RESET_TOKENLEN;
    const auto found =
        shared_.reset_tokens.find(shared_.tokens.Fingerprint(token));
    if (found != shared_.reset_tokens.end() && found->second->port() == port) {
      found->second->OnPacket(from, data, length);
      return;
    }
  }
  if (length < kMinAnsweredBytes || from.port() == 0 ||
      !strangers_.Take(shared_.now_us)) {
    return;
  }
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, ids.dcid, ids.dcidlen);
  const ngtcp2_stateless_reset_token token = shared_.tokens.ResetToken(cid);
  uint8_t random[kMaxResetRandomBytes];
  uint8_t packet[kSmallPacketBytes];
  if (RAND_bytes(random, sizeof random) != 1) return;
  // Always shorter than what it answers.
  const ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset2(
      packet, sizeof packet, &token, random, sizeof random);
  if (written <= 0) return;
  shared_.counters.resets_sent++;
  Send(port, packet, static_cast<size_t>(written), from);
}

void QuicEngine::OnIcmpError(SocketId socket, const uint8_t* payload,
                             size_t length, const Endpoint& to, int error,
                             uint32_t /*mtu*/, uint64_t now_us) {
  shared_.now_us = now_us;
  Port* const port = FindPort(socket);
  ngtcp2_version_cid ids;
  // Only a dial is interested, and what it has sent has a long header with its
  // own id as source.
  if (port == nullptr || length == 0 || !IsLong(payload) ||
      ngtcp2_pkt_decode_version_cid(&ids, payload, length, kCidBytes) != 0) {
    return;
  }
  Connection* const found = shared_.cids.Find(ids.scid, ids.scidlen);
  if (found != nullptr && found->port() == port && found->peer() == to) {
    found->OnIcmp(error);
  }
}

// --- rounds

uint64_t QuicEngine::OnRound(uint64_t now_us) {
  shared_.now_us = now_us;
  if (stopped_) return kNever;
  RunTimers();
  // An end may make others dirty; a round does not wait for them for ever.
  for (int i = 0; i < 3 && !shared_.dirty.empty(); i++) {
    servicing_.swap(shared_.dirty);
    for (Connection* connection : servicing_) connection->Service();
    servicing_.clear();
    GiveTurns();
  }
  uint64_t next = shared_.dirty.empty() ? kNever : now_us;
  if (shared_.dirty.empty()) DeleteFinished();
  next = std::min(next, CloseUnusedPorts());
  if (!shared_.timers.empty()) {
    next = std::min(next, shared_.timers.begin()->first);
  }
  return next;
}

void QuicEngine::GiveTurns() {
  IntrusiveList<PeerBuffer> full;
  while (PeerBuffer* const buffer = shared_.crowded.PopFront()) {
    while (buffer->in_flight < PeerBuffer::kBytes) {
      Connection* const next = buffer->waiting.Front();
      if (next == nullptr || !next->TakeTurn()) break;
    }
    if (!buffer->waiting.empty()) full.PushBack(&buffer->crowded_node);
  }
  while (PeerBuffer* const buffer = full.PopFront()) {
    shared_.crowded.PushBack(&buffer->crowded_node);
  }
}

void QuicEngine::RunTimers() {
  const uint64_t now = shared_.now_us;
  while (!shared_.timers.empty() && shared_.timers.begin()->first <= now) {
    Connection* const connection = shared_.timers.begin()->second;
    shared_.timers.erase(shared_.timers.begin());
    connection->OnTimer();
  }
}

void QuicEngine::DeleteFinished() {
  most_connections_ = std::max(most_connections_, connections_.size());
  for (Connection* connection : shared_.finished) {
    const auto found = shared_.ids.find(connection->id());
    if (found != shared_.ids.end() && found->second == connection)
      shared_.ids.erase(found);
    connections_.erase(connection);
  }
  shared_.finished.clear();
  if (most_connections_ >= kMinTrimmed &&
      connections_.size() <= most_connections_ / 4) {
    most_connections_ = connections_.size();
    TrimHeap();
  }
}

void QuicEngine::ForgetForTest() {
  shared_.dirty.clear();
  shared_.finished.clear();
  shared_.ids.clear();
  connections_.clear();
}

void QuicEngine::OnStop(uint64_t now_us) {
  if (stopped_) return;
  shared_.now_us = now_us;
  stopped_ = true;
  for (const auto& [key, connection] : connections_) connection->Stop();
  shared_.dirty.clear();
  shared_.finished.clear();
  shared_.ids.clear();
  connections_.clear();
  CloseAllPorts();
}

}  // namespace xtp::quic
