// A mux under test: the parent's end of its link, and a transport's ends of its
// streams, which note every call.
#ifndef XTP_COMMON_TESTING_MUX_FIXTURE_H_
#define XTP_COMMON_TESTING_MUX_FIXTURE_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/mux.h"
#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace test {

inline const uint8_t* Bytes(const std::string& s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

// A transport's end of one stream, which notes every call.
struct MuxHandler : StreamHandler {
  Stream* stream = nullptr;
  uint32_t connection = 0;
  uint32_t kind = 0;
  int readable = 0;
  int writable = 0;
  int resets = 0;
  uint32_t reset_code = 0;
  std::function<void()> on_readable;
  std::function<void()> on_writable;
  std::function<void()> on_reset;

  void OnReadable() override {
    CHECK_EQ(resets, 0);
    readable++;
    if (on_readable) on_readable();
  }
  void OnWritable() override {
    CHECK_EQ(resets, 0);
    writable++;
    if (on_writable) on_writable();
  }
  void OnReset(uint32_t code) override {
    resets++;
    reset_code = code;
    if (on_reset) on_reset();
  }

  std::string Read(size_t most = SIZE_MAX) {
    std::string result;
    iovec slices[4];
    while (result.size() < most) {
      const size_t count = stream->Peek(slices, 4);
      if (count == 0) break;
      size_t taken = 0;
      for (size_t i = 0; i < count && result.size() < most; i++) {
        const size_t take = std::min(slices[i].iov_len, most - result.size());
        result.append(static_cast<char*>(slices[i].iov_base), take);
        taken += take;
      }
      stream->Consume(taken);
    }
    return result;
  }
  size_t Write(const std::string& text) {
    return stream->Write(Bytes(text), text.size());
  }
};

struct MuxFixture : MuxDelegate {
  explicit MuxFixture(const MuxOptions& options = MuxOptions())
      : mux(this, options) {}

  YamuxClient client;
  std::vector<std::unique_ptr<MuxHandler>> handlers;
  bool refuse = false;
  bool flush_when_full = false;
  int full = 0;
  std::function<void(MuxHandler*)> on_open;
  Mux mux;  // last: it calls handlers when it goes

  bool OnStreamOpen(Stream* stream, uint32_t connection,
                    uint32_t kind) override {
    if (refuse) return false;
    handlers.emplace_back(new MuxHandler());
    MuxHandler* handler = handlers.back().get();
    handler->stream = stream;
    handler->connection = connection;
    handler->kind = kind;
    stream->set_handler(handler);
    if (on_open) on_open(handler);
    return true;
  }
  void OnOutputFull() override {
    full++;
    if (flush_when_full) FromMux();
  }

  MuxHandler* Open(uint32_t connection) {
    Stream* stream = mux.Open(connection, 0);
    if (stream == nullptr) return nullptr;
    handlers.emplace_back(new MuxHandler());
    handlers.back()->stream = stream;
    stream->set_handler(handlers.back().get());
    return handlers.back().get();
  }
  void FromMux(size_t most = SIZE_MAX) {
    const size_t length = std::min(most, mux.output_size());
    client.Receive(mux.output(), length);
    mux.OutputSent(length);
  }
  Status ToMux() {
    const std::string bytes = std::move(client.out);
    client.out.clear();
    Status status = mux.Receive(Bytes(bytes), bytes.size());
    mux.Dispatch();
    return status;
  }
  void Turn() {
    CHECK(ToMux().ok());
    FromMux();
    mux.Dispatch();
  }
};

}  // namespace test
}  // namespace xtp

#endif  // XTP_COMMON_TESTING_MUX_FIXTURE_H_
