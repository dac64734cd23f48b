#include "common/link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace {

using test::YamuxClient;

const std::string kProposal = "\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n";

struct Sink : StreamHandler {
  Stream* stream = nullptr;
  int writable = 0;
  int resets = 0;
  void OnReadable() override {}
  void OnWritable() override { writable++; }
  void OnReset(uint32_t) override { resets++; }
};

struct Fixture {
  Fixture() {
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    parent = ends[1];
    link.reset(new Link(ends[0], MuxOptions(),
                        [this](Stream* stream, uint32_t connection, uint32_t) {
                          opened = connection;
                          sink.stream = stream;
                          stream->set_handler(&sink);
                          return true;
                        }));
  }
  ~Fixture() {
    link.reset();
    if (parent >= 0) close(parent);
  }
  void Send(const std::string& bytes) {
    CHECK_EQ(write(parent, bytes.data(), bytes.size()),
             static_cast<ssize_t>(bytes.size()));
  }
  std::string Receive() {
    std::string result;
    char buffer[65536];
    for (ssize_t n; (n = read(parent, buffer, sizeof buffer)) > 0;) {
      result.append(buffer, static_cast<size_t>(n));
    }
    return result;
  }
  void Hang() {
    close(parent);
    parent = -1;
  }

  int parent = -1;
  Sink sink;
  uint32_t opened = 0;
  YamuxClient client;
  std::unique_ptr<Link> link;
};

TEST(NegotiatesAndTakesEarlyFrames) {
  Fixture f;
  f.client.Open(7);
  f.Send(kProposal + f.client.out);
  CHECK(f.link->Read());
  CHECK(f.link->Flush());
  CHECK_EQ(f.opened, uint32_t{7});
  const std::string reply = f.Receive();
  CHECK_EQ(reply.substr(0, kProposal.size()), kProposal);
  f.client.Receive(
      reinterpret_cast<const uint8_t*>(reply.data()) + kProposal.size(),
      reply.size() - kProposal.size());
  CHECK(f.client.streams[1].acknowledged);
}

TEST(TakesEverythingByteByByte) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, "hello");
  for (char byte : kProposal + f.client.out) {
    f.Send(std::string(1, byte));
    CHECK(f.link->Read());
  }
  REQUIRE(f.sink.stream != nullptr);
  iovec slice;
  REQUIRE(f.sink.stream->Peek(&slice, 1) == 1);
  CHECK_EQ(std::string(static_cast<char*>(slice.iov_base), slice.iov_len),
           "hello");
}

TEST(AnotherProtocolIsToldNa) {
  Fixture f;
  f.Send("\x13/multistream/1.0.0\n\x0d/mplex/6.7.0\n");
  CHECK(!f.link->Read());
  CHECK_EQ(f.link->status().code(), Code::kUnsupported);
  f.link->Close(24, 0);
  CHECK_EQ(f.Receive(), "\x13/multistream/1.0.0\n\x03na\n");
}

TEST(EndOfFileIsAnOrderlyEnd) {
  Fixture f;
  f.Send(kProposal);
  CHECK(f.link->Read());
  f.client.Open(7);
  f.Send(f.client.out);
  f.Hang();
  f.link->Read();  // a short read ends the burst before the end is seen
  CHECK(!f.link->Read());
  CHECK(f.link->over());
  CHECK(f.link->status().ok());
  CHECK_EQ(f.opened, uint32_t{7});  // what came before the end counts
  f.link->Close(24, 100);
  CHECK_EQ(f.sink.resets, 1);
}

TEST(AHangUpWhileWritingIsAnOrderlyEnd) {
  Fixture f;
  f.Send(kProposal);
  CHECK(f.link->Read());
  f.Hang();
  CHECK(!f.link->Flush());  // and no SIGPIPE
  CHECK(f.link->status().ok());
}

TEST(AViolationIsReportedAndSaidGoAway) {
  Fixture f;
  f.Send(kProposal + std::string(12, '\xff'));
  CHECK(!f.link->Read());
  CHECK_EQ(f.link->status().code(), Code::kProtocolViolation);
  f.link->Close(24, 0);
  const std::string reply = f.Receive();
  REQUIRE(reply.size() == kProposal.size() + 12);
  CHECK_EQ(reply[kProposal.size() + 1], char{3});
  CHECK_EQ(reply[kProposal.size() + 11], char{1});
}

TEST(AFullLinkBlocksAndGoesOn) {
  Fixture f;
  auto& stream = f.client.Open(7, 0, 100000000);
  f.Send(kProposal + f.client.out);
  CHECK(f.link->Read());
  REQUIRE(f.sink.stream != nullptr);
  const std::string bytes(100000, 'x');
  size_t written = 0;
  for (size_t n = 1; n > 0;) {
    n = f.sink.stream->Write(reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size());
    written += n;
  }
  CHECK(f.link->wants_write());
  CHECK(f.link->has_output());
  CHECK(!f.link->NeedsDispatch());
  const uint64_t calls = f.link->counters().write_calls;
  f.sink.stream->Write(reinterpret_cast<const uint8_t*>("x"), 1);
  CHECK_EQ(f.link->counters().write_calls, calls);  // no call in vain
  std::string reply;
  while (f.link->has_output()) {
    reply += f.Receive();
    CHECK(f.link->Flush());
  }
  reply += f.Receive();
  CHECK(!f.link->wants_write());
  f.link->Dispatch();
  CHECK_EQ(f.sink.writable, 1);
  f.client.Receive(
      reinterpret_cast<const uint8_t*>(reply.data()) + kProposal.size(),
      reply.size() - kProposal.size());
  CHECK_EQ(stream.received, written);
}

TEST(AParentThatNeverReadsIsGivenUp) {
  Fixture f;
  f.Send(kProposal);
  CHECK(f.link->Read());
  for (int i = 0; i < 600000; i++) f.link->mux().Open(2, 0)->Reset(1);
  CHECK(!f.link->Flush());
  CHECK_EQ(f.link->status().code(), Code::kResourceExhausted);
}

TEST(CloseWaitsForTheLastBytes) {
  Fixture f;
  auto& stream = f.client.Open(7, 0, 100000000);
  f.Send(kProposal + f.client.out);
  CHECK(f.link->Read());
  f.link->Flush();
  CHECK_EQ(f.Receive().substr(0, kProposal.size()), kProposal);
  f.sink.stream->Reset(21);
  f.link->Close(24, 100);
  CHECK(f.link->over());
  const std::string rest = f.Receive();
  f.client.Receive(reinterpret_cast<const uint8_t*>(rest.data()), rest.size());
  CHECK_EQ(stream.reset_code, uint32_t{21});
  CHECK(f.client.go_away);
}

TEST(CloseWaitsForAParentThatIsSlow) {
  Fixture f;
  auto& stream = f.client.Open(7, 0, 100000000);
  f.Send(kProposal + f.client.out);
  CHECK(f.link->Read());
  const std::string bytes(100000, 'x');
  while (f.sink.stream->Write(reinterpret_cast<const uint8_t*>(bytes.data()),
                              bytes.size()) > 0) {
  }
  CHECK(f.link->wants_write());
  f.sink.stream->Reset(21);
  std::string reply;
  std::thread parent([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (int i = 0; i < 2000 && !f.client.go_away; i++) {
      const std::string more = f.Receive();
      size_t skip = 0;
      while (reply.size() < kProposal.size() && skip < more.size()) {
        reply += more[skip++];
      }
      f.client.Receive(reinterpret_cast<const uint8_t*>(more.data()) + skip,
                       more.size() - skip);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  f.link->Close(24, 5000);
  parent.join();
  CHECK(stream.reset_received);
  CHECK(f.client.go_away);
}

// fd 4 is a socket when node makes it; a fifo, which here is its own other
// end, stands for all that is not.
TEST(WritesToWhatIsNoSocket) {
  char folder[] = "/tmp/xtp-link-test-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string name = std::string(folder) + "/fifo";
  REQUIRE(mkfifo(name.c_str(), 0600) == 0);
  const int fd = open(name.c_str(), O_RDWR | O_NONBLOCK);
  unlink(name.c_str());
  rmdir(folder);
  REQUIRE(fd >= 0);
  CHECK(write(fd, kProposal.data(), kProposal.size()) > 0);
  Link link(fd, MuxOptions(),
            [](Stream*, uint32_t, uint32_t) { return false; });
  CHECK(link.Read());
  CHECK(link.Flush());
  char buffer[100];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  CHECK_EQ(std::string(buffer, got > 0 ? size_t(got) : 0), kProposal);
}

}  // namespace
}  // namespace xtp
