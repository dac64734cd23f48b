// What the engine does with a library's byte streams, the library being a few
// lines of testing/: partial writes, ends, failures, closes, time-outs.
#include "common/byte_engine.h"

#include <algorithm>
#include <memory>
#include <string>

#include "common/testing/byte_engine_fixture.h"

namespace xtp {
namespace {

using Fixture = test::ByteEngineFixture;
using test::kMs;
using test::Peer;
using test::Wire;
using test::WireSocket;

TEST(BytesGoAsFarAsThereIsRoom) {
  Fixture f;
  const auto wire = f.Connect();
  wire->room = 5;
  f.stream().outgoing = "to the network";
  f.Touch(&f.stream());
  CHECK_EQ(wire->sent, std::string("to th"));
  wire->room = SIZE_MAX;
  f.Touch(wire);
  CHECK_EQ(wire->sent, std::string("to the network"));
  f.stream().credit = 4;
  wire->incoming = "to the parent";
  f.Touch(wire);
  CHECK_EQ(f.stream().received, std::string("to t"));
  wire->incoming = ", and more";
  f.Touch(wire);
  CHECK_EQ(wire->incoming.size(), size_t{10});  // not read: what was is waiting
  f.stream().credit = SIZE_MAX;
  f.stream().handler->OnWritable();
  f.Round();
  CHECK_EQ(f.stream().received, std::string("to the parent, and more"));
}

// More than a round may move, each way.
TEST(AFastConnectionGoesOnInTheNextRound) {
  Fixture f;
  const auto wire = f.Connect();
  wire->incoming = std::string(3 << 20, 'i');
  f.stream().outgoing = std::string(3 << 20, 'o');
  wire->connection->OnSocket();
  CHECK_EQ(f.engine.OnRound(f.now), f.now);
  CHECK(f.stream().received.size() < (2 << 20));
  f.Round();
  CHECK_EQ(f.stream().received.size(), size_t{3 << 20});
  CHECK_EQ(wire->sent.size(), size_t{3 << 20});
}

TEST(BothEndsThenClosed) {
  for (const bool peer_first : {true, false}) {
    Fixture f;
    const auto wire = f.Connect();
    const auto peer = [&] {
      wire->incoming = "last";
      wire->peer_ended = true;
      f.Touch(wire);
      CHECK_EQ(f.stream().received, std::string("last"));
      CHECK(f.stream().ended);
    };
    const auto parent = [&] {
      f.stream().outgoing = "bye";
      f.stream().fin = true;
      wire->undelivered = 4;
      f.Touch(&f.stream());
      CHECK(wire->ended);
    };
    peer_first ? peer() : parent();
    f.Run(60 * 1000 * kMs);  // half-closed for as long as one likes
    CHECK_EQ(f.host.ClosedWith(1), Code::kOk);
    peer_first ? parent() : peer();
    CHECK_EQ(wire->sent, std::string("bye"));
    CHECK(f.stream().released && !f.stream().was_reset);
    CHECK_EQ(f.host.ClosedWith(1), Code::kOk);  // it is not acknowledged
    CHECK(wire->closed);
    wire->undelivered = 0;
    f.Run(20 * kMs);
    CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionClosed);
    CHECK(wire->gone && !wire->aborted);
    CHECK(f.Over());
    const Event* const closed = f.host.Find(Event::Kind::kClosed, 1);
    CHECK_EQ(closed->bytes_in, uint64_t{4});
    CHECK_EQ(closed->bytes_out, uint64_t{3});
  }
}

TEST(AnEndWaitsForRoom) {
  Fixture f;
  const auto wire = f.Connect();
  wire->end_has_room = false;
  f.stream().fin = true;
  f.Touch(&f.stream());
  CHECK(!wire->ended);
  wire->end_has_room = true;
  f.Touch(wire);
  CHECK(wire->ended);
}

// The last bytes are not acknowledged any more.
TEST(AClosingConnectionLingersWhileThereIsProgress) {
  Fixture f;
  const auto wire = f.EndBoth(100);
  for (int i = 0; i < 9; i++) {
    f.Run(8000 * kMs);
    wire->undelivered -= 10;
  }
  CHECK_EQ(f.host.ClosedWith(1), Code::kOk);
  f.Run(10100 * kMs);
  CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionTimedOut);
  CHECK(wire->aborted && f.Over());
}

TEST(AClosingConnectionThatBreaksDoesNotLinger) {
  for (const bool has_all : {true, false}) {
    Fixture f;
    const auto wire = f.EndBoth(1);
    wire->check_status =
        has_all ? Status(Code::kConnectionClosed, "the peer has closed")
                : Status(Code::kConnectionReset, "reset");
    f.Touch(wire);
    CHECK_EQ(f.host.ClosedWith(1),
             has_all ? Code::kConnectionClosed : Code::kConnectionReset);
    CHECK(f.Over());
  }
}

// What the peer sent before it broke is read first.
TEST(AFailedWriteDoesNotHideWhatCameBefore) {
  Fixture f;
  const auto wire = f.Connect();
  wire->write_status = Status(Code::kConnectionReset, "reset");
  wire->read_status = Status(Code::kConnectionReset, "reset");
  wire->incoming = "the last words";
  f.stream().credit = 3;
  f.stream().outgoing = "x";
  f.Touch(&f.stream());
  CHECK_EQ(f.host.ClosedWith(1), Code::kOk);
  f.stream().credit = SIZE_MAX;
  f.stream().handler->OnWritable();
  f.Round();
  CHECK_EQ(f.stream().received, std::string("the last words"));
  CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionReset);
  CHECK(f.stream().was_reset);
  CHECK_EQ(f.stream().reset_code,
           static_cast<uint32_t>(Code::kConnectionReset));
}

// It has ended, and is gone while this end goes on writing.
TEST(APeerThatHasEndedMayBreakLater) {
  for (const bool unsent : {true, false}) {
    for (const Code code : {Code::kConnectionClosed, Code::kConnectionReset}) {
      Fixture f;
      const auto wire = f.Connect();
      wire->peer_ended = true;
      if (unsent) wire->room = 0;
      f.stream().outgoing = "x";
      f.Touch(wire);
      wire->check_status = Status(code, "gone");
      f.Touch(wire);
      const bool good = code == Code::kConnectionClosed && !unsent;
      CHECK_EQ(f.host.ClosedWith(1),
               good ? Code::kConnectionClosed : Code::kConnectionReset);
      CHECK(f.stream().was_reset);
    }
  }
}

TEST(AnOrderlyCloseSendsWhatIsThere) {
  Fixture f;
  const auto wire = f.Connect();
  f.engine.Close(9, 1, false, 0, f.now);
  wire->incoming = "nobody reads that";
  wire->undelivered = 1;
  // It was on the other link when the close came.
  f.stream().outgoing = "late";
  f.Touch(&f.stream());
  CHECK_EQ(wire->sent, std::string("late"));
  CHECK(wire->incoming.empty());
  CHECK(f.stream().received.empty() && f.stream().ended);
  CHECK(!wire->ended);
  f.Run(300 * kMs);  // the parent has not ended its stream
  CHECK(wire->ended);
  wire->undelivered = 0;
  f.Run(100 * kMs);
  CHECK_EQ(f.host.ClosedWith(1), Code::kOk);  // the peer may end, too
  f.Run(300 * kMs);
  CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionClosed);
  CHECK(!wire->aborted);
}

// A round in which nothing happens asks for no other one before its time.
TEST(AnOrderlyCloseDoesNotWaitForEver) {
  Fixture f;
  const auto wire = f.Connect();
  wire->room = 0;
  wire->undelivered = 10;
  f.stream().outgoing = "x";
  f.engine.Close(9, 1, false, 0, f.now);
  f.Run(8000 * kMs);
  wire->room = 1;
  f.stream().outgoing = "xyz";
  f.Touch(wire);
  f.Run(400 * kMs);
  CHECK(f.engine.OnRound(f.now) > f.now);
  f.Run(9500 * kMs);
  wire->undelivered = 9;  // it takes what is under way
  f.Run(9500 * kMs);
  CHECK_EQ(f.host.ClosedWith(1), Code::kOk);
  f.Run(1000 * kMs);
  CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionTimedOut);
  CHECK(wire->aborted && f.Over());
}

TEST(AbortsAndResetsTellTheirCode) {
  for (const bool reset : {true, false}) {
    Fixture f;
    const auto wire = f.Connect();
    if (reset) {
      f.stream().handler->OnReset(77);
      f.Round();
    } else {
      f.engine.Close(9, 1, true, 77, f.now);
      f.Round();
      CHECK(f.stream().was_reset);
    }
    CHECK(wire->aborted);
    CHECK_EQ(wire->abort_code, 77u);
    CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionAborted);
    CHECK(f.Over());
    CHECK_EQ(f.host.events.size(), reset ? size_t{2} : size_t{3});
  }
}

// A library that calls with what has come, and is not asked.
TEST(BytesThatAreBroughtWaitForRoom) {
  Fixture f;
  f.engine.Dial(7, 1, Peer(), 1000, f.now);
  const auto wire = f.engine.dialed[1];
  const auto bring = [&](const std::string& bytes) {
    wire->connection->OnBytes(reinterpret_cast<const uint8_t*>(bytes.data()),
                              bytes.size());
  };
  wire->connection->OnConnected();
  bring("be");
  f.Round();
  CHECK_EQ(wire->connection->buffered_bytes(), size_t{2});
  CHECK_EQ(wire->taken, size_t{0});
  f.stream().credit = 7;
  CHECK(f.engine.OnStreamOpen(&f.stream(), 1, 0, f.now));
  bring("fore, ");
  f.Round();
  CHECK_EQ(f.stream().received, std::string("before,"));
  CHECK_EQ(wire->taken, size_t{1});
  bring("at once");
  wire->connection->OnEnd();
  bring("behind the end");
  f.Round();
  CHECK(!f.stream().ended);
  f.stream().credit = SIZE_MAX;
  f.stream().handler->OnWritable();
  f.Round();
  CHECK_EQ(f.stream().received, std::string("before, at once"));
  CHECK(f.stream().ended);
  CHECK_EQ(wire->taken, size_t{2});
}

TEST(ALibraryMayTellOfAFailure) {
  for (const bool closing : {false, true}) {
    for (const bool arrived : {false, true}) {
      Fixture f;
      const auto wire = closing ? f.EndBoth(1) : f.Connect();
      wire->only_end_left = arrived;
      wire->connection->OnFailed(Status(Code::kConnectionReset, "reset"));
      wire->connection->OnFailed(Status(Code::kInternal, "and over"));
      f.Round();
      const bool good = closing && arrived;
      CHECK_EQ(f.host.ClosedWith(1),
               good ? Code::kConnectionClosed : Code::kConnectionReset);
      CHECK(wire->aborted != good && f.Over());
    }
  }
}

TEST(ASocketHasATimer) {
  Fixture f;
  const auto wire = f.Connect();
  wire->connection->SetSocketTimer(f.now + 1000 * kMs);
  f.Run(999 * kMs);
  CHECK_EQ(wire->timers, size_t{0});
  f.Run(1 * kMs);
  CHECK_EQ(wire->timers, size_t{1});
  f.Run(5000 * kMs);
  CHECK_EQ(wire->timers, size_t{1});
}

TEST(DialsFailOnce) {
  const auto code = [](const Fixture& f) {
    const Event* const reply = f.host.Find(Event::Kind::kReply, 7);
    CHECK_EQ(f.host.events.size(), size_t{reply == nullptr ? 0u : 1u});
    return reply == nullptr ? Code::kOk : reply->status.code();
  };
  {
    Fixture f;  // nobody answers
    f.engine.Dial(7, 1, Peer(), 1000, f.now);
    f.Run(999 * kMs);
    CHECK_EQ(code(f), Code::kOk);
    f.Run(2 * kMs);
    CHECK_EQ(code(f), Code::kConnectionTimedOut);
    CHECK(f.Over());
  }
  {
    Fixture f;  // refused, and said twice
    f.engine.Dial(7, 1, Peer(), 1000, f.now);
    ByteConnection* const connection = f.engine.dialed[1]->connection;
    connection->OnFailed(Status(Code::kConnectionRefused, "refused"));
    connection->OnFailed(Status(Code::kConnectionReset, "reset"));
    f.Run(5000 * kMs);
    CHECK_EQ(code(f), Code::kConnectionRefused);
  }
  {
    Fixture f;  // not even begun
    f.engine.connect_status = Status(Code::kResourceExhausted, "no sockets");
    f.engine.Dial(7, 1, Peer(), 1000, f.now);
    f.Round();
    CHECK_EQ(code(f), Code::kResourceExhausted);
  }
  {
    Fixture f;
    f.engine.Dial(7, 1, Peer(0), 1000, f.now);
    f.Round();
    CHECK_EQ(code(f), Code::kInvalidArgument);
    CHECK(f.engine.dialed.empty());
  }
  {
    Fixture f;  // the parent has changed its mind
    f.engine.Dial(7, 1, Peer(), 1000, f.now);
    f.engine.Close(8, 1, true, 0, f.now);
    f.Round();
    CHECK_EQ(f.host.Find(Event::Kind::kReply, 7)->status.code(),
             Code::kCancelled);
    CHECK(f.host.Find(Event::Kind::kReply, 8)->status.ok());
    CHECK(f.engine.dialed[1]->aborted && f.Over());
  }
}

// A thousand connections whose parent takes nothing: each gets an equal part,
// and one that comes later gets something, too.
TEST(WhatIsKeptIsShared) {
  constexpr uint64_t kWindow = 1024 * 1024;
  constexpr uint32_t kLast = 1999;  // dials have odd numbers
  Fixture f;
  const std::string packet(16 * 1024, 'x');
  const auto bring = [&](uint32_t id) {
    ByteConnection* const connection = f.engine.dialed[id]->connection;
    const size_t size =
        std::min<size_t>(connection->ReceiveRoom(kWindow), packet.size());
    connection->OnBytes(reinterpret_cast<const uint8_t*>(packet.data()), size);
    return size;
  };
  const auto dial = [&](uint32_t id) {
    f.engine.Dial(id, id, Peer(), 60000, f.now);
    f.engine.dialed[id]->connection->OnConnected();
    f.Round();
  };
  dial(1);
  CHECK_EQ(f.engine.dialed[1]->connection->ReceiveRoom(kWindow), kWindow);
  for (uint32_t id = 3; id <= kLast; id += 2) dial(id);
  uint64_t total = 0, last = 1;
  while (total != last) {
    last = total;
    for (uint32_t id = 1; id <= kLast; id += 2) total += bring(id);
  }
  CHECK(total <= ByteEngine::kReceiveBudget);
  for (uint32_t id = 1; id <= kLast; id += 2) {
    const size_t kept = f.engine.dialed[id]->connection->buffered_bytes();
    CHECK(kept > 100 * 1024 && kept < 160 * 1024);
  }
  dial(kLast + 2);
  CHECK(bring(kLast + 2) > 0);
  // Those that end give theirs back.
  for (uint32_t id = 1; id <= kLast; id += 2)
    f.engine.Close(9, id, true, 0, f.now);
  f.Round();
  const ByteConnection* const left = f.engine.dialed[kLast + 2]->connection;
  CHECK_EQ(left->ReceiveRoom(kWindow), kWindow - left->buffered_bytes());
}

TEST(InboundConnectionsTakeCredit) {
  ByteEngine::Limits limits;
  limits.max_connections = 2;
  Fixture f(limits);
  f.engine.Listen(3, 1, Peer(), 1, f.now);
  const auto add = [&](ByteConnection** out) {
    return f.engine.AddInbound(
        f.engine.port(), Peer(),
        std::make_unique<WireSocket>(std::make_shared<Wire>()), out);
  };
  ByteConnection* connection = nullptr;
  CHECK(f.engine.CanAccept(*f.engine.port()));
  REQUIRE(add(&connection));
  CHECK_EQ(connection->id(), 2u);
  CHECK(f.host.Find(Event::Kind::kIncoming, 2) != nullptr);
  CHECK(!f.engine.CanAccept(*f.engine.port()));  // no credit
  f.engine.Accept(1, 5, f.now);
  f.host.link_lost = true;
  CHECK(!add(&connection));
  f.host.link_lost = false;
  REQUIRE(add(&connection));
  CHECK(!f.engine.CanAccept(*f.engine.port()));  // no room
  f.engine.Close(9, 2, true, 0, f.now);
  f.Round();
  CHECK(f.engine.CanAccept(*f.engine.port()));
}

TEST(AStopEndsEverything) {
  Fixture f;
  const auto open = f.Connect();
  f.engine.Dial(8, 3, Peer(), 1000, f.now);
  f.engine.OnStop(f.now);
  CHECK(open->aborted && open->gone);
  CHECK_EQ(f.host.ClosedWith(1), Code::kConnectionAborted);
  CHECK_EQ(f.host.Find(Event::Kind::kReply, 8)->status.code(),
           Code::kCancelled);
  CHECK(f.stream().was_reset && f.Over());
  CHECK_EQ(f.engine.OnRound(f.now), kNever);
}

}  // namespace
}  // namespace xtp
