// Behaviour of the mux, rule by rule. mux_model_test.cc has the random runs.
#include "common/mux.h"

#include <cstring>
#include <functional>
#include <string>

#include "common/testing/mux_fixture.h"

namespace xtp {
namespace {

using Fixture = test::MuxFixture;
using Handler = test::MuxHandler;
using test::Bytes;
using test::YamuxClient;

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

}  // namespace
}  // namespace xtp
