// An IPv4 or IPv6 address with a port.
#ifndef XTP_COMMON_ENDPOINT_H_
#define XTP_COMMON_ENDPOINT_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/status.h"

namespace xtp {

class Endpoint {
 public:
  Endpoint();

  // `ip` is a literal without brackets; an IPv6 zone may follow after '%'.
  static Status Parse(const std::string& ip, uint16_t port, Endpoint* out);
  static Endpoint FromSockaddr(const sockaddr* address, socklen_t length);

  const sockaddr* address() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  sockaddr* mutable_address() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t length() const;
  int family() const { return storage_.ss_family; }
  std::string ip() const;
  uint16_t port() const;
  std::string ToString() const;  // "1.2.3.4:5", "[::1]:5"
  bool IsUnspecified() const;
  size_t Hash() const;

  bool operator==(const Endpoint& other) const;
  bool operator!=(const Endpoint& other) const { return !(*this == other); }

 private:
  sockaddr_storage storage_;
};

struct EndpointHash {
  size_t operator()(const Endpoint& e) const { return e.Hash(); }
};

}  // namespace xtp

#endif  // XTP_COMMON_ENDPOINT_H_
