#include "utp/packet.h"

#include <cstring>

namespace xtp::utp {
namespace {

// More than any implementation sends; a chain of empty ones costs time.
constexpr int kMaxExtensions = 8;

uint16_t Read16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] << 8 | p[1]);
}

uint32_t Read32(const uint8_t* p) {
  return uint32_t{Read16(p)} << 16 | Read16(p + 2);
}

void Write16(uint8_t* p, uint16_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

void Write32(uint8_t* p, uint32_t value) {
  Write16(p, static_cast<uint16_t>(value >> 16));
  Write16(p + 2, static_cast<uint16_t>(value));
}

bool ParseExtensions(uint8_t type, Packet* out) {
  size_t at = kHeaderBytes;
  for (int i = 0; type != 0; i++) {
    if (i == kMaxExtensions || out->length - at < 2) return false;
    const uint8_t next = out->data[at];
    const size_t bytes = out->data[at + 1];
    at += 2;
    if (out->length - at < bytes) return false;
    if (type == kExtensionSelectiveAck) {
      if (out->selective_ack != nullptr || bytes == 0 ||
          bytes > kMaxSelectiveAckBytes) {
        return false;
      }
      out->selective_ack = out->data + at;
      out->selective_ack_bytes = bytes;
    }
    at += bytes;
    type = next;
  }
  out->payload = out->data + at;
  out->payload_bytes = out->length - at;
  return true;
}

}  // namespace

bool ParseHeader(const uint8_t* data, size_t length, Header* out) {
  if (length < kHeaderBytes) return false;
  const uint8_t type = data[0] >> 4;
  if ((data[0] & 0x0f) != kVersion) return false;
  if (type > static_cast<uint8_t>(PacketType::kSyn)) return false;
  out->type = static_cast<PacketType>(type);
  out->connection_id = Read16(data + 2);
  out->timestamp_us = Read32(data + 4);
  out->timestamp_difference_us = Read32(data + 8);
  out->window_bytes = Read32(data + 12);
  out->seq = Read16(data + 16);
  out->ack = Read16(data + 18);
  return true;
}

bool ParsePacket(const uint8_t* data, size_t length, Packet* out) {
  if (!ParseHeader(data, length, &out->header)) return false;
  out->data = data;
  out->length = length;
  out->has_extensions = data[1] != 0;
  out->selective_ack = nullptr;
  out->selective_ack_bytes = 0;
  return ParseExtensions(data[1], out);
}

void StoreWindow(uint32_t window_bytes, uint8_t* packet) {
  Write32(packet + 12, window_bytes);
}

void BuildHeader(const Header& header, uint8_t* out) {
  out[0] =
      static_cast<uint8_t>(static_cast<uint8_t>(header.type) << 4 | kVersion);
  out[1] = 0;
  Write16(out + 2, header.connection_id);
  Write32(out + 4, header.timestamp_us);
  Write32(out + 8, header.timestamp_difference_us);
  Write32(out + 12, header.window_bytes);
  Write16(out + 16, header.seq);
  Write16(out + 18, header.ack);
}

size_t CopyKnownExtensions(const Packet& packet, uint8_t* out) {
  BuildHeader(packet.header, out);
  size_t at = kHeaderBytes;
  if (packet.selective_ack != nullptr) {
    out[1] = kExtensionSelectiveAck;
    out[at] = 0;
    out[at + 1] = static_cast<uint8_t>(packet.selective_ack_bytes);
    memcpy(out + at + 2, packet.selective_ack, packet.selective_ack_bytes);
    at += 2 + packet.selective_ack_bytes;
  }
  if (packet.payload_bytes > 0) {
    memcpy(out + at, packet.payload, packet.payload_bytes);
  }
  return at + packet.payload_bytes;
}

}  // namespace xtp::utp
