// What the parts of the engine have in common. I/O thread only.
#ifndef XTP_QUIC_SHARED_H_
#define XTP_QUIC_SHARED_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/engine_base.h"
#include "common/intrusive_list.h"
#include "common/rate_limit.h"
#include "common/transport.h"
#include "quic/cid_table.h"
#include "quic/identity.h"
#include "quic/settings.h"
#include "quic/tokens.h"

namespace xtp::quic {

class Connection;

// The largest UDP payload over IPv4.
constexpr size_t kMaxDatagramBytes = 65507;

// Since the start of the engine. Stats reports them by these names.
struct Counters {
  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t payload_bytes_in = 0;
  uint64_t payload_bytes_out = 0;
  uint64_t lost_packets = 0;  // of connections that are over
  uint64_t malformed_datagrams = 0;
  uint64_t unknown_datagrams = 0;
  uint64_t initials = 0;
  uint64_t initials_dropped = 0;
  uint64_t initials_refused = 0;
  uint64_t retries_sent = 0;
  uint64_t resets_sent = 0;
  uint64_t resets_received = 0;
  uint64_t dials = 0;
  uint64_t dials_failed = 0;
  uint64_t accepted = 0;
  uint64_t handshakes_failed = 0;
  uint64_t closed = 0;
  uint64_t misbehaved = 0;
  uint64_t migrations = 0;
};

// What all connections to one socket of this machine have on its way. Nothing
// but that socket's buffer holds it, and congestion control, of which each has
// its own, does not help: its least window is two datagrams of 64 KiB.
struct PeerBuffer {
  // That of a service of ours; the kernel counts its own records besides.
  static constexpr uint64_t kBytes = 4 * 1024 * 1024;

  Endpoint peer;
  uint64_t in_flight = 0;
  size_t connections = 0;
  // Those that have data and no room, in turn.
  IntrusiveList<Connection> waiting;
  IntrusiveList<PeerBuffer>::Node crowded_node{this};
};

// A UDP socket, for a listener or for dials.
using Port = PortBase;

struct Shared {
  Shared(Host* the_host, const Settings& the_settings)
      : host(the_host),
        settings(the_settings),
        identity(std::make_shared<QuicIdentity>()),
        send_buffer(new uint8_t[kMaxDatagramBytes + 1]) {}

  Host* const host;
  const Settings settings;
  const std::shared_ptr<QuicIdentity> identity;
  Tokens tokens;
  CidTable cids;
  // Connections that the parent knows, or waits for, by its id.
  std::unordered_map<uint32_t, Connection*> ids;
  // Given when the parent hears of a connection: ids count upwards, handshakes
  // end in any order, and those that never end must not use any up.
  uint32_t next_inbound_id = 2;  // even
  // Fingerprints of the reset tokens that peers gave us.
  std::map<uint64_t, Connection*> reset_tokens;
  Counters counters;
  uint64_t now_us = 0;
  // When each connection's timer is due.
  std::set<std::pair<uint64_t, Connection*>> timers;
  // Connections with something to do at the end of the round, once each.
  std::vector<Connection*> dirty;
  // That can be deleted at the end of the round.
  std::vector<Connection*> finished;
  size_t half_open = 0;
  // Over loopback, IPv4 and IPv6: the largest probe has reached a peer, and
  // none has failed since.
  bool loopback_fits[2] = {false, false};
  // Of peers on loopback; those with connections in line.
  std::unordered_map<Endpoint, PeerBuffer, EndpointHash> peer_buffers;
  IntrusiveList<PeerBuffer> crowded;
  // What the application hears of peers that were refused (kRefused).
  RateLimit refusals{10, 10};
  // Streams that peers may open in place of those that ended, in all: each
  // costs the parent some frames, whatever it does with it.
  RateLimit stream_returns{50000, 4096};
  // One batch of packets, on its way to SendDatagram.
  const std::unique_ptr<uint8_t[]> send_buffer;
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_SHARED_H_
