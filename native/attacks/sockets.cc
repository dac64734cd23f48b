// Sockets of its own, and others' ears.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "attacks/attacks.h"

namespace xtp::attacks {
namespace {

Outcome Make(int family, int type, int protocol) {
  const int fd = socket(family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) return Failed();
  close(fd);
  return Done();
}

Outcome Connect(int fd, const void* address, socklen_t length) {
  if (fd < 0) return Failed();
  const int result = connect(fd, static_cast<const sockaddr*>(address), length);
  const int error = errno;
  close(fd);
  errno = error;
  return Tried(result);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

Outcome ConnectUnix(const std::string& name, bool abstract) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t at = abstract ? 1 : 0;
  memcpy(address.sun_path + at, name.data(),
         std::min(name.size(), sizeof address.sun_path - 1 - at));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                             at + name.size());
  return Connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address,
                 length);
}

}  // namespace

void AddSockets(std::vector<Attack>* all) {
  const Attack attacks[] = {
      {"connect over TCP",
       [](const Context& c) {
         const sockaddr_in to = Loopback(c.tcp_port);
         return Connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &to,
                        sizeof to);
       }},
      {"listen on TCP",
       [](const Context&) {
         const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
         if (fd < 0) return Failed();
         const Outcome outcome = Tried(listen(fd, 1));
         close(fd);
         return outcome;
       }},
      {"connect to a unix socket",
       [](const Context& c) { return ConnectUnix(c.unix_path, false); }},
      {"connect to an abstract socket",
       [](const Context& c) { return ConnectUnix(c.abstract_name, true); }},
      {"a socket pair",
       [](const Context&) {
         int ends[2];
         const Outcome outcome =
             Tried(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
         if (outcome.possible) {
           close(ends[0]);
           close(ends[1]);
         }
         return outcome;
       }},
      {"netlink",
       [](const Context&) {
         return Make(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
       }},
      {"packet socket",
       [](const Context&) { return Make(AF_PACKET, SOCK_RAW, htons(3)); }},
      {"raw ICMP",
       [](const Context&) { return Make(AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
      {"vsock", [](const Context&) { return Make(AF_VSOCK, SOCK_STREAM, 0); }},
      {"a new UDP socket",
       [](const Context&) { return Make(AF_INET, SOCK_DGRAM, 0); }},
      {"bind the lent socket",
       [](const Context& c) {
         const sockaddr_in any = Loopback(0);
         return Permitted(
             bind(c.lent, reinterpret_cast<const sockaddr*>(&any), sizeof any),
             EINVAL);
       }},
      {"send anywhere from the lent socket",
       [](const Context& c) {
         const sockaddr_in to = Loopback(c.udp_port);
         return Tried(sendto(c.lent, "x", 1, 0,
                             reinterpret_cast<const sockaddr*>(&to),
                             sizeof to));
       }},
  };
  all->insert(all->end(), std::begin(attacks), std::end(attacks));
}

}  // namespace xtp::attacks
