// Behaviour of the mux, rule by rule. mux_model_test.cc has the random runs.
#include "common/mux.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/test.h"
#include "common/testing/yamux_client.h"

namespace xtp {
namespace {

using test::YamuxClient;

const uint8_t* Bytes(const std::string& s) {
  return reinterpret_cast<const uint8_t*>(s.data());
}

// A transport's end of one stream, which notes every call.
struct Handler : StreamHandler {
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

struct Fixture : MuxDelegate {
  explicit Fixture(const MuxOptions& options = MuxOptions())
      : mux(this, options) {}

  YamuxClient client;
  std::vector<std::unique_ptr<Handler>> handlers;
  bool refuse = false;
  bool flush_when_full = false;
  int full = 0;
  std::function<void(Handler*)> on_open;
  Mux mux;  // last: it calls handlers when it goes

  bool OnStreamOpen(Stream* stream, uint32_t connection,
                    uint32_t kind) override {
    if (refuse) return false;
    handlers.emplace_back(new Handler());
    Handler* handler = handlers.back().get();
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

  Handler* Open(uint32_t connection) {
    Stream* stream = mux.Open(connection, 0);
    if (stream == nullptr) return nullptr;
    handlers.emplace_back(new Handler());
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

TEST(ParentOpensAndBothTalk) {
  Fixture f;
  auto& stream = f.client.Open(7, 3);
  f.client.Write(&stream, "hello");
  f.Turn();
  REQUIRE(f.handlers.size() == 1);
  Handler& h = *f.handlers[0];
  CHECK_EQ(h.connection, uint32_t{7});
  CHECK_EQ(h.kind, uint32_t{3});
  CHECK_EQ(h.readable, 1);
  CHECK_EQ(h.Read(), "hello");
  CHECK_EQ(h.Write("good day"), size_t{8});
  f.Turn();
  CHECK(stream.acknowledged);
  CHECK_EQ(stream.data, "good day");
  // The window was raised to 1 MiB with the ACK.
  CHECK_EQ(stream.send_credit + int64_t(stream.sent) + 5, int64_t{1024 * 1024});
}

TEST(ServiceOpensAndBothTalk) {
  Fixture f;
  Handler* h = f.Open(4);
  REQUIRE(h != nullptr);
  CHECK_EQ(h->Write("first"), size_t{5});
  f.FromMux();
  auto& stream = f.client.streams[2];
  CHECK_EQ(stream.connection, uint32_t{4});
  CHECK_EQ(stream.data, "first");
  CHECK_EQ(stream.send_credit, int64_t{1024 * 1024});
  f.client.Write(&stream, "answer");
  f.Turn();
  CHECK_EQ(h->Read(), "answer");
  REQUIRE(f.Open(6) != nullptr);
  f.FromMux();
  CHECK_EQ(f.client.streams[4].connection, uint32_t{6});
}

TEST(HalfCloseBothWaysThenRelease) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, "bye", true);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  CHECK(!h.stream->ReadEnded());
  CHECK_EQ(h.Read(), "bye");
  CHECK(h.stream->ReadEnded());
  CHECK_EQ(h.Write("still here"), size_t{10});
  h.stream->CloseWrite();
  CHECK_EQ(h.Write("no more"), size_t{0});
  h.stream->CloseWrite();  // harmless
  h.stream->Release();
  CHECK_EQ(f.mux.stream_count(), size_t{0});
  f.Turn();
  CHECK_EQ(stream.data, "still here");
  CHECK(stream.fin_received);
  CHECK(!stream.reset_received);
  // Late credit for it is no violation.
  f.client.Grant(&stream, 100);
  CHECK(f.ToMux().ok());
}

TEST(FinAloneIsToldAsReadable) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  CHECK_EQ(h.readable, 0);
  f.client.Fin(&stream);
  f.Turn();
  CHECK_EQ(h.readable, 1);
  CHECK(h.stream->ReadEnded());
  f.client.Fin(&stream);  // again: harmless, and told once
  f.Turn();
  CHECK_EQ(h.readable, 1);
}

TEST(EarlyReleaseResets) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.handlers.at(0)->stream->Release();
  f.Turn();
  CHECK(stream.reset_received);
  CHECK_EQ(stream.reset_code, static_cast<uint32_t>(Code::kConnectionAborted));
}

TEST(ResetCarriesItsCodeBothWays) {
  Fixture f;
  auto& first = f.client.Open(7);
  auto& second = f.client.Open(9);
  auto& third = f.client.Open(11);
  f.Turn();
  f.client.Reset(&first, 24);
  f.client.Data(third.id, kYamuxRst, "");
  f.handlers.at(1)->stream->Reset(21);
  f.Turn();
  CHECK_EQ(f.handlers[0]->resets, 1);
  CHECK_EQ(f.handlers[0]->reset_code, uint32_t{24});
  CHECK_EQ(f.handlers[2]->resets, 1);
  CHECK_EQ(f.handlers[2]->reset_code, uint32_t{0});
  CHECK_EQ(f.handlers[1]->resets, 0);
  CHECK(second.reset_received);
  CHECK_EQ(second.reset_code, uint32_t{21});
  CHECK(!first.reset_received);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

TEST(ResetWithPayloadIsSkipped) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Data(stream.id, kYamuxRst, "ignored");
  auto& next = f.client.Open(9);
  f.client.Write(&next, "seen");
  f.Turn();
  REQUIRE(f.handlers.size() == 2);
  CHECK_EQ(f.handlers[0]->readable, 0);
  CHECK_EQ(f.handlers[1]->Read(), "seen");
}

// Its connection has no other end.
TEST(AStreamThatIsResetAtOnceIsToldOf) {
  Fixture f;
  f.client.Reset(&f.client.Open(7), 24);
  f.Turn();
  REQUIRE(f.handlers.size() == 1);
  CHECK_EQ(f.handlers[0]->connection, uint32_t{7});
  CHECK_EQ(f.handlers[0]->resets, 1);
  CHECK_EQ(f.handlers[0]->reset_code, uint32_t{24});
  f.refuse = true;
  auto& refused = f.client.Open(9);
  f.client.Reset(&refused, 24);
  f.Turn();
  CHECK(!refused.reset_received);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

TEST(BytesBeforeAResetAreGone) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.client.Write(&stream, "lost");
  f.client.Reset(&stream, 24);
  f.Turn();
  CHECK_EQ(f.handlers.at(0)->readable, 0);
  CHECK_EQ(f.handlers[0]->resets, 1);
}

TEST(FramesForTheDeadAreIgnored) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.handlers.at(0)->stream->Reset(20);
  f.client.Write(&stream, std::string(100000, 'x'));
  f.client.Grant(&stream, 1000);
  f.client.Fin(&stream);
  f.client.Reset(&stream, 1);
  auto& next = f.client.Open(9);
  f.client.Write(&next, "alive");
  f.Turn();
  CHECK_EQ(f.handlers[0]->readable, 0);
  CHECK_EQ(f.handlers.at(1)->Read(), "alive");
}

TEST(AStreamMayDieInTheMiddleOfItsPayload) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, std::string(10000, 'x'));
  auto& next = f.client.Open(9);
  f.client.Write(&next, "alive");
  const std::string bytes = std::move(f.client.out);
  f.client.out.clear();
  CHECK(f.mux.Receive(Bytes(bytes), 5000).ok());
  f.mux.Dispatch();
  f.handlers.at(0)->stream->Reset(20);
  CHECK(f.mux.Receive(Bytes(bytes) + 5000, bytes.size() - 5000).ok());
  f.mux.Dispatch();
  CHECK_EQ(f.handlers.at(1)->Read(), "alive");
}

TEST(RefusedStreamsAreResetWithNotFound) {
  Fixture f;
  f.refuse = true;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, "hello");
  f.Turn();
  CHECK(stream.reset_received);
  CHECK_EQ(stream.reset_code, static_cast<uint32_t>(Code::kNotFound));
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

TEST(TheHeaderMayComeByteByByte) {
  Fixture f;
  f.client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 1, 0);
  for (char byte : YamuxClient::Header(70000, 300)) {
    CHECK(f.handlers.empty());
    f.client.Data(1, 0, std::string(1, byte));
    CHECK(f.ToMux().ok());
  }
  REQUIRE(f.handlers.size() == 1);
  CHECK_EQ(f.handlers[0]->connection, uint32_t{70000});
  CHECK_EQ(f.handlers[0]->kind, uint32_t{300});
}

TEST(SynMayRideOnDataWithFin) {
  Fixture f;
  f.client.Data(1, kYamuxSyn | kYamuxFin, YamuxClient::Header(7) + "all");
  CHECK(f.ToMux().ok());
  REQUIRE(f.handlers.size() == 1);
  CHECK_EQ(f.handlers[0]->Read(), "all");
  CHECK(f.handlers[0]->stream->ReadEnded());
}

TEST(FinBeforeTheHeaderResets) {
  Fixture f;
  f.client.streams[1].id = 1;
  f.client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 1, 0);
  f.client.Frame(YamuxType::kWindowUpdate, kYamuxFin, 1, 0);
  f.Turn();
  CHECK(f.handlers.empty());
  CHECK(f.client.streams[1].reset_received);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

TEST(PingIsAnswered) {
  Fixture f;
  f.client.Frame(YamuxType::kPing, kYamuxSyn, 0, 0xdeadbeef);
  f.client.Frame(YamuxType::kPing, kYamuxAck, 0, 1);  // of nothing: ignored
  f.Turn();
  CHECK_EQ(f.client.pongs, uint64_t{1});
  CHECK_EQ(f.client.last_pong, uint32_t{0xdeadbeef});
}

TEST(GoAwayEndsTheLink) {
  Fixture f;
  f.client.Open(7);
  f.Turn();
  f.client.Frame(YamuxType::kGoAway, 0, 0, 0);
  f.client.Open(9);  // not looked at any more
  CHECK(f.ToMux().ok());
  CHECK(f.mux.ended());
  CHECK(f.mux.Open(2, 0) == nullptr);
  f.mux.Close(24, kYamuxGoAwayNormal);
  CHECK_EQ(f.handlers.size(), size_t{1});
  CHECK_EQ(f.handlers[0]->resets, 1);
  CHECK_EQ(f.handlers[0]->reset_code, uint32_t{24});
}

TEST(GoAwayWithAReasonIsAnError) {
  Fixture f;
  f.client.Frame(YamuxType::kGoAway, 0, 0, 1);
  CHECK_EQ(f.ToMux().code(), Code::kProtocolViolation);
}

TEST(CloseTellsEverybodyAndSaysGoAway) {
  Fixture f;
  for (uint32_t i = 0; i < 10; i++) f.client.Open(2 * i + 1);
  f.Turn();
  Handler* ours = f.Open(2);
  REQUIRE(ours != nullptr);
  // Handlers that reset each other while everything dies.
  f.handlers[3]->on_reset = [&] { f.handlers[5]->stream->Reset(1); };
  f.handlers[5]->on_reset = [&] { f.handlers[3]->stream->Reset(1); };
  f.mux.Close(24, kYamuxGoAwayInternalError);
  f.mux.Close(24, kYamuxGoAwayNormal);
  int resets = 0;
  for (auto& handler : f.handlers) resets += handler->resets;
  CHECK_EQ(resets, 10);  // 11, and one of 3 and 5 killed the other
  CHECK(f.mux.Open(4, 0) == nullptr);
  f.FromMux();
  CHECK(f.client.go_away);
  CHECK_EQ(f.client.go_away_reason, kYamuxGoAwayInternalError);
}

// --- credit

TEST(CreditComesBackInBatches) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  const int64_t start = stream.send_credit;
  f.client.Write(&stream, std::string(1024 * 1024 / 2 - 100, 'x'));
  f.Turn();
  h.Read();
  f.Turn();
  CHECK_EQ(stream.send_credit, start - (1024 * 1024 / 2 - 100));
  f.client.Write(&stream, std::string(100, 'x'));
  f.Turn();
  CHECK_EQ(h.Read().size(), size_t{100});
  f.Turn();
  // All of it, the header's bytes included.
  CHECK_EQ(stream.send_credit, int64_t{1024 * 1024});
}

TEST(ManyStreamsHaveSmallerWindows) {
  MuxOptions options;
  options.window_budget = 2 * 1024 * 1024;
  Fixture f(options);
  auto& first = f.client.Open(7);
  f.Turn();
  Handler* second = f.Open(8);
  auto& third = f.client.Open(9);
  f.Turn();
  CHECK(first.send_credit > 1000 * 1024);
  CHECK(third.send_credit <= 256 * 1024);
  // Half of the smaller window brings it back, not half of the larger one.
  f.client.Write(&third, std::string(128 * 1024, 'x'));
  f.Turn();
  CHECK_EQ(f.handlers.back()->Read().size(), size_t{128 * 1024});
  f.Turn();
  CHECK_EQ(third.send_credit, int64_t{256 * 1024});
  // Room again for a large one.
  second->stream->Reset(1);
  f.client.Reset(&first, 1);
  f.Turn();
  auto& fourth = f.client.Open(10);
  f.Turn();
  CHECK(fourth.send_credit > 1000 * 1024);
}

TEST(AnEnlargedWindowComesBackInHalves) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  constexpr int64_t kMiB = 1024 * 1024;
  const int64_t before = stream.send_credit;
  f.handlers.back()->stream->Enlarge(kMiB);
  f.Turn();
  CHECK_EQ(stream.send_credit, before + kMiB);
  // Half of the usual window is not enough any more.
  const int64_t used = before - kMiB;  // by the header
  f.client.Write(&stream, std::string(512 * 1024, 'x'));
  f.Turn();
  CHECK_EQ(f.handlers.back()->Read().size(), size_t{512 * 1024});
  f.Turn();
  CHECK_EQ(stream.send_credit, before + kMiB / 2);
  f.client.Write(&stream, std::string(512 * 1024, 'x'));
  f.Turn();
  CHECK_EQ(f.handlers.back()->Read().size(), size_t{512 * 1024});
  f.Turn();
  CHECK(stream.send_credit >= 2 * kMiB + used);
}

TEST(UnconsumedBytesGiveNoCredit) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  while (stream.send_credit > 0) {
    f.client.Write(
        &stream,
        std::string(size_t(std::min<int64_t>(stream.send_credit, 60000)), 'x'));
    f.Turn();
  }
  CHECK_EQ(stream.send_credit, int64_t{0});
  Handler& h = *f.handlers.at(0);
  CHECK_EQ(h.Read(300000).size(), size_t{300000});
  f.Turn();
  CHECK_EQ(stream.send_credit, int64_t{0});
  CHECK_EQ(h.Read(300000).size(), size_t{300000});
  f.Turn();
  CHECK(stream.send_credit >= 512 * 1024);
}

TEST(NoCreditAfterFin) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.client.Write(&stream, std::string(800000, 'x'), true);
  f.Turn();
  const int64_t before = stream.send_credit;
  CHECK_EQ(f.handlers.at(0)->Read().size(), size_t{800000});
  f.Turn();
  CHECK_EQ(stream.send_credit, before);
}

TEST(ParentsCreditIsHonoured) {
  Fixture f;
  f.flush_when_full = true;
  auto& stream = f.client.Open(7, 0, 1000);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  CHECK_EQ(h.Write(std::string(500000, 'x')), size_t{256 * 1024 + 1000});
  f.Turn();
  CHECK_EQ(h.writable, 0);
  CHECK_EQ(h.Write("x"), size_t{0});
  f.client.Grant(&stream, 10);
  f.Turn();
  CHECK_EQ(h.writable, 1);
  CHECK_EQ(h.Write(std::string(100, 'x')), size_t{10});
  f.client.Grant(&stream, 0);  // adds nothing, wakes nobody
  f.Turn();
  CHECK_EQ(h.writable, 1);
}

TEST(OutputIsBounded) {
  Fixture f;
  auto& stream = f.client.Open(7, 0, 10000000);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  const std::string bytes(1000000, 'x');
  const size_t first = h.Write(bytes);
  CHECK(first > 255 * 1024 && first < 256 * 1024);
  CHECK(f.full > 0);
  CHECK_EQ(h.Write(bytes), size_t{0});
  CHECK_EQ(h.writable, 0);
  f.mux.Dispatch();
  CHECK_EQ(h.writable, 0);  // nothing has left yet
  CHECK(!f.mux.NeedsDispatch());
  f.FromMux();
  CHECK(f.mux.NeedsDispatch());
  f.mux.Dispatch();
  CHECK_EQ(h.writable, 1);
  CHECK(!f.mux.NeedsDispatch());
  CHECK_EQ(stream.received, first);
  // The delegate that writes inside makes it one call.
  f.flush_when_full = true;
  CHECK_EQ(h.Write(bytes), bytes.size());
}

TEST(WaitingWritersTakeTurns) {
  Fixture f;
  std::vector<YamuxClient::Stream*> streams;
  for (uint32_t i = 0; i < 4; i++) {
    streams.push_back(&f.client.Open(2 * i + 1, 0, 100000000));
  }
  f.Turn();
  const std::string bytes(1000000, 'x');
  uint64_t wrote[4] = {};
  for (size_t i = 0; i < 4; i++) {
    f.handlers.at(i)->on_writable = [&f, &wrote, &bytes, i] {
      wrote[i] += f.handlers[i]->Write(bytes);
    };
    // The first takes all the room; nobody else gets any before their turn.
    wrote[i] += f.handlers[i]->Write(bytes);
  }
  CHECK(wrote[0] > 0);
  CHECK_EQ(wrote[3], uint64_t{0});
  for (int i = 0; i < 100; i++) f.Turn();
  const auto range = std::minmax_element(wrote, wrote + 4);
  CHECK(*range.first > 1000000);
  CHECK(*range.second - *range.first < 600000);
  for (size_t i = 0; i < 4; i++) {
    CHECK(streams[i]->received + 300000 > wrote[i]);
  }
}

// A handler that writes until it is told to stop gets one turn, not the link.
TEST(ATurnEndsWithTheFirstShortWrite) {
  Fixture f;
  f.client.Open(1, 0, 100000000);
  f.client.Open(3, 0, 100000000);
  f.Turn();
  const std::string bytes(1000000, 'x');
  size_t turn = 0;
  for (auto& h : f.handlers) {
    h->Write(bytes);
    Handler* raw = h.get();
    raw->on_writable = [raw, &bytes, &turn] {
      turn = 0;
      for (int i = 0; i < 3; i++) turn += raw->Write(bytes);
      CHECK(turn > 0);
      CHECK(turn <= 64 * 1024);
    };
  }
  f.FromMux();
  f.mux.Dispatch();
  CHECK(f.handlers[0]->writable > 0);
  CHECK(f.handlers[1]->writable > 0);
}

TEST(ALonelyWritersTurnEndsToo) {
  Fixture f;
  f.flush_when_full = true;
  auto& stream = f.client.Open(1, 0, 2000000000);
  f.Turn();
  Handler* h = f.handlers.at(0).get();
  const std::string bytes(100000, 'x');
  f.flush_when_full = false;
  while (h->Write(bytes) == bytes.size()) {
  }
  f.flush_when_full = true;
  h->on_writable = [h, &bytes] {
    // The parent reads as fast as this writes: without a bound, for ever.
    for (int i = 0; i < 10000 && h->Write(bytes) == bytes.size(); i++) {
    }
  };
  const uint64_t before = stream.received;
  f.FromMux();
  f.mux.Dispatch();
  f.FromMux();
  CHECK(stream.received - before < 3000000);
  CHECK(f.mux.NeedsDispatch());
}

TEST(NoCallForRoomAfterCloseWrite) {
  Fixture f;
  auto& stream = f.client.Open(1, 0, 100000000);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  const size_t wrote = h.Write(std::string(1000000, 'x'));
  h.stream->CloseWrite();
  f.Turn();
  CHECK_EQ(h.writable, 0);
  CHECK_EQ(stream.received, wrote);
  CHECK(stream.fin_received);
}

TEST(OneDispatchIsBounded) {
  Fixture f;
  f.flush_when_full = true;
  f.client.Open(1, 0, 2000000000);
  f.client.Open(3, 0, 2000000000);
  f.Turn();
  const std::string bytes(100000, 'x');
  f.flush_when_full = false;
  for (auto& h : f.handlers) {
    while (h->Write(bytes) == bytes.size()) {
    }
  }
  f.flush_when_full = true;
  f.FromMux();
  const uint64_t before =
      f.client.streams[1].received + f.client.streams[3].received;
  for (auto& h : f.handlers) {
    Handler* raw = h.get();
    raw->on_writable = [raw, &bytes] {
      for (int i = 0; i < 5; i++) raw->Write(bytes);
      CHECK(raw->Write(bytes) < bytes.size());
    };
  }
  f.mux.Dispatch();
  f.FromMux();
  const uint64_t wrote =
      f.client.streams[1].received + f.client.streams[3].received - before;
  CHECK(wrote >= 1000000);
  CHECK(wrote < 2000000);
  CHECK(f.mux.NeedsDispatch());
}

TEST(InputPausesWhenAnswersPileUp) {
  Fixture f;
  CHECK(f.mux.WantsInput());
  for (int i = 0; i < 50000; i++) {
    f.client.Frame(YamuxType::kPing, kYamuxSyn, 0, 1);
  }
  CHECK(f.ToMux().ok());
  CHECK(!f.mux.WantsInput());
  CHECK(!f.mux.Overflowed());
  f.FromMux();
  CHECK(f.mux.WantsInput());
  CHECK_EQ(f.client.pongs, uint64_t{50000});
}

// --- limits and memory

TEST(TooManyStreamsAreRefused) {
  MuxOptions options;
  options.max_streams = 10;
  Fixture f(options);
  for (uint32_t i = 0; i < 12; i++) {
    auto& stream = f.client.Open(2 * i + 1);
    f.client.Write(&stream, "payload");
  }
  f.Turn();
  CHECK_EQ(f.handlers.size(), size_t{10});
  CHECK(!f.client.streams[19].reset_received);
  CHECK(f.client.streams[21].reset_received);
  CHECK_EQ(f.client.streams[21].reset_code,
           static_cast<uint32_t>(Code::kResourceExhausted));
  f.handlers[0]->stream->Reset(1);
  f.client.Open(99);
  f.Turn();
  CHECK_EQ(f.handlers.size(), size_t{11});
}

TEST(ManyStreamsAndMemoryGoesBack) {
  Fixture f;
  for (uint32_t round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < 2000; i++) {
      auto& stream = f.client.Open(2 * i + 1);
      f.client.Write(&stream, std::string(1 + i % 5000, 'x'));
    }
    f.Turn();
    CHECK_EQ(f.mux.stream_count(), size_t{2000});
    CHECK(f.mux.slabs() > 100);
    for (auto& h : f.handlers) h->stream->Reset(1);
    f.handlers.clear();
    f.Turn();
    CHECK_EQ(f.mux.stream_count(), size_t{0});
    CHECK(f.mux.slabs() <= 1);
  }
}

TEST(SmallPiecesDoNotPinLargeSlabs) {
  Fixture f;
  auto& small = f.client.Open(1);
  auto& large = f.client.Open(3);
  f.Turn();
  // Interleaved with 12 MB that are consumed at once, 100 kB stay.
  for (int i = 0; i < 100; i++) {
    f.client.Write(&small, std::string(1000, 's'));
    f.client.Write(&large, std::string(120000, 'l'));
    f.Turn();
    CHECK_EQ(f.handlers.at(1)->Read().size(), size_t{120000});
    f.Turn();
  }
  CHECK(f.mux.slabs() < 12);
  CHECK_EQ(f.handlers.at(0)->Read(), std::string(100000, 's'));
}

TEST(PayloadIsNotCopied) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, std::string(64 * 1024, 'x'));
  const std::string bytes = std::move(f.client.out);
  f.client.out.clear();
  size_t room;
  uint8_t* buffer = f.mux.ReceiveBuffer(&room);
  REQUIRE(room >= bytes.size());
  // Two reads of the link, side by side: still one slice.
  memcpy(buffer, bytes.data(), 30000);
  CHECK(f.mux.Received(30000).ok());
  uint8_t* more = f.mux.ReceiveBuffer(&room);
  CHECK(more == buffer + 30000);
  memcpy(more, bytes.data() + 30000, bytes.size() - 30000);
  CHECK(f.mux.Received(bytes.size() - 30000).ok());
  f.mux.Dispatch();
  iovec slices[4];
  REQUIRE(f.handlers.at(0)->stream->Peek(slices, 4) == 1);
  CHECK(slices[0].iov_base == buffer + bytes.size() - 64 * 1024);
  CHECK_EQ(slices[0].iov_len, size_t{64 * 1024});
}

TEST(ConsumeTakesNoMoreThanThereIs) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.client.Write(&stream, "abc");
  f.Turn();
  Handler& h = *f.handlers.at(0);
  h.stream->Consume(2);
  iovec slice;
  CHECK_EQ(h.stream->Peek(&slice, 1), size_t{1});
  CHECK_EQ(slice.iov_len, size_t{1});
  h.stream->Consume(1000000000);
  CHECK_EQ(h.stream->Peek(&slice, 1), size_t{0});
  f.Turn();
  CHECK(stream.send_credit < 1024 * 1024);
}

// --- handlers that misbehave in every allowed way

TEST(AHandlerMayKillItselfAnywhere) {
  Fixture f;
  f.on_open = [&](Handler* h) {
    if (h->connection == 1) h->stream->Reset(1);
    if (h->connection == 3) h->on_readable = [h] { h->stream->Reset(3); };
  };
  for (uint32_t id : {1, 3, 5}) {
    auto& stream = f.client.Open(id, 0, 1000000000);
    f.client.Write(&stream, "x");
  }
  f.Turn();
  CHECK_EQ(f.handlers.at(0)->readable, 0);
  CHECK_EQ(f.handlers.at(1)->readable, 1);
  CHECK_EQ(f.mux.stream_count(), size_t{1});
  Handler* h = f.handlers.at(2).get();
  h->on_writable = [h] { h->stream->Reset(5); };
  while (h->Write(std::string(100000, 'x')) > 0) {
  }
  f.Turn();
  CHECK_EQ(h->writable, 1);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
  CHECK(f.client.streams[1].reset_received);
  CHECK_EQ(f.client.streams[3].reset_code, uint32_t{3});
}

TEST(AHandlerMayKillTheOthers) {
  Fixture f;
  for (uint32_t i = 0; i < 6; i++) f.client.Open(2 * i + 1);
  f.Turn();
  for (auto& h : f.handlers) {
    Handler* self = h.get();
    self->on_readable = [&f, self] {
      for (auto& other : f.handlers) {
        if (other.get() != self && other->stream != nullptr) {
          other->stream->Reset(9);
          other->stream = nullptr;
        }
      }
    };
  }
  for (uint32_t i = 0; i < 6; i++) {
    f.client.Write(&f.client.streams[2 * i + 1], "x");
  }
  f.Turn();
  CHECK_EQ(f.mux.stream_count(), size_t{1});
  int readable = 0;
  for (auto& h : f.handlers) readable += h->readable;
  CHECK_EQ(readable, 1);
}

TEST(ResetInsideOnResetIsHarmless) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  Handler& h = *f.handlers.at(0);
  h.on_reset = [&] {
    CHECK_EQ(h.Write("x"), size_t{0});
    iovec slice;
    CHECK_EQ(h.stream->Peek(&slice, 1), size_t{0});
    h.stream->CloseWrite();
    h.stream->Reset(1);
    h.stream->Release();
  };
  f.client.Reset(&stream, 2);
  f.Turn();
  CHECK_EQ(h.resets, 1);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

// Both ends reset: the transport's call came first, so it hears nothing more,
// even though the parent's RST had been parsed before.
TEST(NoCallAfterResetEvenIfTheParentWasFirst) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.client.Reset(&stream, 2);
  CHECK(f.mux.Receive(Bytes(f.client.out), f.client.out.size()).ok());
  f.client.out.clear();
  f.handlers.at(0)->stream->Reset(1);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
  f.Turn();
  CHECK_EQ(f.handlers[0]->resets, 0);
  CHECK(!stream.reset_received);
}

TEST(StreamsWithoutAHandlerAreNoDanger) {
  Fixture f;
  f.on_open = [](Handler* h) { h->stream->set_handler(nullptr); };
  auto& stream = f.client.Open(7, 0, 100000000);
  f.client.Write(&stream, "x");
  f.Turn();
  while (f.handlers.at(0)->Write(std::string(100000, 'x')) > 0) {
  }
  f.Turn();
  f.client.Reset(&stream, 1);
  f.Turn();
  CHECK_EQ(f.handlers[0]->readable + f.handlers[0]->resets, 0);
  CHECK_EQ(f.mux.stream_count(), size_t{0});
}

// --- violations: each ends the link, with GO_AWAY and a typed error

struct ViolationCase {
  const char* name;
  std::function<void(Fixture*)> act;
};

const ViolationCase kViolations[] = {
    {"unknown version",
     [](Fixture* f) {
       f->client.out = std::string("\1\0\0\0\0\0\0\1\0\0\0\0", 12);
     }},
    {"unknown type",
     [](Fixture* f) {
       f->client.out = std::string("\0\4\0\0\0\0\0\1\0\0\0\0", 12);
     }},
    {"data on stream 0",
     [](Fixture* f) { f->client.Frame(YamuxType::kData, 0, 0, 0); }},
    {"SYN with even id",
     [](Fixture* f) {
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 2, 0);
     }},
    {"SYN with reused id",
     [](Fixture* f) {
       f->client.Open(7);
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 1, 0);
     }},
    {"SYN with smaller id",
     [](Fixture* f) {
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 9, 0);
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 7, 0);
     }},
    {"data for an id never opened",
     [](Fixture* f) { f->client.Data(5, 0, "x"); }},
    {"credit for an id never opened",
     [](Fixture* f) { f->client.Frame(YamuxType::kWindowUpdate, 0, 5, 1); }},
    {"RST for an id never opened",
     [](Fixture* f) {
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxRst, 5, 1);
     }},
    {"data for one of ours that was never opened",
     [](Fixture* f) { f->client.Data(2, 0, "x"); }},
    {"data frame of more than 16 MiB",
     [](Fixture* f) {
       f->client.Open(7);
       f->client.Frame(YamuxType::kData, 0, 1, 16 * 1024 * 1024 + 1);
     }},
    {"data beyond the credit, in one frame",
     [](Fixture* f) {
       f->client.Open(7);
       f->client.Frame(YamuxType::kData, 0, 1, 1024 * 1024 - 2);
     }},
    {"data beyond the credit, little by little",
     [](Fixture* f) {
       auto& stream = f->client.Open(7);
       for (int i = 0; i < 1024; i++) {
         f->client.Write(&stream, std::string(1024, 'x'));
       }
     }},
    {"data after FIN",
     [](Fixture* f) {
       auto& stream = f->client.Open(7);
       f->client.Fin(&stream);
       f->client.Write(&stream, "x");
     }},
    {"window overflow",
     [](Fixture* f) {
       auto& stream = f->client.Open(7);
       f->client.Grant(&stream, kYamuxMaxWindow - kYamuxInitialWindow);
       f->client.Grant(&stream, 1);
     }},
    {"window overflow in the SYN",
     [](Fixture* f) {
       f->client.Frame(YamuxType::kWindowUpdate, kYamuxSyn, 1, 0xffffffff);
     }},
    {"stream header longer than 64",
     [](Fixture* f) { f->client.Data(1, kYamuxSyn, std::string(1, 65)); }},
    {"stream header with a long prefix",
     [](Fixture* f) {
       f->client.Data(1, kYamuxSyn, std::string("\x82\x00\x08\x07", 4));
     }},
    {"empty stream header",
     [](Fixture* f) { f->client.Data(1, kYamuxSyn, std::string(1, 0)); }},
    {"stream header for connection 0",
     [](Fixture* f) {
       f->client.Data(1, kYamuxSyn, std::string("\x02\x08\x00", 3));
     }},
    {"malformed stream header",
     [](Fixture* f) {
       f->client.Data(1, kYamuxSyn, std::string("\x02\x0f\x00", 3));
     }},
};

TEST(ViolationsEndTheLink) {
  for (const ViolationCase& c : kViolations) {
    Fixture f;
    c.act(&f);
    const Status status = f.ToMux();
    if (status.code() != Code::kProtocolViolation) {
      test::Fail(__FILE__, __LINE__, c.name);
      continue;
    }
    CHECK(f.mux.closed());
    CHECK_EQ(f.mux.stream_count(), size_t{0});
    // Whatever follows is not looked at.
    f.client.out = std::string(1000, '\xff');
    CHECK(f.ToMux().ok());
    for (auto& h : f.handlers) CHECK(h->resets <= 1);
  }
}

TEST(AViolationResetsTheInnocentAndSaysGoAway) {
  Fixture f;
  f.client.Open(7);
  f.Turn();
  REQUIRE(f.Open(2) != nullptr);
  f.client.Frame(YamuxType::kData, 0, 0, 0);
  CHECK_EQ(f.ToMux().code(), Code::kProtocolViolation);
  for (auto& h : f.handlers) {
    CHECK_EQ(h->resets, 1);
    CHECK_EQ(h->reset_code, static_cast<uint32_t>(Code::kConnectionAborted));
  }
  f.FromMux();
  CHECK(f.client.go_away);
  CHECK_EQ(f.client.go_away_reason, kYamuxGoAwayProtocolError);
}

TEST(TheWholeCreditIsNoViolation) {
  Fixture f;
  auto& stream = f.client.Open(7);
  f.Turn();
  f.client.Write(&stream, std::string(size_t(stream.send_credit), 'x'), true);
  f.client.Grant(&stream, kYamuxMaxWindow - kYamuxInitialWindow);
  f.client.Grant(&stream, 0);
  CHECK(f.ToMux().ok());
  CHECK_EQ(f.handlers.at(0)->Read().size(), size_t{1024 * 1024 - 3});
  CHECK(f.handlers[0]->stream->ReadEnded());
}

}  // namespace
}  // namespace xtp
