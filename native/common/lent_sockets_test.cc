#include "common/lent_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/test.h"
#include "common/udp_socket.h"

namespace xtp {
namespace {

Endpoint At(const char* ip, uint16_t port) {
  Endpoint result;
  if (!Endpoint::Parse(ip, port, &result).ok()) std::abort();
  return result;
}

int Bound(const char* ip, Endpoint* local, int type = SOCK_DGRAM) {
  const Endpoint any = At(ip, 0);
  const int fd = socket(any.family(), type, 0);
  socklen_t length = sizeof(sockaddr_storage);
  if (fd < 0 || bind(fd, any.address(), any.length()) != 0 ||
      getsockname(fd, local->mutable_address(), &length) != 0) {
    std::abort();
  }
  return fd;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// The launcher's end, and the service's pool.
struct Lender {
  Lender() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) std::abort();
    end = ends[0];
    pool.reset(new LentSockets(ends[1]));
  }
  ~Lender() {
    if (end >= 0) close(end);
  }

  void Lend(const std::string& id, const std::vector<int>& fds) {
    union {
      cmsghdr header;
      char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control = {};
    iovec text = {const_cast<char*>(id.data()), id.size()};
    msghdr message = {};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      control.header.cmsg_level = SOL_SOCKET;
      control.header.cmsg_type = SCM_RIGHTS;
      control.header.cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      memcpy(CMSG_DATA(&control.header), fds.data(), fds.size() * sizeof(int));
    }
    CHECK(sendmsg(end, &message, 0) >= 0);
    for (int fd : fds) close(fd);
  }

  Status Take(const Endpoint& local, int* fd) { return pool->Take(local, fd); }

  int end;
  std::unique_ptr<LentSockets> pool;
};

TEST(AListenerTakesTheSocketOfItsAddress) {
  Lender lender;
  Endpoint first, second;
  const int a = Bound("127.0.0.1", &first);
  lender.Lend("listen-1", {a});
  lender.Lend("listen-2", {Bound("127.0.0.1", &second)});
  int fd = -1;
  CHECK_EQ(lender.Take(At("127.0.0.1", 1), &fd).code(), Code::kUnavailable);
  REQUIRE(lender.Take(second, &fd).ok());
  std::unique_ptr<UdpSocket> udp;
  REQUIRE(UdpSocket::Adopt(fd, UdpOptions(), &udp).ok());
  CHECK(udp->local() == second);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  // Given away: not there a second time.
  CHECK_EQ(lender.Take(second, &fd).code(), Code::kUnavailable);
  CHECK_EQ(lender.pool->size(), 1u);
}

TEST(DiallingHasACopyEachTime) {
  Lender lender;
  Endpoint v4, v6;
  lender.Lend("dial4", {Bound("0.0.0.0", &v4)});
  lender.Lend("dial6", {Bound("::", &v6)});
  int one = -1, two = -1, six = -1;
  REQUIRE(lender.Take(At("0.0.0.0", 0), &one).ok());
  close(one);
  REQUIRE(lender.Take(At("0.0.0.0", 0), &two).ok());
  REQUIRE(lender.Take(At("::", 0), &six).ok());
  std::unique_ptr<UdpSocket> four, other;
  REQUIRE(UdpSocket::Adopt(two, UdpOptions(), &four).ok());
  REQUIRE(UdpSocket::Adopt(six, UdpOptions(), &other).ok());
  CHECK_EQ(four->local().port(), v4.port());
  CHECK_EQ(other->local().port(), v6.port());
  CHECK_EQ(other->local().family(), AF_INET6);
}

TEST(WhatIsNoSocketIsRefusedAndClosed) {
  Lender lender;
  Endpoint local;
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  lender.Lend("a", {pipes[0]});
  lender.Lend("b", {Bound("127.0.0.1", &local, SOCK_STREAM)});
  lender.Lend("c", {socket(AF_INET, SOCK_DGRAM, 0)});  // not bound
  lender.Lend("d", {});
  lender.Lend("e", {Bound("127.0.0.1", &local), Bound("127.0.0.1", &local)});
  lender.Lend("f", {Bound("127.0.0.1", &local), Bound("127.0.0.1", &local),
                    Bound("127.0.0.1", &local), Bound("127.0.0.1", &local)});
  lender.Lend(std::string(LentSockets::kMaxIdBytes + 1, 'x'),
              {Bound("127.0.0.1", &local)});
  Endpoint good;
  lender.Lend("g", {Bound("127.0.0.1", &good)});
  const int before = dup(0);
  close(before);
  int fd = -1;
  REQUIRE(lender.Take(good, &fd).ok());
  CHECK_EQ(lender.pool->refused(), 7u);
  CHECK_EQ(lender.pool->size(), 0u);
  // The pipe's reader is closed here too: its writer would get SIGPIPE.
  CHECK_EQ(fd, before);
  close(fd);
  close(pipes[1]);
}

TEST(TooManyOpenFilesAreToldFromNoSocket) {
  Lender lender;
  Endpoint local;
  int fd = -1;
  lender.Lend("listen-1", {Bound("127.0.0.1", &local)});
  rlimit before;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Status status = lender.Take(local, &fd);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  CHECK_EQ(status.code(), Code::kResourceExhausted);
  CHECK_EQ(lender.pool->refused(), size_t{1});
}

TEST(TheSameIdReplaces) {
  Lender lender;
  Endpoint first, second;
  lender.Lend("listen-1", {Bound("127.0.0.1", &first)});
  lender.Lend("listen-1", {Bound("127.0.0.1", &second)});
  int fd = -1;
  CHECK_EQ(lender.Take(first, &fd).code(), Code::kUnavailable);
  CHECK(lender.Take(second, &fd).ok());
  close(fd);
}

TEST(ThereIsALimit) {
  Lender lender;
  Endpoint local;
  for (size_t i = 0; i < LentSockets::kMax + 3; i++) {
    lender.Lend("listen-" + std::to_string(i), {Bound("127.0.0.1", &local)});
    int fd = -1;
    CHECK(!lender.Take(At("127.0.0.1", 1), &fd).ok());
  }
  CHECK_EQ(lender.pool->size(), LentSockets::kMax);
  CHECK_EQ(lender.pool->refused(), 3u);
}

TEST(WithoutALauncherWhatWasLentStays) {
  Lender lender;
  Endpoint local;
  lender.Lend("listen-1", {Bound("127.0.0.1", &local)});
  close(lender.end);
  lender.end = -1;
  int fd = -1;
  REQUIRE(lender.Take(local, &fd).ok());
  CHECK(IsOpen(fd));
  close(fd);
  CHECK(!lender.Take(At("127.0.0.1", 9), &fd).ok());
}

TEST(AdoptRefusesWhatIsNotBound) {
  std::unique_ptr<UdpSocket> udp;
  CHECK(!UdpSocket::Adopt(socket(AF_INET, SOCK_DGRAM, 0), UdpOptions(), &udp)
             .ok());
  Endpoint local;
  CHECK(!UdpSocket::Adopt(Bound("127.0.0.1", &local, SOCK_STREAM), UdpOptions(),
                          &udp)
             .ok());
  CHECK(udp == nullptr);
}

#if defined(__linux__)
// Everything that a predecessor could change and the policy permits.
TEST(AdoptPutsOptionsRight) {
  Endpoint local;
  const int fd = Bound("127.0.0.1", &local);
  const int kept = dup(fd);
  const int zero = 0, segment = 100, wrong = IP_PMTUDISC_DONT;
  setsockopt(fd, IPPROTO_UDP, UDP_GRO, &zero, sizeof zero);
  setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &wrong, sizeof wrong);
  setsockopt(fd, IPPROTO_IP, IP_RECVERR, &zero, sizeof zero);
  fcntl(fd, F_SETFL, 0);
  close(fd);
  std::unique_ptr<UdpSocket> udp;
  REQUIRE(UdpSocket::Adopt(kept, UdpOptions(), &udp).ok());
  const auto get = [&](int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(kept, level, name, &value, &length);
    return value;
  };
  CHECK_EQ(get(IPPROTO_UDP, UDP_SEGMENT), 0);
  CHECK_EQ(get(IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
  CHECK_EQ(get(IPPROTO_IP, IP_RECVERR), 1);
  CHECK((fcntl(kept, F_GETFL) & O_NONBLOCK) != 0);
}
#endif

}  // namespace
}  // namespace xtp
