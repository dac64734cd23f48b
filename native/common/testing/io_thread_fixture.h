// An I/O thread under test, with a transport that echoes: a parent's end of the
// link on one side, UDP sockets on the other.
#ifndef XTP_COMMON_TESTING_IO_THREAD_FIXTURE_H_
#define XTP_COMMON_TESTING_IO_THREAD_FIXTURE_H_

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/io_thread.h"
#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace test {

const std::string kProposal = "\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n";

inline Endpoint Loopback(uint16_t port = 0) {
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

struct IoThreadFixture {
  explicit IoThreadFixture(bool start = true,
                           IoSettings settings = IoSettings()) {
    settings.exit_on_link_lost = exit_on_link_lost_;
    io.reset(new IoThread(
        settings, [this](Event event) { events.Push(std::move(event)); }));
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    parent = ends[1];
    service = ends[0];
    if (start) Start();
  }
  ~IoThreadFixture() {
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

}  // namespace test
}  // namespace xtp

#endif  // XTP_COMMON_TESTING_IO_THREAD_FIXTURE_H_
