#include "common/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace xtp {
namespace {

const sockaddr_in* V4(const sockaddr_storage* s) {
  return reinterpret_cast<const sockaddr_in*>(s);
}

const sockaddr_in6* V6(const sockaddr_storage* s) {
  return reinterpret_cast<const sockaddr_in6*>(s);
}

uint64_t Mix(uint64_t x) {  // finalizer of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A zone is an interface name or a number; 0 where it is neither.
uint32_t ZoneIndex(const std::string& zone) {
  if (zone.empty() || zone.size() >= IF_NAMESIZE) return 0;
  const unsigned named = if_nametoindex(zone.c_str());
  if (named != 0) return named;
  char* end = nullptr;
  const unsigned long number = strtoul(zone.c_str(), &end, 10);
  if (*end != '\0' || zone[0] < '0' || zone[0] > '9') return 0;
  return number <= UINT32_MAX ? static_cast<uint32_t>(number) : 0;
}

}  // namespace

Endpoint::Endpoint() { memset(&storage_, 0, sizeof storage_); }

Status Endpoint::Parse(const std::string& ip, uint16_t port, Endpoint* out) {
  // inet_pton stops at a NUL: "127.0.0.1\0x" must not pass as an address.
  if (ip.find('\0') != std::string::npos) {
    return Status(Code::kInvalidArgument, "IP address contains NUL");
  }
  Endpoint result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage_);
  if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    *out = result;
    return Status();
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage_);
  const size_t percent = ip.find('%');
  if (inet_pton(AF_INET6, ip.substr(0, percent).c_str(), &v6->sin6_addr) != 1) {
    return Status(Code::kInvalidArgument, "not an IP address: " + ip);
  }
  if (percent != std::string::npos) {
    v6->sin6_scope_id = ZoneIndex(ip.substr(percent + 1));
    if (v6->sin6_scope_id == 0) {
      return Status(Code::kInvalidArgument, "unknown zone: " + ip);
    }
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  *out = result;
  return Status();
}

Endpoint Endpoint::FromSockaddr(const sockaddr* address, socklen_t length) {
  Endpoint result;
  if (address == nullptr ||
      length < offsetof(sockaddr, sa_family) + sizeof(sa_family_t)) {
    return result;
  }
  const size_t need = address->sa_family == AF_INET    ? sizeof(sockaddr_in)
                      : address->sa_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                       : 0;
  if (need != 0 && length >= need) memcpy(&result.storage_, address, need);
  return result;
}

socklen_t Endpoint::length() const {
  if (family() == AF_INET) return sizeof(sockaddr_in);
  if (family() == AF_INET6) return sizeof(sockaddr_in6);
  return 0;
}

std::string Endpoint::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &V4(&storage_)->sin_addr, text, sizeof text);
    return text;
  }
  if (family() != AF_INET6) return "";
  inet_ntop(AF_INET6, &V6(&storage_)->sin6_addr, text, sizeof text);
  std::string result = text;
  const uint32_t zone = V6(&storage_)->sin6_scope_id;
  if (zone != 0) {
    char name[IF_NAMESIZE];
    result += '%';
    result += if_indextoname(zone, name) ? name : std::to_string(zone);
  }
  return result;
}

uint16_t Endpoint::port() const {
  if (family() == AF_INET) return ntohs(V4(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(V6(&storage_)->sin6_port);
  return 0;
}

std::string Endpoint::ToString() const {
  if (family() == AF_INET) return ip() + ":" + std::to_string(port());
  if (family() == AF_INET6) return "[" + ip() + "]:" + std::to_string(port());
  return "";
}

bool Endpoint::IsUnspecified() const {
  if (family() == AF_INET) return V4(&storage_)->sin_addr.s_addr == 0;
  if (family() == AF_INET6) {
    return IN6_IS_ADDR_UNSPECIFIED(&V6(&storage_)->sin6_addr);
  }
  return true;
}

size_t Endpoint::Hash() const {
  if (family() == AF_INET) {
    const sockaddr_in* v4 = V4(&storage_);
    return Mix(uint64_t{v4->sin_addr.s_addr} << 16 | v4->sin_port);
  }
  if (family() != AF_INET6) return 0;
  uint64_t half[2];
  memcpy(half, &V6(&storage_)->sin6_addr, sizeof half);
  return Mix(half[0] ^ Mix(half[1] + V6(&storage_)->sin6_port));
}

// Field by field: the kernel leaves padding and flow labels behind.
bool Endpoint::operator==(const Endpoint& other) const {
  if (family() != other.family()) return false;
  if (family() == AF_INET) {
    const sockaddr_in* a = V4(&storage_);
    const sockaddr_in* b = V4(&other.storage_);
    return a->sin_addr.s_addr == b->sin_addr.s_addr &&
           a->sin_port == b->sin_port;
  }
  if (family() != AF_INET6) return true;
  const sockaddr_in6* a = V6(&storage_);
  const sockaddr_in6* b = V6(&other.storage_);
  return memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0 &&
         a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id;
}

}  // namespace xtp
