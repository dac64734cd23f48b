// Answers to Stats requests: "key value\n" lines.
#include <string>

#include "utp/engine.h"

namespace xtp::utp {
namespace {

void Add(std::string* text, const char* key, uint64_t value) {
  *text += key;
  *text += ' ';
  *text += std::to_string(value);
  *text += '\n';
}

}  // namespace

std::string Connection::StatsText() const {
  std::string text;
  Add(&text, "bytes_in", bytes_in_);
  Add(&text, "bytes_out", bytes_sent_);
  Add(&text, "retransmits", retransmits_);
  Add(&text, "rtt_us", rtt_us_);
  Add(&text, "min_rtt_us", min_rtt_us_);
  Add(&text, "buffered_in_bytes", inbound_.size());
  Add(&text, "unsent_bytes", bytes_given_ - bytes_sent_);
  return text;
}

std::string UtpEngine::ServiceStats() const {
  uint64_t dialing = 0;
  uint64_t buffered = 0;
  for (const auto& [id, connection] : connections_) {
    if (connection->dialing()) dialing++;
    buffered += connection->buffered_bytes();
  }
  uint64_t listeners = 0;
  for (const auto& [id, port] : ports_) {
    if (port->listener() != 0) listeners++;
  }
  const Counters& c = shared_.counters;
  std::string text;
  Add(&text, "connections", connections_.size() - dialing);
  Add(&text, "dialing", dialing);
  Add(&text, "listeners", listeners);
  Add(&text, "udp_sockets", ports_.size());
  Add(&text, "libutp_sockets", shared_.libutp_sockets);
  Add(&text, "buffered_in_bytes", buffered);
  Add(&text, "datagrams_in", c.datagrams_in);
  Add(&text, "datagrams_out", c.datagrams_out);
  Add(&text, "payload_bytes_in", c.payload_bytes_in);
  Add(&text, "payload_bytes_out", c.payload_bytes_out);
  Add(&text, "retransmits", c.retransmits);
  Add(&text, "malformed_datagrams", c.malformed_datagrams);
  Add(&text, "unknown_datagrams", c.unknown_datagrams);
  Add(&text, "syns", c.syns);
  Add(&text, "syns_dropped", c.syns_dropped);
  Add(&text, "resets_sent", c.resets_sent);
  Add(&text, "resets_received", c.resets_received);
  Add(&text, "resets_ignored", c.resets_ignored);
  Add(&text, "dials", c.dials);
  Add(&text, "dials_failed", c.dials_failed);
  Add(&text, "accepted", c.accepted);
  Add(&text, "closed", c.closed);
  Add(&text, "misbehaved", c.misbehaved);
  Add(&text, "reorder_dropped", c.reorder_dropped);
  return text;
}

}  // namespace xtp::utp
