#include "utp/packet.h"

#include <cstring>
#include <string>

#include "common/testing/test.h"

namespace xtp::utp {
namespace {

bool Parse(const std::string& bytes, Packet* out) {
  return ParsePacket(reinterpret_cast<const uint8_t*>(bytes.data()),
                     bytes.size(), out);
}

// The example of BEP 29's header layout, byte by byte.
const char kBytes[] =
    "\x01\x00\x12\x34"   // ST_DATA, version 1, no extension, id 0x1234
    "\x00\x00\x01\x02"   // timestamp
    "\xff\xff\xff\xfe"   // timestamp difference
    "\x00\x10\x00\x00"   // window: 1 MiB
    "\xab\xcd\x00\x07";  // seq, ack

std::string Sample() { return std::string(kBytes, kHeaderBytes); }

TEST(HeaderRoundTrip) {
  Packet packet;
  const std::string sample = Sample() + "abc";
  REQUIRE(Parse(sample, &packet));
  CHECK_EQ(packet.header.type, PacketType::kData);
  CHECK_EQ(packet.header.connection_id, 0x1234);
  CHECK_EQ(packet.header.timestamp_us, 0x102u);
  CHECK_EQ(packet.header.timestamp_difference_us, 0xfffffffeu);
  CHECK_EQ(packet.header.window_bytes, 1048576u);
  CHECK_EQ(packet.header.seq, 0xabcd);
  CHECK_EQ(packet.header.ack, 7);
  CHECK_EQ(packet.payload_bytes, 3u);
  CHECK_EQ(memcmp(packet.payload, "abc", 3), 0);
  uint8_t built[kHeaderBytes];
  BuildHeader(packet.header, built);
  CHECK_EQ(memcmp(built, kBytes, kHeaderBytes), 0);
}

TEST(ShortForeignAndUnknownPacketsAreRefused) {
  Packet packet;
  for (size_t length = 0; length < kHeaderBytes; length++) {
    CHECK(!Parse(Sample().substr(0, length), &packet));
  }
  for (int first = 0; first < 256; first++) {
    std::string bytes = Sample();
    bytes[0] = static_cast<char>(first);
    CHECK_EQ(Parse(bytes, &packet), (first & 15) == 1 && first >> 4 <= 4);
  }
}

std::string WithExtensions(int first, const std::string& chain) {
  std::string bytes = Sample();
  bytes[1] = static_cast<char>(first);
  return bytes + chain;
}

TEST(ExtensionChains) {
  using std::string_literals::operator""s;
  Packet packet;
  // A selective ack, then payload.
  const std::string one = WithExtensions(1, "\0\4ABCDpay"s);
  REQUIRE(Parse(one, &packet));
  CHECK_EQ(packet.selective_ack_bytes, 4u);
  CHECK_EQ(packet.payload_bytes, 3u);
  // Extension bits, an unknown one, a selective ack.
  const std::string three = WithExtensions(2, "\7\1x"s + "\1\0"s + "\0\4ABCD"s);
  REQUIRE(Parse(three, &packet));
  CHECK_EQ(memcmp(packet.selective_ack, "ABCD", 4), 0);
  CHECK_EQ(packet.payload_bytes, 0u);
  const std::string bad[] = {
      ""s,                                     // announced, not there
      "\0"s,                                   // half a length
      "\0\5ABCD"s,                             // longer than the packet
      "\0\0"s,                                 // empty
      "\1\4ABCD"s,                             // chain runs over the end
      "\1\4ABCD\0\4EFGH"s,                     // two of them
      "\0\xff"s + std::string(255, 'x'),       // too long
      "\3\0\3\0\3\0\3\0\3\0\3\0\3\0\3\0\3\0"s  // and on
  };
  for (const std::string& chain : bad) {
    CHECK(!Parse(WithExtensions(1, chain), &packet));
  }
}

TEST(UnknownExtensionsAreLeftOut) {
  using std::string_literals::operator""s;
  Packet packet;
  uint8_t out[200];
  const std::string reason = WithExtensions(3, "\0\4abcdDATA"s);
  REQUIRE(Parse(reason, &packet));
  CHECK_EQ(CopyKnownExtensions(packet, out), kHeaderBytes + 4);
  CHECK_EQ(out[1], 0);
  CHECK_EQ(memcmp(out + kHeaderBytes, "DATA", 4), 0);
  const std::string both = WithExtensions(3, "\1\1x\0\4ABCDpay"s);
  REQUIRE(Parse(both, &packet));
  REQUIRE(CopyKnownExtensions(packet, out) == kHeaderBytes + 9);
  CHECK_EQ(out[1], 1);
  CHECK_EQ(memcmp(out + kHeaderBytes, "\0\4ABCDpay", 9), 0);
}

TEST(SequenceNumbersWrap) {
  CHECK(SeqLess(1, 2));
  CHECK(!SeqLess(2, 2));
  CHECK(!SeqLess(2, 1));
  CHECK(SeqLess(0xffff, 0));
  CHECK(SeqLess(0xfff0, 0x10));
  CHECK(!SeqLess(0x10, 0xfff0));
}

TEST(RandomBytesNeverReadOutside) {
  test::Random random(7);
  for (int i = 0; i < 200000; i++) {
    const size_t length = random.Below(80);
    // Exactly as long as the packet: sanitizers see one byte too many.
    std::string bytes(length, 0);
    for (char& c : bytes) {
      c = static_cast<char>(random.OneIn(2) ? random.Below(5) : random.Next());
    }
    if (length > 0) bytes[0] = static_cast<char>(random.Below(5) << 4 | 1);
    Packet packet;
    uint8_t* exact = new uint8_t[length];
    if (length > 0) memcpy(exact, bytes.data(), length);
    if (ParsePacket(exact, length, &packet)) {
      uint8_t* copy = new uint8_t[length];
      CHECK(CopyKnownExtensions(packet, copy) <= length);
      delete[] copy;
    }
    delete[] exact;
  }
}

}  // namespace
}  // namespace xtp::utp
