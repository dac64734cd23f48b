// The uTP packet header, version 1 (BEP 29, "header format" and "extension").
// Pure functions: nothing here knows libutp, sockets or time.
#ifndef XTP_UTP_PACKET_H_
#define XTP_UTP_PACKET_H_

#include <cstddef>
#include <cstdint>

namespace xtp::utp {

enum class PacketType : uint8_t {
  kData = 0,   // ST_DATA
  kFin = 1,    // ST_FIN
  kState = 2,  // ST_STATE, an acknowledgement without data
  kReset = 3,  // ST_RESET
  kSyn = 4,    // ST_SYN
};

constexpr size_t kHeaderBytes = 20;
constexpr uint8_t kVersion = 1;
constexpr uint8_t kExtensionSelectiveAck = 1;
// One bit per packet, and libutp keeps 1024 of them out of order.
constexpr size_t kMaxSelectiveAckBytes = 128;

struct Header {
  PacketType type = PacketType::kState;
  uint16_t connection_id = 0;
  uint32_t timestamp_us = 0;
  uint32_t timestamp_difference_us = 0;
  uint32_t window_bytes = 0;
  uint16_t seq = 0;
  uint16_t ack = 0;
};

// A checked view of a datagram; points into it.
struct Packet {
  Header header;
  const uint8_t* data = nullptr;
  size_t length = 0;
  bool has_extensions = false;
  const uint8_t* selective_ack = nullptr;  // null if there is none
  size_t selective_ack_bytes = 0;
  const uint8_t* payload = nullptr;
  size_t payload_bytes = 0;
};

// False: not uTP version 1, or its extension chain is not sound (runs over the
// end, too long, an empty, oversized or second selective ack).
bool ParsePacket(const uint8_t* data, size_t length, Packet* out);

// The header alone, as an ICMP message quotes it; says nothing about the rest.
bool ParseHeader(const uint8_t* data, size_t length, Header* out);

// Changes the window in a packet's header.
void StoreWindow(uint32_t window_bytes, uint8_t* packet);

// Writes kHeaderBytes, without extensions.
void BuildHeader(const Header& header, uint8_t* out);

// Writes the packet, its header as `packet` has it, with its selective ack as
// the only extension: libutp drops packets whose first extension it does not
// know, such as libtorrent's reason of a close. Never longer than the original.
// Returns the length.
size_t CopyKnownExtensions(const Packet& packet, uint8_t* out);

// Sequence numbers wrap: `a` comes before `b` if that is the shorter way.
inline bool SeqLess(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(b - a) - 1u < 0x7fffu;
}

}  // namespace xtp::utp

#endif  // XTP_UTP_PACKET_H_
