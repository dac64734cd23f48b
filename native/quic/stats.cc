// Answers to Stats requests: "key value\n" lines.
#include <string>

#include "quic/engine.h"

namespace xtp::quic {
std::string Connection::StatsText() const {
  ngtcp2_conn_info info = {};
  size_t datagram = 0;
  if (conn_ != nullptr) {
    ngtcp2_conn_get_conn_info2(conn_, &info);
    datagram = ngtcp2_conn_get_path_max_tx_udp_payload_size2(conn_);
  }
  std::string text;
  AddStat(&text, "bytes_in", bytes_in_);
  AddStat(&text, "bytes_out", bytes_out_);
  AddStat(&text, "rtt_us", info.smoothed_rtt / 1000);
  AddStat(&text, "min_rtt_us",
          info.min_rtt == UINT64_MAX ? 0 : info.min_rtt / 1000);
  AddStat(&text, "cwnd_bytes", info.cwnd);
  AddStat(&text, "in_flight_bytes", info.bytes_in_flight);
  AddStat(&text, "packets_in", info.pkt_recv);
  AddStat(&text, "packets_out", info.pkt_sent);
  AddStat(&text, "lost_packets", info.pkt_lost);
  AddStat(&text, "udp_payload_bytes", datagram);
  AddStat(&text, "streams", streams_.size());
  AddStat(&text, "buffered_in_bytes", buffered_bytes());
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
  const Counters& c = shared_.counters;
  std::string text;
  AddStat(&text, "connections", open);
  AddStat(&text, "dialing", dialing);
  AddStat(&text, "half_open", shared_.half_open);
  AddStat(&text, "streams", streams);
  AddStat(&text, "listeners", listeners());
  AddStat(&text, "udp_sockets", ports());
  AddStat(&text, "connection_ids", shared_.cids.size());
  AddStat(&text, "buffered_in_bytes", buffered);
  AddStat(&text, "datagrams_in", c.datagrams_in);
  AddStat(&text, "datagrams_out", c.datagrams_out);
  AddStat(&text, "payload_bytes_in", c.payload_bytes_in);
  AddStat(&text, "payload_bytes_out", c.payload_bytes_out);
  AddStat(&text, "lost_packets", c.lost_packets);
  AddStat(&text, "malformed_datagrams", c.malformed_datagrams);
  AddStat(&text, "unknown_datagrams", c.unknown_datagrams);
  AddStat(&text, "initials", c.initials);
  AddStat(&text, "initials_dropped", c.initials_dropped);
  AddStat(&text, "initials_refused", c.initials_refused);
  AddStat(&text, "retries_sent", c.retries_sent);
  AddStat(&text, "resets_sent", c.resets_sent);
  AddStat(&text, "resets_received", c.resets_received);
  AddStat(&text, "dials", c.dials);
  AddStat(&text, "dials_failed", c.dials_failed);
  AddStat(&text, "accepted", c.accepted);
  AddStat(&text, "handshakes_failed", c.handshakes_failed);
  AddStat(&text, "closed", c.closed);
  AddStat(&text, "misbehaved", c.misbehaved);
  AddStat(&text, "migrations", c.migrations);
  return text;
}

}  // namespace xtp::quic
