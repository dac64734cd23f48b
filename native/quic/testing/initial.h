// Initial packets with the protection of RFC 9001, section 5, which anybody who
// sees a connection id can make: what is in them reaches the frame parser and
// TLS.
#ifndef XTP_QUIC_TESTING_INITIAL_H_
#define XTP_QUIC_TESTING_INITIAL_H_

#include <cstdint>
#include <string>

namespace xtp::quic::sim {

struct Initial {
  std::string key_id;  // the client's first destination id: makes the keys
  bool from_server = false;
  std::string to;    // destination id
  std::string from;  // source id
  std::string token;
  uint32_t number = 0;
  std::string frames;
};

// A variable-length integer (RFC 9000, section 16), as short as it can be.
std::string VarInt(uint64_t value);

// With PADDING up to `min_bytes`.
std::string Seal(Initial packet, size_t min_bytes = 1200);

// The first packet of a datagram, with the keys of `key_id`, by default those
// of a client's first one. False: it is none.
bool Open(const std::string& datagram, Initial* packet,
          const std::string& key_id = "");

}  // namespace xtp::quic::sim

#endif  // XTP_QUIC_TESTING_INITIAL_H_
