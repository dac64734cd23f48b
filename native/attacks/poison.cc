// Every way to spoil a kept socket for the next service that is lent it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attacks/attacks.h"

namespace xtp::attacks {
namespace {

template <int level, int name, int value>
Outcome Set(int fd) {
  const int number = value;
  return Tried(setsockopt(fd, level, name, &number, sizeof number));
}

Outcome Filter(int fd) {
  sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program = {1, drop};
  return Tried(
      setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

Outcome Connect(int fd) {
  sockaddr_in nobody = {};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(9);
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Tried(
      connect(fd, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody));
}

// What the next service sends would go along to where this one wanted.
Outcome Begin(int fd) {
  sockaddr_in nobody = {};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(9);
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Tried(sendto(fd, "x", 1, MSG_MORE,
                      reinterpret_cast<sockaddr*>(&nobody), sizeof nobody));
}

// Itself as its own flooder: the receive buffer is full when it dies.
Outcome Flood(int fd) {
  sockaddr_storage self = {};
  socklen_t length = sizeof self;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&self), &length) != 0) {
    return Failed();
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&self);
  if (v4->sin_addr.s_addr == 0) v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static const char bytes[1400] = {};
  int sent = 0;
  for (int i = 0; i < 20000; i++) {
    sent += sendto(fd, bytes, sizeof bytes, MSG_DONTWAIT,
                   reinterpret_cast<sockaddr*>(&self), length) > 0;
  }
  return Done(std::to_string(sent));
}

Outcome Copies(int fd) {
  int count = 0;
  while (count < 200 && dup(fd) >= 0) count++;
  return Done(std::to_string(count));
}

Outcome Close(int fd) { return Tried(close(fd)); }

}  // namespace

std::vector<Poison> Poisons() {
  return {
      {"shutdown", [](int fd) { return Tried(shutdown(fd, SHUT_RDWR)); }},
      {"connect", Connect},
      {"SO_REUSEADDR", Set<SOL_SOCKET, SO_REUSEADDR, 1>},
      {"SO_REUSEPORT", Set<SOL_SOCKET, SO_REUSEPORT, 1>},
      {"SO_RCVBUF", Set<SOL_SOCKET, SO_RCVBUF, 1>},
      {"SO_SNDBUF", Set<SOL_SOCKET, SO_SNDBUF, 1>},
      {"SO_ATTACH_FILTER", Filter},
      {"SO_LOCK_FILTER", Set<SOL_SOCKET, SO_LOCK_FILTER, 1>},
      {"SO_MARK", Set<SOL_SOCKET, SO_MARK, 7>},
      {"SO_PRIORITY", Set<SOL_SOCKET, SO_PRIORITY, 6>},
      {"SO_BUSY_POLL", Set<SOL_SOCKET, SO_BUSY_POLL, 1000>},
      {"SO_DONTROUTE", Set<SOL_SOCKET, SO_DONTROUTE, 1>},
      {"SO_NO_CHECK", Set<SOL_SOCKET, SO_NO_CHECK, 1>},
      {"IP_TTL", Set<IPPROTO_IP, IP_TTL, 1>},
      {"IP_MINTTL", Set<IPPROTO_IP, IP_MINTTL, 255>},
      {"IP_HDRINCL", Set<IPPROTO_IP, IP_HDRINCL, 1>},
      {"IP_MTU_DISCOVER", Set<IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT>},
      {"IP_RECVERR", Set<IPPROTO_IP, IP_RECVERR, 0>},
      {"UDP_SEGMENT", Set<IPPROTO_UDP, UDP_SEGMENT, 60>},
      {"UDP_GRO", Set<IPPROTO_UDP, UDP_GRO, 0>},
      {"UDP_CORK", Set<IPPROTO_UDP, UDP_CORK, 1>},
      {"UDP_ENCAP", Set<IPPROTO_UDP, UDP_ENCAP, 2>},
      {"blocking", [](int fd) { return Tried(fcntl(fd, F_SETFL, 0)); }},
      {"asynchronous",
       [](int fd) { return Tried(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK)); }},
      {"owner", [](int fd) { return Tried(fcntl(fd, F_SETOWN, getppid())); }},
      {"a datagram begun", Begin},
      {"flood", Flood},
      {"copies", Copies},
      {"close", Close},
  };
}

}  // namespace xtp::attacks
