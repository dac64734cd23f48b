// Over loopback, with every combination of what can be switched off. Built a
// second time with XTP_PLAIN_UDP, for the path of other systems.
#include "common/udp_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/test.h"
#include "common/transport.h"

namespace xtp {
namespace {

#if defined(__linux__) && !defined(XTP_PLAIN_UDP)
constexpr bool kLinux = true;
#else
constexpr bool kLinux = false;
#endif

struct Collector : UdpSink {
  struct Datagram {
    std::string bytes;
    Endpoint from;
  };
  struct Error {
    std::string payload;
    Endpoint to;
    int error;
    uint32_t mtu;
  };
  std::vector<Datagram> datagrams;
  std::vector<Error> errors;
  int batches = 0;
  std::function<void()> on_datagram;

  void OnUdpBatch() override { batches++; }
  void OnUdpDatagram(const uint8_t* data, size_t length,
                     const Endpoint& from) override {
    CheckSlack(data + length);
    datagrams.push_back(
        {std::string(reinterpret_cast<const char*>(data), length), from});
    if (on_datagram) on_datagram();
  }
  void OnUdpError(const uint8_t* payload, size_t length, const Endpoint& to,
                  int error, uint32_t mtu) override {
    CheckSlack(payload + length);
    errors.push_back(
        {std::string(reinterpret_cast<const char*>(payload), length), to, error,
         mtu});
  }
  static void CheckSlack(const uint8_t* behind) {
    for (size_t i = 0; i < Transport::kSlackBytes; i++) {
      CHECK_EQ(behind[i], uint8_t{0});
    }
  }
};

Endpoint Loopback(uint16_t port = 0, bool v6 = false) {
  Endpoint result;
  CHECK(Endpoint::Parse(v6 ? "::1" : "127.0.0.1", port, &result).ok());
  return result;
}

std::unique_ptr<UdpSocket> Bound(const UdpOptions& options = UdpOptions(),
                                 bool v6 = false) {
  std::unique_ptr<UdpSocket> result;
  const Status status = UdpSocket::Bind(Loopback(0, v6), options, &result);
  if (!status.ok()) {
    test::Fail(__FILE__, __LINE__, status.message().c_str());
  }
  return result;
}

short WaitFor(const UdpSocket& socket, int timeout_ms) {
  pollfd p = {socket.fd(), POLLIN, 0};
  return poll(&p, 1, timeout_ms) > 0 ? p.revents : short{0};
}

void ReceiveAll(UdpSocket* socket, UdpReceiveBuffers* buffers, Collector* sink,
                size_t expected) {
  while (sink->datagrams.size() < expected) {
    if (WaitFor(*socket, 1000) == 0) return;
    while (socket->Receive(buffers, sink)) {
    }
  }
}

std::vector<UdpOptions> Combinations() {
  std::vector<UdpOptions> result;
  for (int bits = 0; bits < 8; bits++) {
    UdpOptions options;
    options.mmsg = bits & 1;
    options.gso = bits & 2;
    options.gro = bits & 4;
    result.push_back(options);
  }
  return result;
}

TEST(EveryCombinationDeliversEverything) {
  for (bool v6 : {false, true}) {
    for (const UdpOptions& options : Combinations()) {
      auto from = Bound(options, v6);
      auto to = Bound(options, v6);
      REQUIRE(from && to);
      // Runs of equal size, shorter ones between, empty and large ones.
      std::vector<std::string> sent;
      test::Random random(6);
      for (int run = 0; run < 60; run++) {
        const size_t size = random.OneIn(10)  ? 0
                            : random.OneIn(8) ? 20000 + random.Below(45507)
                                              : 1 + random.Below(1500);
        const size_t count = size > 1500 ? 1 : 1 + random.Below(100);
        for (size_t i = 0; i < count; i++) {
          std::string bytes(size, static_cast<char>('a' + run % 26));
          if (size >= 4) memcpy(&bytes[0], &i, 4);
          sent.push_back(bytes);
        }
        if (random.OneIn(3) && size > 10) {
          sent.push_back(std::string(size - 1 - random.Below(9), 'S'));
        }
      }
      UdpReceiveBuffers buffers;
      Collector sink;
      for (size_t i = 0; i < sent.size(); i++) {
        from->Send(reinterpret_cast<const uint8_t*>(sent[i].data()),
                   sent[i].size(), to->local());
        if (i % 200 == 199) {
          from->Flush();
          ReceiveAll(to.get(), &buffers, &sink, i + 1);
        }
      }
      from->Flush();
      ReceiveAll(to.get(), &buffers, &sink, sent.size());
      REQUIRE(sink.datagrams.size() == sent.size());
      for (size_t i = 0; i < sent.size(); i++) {
        REQUIRE(sink.datagrams[i].bytes == sent[i]);
        REQUIRE(sink.datagrams[i].from == from->local());
      }
      const UdpCounters& out = from->counters();
      const UdpCounters& in = to->counters();
      CHECK_EQ(out.datagrams_out, sent.size());
      CHECK_EQ(in.datagrams_in, sent.size());
      CHECK_EQ(out.bytes_out, in.bytes_in);
      CHECK_EQ(out.send_drops, uint64_t{0});
      CHECK(sink.batches > 0);
      if (!kLinux || (!options.mmsg && !options.gso)) {
        CHECK_EQ(out.send_calls, sent.size());
      } else {
        CHECK(out.send_calls < sent.size() / 10);
      }
      CHECK_EQ(from->gso(), kLinux && options.gso);
      CHECK_EQ(from->mmsg(), kLinux && options.mmsg);
    }
  }
}

TEST(OffloadsReduceSystemCalls) {
  if (!kLinux) return;
  auto from = Bound();
  auto to = Bound();
  UdpReceiveBuffers buffers;
  Collector sink;
  const std::string bytes(1400, 'x');
  for (int i = 0; i < 400; i++) {
    from->Send(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
               to->local());
  }
  from->Flush();
  ReceiveAll(to.get(), &buffers, &sink, 400);
  CHECK_EQ(sink.datagrams.size(), size_t{400});
  CHECK(from->counters().send_calls <= 4);
  CHECK(to->counters().receive_calls <= 6);
}

TEST(InterleavedPeersGetTheirOwn) {
  auto from = Bound();
  auto first = Bound();
  auto second = Bound();
  for (int i = 0; i < 50; i++) {
    const std::string a = "to first " + std::to_string(i % 10);
    const std::string b = "to second" + std::to_string(i % 10);
    from->Send(reinterpret_cast<const uint8_t*>(a.data()), a.size(),
               first->local());
    from->Send(reinterpret_cast<const uint8_t*>(b.data()), b.size(),
               second->local());
  }
  from->Flush();
  UdpReceiveBuffers buffers;
  for (UdpSocket* socket : {first.get(), second.get()}) {
    Collector sink;
    ReceiveAll(socket, &buffers, &sink, 50);
    CHECK_EQ(sink.datagrams.size(), size_t{50});
    for (auto& datagram : sink.datagrams) {
      CHECK_EQ(datagram.bytes.substr(0, 9),
               socket == first.get() ? "to first " : "to second");
    }
  }
}

TEST(RefusedPortComesBackAsAnError) {
  if (!kLinux) return;  // no error queue there
  for (bool v6 : {false, true}) {
    auto from = Bound(UdpOptions(), v6);
    const Endpoint nobody = Bound(UdpOptions(), v6)->local();  // closed again
    auto somebody = Bound(UdpOptions(), v6);
    const std::string lost = "is anybody there";
    from->Send(reinterpret_cast<const uint8_t*>(lost.data()), lost.size(),
               nobody);
    from->Flush();
    const short ready = WaitFor(*from, 1000);
    CHECK(ready & POLLERR);
    // The error that waits for the next call must not cost another's datagram.
    from->Send(reinterpret_cast<const uint8_t*>("hi"), 2, somebody->local());
    from->Flush();
    UdpReceiveBuffers buffers;
    Collector sink, other;
    from->ReceiveErrors(&buffers, &sink);
    REQUIRE(sink.errors.size() == 1);
    CHECK_EQ(sink.errors[0].error, ECONNREFUSED);
    CHECK(sink.errors[0].to == nobody);
    CHECK_EQ(sink.errors[0].payload, lost);
    CHECK_EQ(sink.errors[0].mtu, uint32_t{0});
    CHECK_EQ(from->counters().icmp_errors, uint64_t{1});
    ReceiveAll(somebody.get(), &buffers, &other, 1);
    CHECK_EQ(other.datagrams.size(), size_t{1});
    CHECK(!(WaitFor(*from, 0) & POLLERR));
  }
}

TEST(AnErrorDoesNotStopReceiving) {
  auto from = Bound();
  const Endpoint nobody = Bound()->local();
  auto friendly = Bound();
  for (int i = 0; i < 3; i++) {
    from->Send(reinterpret_cast<const uint8_t*>("x"), 1, nobody);
    from->Flush();
  }
  friendly->Send(reinterpret_cast<const uint8_t*>("hello"), 5, from->local());
  friendly->Flush();
  UdpReceiveBuffers buffers;
  Collector sink;
  WaitFor(*from, 1000);
  from->Receive(&buffers, &sink);
  CHECK_EQ(sink.datagrams.size(), size_t{1});
  from->ReceiveErrors(&buffers, &sink);
  CHECK_EQ(sink.errors.size(), size_t{kLinux ? 3 : 0});
}

TEST(TooLongADatagramIsAnErrorNotAFailure) {
  auto from = Bound();
  auto to = Bound();
  const std::string bytes(65530, 'x');  // no IPv4 datagram can carry it
  from->Send(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
             to->local());
  from->Send(reinterpret_cast<const uint8_t*>("ok"), 2, to->local());
  const std::string absurd(100000, 'x');
  from->Send(reinterpret_cast<const uint8_t*>(absurd.data()), absurd.size(),
             to->local());
  from->Flush();
  UdpReceiveBuffers buffers;
  Collector sink;
  ReceiveAll(to.get(), &buffers, &sink, 1);
  REQUIRE(sink.datagrams.size() == 1);
  CHECK_EQ(sink.datagrams[0].bytes, "ok");
  CHECK_EQ(from->counters().send_drops, uint64_t{2});
}

TEST(WrongFamilyIsDropped) {
  auto from = Bound();
  from->Send(reinterpret_cast<const uint8_t*>("x"), 1, Loopback(9, true));
  from->Send(reinterpret_cast<const uint8_t*>("x"), 1, Endpoint());
  auto to = Bound();
  from->Send(reinterpret_cast<const uint8_t*>("ok"), 2, to->local());
  from->Flush();
  UdpReceiveBuffers buffers;
  Collector sink;
  ReceiveAll(to.get(), &buffers, &sink, 1);
  CHECK_EQ(sink.datagrams.size(), size_t{1});
  CHECK_EQ(from->counters().send_drops, uint64_t{2});
}

// Nobody reads, so the kernel's buffer of the receiver overflows, which is
// silent; and never more is queued here than the arena holds.
TEST(AFloodIsBounded) {
  for (const UdpOptions& options : Combinations()) {
    auto from = Bound(options);
    auto to = Bound();
    const std::string bytes(9000, 'x');
    const size_t count = 2000;
    for (size_t i = 0; i < count; i++) {
      from->Send(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                 to->local());
    }
    from->Flush();
    CHECK_EQ(from->counters().datagrams_out + from->counters().send_drops,
             uint64_t{count});
    CHECK(!from->has_output());
  }
}

TEST(BindErrorsAreTyped) {
  auto taken = Bound();
  std::unique_ptr<UdpSocket> out;
  Status status = UdpSocket::Bind(taken->local(), UdpOptions(), &out);
  CHECK_EQ(status.code(), Code::kAddressInUse);
  CHECK_EQ(status.error(), EADDRINUSE);
  CHECK(status.message().find(taken->local().ToString()) != std::string::npos);
  Endpoint elsewhere;
  CHECK(Endpoint::Parse("192.0.2.1", 0, &elsewhere).ok());
  status = UdpSocket::Bind(elsewhere, UdpOptions(), &out);
  CHECK_EQ(status.code(), Code::kAddressNotAvailable);
  status = UdpSocket::Bind(Endpoint(), UdpOptions(), &out);
  CHECK_EQ(status.code(), Code::kInvalidArgument);
  CHECK(out == nullptr);
}

TEST(V6IsNotV4) {
  auto v4 = Bound();
  Endpoint any;
  CHECK(Endpoint::Parse("::", v4->local().port(), &any).ok());
  std::unique_ptr<UdpSocket> v6;
  CHECK(UdpSocket::Bind(any, UdpOptions(), &v6).ok());
}

TEST(CloseFreesThePortAtOnceAndSendsTheRest) {
  auto to = Bound();
  auto socket = Bound();
  const Endpoint local = socket->local();
  socket->Send(reinterpret_cast<const uint8_t*>("last words"), 10, to->local());
  socket->Close();
  CHECK(socket->closed());
  std::unique_ptr<UdpSocket> next;
  CHECK(UdpSocket::Bind(local, UdpOptions(), &next).ok());
  UdpReceiveBuffers buffers;
  Collector sink;
  ReceiveAll(to.get(), &buffers, &sink, 1);
  CHECK_EQ(sink.datagrams.size(), size_t{1});
  // Nothing of a closed socket does anything.
  socket->Send(reinterpret_cast<const uint8_t*>("x"), 1, to->local());
  socket->Flush();
  socket->Close();
  CHECK(!socket->Receive(&buffers, &sink));
  socket->ReceiveErrors(&buffers, &sink);
}

TEST(ASinkMayCloseTheSocket) {
  auto from = Bound();
  auto to = Bound();
  for (int i = 0; i < 100; i++) {
    from->Send(reinterpret_cast<const uint8_t*>("xyz"), 3, to->local());
  }
  from->Flush();
  UdpReceiveBuffers buffers;
  Collector sink;
  sink.on_datagram = [&] { to->Close(); };
  WaitFor(*to, 1000);
  CHECK(!to->Receive(&buffers, &sink));
  CHECK_EQ(sink.datagrams.size(), size_t{1});
}

TEST(BuffersAreReported) {
  UdpOptions options;
  options.buffer_bytes = 16384;
  auto socket = Bound(options);
  CHECK(socket->receive_buffer_bytes() >= 16384);
  CHECK(socket->receive_buffer_bytes() < 65536);
  CHECK(socket->send_buffer_bytes() > 0);
}

#if defined(__linux__)
// As on a network card without checksum offload, or through IPsec: segmented
// sends fail with EIO. SO_NO_CHECK makes loopback do it with EINVAL.
TEST(FallsBackWithoutSegmentation) {
  auto from = Bound();
  auto to = Bound();
  const int on = 1;
  CHECK_EQ(setsockopt(from->fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  std::vector<std::string> sent;
  for (int i = 0; i < 300; i++) {
    sent.push_back(std::string(100, static_cast<char>('a' + i % 26)));
    from->Send(reinterpret_cast<const uint8_t*>(sent.back().data()), 100,
               to->local());
    if (i % 100 == 99) from->Flush();
  }
  CHECK(!from->gso());
  UdpReceiveBuffers buffers;
  Collector sink;
  ReceiveAll(to.get(), &buffers, &sink, sent.size());
  REQUIRE(sink.datagrams.size() == sent.size());
  for (size_t i = 0; i < sent.size(); i++) {
    CHECK(sink.datagrams[i].bytes == sent[i]);
  }
  CHECK_EQ(from->counters().send_drops, uint64_t{0});
}
#endif

}  // namespace
}  // namespace xtp
