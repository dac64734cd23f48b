// The whole data path with a transport that echoes: a parent's end of the link
// on one side, UDP sockets on the other, in real time.
#include "common/io_thread.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace {

using test::YamuxClient;

const std::string kProposal = "\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n";

Endpoint Loopback(uint16_t port = 0) {
  Endpoint result;
  CHECK(Endpoint::Parse("127.0.0.1", port, &result).ok());
  return result;
}

// What happened, for the test's thread.
class Events {
 public:
  void Push(Event event) {
    std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  // The first event of a kind, removed; false after `timeout_ms`.
  bool Wait(Event::Kind kind, Event* out, int timeout_ms = 3000) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto deadline = std::chrono::system_clock::now() +
                          std::chrono::milliseconds(timeout_ms);
    for (;;) {
      for (size_t i = 0; i < events_.size(); i++) {
        if (events_[i].kind != kind) continue;
        *out = events_[i];
        events_.erase(events_.begin() + static_cast<ptrdiff_t>(i));
        return true;
      }
      if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
        return false;
      }
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
};

// Echoes streams and datagrams. All on the I/O thread, save the atomics.
class EchoTransport : public Transport {
 public:
  explicit EchoTransport(Host* host) : host_(host) {}

  std::atomic<int> stops{0};
  std::atomic<int> rounds{0};
  std::atomic<uint64_t> timer_us{0};
  SocketId socket = 0;
  bool close_on_datagram = false;
  bool hang_on_stop = false;

  void Listen(uint32_t request) {
    Event event;
    event.kind = Event::Kind::kReply;
    event.request = request;
    event.status = host_->Bind(Loopback(), &socket);
    event.local = host_->LocalEndpoint(socket);
    host_->Emit(event);
  }
  void OnDatagram(SocketId from_socket, const uint8_t* data, size_t length,
                  const Endpoint& from, uint64_t now_us) override {
    CHECK(now_us > 0);
    if (length > 3 && memcmp(data, "open", 4) == 0) {
      Stream* stream = host_->OpenStream(next_connection_, 1);
      if (stream == nullptr) return;
      Adopt(stream);
      stream->Write(data, length);
      next_connection_ += 2;
    }
    host_->SendDatagram(from_socket, data, length, from);
    if (close_on_datagram) host_->CloseSocket(from_socket);
  }
  void OnIcmpError(SocketId, const uint8_t* payload, size_t length,
                   const Endpoint& to, int error, uint32_t, uint64_t) override {
    Event event;
    event.kind = Event::Kind::kClosed;
    event.status = Status::FromErrno(
        error, std::string(reinterpret_cast<const char*>(payload), length));
    event.remote = to;
    host_->Emit(event);
  }
  bool OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind,
                    uint64_t) override {
    if (kind == 9) return false;
    (void)connection;
    Adopt(stream);
    return true;
  }
  uint64_t OnRound(uint64_t now_us) override {
    rounds++;
    if (timer_at_ != 0 && now_us >= timer_at_) {
      timer_us = now_us - timer_at_;
      timer_at_ = 0;
    }
    return timer_at_ != 0 ? timer_at_ : now_us + 60000000;
  }
  void OnStop(uint64_t) override {
    stops++;
    while (hang_on_stop) sleep(1);
  }
  void SetTimer(uint64_t at_us) { timer_at_ = at_us; }
  Host* host() { return host_; }

 private:
  struct Echo : StreamHandler {
    EchoTransport* owner = nullptr;
    Stream* stream = nullptr;
    bool closed = false;

    void OnReadable() override { Pump(); }
    void OnWritable() override { Pump(); }
    void OnReset(uint32_t) override { owner->echoes_.erase(stream); }
    void Pump() {
      iovec slices[8];
      while (size_t count = stream->Peek(slices, 8)) {
        for (size_t i = 0; i < count; i++) {
          const size_t wrote =
              stream->Write(static_cast<const uint8_t*>(slices[i].iov_base),
                            slices[i].iov_len);
          if (wrote < slices[i].iov_len) {
            Consumed(slices, i, wrote);
            return;
          }
        }
        Consumed(slices, count, 0);
      }
      if (!stream->ReadEnded()) return;
      stream->CloseWrite();
      stream->Release();
      owner->echoes_.erase(stream);  // deletes this
    }
    void Consumed(const iovec* slices, size_t whole, size_t more) {
      for (size_t i = 0; i < whole; i++) more += slices[i].iov_len;
      stream->Consume(more);
    }
  };

  void Adopt(Stream* stream) {
    auto& echo = echoes_[stream];
    echo.reset(new Echo());
    echo->owner = this;
    echo->stream = stream;
    stream->set_handler(echo.get());
  }

  Host* const host_;
  uint32_t next_connection_ = 2;
  uint64_t timer_at_ = 0;
  std::map<Stream*, std::unique_ptr<Echo>> echoes_;
};

struct Fixture {
  explicit Fixture(bool start = true, IoSettings settings = IoSettings()) {
    settings.exit_on_link_lost = exit_on_link_lost_;
    io.reset(new IoThread(
        settings, [this](Event event) { events.Push(std::move(event)); }));
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    parent = ends[1];
    service = ends[0];
    if (start) Start();
  }
  ~Fixture() {
    io.reset();
    Hang();
  }
  void Start() {
    std::unique_ptr<EchoTransport> made(new EchoTransport(io.get()));
    transport = made.get();
    CHECK(io->Start(service, std::move(made)).ok());
    client.out = kProposal;
  }
  void Hang() {
    if (parent >= 0) close(parent);
    parent = -1;
  }
  // Until `done` or 5 s: sends what the client wants to send, and receives.
  bool Pump(const std::function<bool()>& done, int timeout_ms = 5000) {
    const uint64_t end = IoThread::NowUs() + uint64_t(timeout_ms) * 1000;
    while (!done()) {
      if (IoThread::NowUs() > end) return false;
      const short events =
          static_cast<short>(POLLIN | (client.out.empty() ? 0 : POLLOUT));
      pollfd p = {parent, events, 0};
      poll(&p, 1, 20);
      if (p.revents & POLLOUT) {
        const ssize_t n = send(parent, client.out.data(),
                               std::min<size_t>(client.out.size(), 65536),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) client.out.erase(0, static_cast<size_t>(n));
      }
      if (p.revents & POLLIN) Take();
      if (p.revents & (POLLHUP | POLLERR)) return done();
    }
    return true;
  }
  void Take() {
    char buffer[262144];
    const ssize_t n = recv(parent, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0) return;
    size_t at = 0;
    while (echo.size() < kProposal.size() && at < static_cast<size_t>(n)) {
      echo += buffer[at++];
    }
    client.Receive(reinterpret_cast<uint8_t*>(buffer) + at,
                   static_cast<size_t>(n) - at);
  }
  // Runs a command there, and waits for it.
  void Do(const std::function<void(EchoTransport&)>& what) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    CHECK(io->Post([&](Transport& t, uint64_t) {
      what(static_cast<EchoTransport&>(t));
      std::lock_guard<std::mutex> lock(mutex);
      done = true;
      changed.notify_all();
    }));
    std::unique_lock<std::mutex> lock(mutex);
    while (!done) changed.wait(lock);
  }
  Endpoint Listen() {
    Do([](EchoTransport& t) { t.Listen(1); });
    Event event;
    CHECK(events.Wait(Event::Kind::kReply, &event));
    CHECK(event.status.ok());
    return event.local;
  }

  bool exit_on_link_lost_ = false;
  Events events;
  int parent = -1;
  int service = -1;
  std::string echo;  // of the proposal
  YamuxClient client;
  EchoTransport* transport = nullptr;
  std::unique_ptr<IoThread> io;
};

// A plain socket of the test.
struct Udp {
  Udp() : fd(socket(AF_INET, SOCK_DGRAM, 0)) {
    const Endpoint local = Loopback();
    CHECK_EQ(bind(fd, local.address(), local.length()), 0);
  }
  ~Udp() { close(fd); }
  void Send(const std::string& bytes, const Endpoint& to) {
    CHECK_EQ(
        sendto(fd, bytes.data(), bytes.size(), 0, to.address(), to.length()),
        static_cast<ssize_t>(bytes.size()));
  }
  std::string Receive(int timeout_ms = 2000) {
    pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, timeout_ms) <= 0) return "(nothing)";
    char buffer[65536];
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    return std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  }
  int fd;
};

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
