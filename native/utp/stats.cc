// Answers to Stats requests: "key value\n" lines.
#include <string>

#include "utp/engine.h"

namespace xtp::utp {
std::string Connection::StatsText() const {
  std::string text;
  AddStat(&text, "bytes_in", bytes_in_);
  AddStat(&text, "bytes_out", bytes_sent_);
  AddStat(&text, "retransmits", retransmits_);
  AddStat(&text, "rtt_us", rtt_us_);
  AddStat(&text, "min_rtt_us", min_rtt_us_);
  AddStat(&text, "buffered_in_bytes", inbound_.size());
  AddStat(&text, "unsent_bytes", bytes_given_ - bytes_sent_);
  return text;
}

std::string UtpEngine::ServiceStats() const {
  uint64_t dialing = 0;
  uint64_t buffered = 0;
  for (const auto& [id, connection] : connections_) {
    if (connection->dialing()) dialing++;
    buffered += connection->buffered_bytes();
  }
  const Counters& c = shared_.counters;
  std::string text;
  AddStat(&text, "connections", connections_.size() - dialing);
  AddStat(&text, "dialing", dialing);
  AddStat(&text, "listeners", listeners());
  AddStat(&text, "udp_sockets", ports());
  AddStat(&text, "libutp_sockets", shared_.libutp_sockets);
  AddStat(&text, "buffered_in_bytes", buffered);
  AddStat(&text, "datagrams_in", c.datagrams_in);
  AddStat(&text, "datagrams_out", c.datagrams_out);
  AddStat(&text, "payload_bytes_in", c.payload_bytes_in);
  AddStat(&text, "payload_bytes_out", c.payload_bytes_out);
  AddStat(&text, "retransmits", c.retransmits);
  AddStat(&text, "malformed_datagrams", c.malformed_datagrams);
  AddStat(&text, "unknown_datagrams", c.unknown_datagrams);
  AddStat(&text, "syns", c.syns);
  AddStat(&text, "syns_dropped", c.syns_dropped);
  AddStat(&text, "resets_sent", c.resets_sent);
  AddStat(&text, "resets_received", c.resets_received);
  AddStat(&text, "resets_ignored", c.resets_ignored);
  AddStat(&text, "dials", c.dials);
  AddStat(&text, "dials_failed", c.dials_failed);
  AddStat(&text, "accepted", c.accepted);
  AddStat(&text, "closed", c.closed);
  AddStat(&text, "misbehaved", c.misbehaved);
  AddStat(&text, "reorder_dropped", c.reorder_dropped);
  return text;
}

}  // namespace xtp::utp
