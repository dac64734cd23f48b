// Credit, turns and room: who may send how much, and when; limits and memory.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/mux.h"
#include "common/testing/mux_fixture.h"

namespace xtp {
namespace {

using Fixture = test::MuxFixture;
using Handler = test::MuxHandler;
using test::Bytes;
using test::YamuxClient;

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

}  // namespace
}  // namespace xtp
