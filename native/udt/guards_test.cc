// What libudt does to its UDP sockets and to dials, with the calls that it
// makes answered by us (ARCHITECTURE.md, "libudt's defects"). Real sockets and
// real time; libudt itself, without the engine.
#include <poll.h>
#include <sys/socket.h>
#include <udt/udt.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/byte_order.h"
#include "common/io_thread.h"
#include "common/testing/test.h"
#include "udt/channel.h"
#include "udt/testing/end.h"

extern "C" {
extern uint64_t _ZN6CTimer17s_ullCPUFrequencyE;
extern bool _ZN6CTimer17m_bUseMicroSecondE;
}

namespace xtp::udt {
namespace {

// As measured by a process that did not run for four milliseconds meanwhile.
// The first test: sockets keep the frequency that they find.
TEST(TheProcessorsFrequencyIsNotMeasured) {
  _ZN6CTimer17s_ullCPUFrequencyE = 100;
  _ZN6CTimer17m_bUseMicroSecondE = false;
  UDT::startup();
  CHECK_EQ(_ZN6CTimer17s_ullCPUFrequencyE, uint64_t{1});
  CHECK(_ZN6CTimer17m_bUseMicroSecondE);
}

TEST(TheSamePortOfTwoAddressesIsTwoPorts) {
  End first(At("127.0.0.1"));
  End second(At("127.0.0.2", first.channel->local().port()));
  End dialer(At("127.0.0.1"));
  const int a = dialer.Dial(second.channel->local());
  CHECK(Connected(a));
  const int b = second.Accept();
  CHECK(b != UDT::INVALID_SOCK);
  sockaddr_storage name;
  int length = sizeof name;
  CHECK(UDT::accept(first.listener, reinterpret_cast<sockaddr*>(&name),
                    &length) == UDT::INVALID_SOCK);
  UDT::close(a);
  UDT::close(b);
}

// libudt would give up after three seconds, keep what has been closed in its
// list, and read and write there for as long as the port lives.
TEST(ADialIsGivenUpByTheEngineAlone) {
  End dialer(At("127.0.0.1"));
  const int silent = socket(AF_INET, SOCK_DGRAM, 0);
  const Endpoint any = At("127.0.0.1");
  CHECK_EQ(bind(silent, any.address(), any.length()), 0);
  sockaddr_storage name = {};
  socklen_t length = sizeof name;
  getsockname(silent, reinterpret_cast<sockaddr*>(&name), &length);
  const Endpoint to =
      Endpoint::FromSockaddr(reinterpret_cast<sockaddr*>(&name), length);
  const int socket = dialer.Dial(to);
  usleep(3600 * 1000);
  const auto datagrams = [silent] {
    char bytes[2000];
    int count = 0;
    while (recv(silent, bytes, sizeof bytes, MSG_DONTWAIT) > 0) count++;
    return count;
  };
  datagrams();
  usleep(1000 * 1000);
  CHECK(datagrams() > 1);  // it has not stopped to ask
  CHECK(dialer.channel->StopDialing(static_cast<uint32_t>(socket)));
  UDT::close(socket);
  usleep(600 * 1000);
  datagrams();
  usleep(600 * 1000);
  CHECK_EQ(datagrams(), 0);
  close(silent);
}

TEST(ThePortIsFreeAtOnce) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    Endpoint local;
    {
      End end(At(ip));
      local = end.channel->local();
    }
    for (int i = 0; i < 3; i++) {
      End again(local);
      CHECK(again.channel->local() == local);
    }
  }
}

TEST(ADescriptorOfThatNumberIsNotTouched) {
  int fds[2];
  { End end(At("127.0.0.1")); }
  // The numbers that the channel had, most likely.
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  usleep(5000 * 1000);  // libudt has cleaned up by now
  CHECK_EQ(write(fds[0], "x", 1), ssize_t{1});
  char byte = 0;
  CHECK_EQ(read(fds[1], &byte, 1), ssize_t{1});
  close(fds[0]);
  close(fds[1]);
}

TEST(OptionsOfALentSocketStay) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const Endpoint local = At("127.0.0.1");
  CHECK_EQ(bind(fd, local.address(), local.length()), 0);
  const int wanted = 300000;
  for (const int name : {SO_RCVBUF, SO_SNDBUF}) {
    setsockopt(fd, SOL_SOCKET, name, &wanted, sizeof wanted);
  }
  const auto option = [fd](int name) {
    int value = 0;
    socklen_t length = sizeof value;
    getsockopt(fd, SOL_SOCKET, name, &value, &length);
    return value;
  };
  const auto timeout = [fd] {
    timeval value = {};
    socklen_t length = sizeof value;
    getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, &length);
    return value.tv_sec * 1000000 + value.tv_usec;
  };
  const int before[] = {option(SO_RCVBUF), option(SO_SNDBUF)};
  UDT::startup();
  std::unique_ptr<UdpSocket> udp;
  CHECK(UdpSocket::Adopt(dup(fd), UdpOptions(), &udp).ok());
  std::shared_ptr<Channel> channel;
  CHECK(Channel::Create(std::move(udp), PacketLimits(),
                        std::make_shared<ChannelOwner>(), &channel)
            .ok());
  const int one = UDT::socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(UDT::bind2(one, channel->handle()), 0);
  CHECK_EQ(option(SO_RCVBUF), before[0]);
  CHECK_EQ(option(SO_SNDBUF), before[1]);
  CHECK_EQ(timeout(), 0);
  UDT::close(one);
  channel->Close();
  close(fd);
}

// A request that has waited for a restart in a kept socket: libudt would drop
// what it reads before it listens.
TEST(ARequestThatCameBeforeTheListenerIsAnswered) {
  UDT::startup();
  std::unique_ptr<UdpSocket> udp;
  CHECK(UdpSocket::Bind(At("127.0.0.1"), UdpOptions(), &udp).ok());
  const int peer = socket(AF_INET, SOCK_DGRAM, 0);
  const Endpoint& to = udp->local();
  uint8_t request[kHandshakeBytes] = {0x80};
  const uint32_t words[] = {4, 1, 7, 1500, 8192, 1, 99};
  for (size_t i = 0; i < 7; i++) {
    PutU32(request + kHeaderBytes + 4 * i, words[i]);
  }
  CHECK(sendto(peer, request, sizeof request, 0, to.address(), to.length()) >
        0);
  std::shared_ptr<Channel> channel;
  CHECK(Channel::Create(std::move(udp), PacketLimits(),
                        std::make_shared<ChannelOwner>(), &channel)
            .ok());
  const int listener = UDT::socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(UDT::bind2(listener, channel->handle()), 0);
  usleep(50000);  // libudt's thread reads
  CHECK_EQ(UDT::listen(listener, 16), 0);
  channel->Open();
  pollfd answer = {peer, POLLIN, 0};
  CHECK_EQ(poll(&answer, 1, 3000), 1);
  UDT::close(listener);
  channel->Close();
  close(peer);
}

TEST(ARefusedDialIsNoConnection) {
  End server(At("127.0.0.1"));
  server.channel->SetListening(false);
  End dialer(At("127.0.0.1"));
  const int socket = dialer.Dial(server.channel->local());
  std::vector<Notice> notices;
  CHECK(Within(3000, [&] {
    dialer.channel->TakeNotices(&notices);
    return !notices.empty();
  }));
  CHECK_EQ(notices[0].socket, static_cast<uint32_t>(socket));
  CHECK(notices[0].kind == Notice::Kind::kRefused);
  CHECK(UDT::getsockstate(socket) != CONNECTED);
  UDT::close(socket);
}

TEST(AListenerComesAndGoesOnOnePort) {
  End server(At("127.0.0.1"));
  End dialer(At("127.0.0.1"));
  for (int i = 0; i < 5; i++) {
    server.channel->SetListening(true);
    const int out = dialer.Dial(server.channel->local());
    CHECK(Connected(out));
    const int in = server.Accept();
    CHECK(in != UDT::INVALID_SOCK);
    server.channel->SetListening(false);
    const int refused = dialer.Dial(server.channel->local());
    std::vector<Notice> notices;
    CHECK(Within(3000, [&] {
      dialer.channel->TakeNotices(&notices);
      return !notices.empty();
    }));
    for (const int socket : {out, in, refused}) UDT::close(socket);
  }
}

// By itself libudt takes up to 100 ms for each of them.
TEST(ALonePacketDoesNotWait) {
  End server(At("127.0.0.1"));
  End dialer(At("127.0.0.1"));
  const int out = dialer.Dial(server.channel->local());
  CHECK(Connected(out));
  const int in = server.Accept();
  CHECK(in != UDT::INVALID_SOCK);
  const uint64_t start = IoThread::NowUs();
  constexpr int kTurns = 40;
  for (int i = 0; i < kTurns; i++) {
    const int from = i % 2 == 0 ? out : in;
    const int to = i % 2 == 0 ? in : out;
    CHECK_EQ(UDT::send(from, "x", 1, 0), 1);
    char byte;
    CHECK(Within(1000, [&] { return UDT::recv(to, &byte, 1, 0) == 1; }));
  }
  CHECK(IoThread::NowUs() - start < kTurns * 60 * 1000);
  UDT::close(out);
  UDT::close(in);
}

// libudt's sender waits for 300 ms each time.
TEST(AFullBufferThatEmptiesFillsAgain) {
  const int bytes = 64 * 1024;
  End server(At("127.0.0.1"), bytes);
  End dialer(At("127.0.0.1"));
  const int out = dialer.Dial(server.channel->local());
  CHECK(Connected(out));
  const int in = server.Accept();
  CHECK(in != UDT::INVALID_SOCK);
  const std::vector<char> chunk(16 * bytes, 7);
  std::vector<char> got(chunk.size());
  int slow = 0;
  for (int i = 0; i < 10; i++) {
    // Its own buffer is larger: there is always more to send.
    UDT::send(out, chunk.data(), static_cast<int>(chunk.size()), 0);
    usleep(30 * 1000);  // all that there is room for has come
    size_t read = 0;
    const bool soon = Within(250, [&] {
      const int n = UDT::recv(in, got.data(), static_cast<int>(got.size()), 0);
      if (n > 0) {
        server.channel->OnRead(static_cast<uint32_t>(in));
        read += static_cast<size_t>(n);
      }
      return read > 3 * size_t{bytes};
    });
    if (!soon) slow++;
  }
  CHECK(slow < 5);  // a busy machine may be so once
  UDT::close(out);
  UDT::close(in);
}

// Between a dialer and a server: loses what it is told to lose of what the
// dialer sends.
class Path {
 public:
  using Loses = std::function<bool(const uint8_t* data, size_t length)>;
  Path(const Endpoint& server, Loses loses) : loses_(std::move(loses)) {
    for (int& fd : fds_) {
      fd = socket(AF_INET, SOCK_DGRAM, 0);
      const Endpoint local = At("127.0.0.1");
      CHECK_EQ(bind(fd, local.address(), local.length()), 0);
    }
    CHECK_EQ(connect(fds_[1], server.address(), server.length()), 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~Path() {
    over_ = true;
    thread_.join();
    for (const int fd : fds_) close(fd);
  }
  Endpoint front() const {
    sockaddr_storage name;
    socklen_t length = sizeof name;
    getsockname(fds_[0], reinterpret_cast<sockaddr*>(&name), &length);
    return Endpoint::FromSockaddr(reinterpret_cast<sockaddr*>(&name), length);
  }

 private:
  void Run() {
    sockaddr_storage dialer = {};
    socklen_t dialer_length = 0;
    uint8_t data[2048];
    while (!over_) {
      pollfd polls[2] = {{fds_[0], POLLIN, 0}, {fds_[1], POLLIN, 0}};
      poll(polls, 2, 20);
      if ((polls[0].revents & POLLIN) != 0) {
        dialer_length = sizeof dialer;
        const ssize_t length =
            recvfrom(fds_[0], data, sizeof data, MSG_DONTWAIT,
                     reinterpret_cast<sockaddr*>(&dialer), &dialer_length);
        if (length > 0 && !loses_(data, static_cast<size_t>(length))) {
          send(fds_[1], data, static_cast<size_t>(length), 0);
        }
      }
      if ((polls[1].revents & POLLIN) != 0 && dialer_length > 0) {
        const ssize_t length = recv(fds_[1], data, sizeof data, MSG_DONTWAIT);
        if (length > 0) {
          sendto(fds_[0], data, static_cast<size_t>(length), 0,
                 reinterpret_cast<sockaddr*>(&dialer), dialer_length);
        }
      }
    }
  }

  const Loses loses_;
  int fds_[2];
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// A connection over a path; closed at the end.
struct Through {
  Through(End* dialer, End* server, const Path& path) {
    sockets.first = dialer->Dial(path.front());
    CHECK(Connected(sockets.first));
    sockets.second = server->Accept();
    CHECK(sockets.second != UDT::INVALID_SOCK);
  }
  ~Through() {
    UDT::close(sockets.first);
    UDT::close(sockets.second);
  }
  std::pair<int, int> sockets;  // the dialer's, the acceptor's
};

// libudt sends what is lost twice when it has heard nothing for 300 ms, and it
// hears data all the time.
TEST(WhatIsLostTwiceWhileDataComesIsSentAgain) {
  End server(At("127.0.0.1"));
  End dialer(At("127.0.0.1"));
  int data_packets = 0;
  uint32_t unlucky = 0;
  std::atomic<int> lost{0};
  Path path(server.channel->local(), [&](const uint8_t* data, size_t) {
    const uint32_t sequence = GetU32(data);
    if ((sequence & 0x80000000) != 0) return false;
    if (++data_packets == 5) unlucky = sequence;
    return data_packets >= 5 && sequence == unlucky && ++lost <= 2;
  });
  const Through joined(&dialer, &server, path);
  const int out = joined.sockets.first;
  const int in = joined.sockets.second;
  int arrived = 0;
  CHECK(Within(5000, [&] {
    UDT::send(out, "x", 1, 0);
    UDT::send(in, "y", 1, 0);
    char data[1024];
    UDT::recv(out, data, sizeof data, 0);
    const int n = UDT::recv(in, data, sizeof data, 0);
    if (n > 0) arrived += n;
    return arrived > 20;
  }));
  CHECK(lost >= 2);
}

// As a full queue on the way does: the burst, and then what is sent again.
TEST(ManyThatAreLostTwiceAreAskedForTogether) {
  constexpr int kBefore = 400;  // libudt finds its rate
  constexpr int kLost = 400;
  End server(At("127.0.0.1"));
  End dialer(At("127.0.0.1"));
  std::map<uint32_t, int> times;
  std::atomic<int> lost{0};
  Path path(server.channel->local(), [&](const uint8_t* data, size_t) {
    const uint32_t sequence = GetU32(data);
    if ((sequence & 0x80000000) != 0) return false;
    const bool is_unlucky =
        times.size() >= kBefore && times.size() < kBefore + kLost;
    if (times.try_emplace(sequence, is_unlucky ? 2 : 0).first->second-- <= 0) {
      return false;
    }
    lost++;
    return true;
  });
  const Through joined(&dialer, &server, path);
  const int out = joined.sockets.first;
  const int in = joined.sockets.second;
  int arrived = 0;
  // one after the other they would take a round trip and 20 ms each
  CHECK(Within(5000, [&] {
    for (int i = 0; i < 8; i++) UDT::send(out, "x", 1, 0);
    UDT::send(in, "y", 1, 0);
    char data[1024];
    UDT::recv(out, data, sizeof data, 0);
    for (int n; (n = UDT::recv(in, data, sizeof data, 0)) > 0;) arrived += n;
    return arrived > kBefore + kLost;
  }));
  CHECK_EQ(lost.load(), 2 * kLost);
}

// Nothing comes behind it that would show the gap.
TEST(TheLastPacketIsSentAgainWhileDataComes) {
  End server(At("127.0.0.1"));
  End dialer(At("127.0.0.1"));
  std::atomic<int> lost{0};
  Path path(server.channel->local(), [&](const uint8_t* data, size_t) {
    return (GetU32(data) & 0x80000000) == 0 && ++lost <= 3;
  });
  const Through joined(&dialer, &server, path);
  const int out = joined.sockets.first;
  const int in = joined.sockets.second;
  CHECK_EQ(UDT::send(out, "x", 1, 0), 1);
  CHECK(Within(5000, [&] {
    UDT::send(in, "y", 1, 0);
    char data[1024];
    UDT::recv(out, data, sizeof data, 0);
    return UDT::recv(in, data, sizeof data, 0) == 1;
  }));
  CHECK(lost > 3);
}

// Of a peer that was restarted: it knows nothing of our connection.
TEST(AnUnknownSocketIsToldToItsPeer) {
  End dialer(At("127.0.0.1"));
  int out, in;
  Endpoint local;
  {
    End server(At("127.0.0.1"));
    local = server.channel->local();
    out = dialer.Dial(local);
    CHECK(Connected(out));
    in = server.Accept();
    CHECK(in != UDT::INVALID_SOCK);
    server.channel->Close();  // as if it had died: no shutdown leaves
    UDT::close(in);
  }
  End successor(local);
  std::vector<Notice> notices;
  CHECK_EQ(UDT::send(out, "x", 1, 0), 1);
  CHECK(Within(5000, [&] {
    dialer.channel->TakeNotices(&notices);
    return !notices.empty();
  }));
  CHECK_EQ(notices[0].socket, static_cast<uint32_t>(out));
  CHECK(notices[0].kind == Notice::Kind::kUnknown);
  UDT::close(out);
}

}  // namespace
}  // namespace xtp::udt
