#include "common/negotiation.h"

#include "common/testing/test.h"

namespace xtp {
namespace {

const std::string kHeader = "\x13/multistream/1.0.0\n";
const std::string kYamux = "\x0d/yamux/1.0.0\n";

Status Feed(Negotiation* negotiation, const std::string& bytes,
            size_t* consumed, std::string* reply) {
  return negotiation->Receive(reinterpret_cast<const uint8_t*>(bytes.data()),
                              bytes.size(), consumed, reply);
}

TEST(EchoesBothLines) {
  Negotiation negotiation("/yamux/1.0.0");
  size_t consumed;
  std::string reply;
  CHECK(Feed(&negotiation, kHeader + kYamux, &consumed, &reply).ok());
  CHECK(negotiation.done());
  CHECK_EQ(reply, kHeader + kYamux);
  CHECK_EQ(consumed, kHeader.size() + kYamux.size());
}

TEST(LeavesTheProtocolsBytes) {
  Negotiation negotiation("/yamux/1.0.0");
  size_t consumed;
  std::string reply;
  const std::string rest("\0\1\2payload", 10);
  CHECK(Feed(&negotiation, kHeader + kYamux + rest, &consumed, &reply).ok());
  CHECK(negotiation.done());
  CHECK_EQ(consumed, kHeader.size() + kYamux.size());
}

TEST(TakesOneByteAtATime) {
  Negotiation negotiation("/yamux/1.0.0");
  std::string reply;
  for (char byte : kHeader + kYamux) {
    CHECK(!negotiation.done());
    size_t consumed;
    CHECK(Feed(&negotiation, std::string(1, byte), &consumed, &reply).ok());
    CHECK_EQ(consumed, size_t{1});
  }
  CHECK(negotiation.done());
  CHECK_EQ(reply, kHeader + kYamux);
}

TEST(RefusesOtherProtocols) {
  Negotiation negotiation("/yamux/1.0.0");
  size_t consumed;
  std::string reply;
  const Status status =
      Feed(&negotiation, kHeader + "\x0d/mplex/6.7.0\n", &consumed, &reply);
  CHECK_EQ(status.code(), Code::kUnsupported);
  CHECK_EQ(reply, kHeader + "\x03na\n");
  CHECK(!negotiation.done());
}

TEST(UsesTwoBytesForLongLines) {
  const std::string name = "/" + std::string(200, 'x');
  Negotiation negotiation(name);
  size_t consumed;
  std::string reply;
  const std::string line = "\xca\x01" + name + "\n";
  CHECK(Feed(&negotiation, kHeader + line, &consumed, &reply).ok());
  CHECK(negotiation.done());
  CHECK_EQ(reply, kHeader + line);
}

TEST(RejectsGarbage) {
  const std::string kTable[] = {
      std::string("\0", 1),  // empty line
      "\xff\xff\x01",        // length of three bytes
      "\x81\x08",            // 1025
      "\x13/multistream/2.0.0\n",
      "\x13/multistream/1.0.0x",  // no newline
      "\x14/multistream/1.0.0\r\n",
      "\x0d/yamux/1.0.0\n",  // protocol first
      kHeader + std::string("\0", 1),
      kHeader + "\x0d/yamux/1.0.0x",
      std::string("\0\0\0\1", 4),  // a yamux frame
  };
  for (const std::string& row : kTable) {
    Negotiation negotiation("/yamux/1.0.0");
    size_t consumed;
    std::string reply;
    const Status status = Feed(&negotiation, row, &consumed, &reply);
    CHECK_EQ(status.code(), Code::kProtocolViolation);
    CHECK(!negotiation.done());
  }
}

TEST(WaitsForTheRestOfALongLine) {
  Negotiation negotiation("/yamux/1.0.0");
  size_t consumed;
  std::string reply;
  CHECK(
      Feed(&negotiation, "\x80\x08" + std::string(1000, 'x'), &consumed, &reply)
          .ok());
  CHECK(!Feed(&negotiation, std::string(24, 'x'), &consumed, &reply).ok());
}

}  // namespace
}  // namespace xtp
