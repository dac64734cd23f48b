// The data link's mux at work, for scripts/instructions.mjs to count: payload
// from the parent, and payload to it.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "common/mux.h"
#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp::test {
namespace {

constexpr size_t kWrite = 64 * 1024;
constexpr size_t kBytes = 16 * 1024 * 1024;

// Takes what comes, and sends as much back.
struct Echo : MuxDelegate, StreamHandler {
  Stream* stream = nullptr;
  size_t taken = 0;
  size_t sent = 0;
  std::vector<uint8_t> answer = std::vector<uint8_t>(kWrite, 7);

  bool OnStreamOpen(Stream* opened, uint32_t, uint32_t) override {
    stream = opened;
    stream->set_handler(this);
    return true;
  }
  void OnOutputFull() override {}
  void OnReadable() override {
    iovec slices[16];
    while (const size_t count = stream->Peek(slices, 16)) {
      size_t length = 0;
      for (size_t i = 0; i < count; i++) length += slices[i].iov_len;
      stream->Consume(length);
      taken += length;
    }
    Send();
  }
  void OnWritable() override { Send(); }
  void OnReset(uint32_t) override { stream = nullptr; }
  void Send() {
    while (sent < taken) {
      const size_t length =
          stream->Write(answer.data(), std::min(answer.size(), taken - sent));
      sent += length;
      if (length == 0) return;
    }
  }
};

TEST(Mux) {
  Echo echo;
  Mux mux(&echo, MuxOptions());
  YamuxClient client;
  const auto to_mux = [&] {
    const std::string bytes = std::move(client.out);
    client.out.clear();
    for (size_t at = 0; at < bytes.size();) {
      size_t room = 0;
      uint8_t* buffer = mux.ReceiveBuffer(&room);
      const size_t length = std::min(room, bytes.size() - at);
      std::memcpy(buffer, bytes.data() + at, length);
      REQUIRE(mux.Received(length).ok());
      at += length;
    }
  };
  YamuxClient::Stream* stream = &client.Open(1);
  const std::string payload(kWrite, 5);
  while (echo.sent < kBytes) {
    REQUIRE(stream->send_credit >= static_cast<int64_t>(kWrite));
    client.Write(stream, payload);
    to_mux();
    do {
      mux.Dispatch();
      client.Receive(mux.output(), mux.output_size());
      mux.OutputSent(mux.output_size());
    } while (mux.NeedsDispatch());
    stream->data.clear();
    client.Grant(stream, kWrite);
    to_mux();
  }
  CHECK_EQ(echo.taken, kBytes);
}

}  // namespace
}  // namespace xtp::test
