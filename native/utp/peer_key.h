// What tells one uTP connection from another on a UDP socket: the peer's
// address and port, and the id that packets to us carry (BEP 29,
// "connection_id").
#ifndef XTP_UTP_PEER_KEY_H_
#define XTP_UTP_PEER_KEY_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/endpoint.h"

namespace xtp::utp {

struct PeerKey {
  uint8_t ip[16] = {};
  uint16_t port = 0;  // network order
  uint16_t id = 0;

  PeerKey() = default;
  PeerKey(const Endpoint& peer, uint16_t connection_id) : id(connection_id) {
    if (peer.family() == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(peer.address());
      memcpy(ip + 12, &v4->sin_addr, 4);
      ip[10] = ip[11] = 0xff;
      port = v4->sin_port;
    } else if (peer.family() == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(peer.address());
      memcpy(ip, &v6->sin6_addr, 16);
      port = v6->sin6_port;
    }
  }
  bool operator==(const PeerKey& other) const {
    return memcmp(this, &other, sizeof *this) == 0;
  }
};

static_assert(sizeof(PeerKey) == 20, "compared and hashed as bytes");

struct PeerKeyHash {
  size_t operator()(const PeerKey& key) const {
    uint64_t a, b;
    uint32_t c;
    memcpy(&a, key.ip, 8);
    memcpy(&b, key.ip + 8, 8);
    memcpy(&c, &key.port, 4);
    uint64_t x = (a ^ (b + 0x9e3779b97f4a7c15u) ^ (uint64_t{c} << 21)) *
                 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 31)) * 0x94d049bb133111ebu;
    return x ^ (x >> 29);
  }
};

}  // namespace xtp::utp

#endif  // XTP_UTP_PEER_KEY_H_
