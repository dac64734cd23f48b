// The whole data path with a transport that echoes: a parent's end of the link
// on one side, UDP sockets on the other, in real time.
#include "common/io_thread.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/io_thread_fixture.h"

namespace xtp {
namespace {

using Fixture = test::IoThreadFixture;
using test::EchoTransport;
using test::kProposal;
using test::Loopback;
using test::Udp;

TEST(StreamsAreEchoed) {
  Fixture f;
  auto& stream = f.client.Open(1);
  const size_t kTotal = 16 * 1024 * 1024;
  uint64_t checked = 0;
  const auto byte = [](uint64_t at) {
    return static_cast<char>(at * 7 + (at >> 10));
  };
  CHECK(f.Pump(
      [&] {
        while (stream.sent < kTotal && stream.send_credit >= 50000 &&
               f.client.out.size() < 200000) {
          std::string bytes(50000, '\0');
          for (size_t i = 0; i < bytes.size(); i++)
            bytes[i] = byte(stream.sent + i);
          f.client.Write(&stream, bytes);
        }
        for (char c : stream.data) {
          if (c != byte(checked++)) return true;
        }
        stream.data.clear();
        if (stream.receive_credit < 200000) f.client.Grant(&stream, 800000);
        if (stream.sent >= kTotal && !stream.fin_sent) f.client.Fin(&stream);
        return stream.fin_received;
      },
      60000));
  CHECK_EQ(f.echo, kProposal);
  CHECK_EQ(checked, stream.sent);
  CHECK_EQ(stream.received, stream.sent);
}

TEST(ManyStreamsAtOnce) {
  Fixture f;
  for (uint32_t i = 0; i < 500; i++) {
    auto& stream = f.client.Open(2 * i + 1);
    f.client.Write(&stream, std::string(1 + i * 20, char('a' + i % 26)), true);
  }
  CHECK(f.Pump(
      [&] {
        return std::all_of(f.client.streams.begin(), f.client.streams.end(),
                           [](const auto& s) { return s.second.fin_received; });
      },
      30000));
  for (auto& entry : f.client.streams) {
    CHECK_EQ(entry.second.received, entry.second.sent);
  }
}

TEST(DatagramsAreEchoed) {
  Fixture f;
  const Endpoint to = f.Listen();
  Udp udp;
  for (int i = 0; i < 100; i++) {
    const std::string bytes = "datagram " + std::to_string(i);
    udp.Send(bytes, to);
    CHECK_EQ(udp.Receive(), bytes);
  }
  IoCounters counters;
  f.Do([&](EchoTransport&) { counters = f.io->counters(); });
  CHECK_EQ(counters.udp.datagrams_in, uint64_t{100});
  CHECK_EQ(counters.udp.datagrams_out, uint64_t{100});
}

TEST(TheServiceOpensStreams) {
  Fixture f;
  const Endpoint to = f.Listen();
  Udp udp;
  udp.Send("open sesame", to);
  CHECK(f.Pump([&] { return f.client.streams[2].received == 11; }));
  CHECK_EQ(f.client.streams[2].data, "open sesame");
  CHECK_EQ(f.client.streams[2].kind, uint32_t{1});
}

TEST(RefusedStreamsAreReset) {
  Fixture f;
  auto& stream = f.client.Open(1, 9);
  CHECK(f.Pump([&] { return stream.reset_received; }));
  CHECK_EQ(stream.reset_code, static_cast<uint32_t>(Code::kNotFound));
}

TEST(EndOfFileIsLinkLost) {
  Fixture f;
  const Endpoint local = f.Listen();
  f.client.Open(1);
  CHECK(f.Pump([&] { return f.client.streams[1].acknowledged; }));
  f.Hang();
  Event event;
  REQUIRE(f.events.Wait(Event::Kind::kLinkLost, &event));
  CHECK(event.status.ok());
  CHECK(!f.events.Wait(Event::Kind::kLinkLost, &event, 50));
  CHECK(!f.io->Post([](Transport&, uint64_t) {}));
  CHECK_EQ(f.transport->stops.load(), 1);
  // The next incarnation gets the port while this one still exists.
  std::unique_ptr<UdpSocket> next;
  CHECK(UdpSocket::Bind(local, UdpOptions(), &next).ok());
  f.io->Stop();
  f.io->Stop();
}

TEST(AViolationIsLinkLost) {
  Fixture f;
  f.client.Open(1);
  CHECK(f.Pump([&] { return f.client.streams[1].acknowledged; }));
  f.client.out += std::string(12, '\xff');
  CHECK(f.Pump([&] { return f.client.go_away; }));
  Event event;
  REQUIRE(f.events.Wait(Event::Kind::kLinkLost, &event));
  CHECK_EQ(event.status.code(), Code::kProtocolViolation);
  char byte;
  CHECK_EQ(recv(f.parent, &byte, 1, 0), ssize_t{0});  // and closed
}

TEST(AnotherProtocolIsLinkLost) {
  Fixture f;
  f.client.out = "\x13/multistream/1.0.0\n\x05/foo\n";
  Event event;
  f.Pump([&] { return f.client.out.empty(); });
  REQUIRE(f.events.Wait(Event::Kind::kLinkLost, &event));
  CHECK_EQ(event.status.code(), Code::kUnsupported);
  char reply[100];
  CHECK_EQ(recv(f.parent, reply, sizeof reply, 0), ssize_t{20 + 4});
  CHECK_EQ(recv(f.parent, reply, sizeof reply, 0), ssize_t{0});
}

TEST(StopEndsEverything) {
  Fixture f;
  const Endpoint local = f.Listen();
  f.client.Open(1);
  CHECK(f.Pump([&] { return f.client.streams[1].acknowledged; }));
  f.io->Stop();
  Event event;
  CHECK(!f.events.Wait(Event::Kind::kLinkLost, &event, 0));
  CHECK(f.Pump([&] { return f.client.go_away; }));
  CHECK(!f.io->Post([](Transport&, uint64_t) {}));
  std::unique_ptr<UdpSocket> next;
  CHECK(UdpSocket::Bind(local, UdpOptions(), &next).ok());
}

TEST(StopWithoutStart) {
  Fixture f(false);
  CHECK(!f.io->Post([](Transport&, uint64_t) {}));
  f.io->Stop();
  close(f.service);
}

TEST(StartRefusesABadDescriptor) {
  IoSettings settings;
  settings.exit_on_link_lost = false;
  IoThread io(settings, [](Event) {});
  const Status status =
      io.Start(-1, std::unique_ptr<Transport>(new EchoTransport(&io)));
  CHECK_EQ(status.code(), Code::kInvalidArgument);
  CHECK_EQ(status.error(), EBADF);
}

TEST(CommandsComeFromAnyThreadInOrder) {
  Fixture f;
  std::vector<int> seen[4];
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; i++) {
        CHECK(f.io->Post(
            [&seen, t, i](Transport&, uint64_t) { seen[t].push_back(i); }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  f.Do([](EchoTransport&) {});
  for (const auto& list : seen) {
    CHECK_EQ(list.size(), size_t{2000});
    CHECK(std::is_sorted(list.begin(), list.end()));
  }
}

TEST(TimersAreOnTime) {
  for (uint32_t spin : {0, 200}) {
    IoSettings settings;
    settings.spin_us = spin;
    Fixture f(true, settings);
    f.Do([](EchoTransport& t) { t.SetTimer(IoThread::NowUs() + 20000); });
    for (int i = 0; i < 1000 && f.transport->timer_us == 0; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const uint64_t late = f.transport->timer_us;
    CHECK(late > 0);
    CHECK(late < 2000000);
  }
}

TEST(AnIdleThreadSleepsButItsHeartBeats) {
  Fixture f;
  f.Do([](EchoTransport&) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t before = f.io->heartbeat_rounds();
  for (int i = 0; i < 150; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    // Sleep is no hang: whoever looks has been held up for half a second less.
    CHECK(IoThread::NowUs() < f.io->heartbeat_us() + 500000);
  }
  const uint64_t turned = f.io->heartbeat_rounds() - before;
  CHECK(turned >= 1);
  CHECK(turned < 10);
}

#if !defined(XTP_PLAIN_UDP)
TEST(RefusedDatagramsAreReported) {
  Fixture f;
  f.Listen();
  Endpoint nobody;
  {
    Udp udp;
    socklen_t length = sizeof(sockaddr_storage);
    getsockname(udp.fd, nobody.mutable_address(), &length);
  }
  f.Do([&](EchoTransport& t) {
    t.host()->SendDatagram(t.socket, reinterpret_cast<const uint8_t*>("hi"), 2,
                           nobody);
  });
  Event event;
  REQUIRE(f.events.Wait(Event::Kind::kClosed, &event));
  CHECK_EQ(event.status.code(), Code::kConnectionRefused);
  CHECK_EQ(event.status.message().substr(0, 4), "hi: ");
  CHECK(event.remote == nobody);
}
#endif

TEST(ASocketMayBeClosedInItsOwnCallback) {
  Fixture f;
  const Endpoint to = f.Listen();
  f.Do([](EchoTransport& t) { t.close_on_datagram = true; });
  Udp udp;
  udp.Send("one", to);
  CHECK_EQ(udp.Receive(), "one");
  f.Do([](EchoTransport&) {});
  std::unique_ptr<UdpSocket> next;
  CHECK(UdpSocket::Bind(to, UdpOptions(), &next).ok());
  next.reset();
  // Others live on, and unknown ids do no harm.
  const Endpoint again = f.Listen();
  f.Do([](EchoTransport& t) {
    t.close_on_datagram = false;
    t.host()->CloseSocket(1);
    t.host()->CloseSocket(77);
    t.host()->SendDatagram(1, nullptr, 0, Loopback(9));
    CHECK(t.host()->LocalEndpoint(77) == Endpoint());
  });
  udp.Send("two", again);
  CHECK_EQ(udp.Receive(), "two");
}

// A parent that sends as fast as it can must not keep UDP from being served,
// nor must commands wait.
TEST(AFloodOnTheLinkLeavesRoomForOthers) {
  Fixture f;
  const Endpoint to = f.Listen();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> echoed{0};
  std::thread parent([&] {
    auto& stream = f.client.Open(1);
    f.Pump(
        [&] {
          while (stream.send_credit >= 60000 && f.client.out.size() < 500000) {
            f.client.Write(&stream, std::string(60000, 'x'));
          }
          stream.data.clear();
          echoed = stream.received;
          if (stream.receive_credit < 500000) f.client.Grant(&stream, 1000000);
          return stop.load();
        },
        60000);
  });
  Udp udp;
  while (echoed < 1000000) std::this_thread::yield();
  uint64_t slowest = 0;
  for (int i = 0; i < 50; i++) {
    const uint64_t start = IoThread::NowUs();
    udp.Send("ping", to);
    CHECK_EQ(udp.Receive(), "ping");
    f.Do([](EchoTransport&) {});
    slowest = std::max(slowest, IoThread::NowUs() - start);
  }
  CHECK(slowest < 1000000);
  const uint64_t before = echoed;
  while (echoed == before) std::this_thread::yield();  // it did go on
  stop = true;
  parent.join();
}

// And the other way round.
TEST(AFloodOfDatagramsLeavesRoomForTheLink) {
  Fixture f;
  const Endpoint to = f.Listen();
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    Udp udp;
    const std::string bytes(1400, 'x');
    while (!stop) {
      for (int i = 0; i < 100; i++) {
        sendto(udp.fd, bytes.data(), bytes.size(), MSG_DONTWAIT, to.address(),
               to.length());
      }
      char buffer[2000];
      while (recv(udp.fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
      }
    }
  });
  auto& stream = f.client.Open(1);
  for (int i = 0; i < 50; i++) {
    f.client.Write(&stream, "ping");
    CHECK(f.Pump([&] { return stream.received == stream.sent; }));
  }
  stop = true;
  flood.join();
}

TEST(SmallBuffersAreLogged) {
  IoSettings settings;
  settings.udp.buffer_bytes = 1 << 30;  // no system grants that
  Fixture f(true, settings);
  f.Listen();
  f.Listen();
  Event event;
  CHECK(f.events.Wait(Event::Kind::kLog, &event));
  CHECK_EQ(event.level, uint32_t{1});
  CHECK(!f.events.Wait(Event::Kind::kLog, &event, 0));
}

TEST(StatsGetTheThreadsCounters) {
  Fixture f;
  f.Do([](EchoTransport& t) {
    Event event;
    event.kind = Event::Kind::kStats;
    event.text = "mine 1\n";
    t.host()->Emit(event);
    event.connection = 5;
    t.host()->Emit(event);
  });
  Event event;
  REQUIRE(f.events.Wait(Event::Kind::kStats, &event));
  CHECK(event.text.rfind("mine 1\nio_rounds ", 0) == 0);
  CHECK(event.text.find("\nudp_send_drops 0\n") != std::string::npos);
  REQUIRE(f.events.Wait(Event::Kind::kStats, &event));
  CHECK_EQ(event.text, "mine 1\n");
}

// Runs `body` in a child and returns its exit code, or -1 after 8 s.
int InChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(1);
  }
  for (int i = 0; i < 800; i++) {
    int status;
    if (waitpid(child, &status, WNOHANG) == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return -1;
}

void RunService(bool hang_up, bool hang_on_stop) {
  IoSettings settings;
  settings.link_lost_exit_ms = 200;
  settings.stop_timeout_ms = 200;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) _exit(2);
  IoThread io(settings, [](Event) {});
  std::unique_ptr<EchoTransport> transport(new EchoTransport(&io));
  transport->hang_on_stop = hang_on_stop;
  if (!io.Start(ends[0], std::move(transport)).ok()) _exit(3);
  if (hang_up) {
    close(ends[1]);
    sleep(20);  // JavaScript hangs
  } else {
    io.Stop();
  }
  _exit(4);
}

TEST(TheProcessEndsWithTheLink) {
  CHECK_EQ(InChild([] { RunService(true, false); }), 0);
}

TEST(TheProcessEndsWhenTheTransportHangs) {
  CHECK_EQ(InChild([] { RunService(false, true); }), 70);
}

TEST(TheProcessGoesOnWhenStoppedInTime) {
  CHECK_EQ(InChild([] { RunService(false, false); }), 4);
}

}  // namespace
}  // namespace xtp
