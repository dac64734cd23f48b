// How fast two engines are over real loopback sockets, each on its I/O thread,
// without data links and JavaScript: what the transport itself can do.
//
//   node -e 'process.dlopen({exports:{}},process.argv[1])' quic_throughput.node
//
// XTP_BENCH_MIB (1024), XTP_BENCH_PAYLOAD (65507), XTP_BENCH_STREAMS (1),
// XTP_BENCH_CONGESTION (0), XTP_BENCH_ROUNDS (3).
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "common/io_thread.h"
#include "common/testing/test.h"
#include "quic/engine.h"

namespace xtp::quic {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Sends `left` bytes out of the same memory, and takes whatever comes.
class MemoryStream : public Stream {
 public:
  MemoryStream(uint64_t left, const std::vector<uint8_t>* memory)
      : memory_(memory), left_(left), source_(left > 0) {}

  void set_handler(StreamHandler* handler) override { handler_ = handler; }
  size_t Write(const uint8_t*, size_t length) override {
    received += length;
    ungranted_ += length;
    return length;
  }
  void CloseWrite() override { ended = true; }
  size_t Peek(iovec* slices, size_t max) override {
    return PeekFrom(0, slices, max);
  }
  size_t PeekFrom(size_t offset, iovec* slices, size_t max) override {
    if (offset >= readable() || max == 0) return 0;
    slices[0].iov_base = const_cast<uint8_t*>(memory_->data());
    slices[0].iov_len = readable() - offset;
    return 1;
  }
  size_t readable() const override {
    return std::min<uint64_t>(left_, memory_->size());
  }
  void Consume(size_t length) override {
    left_ -= length;
    told_ = false;
  }
  void Widen(uint32_t) override {}
  bool FinReceived() const override { return left_ <= memory_->size(); }
  bool ReadEnded() const override { return left_ == 0; }
  void Reset(uint32_t) override { handler_ = nullptr; }
  void Release() override { handler_ = nullptr; }

  // What the link would tell. Once per round.
  void Dispatch() {
    if (handler_ != nullptr &&
        ungranted_ >= FromEnvironment("XTP_BENCH_GRANT_KIB", 256) * 1024) {
      const auto bytes = static_cast<uint32_t>(ungranted_);
      ungranted_ = 0;
      handler_->OnCredit(bytes);
    }
    if (handler_ != nullptr && !wide_) {
      wide_ = true;
      handler_->OnCredit(static_cast<uint32_t>(
          FromEnvironment("XTP_BENCH_WINDOW_KIB", 1024) * 1024 - 256 * 1024));
    }
    if (handler_ != nullptr && source_ && !told_) {
      told_ = true;
      handler_->OnReadable();
    }
  }

  uint64_t received = 0;
  bool ended = false;

 private:
  const std::vector<uint8_t>* const memory_;
  StreamHandler* handler_ = nullptr;
  uint64_t left_;
  const bool source_;
  uint64_t ungranted_ = 0;
  bool told_ = false;
  bool wide_ = false;
};

class Node : public Host {
 public:
  explicit Node(const Settings& settings) : memory_(kMiB, 7) {
    IoSettings io;
    io.exit_on_link_lost = false;
    thread_ = std::make_unique<IoThread>(io, [](Event) {});
    auto engine = std::make_unique<QuicEngine>(this, settings);
    std::string spki;
    REQUIRE(engine->Init().ok());
    REQUIRE(engine->identity()->GenerateKey(&spki).ok());
    REQUIRE(engine->identity()->SetCertificate("key", "signature").ok());
    engine_ = engine.get();
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, link_) == 0);
    REQUIRE(thread_
                ->Start(link_[0],
                        std::make_unique<Wrapper>(this, std::move(engine)))
                .ok());
  }
  ~Node() override {
    thread_->Stop();
    close(link_[1]);
  }

  Endpoint Listen() {
    Post([this](uint64_t now) {
      Endpoint any;
      CHECK(Endpoint::Parse("127.0.0.1", 0, &any).ok());
      engine_->Listen(1, 1, any, 1000, now);
    });
    WaitFor([this] { return listening_; });
    return local_;
  }

  void Dial(const Endpoint& to) {
    Post([this, to](uint64_t now) { engine_->Dial(2, 1, to, 5000, now); });
    WaitFor([this] { return connected_; });
  }

  void Send(uint64_t bytes, int streams) {
    Post([=](uint64_t now) {
      for (int i = 0; i < streams; i++) {
        streams_.push_back(std::make_unique<MemoryStream>(
            bytes / static_cast<uint64_t>(streams), &memory_));
        CHECK(engine_->OnStreamOpen(streams_.back().get(), 1, 1, now));
      }
    });
  }

  void WaitForEnds(size_t count) {
    WaitFor([=] { return ended_ == count; });
  }

  std::string Stats(uint32_t connection) {
    Post([=](uint64_t now) { engine_->Stats(3, connection, now); });
    WaitFor([this] { return !stats_.empty(); });
    return stats_;
  }

  // Host.
  Status Bind(const Endpoint& local, SocketId* out) override {
    return thread_->Bind(local, out);
  }
  void CloseSocket(SocketId socket) override { thread_->CloseSocket(socket); }
  Endpoint LocalEndpoint(SocketId socket) const override {
    return thread_->LocalEndpoint(socket);
  }
  void SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                    const Endpoint& to) override {
    thread_->SendDatagram(socket, data, length, to);
  }
  bool CanSend(SocketId socket) const override {
    return thread_->CanSend(socket);
  }
  Stream* OpenStream(uint32_t, uint32_t) override {
    streams_.push_back(std::make_unique<MemoryStream>(0, &memory_));
    return streams_.back().get();
  }
  void Emit(Event event) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (event.kind == Event::Kind::kReply && event.request == 1) {
      listening_ = true;
      local_ = event.local;
    }
    if (event.kind == Event::Kind::kConnected) connected_ = true;
    if (event.kind == Event::Kind::kStats) stats_ = event.text;
    changed_.notify_all();
  }

 private:
  // The engine, with streams of this node's instead of a link's.
  class Wrapper : public Transport {
   public:
    Wrapper(Node* node, std::unique_ptr<QuicEngine> engine)
        : node_(node), engine_(std::move(engine)) {}
    void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                    const Endpoint& from, uint64_t now_us) override {
      engine_->OnDatagram(socket, data, length, from, now_us);
    }
    void OnIcmpError(SocketId socket, const uint8_t* payload, size_t length,
                     const Endpoint& to, int error, uint32_t mtu,
                     uint64_t now_us) override {
      engine_->OnIcmpError(socket, payload, length, to, error, mtu, now_us);
    }
    bool OnStreamOpen(Stream*, uint32_t, uint32_t, uint64_t) override {
      return false;
    }
    uint64_t OnRound(uint64_t now_us) override {
      node_->Dispatch();
      return engine_->OnRound(now_us);
    }
    void OnStop(uint64_t now_us) override { engine_->OnStop(now_us); }

   private:
    Node* const node_;
    const std::unique_ptr<QuicEngine> engine_;
  };

  void Dispatch() {
    size_t ended = 0;
    for (const auto& stream : streams_) {
      stream->Dispatch();
      ended += stream->ended;
    }
    if (ended == ended_seen_) return;
    ended_seen_ = ended;
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = ended;
    changed_.notify_all();
  }

  template <typename Work>
  void Post(Work work) {
    CHECK(thread_->Post([work](Transport&, uint64_t now) { work(now); }));
  }

  template <typename Condition>
  void WaitFor(Condition condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    CHECK(changed_.wait_for(lock, std::chrono::seconds(120), condition));
  }

  const std::vector<uint8_t> memory_;
  int link_[2];
  std::unique_ptr<IoThread> thread_;
  QuicEngine* engine_ = nullptr;                        // I/O thread only
  std::vector<std::unique_ptr<MemoryStream>> streams_;  // I/O thread only
  size_t ended_seen_ = 0;                               // I/O thread only

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  bool listening_ = false;
  bool connected_ = false;
  Endpoint local_;
  size_t ended_ = 0;
  std::string stats_;
};

TEST(Throughput) {
  const uint64_t bytes = FromEnvironment("XTP_BENCH_MIB", 1024) * kMiB;
  const int streams = static_cast<int>(FromEnvironment("XTP_BENCH_STREAMS", 1));
  Settings settings;
  settings.max_loopback_udp_payload_bytes =
      static_cast<uint32_t>(FromEnvironment("XTP_BENCH_PAYLOAD", 65507));
  settings.congestion =
      static_cast<uint32_t>(FromEnvironment("XTP_BENCH_CONGESTION", 0));
  for (uint64_t i = FromEnvironment("XTP_BENCH_ROUNDS", 3); i > 0; i--) {
    Node server(settings), client(settings);
    client.Dial(server.Listen());
    const double cpu = CpuSeconds();
    const uint64_t start = IoThread::NowUs();
    client.Send(bytes, streams);
    server.WaitForEnds(static_cast<size_t>(streams));
    const double seconds = static_cast<double>(IoThread::NowUs() - start) / 1e6;
    const double gigabytes = static_cast<double>(bytes) / 1e9;
    std::printf("%.2f Gbit/s, %.2f CPU s/GB for both ends, payload %u\n",
                gigabytes * 8 / seconds, (CpuSeconds() - cpu) / gigabytes,
                settings.max_loopback_udp_payload_bytes);
    if (std::getenv("XTP_BENCH_STATS") != nullptr) {
      std::printf("%s", client.Stats(1).c_str());
    }
  }
}

}  // namespace
}  // namespace xtp::quic
