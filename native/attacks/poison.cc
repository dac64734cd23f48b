// Every way to spoil a kept socket for the next service that is lent it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

// Unspecified: where it works, the socket has no port any more.
Outcome Bind(int fd) {
  sockaddr nowhere = {};
  nowhere.sa_family = AF_UNSPEC;
  if (bind(fd, &nowhere, sizeof nowhere) == 0) return Done();
  return errno == EPERM ? Failed() : Done("asked");
}

Outcome Device(int fd) {
  return Tried(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
}

Outcome Group(int fd) {
  ip_mreq group = {};
  group.imr_multiaddr.s_addr = htonl(0xe0000001 + 0x1234);
  group.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
  return Tried(
      setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
}

// No operation, four times.
Outcome Options(int fd) {
  return Tried(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, "\1\1\1\1", 4));
}

// The kernel takes an int; a filter that looks at 64 bits sees another number.
Outcome HighBits(int fd) {
  const int one = 1;
  constexpr long kHigh = 1L << 32;
  return Tried(syscall(SYS_setsockopt, fd, kHigh | SOL_SOCKET,
                       kHigh | SO_REUSEADDR, &one, sizeof one));
}

bool Allowed(int level, int name) {
  return (level == IPPROTO_UDP && (name == UDP_SEGMENT || name == UDP_GRO)) ||
         (level == IPPROTO_IP &&
          (name == IP_MTU_DISCOVER || name == IP_RECVERR)) ||
         (level == IPPROTO_IPV6 &&
          (name == IPV6_MTU_DISCOVER || name == IPV6_RECVERR ||
           name == IPV6_DONTFRAG));
}

// Every option that the policy does not name, also those of kernels to come.
// Any answer but EPERM came from the kernel, so the filter let it through.
Outcome EveryOtherOption(int fd) {
  const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_UDP, IPPROTO_IPV6};
  std::string passed;
  for (const int level : levels) {
    for (int name = 0; name < 256; name++) {
      if (Allowed(level, name)) continue;
      const int one = 1;
      if (setsockopt(fd, level, name, &one, sizeof one) == 0 ||
          errno != EPERM) {
        passed += " " + std::to_string(level) + ":" + std::to_string(name);
      }
    }
  }
  if (!passed.empty()) return Done("passed:" + passed.substr(0, 300));
  errno = EPERM;
  return Failed();
}

// What the policy does name, left at each value in turn.
template <int value>
Outcome AllowedOptions(int fd) {
  int set = 0;
  const int levels[] = {IPPROTO_IP, IPPROTO_UDP, IPPROTO_IPV6};
  for (const int level : levels) {
    for (int name = 0; name < 256; name++) {
      const int number = value;
      set += Allowed(level, name) &&
             setsockopt(fd, level, name, &number, sizeof number) == 0;
    }
  }
  return Done(std::to_string(set));
}

// Blocking, by the other way in.
Outcome BlockingByIoctl(int fd) {
  int off = 0;
  return Tried(ioctl(fd, FIONBIO, &off));
}

Outcome AsynchronousByIoctl(int fd) {
  int on = 1;
  return Tried(ioctl(fd, FIOASYNC, &on));
}

// More than the send buffer holds, to where nobody reads.
Outcome FloodOut(int fd) {
  sockaddr_in nobody = {};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(9);
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static const char bytes[60000] = {};
  int sent = 0;
  for (int i = 0; i < 2000; i++) {
    sent += sendto(fd, bytes, sizeof bytes, MSG_DONTWAIT,
                   reinterpret_cast<sockaddr*>(&nobody), sizeof nobody) > 0;
  }
  return Done(std::to_string(sent));
}

// Copies, and then not even the original.
Outcome CopiesAndClose(int fd) {
  int count = 0;
  while (count < 50 && dup(fd) >= 0) count++;
  close(fd);
  return Done(std::to_string(count));
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
      {"bind", Bind},
      {"SO_REUSEADDR", Set<SOL_SOCKET, SO_REUSEADDR, 1>},
      {"SO_REUSEPORT", Set<SOL_SOCKET, SO_REUSEPORT, 1>},
      {"SO_RCVBUF", Set<SOL_SOCKET, SO_RCVBUF, 1>},
      {"SO_SNDBUF", Set<SOL_SOCKET, SO_SNDBUF, 1>},
      {"SO_ATTACH_FILTER", Filter},
      {"SO_LOCK_FILTER", Set<SOL_SOCKET, SO_LOCK_FILTER, 1>},
      {"SO_DETACH_FILTER", Set<SOL_SOCKET, SO_DETACH_FILTER, 0>},
      {"SO_BINDTODEVICE", Device},
      {"SO_BROADCAST", Set<SOL_SOCKET, SO_BROADCAST, 1>},
      {"SO_PEEK_OFF", Set<SOL_SOCKET, SO_PEEK_OFF, 1>},
      {"SO_RCVLOWAT", Set<SOL_SOCKET, SO_RCVLOWAT, 1 << 20>},
      {"SO_REUSEADDR behind high bits", HighBits},
      {"SO_MARK", Set<SOL_SOCKET, SO_MARK, 7>},
      {"SO_PRIORITY", Set<SOL_SOCKET, SO_PRIORITY, 6>},
      {"SO_BUSY_POLL", Set<SOL_SOCKET, SO_BUSY_POLL, 1000>},
      {"SO_DONTROUTE", Set<SOL_SOCKET, SO_DONTROUTE, 1>},
      {"SO_NO_CHECK", Set<SOL_SOCKET, SO_NO_CHECK, 1>},
      {"IP_TTL", Set<IPPROTO_IP, IP_TTL, 1>},
      {"IP_OPTIONS", Options},
      {"IP_ADD_MEMBERSHIP", Group},
      {"IP_MULTICAST_TTL", Set<IPPROTO_IP, IP_MULTICAST_TTL, 0>},
      {"IP_MINTTL", Set<IPPROTO_IP, IP_MINTTL, 255>},
      {"IP_HDRINCL", Set<IPPROTO_IP, IP_HDRINCL, 1>},
      {"IP_MTU_DISCOVER", Set<IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT>},
      {"IP_RECVERR", Set<IPPROTO_IP, IP_RECVERR, 0>},
      {"UDP_SEGMENT", Set<IPPROTO_UDP, UDP_SEGMENT, 60>},
      {"UDP_GRO", Set<IPPROTO_UDP, UDP_GRO, 0>},
      {"UDP_CORK", Set<IPPROTO_UDP, UDP_CORK, 1>},
      {"UDP_ENCAP", Set<IPPROTO_UDP, UDP_ENCAP, 2>},
      {"every other option", EveryOtherOption},
      {"permitted options at 0", AllowedOptions<0>},
      {"permitted options at 1", AllowedOptions<1>},
      {"permitted options at 65535", AllowedOptions<65535>},
      {"blocking by ioctl", BlockingByIoctl},
      {"asynchronous by ioctl", AsynchronousByIoctl},
      {"blocking", [](int fd) { return Tried(fcntl(fd, F_SETFL, 0)); }},
      {"asynchronous",
       [](int fd) { return Tried(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK)); }},
      {"owner", [](int fd) { return Tried(fcntl(fd, F_SETOWN, getppid())); }},
      {"a datagram begun", Begin},
      {"flood", Flood},
      {"flood others", FloodOut},
      {"copies", Copies},
      {"copies and close", CopiesAndClose},
      {"close", Close},
  };
}

}  // namespace xtp::attacks
