// UDT packets (draft-gg-udt-03), as far as they have to be looked at before
// libudt, or after it. libudt trusts much of what a packet says.
#ifndef XTP_UDT_PACKET_H_
#define XTP_UDT_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace xtp::udt {

constexpr size_t kHeaderBytes = 16;
constexpr size_t kHandshakeBytes = kHeaderBytes + 48;

// What libudt may be told at most.
struct PacketLimits {
  uint32_t max_segment_bytes = 1500;  // IP packet
  uint32_t max_flight_packets = 8192;
};

// What a datagram is, once it is known to be harmless.
enum class PacketKind {
  kBad,            // not for libudt
  kRequest,        // handshake to a listener
  kRefusal,        // answer to a handshake: no
  kResponse,       // answer to a handshake: yes
  kChallenge,      // answer to a handshake: with this cookie, please
  kShutdown,       // the peer closes
  kUnknownSocket,  // spec/udt.md: the peer has no such socket
  kOther,          // of a connection
};

struct PacketFacts {
  PacketKind kind = PacketKind::kBad;
  bool control = false;
  uint32_t destination = 0;     // socket id; 0 is the listener
  uint32_t handshake_id = 0;    // socket id of the sender of a handshake
  uint32_t first_sequence = 0;  // of both ends' data, as a handshake says
  bool with_cookie = false;     // a request that answers a challenge
  uint32_t sequence = 0;        // of data
  bool is_ack = false;
  uint32_t acknowledged = 0;  // the sequence number that is wanted next
  bool has_rtt = false;       // a light acknowledgement has none
  uint32_t rtt_us = 0;
  uint32_t rtt_variance_us = 0;
};

// Checks `data`, and makes values smaller that would cost too much: libudt
// allocates what a handshake says. Never reads or writes beyond `length`.
PacketFacts InspectPacket(uint8_t* data, size_t length,
                          const PacketLimits& limits);

// A packet that libudt sends, given as it lies in its two buffers.
struct SentFacts {
  bool is_data = false;
  uint32_t sequence = 0;     // of data
  bool is_response = false;  // a handshake that accepts
  uint32_t destination = 0;
  uint32_t handshake_id = 0;
  uint32_t first_sequence = 0;
  bool is_ack = false;
  uint32_t acknowledged = 0;  // the sequence number that is wanted next
  bool has_window = false;    // a light acknowledgement ends here
  uint32_t rtt_us = 0;
  uint32_t rtt_variance_us = 0;
  uint32_t window = 0;  // packets that there is room for
};
SentFacts InspectSent(const uint8_t* header, const uint8_t* payload,
                      size_t payload_length);

// The sequence numbers that a NAK of libudt's asks for again, if these are few;
// empty: it is no NAK, or of many.
std::vector<uint32_t> MissingOf(const uint8_t* header, const uint8_t* payload,
                                size_t payload_length);
// The same NAK for those that are still missing. `out` has room for the header
// and a word for each.
void MakeNak(const uint8_t* header, const std::vector<uint32_t>& missing,
             uint8_t* out);
constexpr size_t kMaxMissing = 64;
// A NAK that asks the peer's socket `destination` for packets. Returns its
// length.
struct MissingRange {
  uint32_t first;
  uint32_t last;
};
constexpr size_t kMaxRanges = 48;
constexpr size_t kMaxNakBytes = kHeaderBytes + 8 * kMaxRanges;
size_t MakeNakOf(uint32_t destination, const std::vector<MissingRange>& missing,
                 uint8_t out[kMaxNakBytes]);

// Answers a request with "refused", as large as the request.
void MakeRefusal(const uint8_t* request, uint8_t out[kHandshakeBytes]);

// libudt's acknowledgements say at least this, though there is no room at all.
constexpr uint32_t kLeastWindow = 2;
// How many packets `sequence` is after `base`, both of 31 bits.
uint32_t SequenceDistance(uint32_t base, uint32_t sequence);

void MakeKeepAlive(uint32_t destination, uint8_t out[kHeaderBytes]);

// spec/udt.md, section 5.
constexpr size_t kUnknownSocketBytes = kHeaderBytes + 8;
void MakeUnknownSocket(uint32_t id, uint8_t out[kUnknownSocketBytes]);

}  // namespace xtp::udt

#endif  // XTP_UDT_PACKET_H_
