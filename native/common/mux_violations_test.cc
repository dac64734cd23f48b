// Violations: each ends the link, with GO_AWAY and a typed error.
#include <functional>
#include <string>

#include "common/mux.h"
#include "common/testing/mux_fixture.h"

namespace xtp {
namespace {

using Fixture = test::MuxFixture;
using Handler = test::MuxHandler;
using test::Bytes;
using test::YamuxClient;

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
