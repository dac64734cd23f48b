// Answers to Stats requests: "key value\n" lines.
#include <string>

#include "quic/engine.h"

namespace xtp::quic {
namespace {

void Add(std::string* text, const char* key, uint64_t value) {
  *text += key;
  *text += ' ';
  *text += std::to_string(value);
  *text += '\n';
}

}  // namespace

std::string Connection::StatsText() const {
  ngtcp2_conn_info info = {};
  size_t datagram = 0;
  if (conn_ != nullptr) {
    ngtcp2_conn_get_conn_info2(conn_, &info);
    datagram = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_);
  }
  std::string text;
  Add(&text, "bytes_in", bytes_in_);
  Add(&text, "bytes_out", bytes_out_);
  Add(&text, "rtt_us", info.smoothed_rtt / 1000);
  Add(&text, "min_rtt_us",
      info.min_rtt == UINT64_MAX ? 0 : info.min_rtt / 1000);
  Add(&text, "cwnd_bytes", info.cwnd);
  Add(&text, "in_flight_bytes", info.bytes_in_flight);
  Add(&text, "packets_in", info.pkt_recv);
  Add(&text, "packets_out", info.pkt_sent);
  Add(&text, "lost_packets", info.pkt_lost);
  Add(&text, "udp_payload_bytes", datagram);
  Add(&text, "streams", streams_.size());
  Add(&text, "buffered_in_bytes", buffered_bytes());
  return text;
}

std::string QuicEngine::ServiceStats() const {
  uint64_t dialing = 0, open = 0, streams = 0, buffered = 0;
  for (const auto& [key, connection] : connections_) {
    if (connection->dialing()) dialing++;
    if (connection->open()) open++;
    streams += connection->streams();
    buffered += connection->buffered_bytes();
  }
  uint64_t listeners = 0;
  for (const auto& [id, port] : ports_) {
    if (port->listener != 0) listeners++;
  }
  const Counters& c = shared_.counters;
  std::string text;
  Add(&text, "connections", open);
  Add(&text, "dialing", dialing);
  Add(&text, "half_open", shared_.half_open);
  Add(&text, "streams", streams);
  Add(&text, "listeners", listeners);
  Add(&text, "udp_sockets", ports_.size());
  Add(&text, "connection_ids", shared_.cids.size());
  Add(&text, "buffered_in_bytes", buffered);
  Add(&text, "datagrams_in", c.datagrams_in);
  Add(&text, "datagrams_out", c.datagrams_out);
  Add(&text, "payload_bytes_in", c.payload_bytes_in);
  Add(&text, "payload_bytes_out", c.payload_bytes_out);
  Add(&text, "lost_packets", c.lost_packets);
  Add(&text, "malformed_datagrams", c.malformed_datagrams);
  Add(&text, "unknown_datagrams", c.unknown_datagrams);
  Add(&text, "initials", c.initials);
  Add(&text, "initials_dropped", c.initials_dropped);
  Add(&text, "initials_refused", c.initials_refused);
  Add(&text, "retries_sent", c.retries_sent);
  Add(&text, "resets_sent", c.resets_sent);
  Add(&text, "resets_received", c.resets_received);
  Add(&text, "dials", c.dials);
  Add(&text, "dials_failed", c.dials_failed);
  Add(&text, "accepted", c.accepted);
  Add(&text, "handshakes_failed", c.handshakes_failed);
  Add(&text, "closed", c.closed);
  Add(&text, "misbehaved", c.misbehaved);
  Add(&text, "migrations", c.migrations);
  return text;
}

}  // namespace xtp::quic
