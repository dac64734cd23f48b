extern "C" {
#include "lines.h"
}

#include <cerrno>
#include <string>
#include <vector>

#include "common/testing/test.h"

namespace xtp {
namespace {

std::vector<std::string> noted;

void Note(char* line) { noted.push_back(line == nullptr ? "<bad>" : line); }

// Fed in pieces of `step` bytes.
std::vector<std::string> Lines(const std::string& bytes, size_t step = 1000) {
  noted.clear();
  line_reader reader = {};
  for (size_t i = 0; i < bytes.size(); i += step) {
    const std::string part = bytes.substr(i, step);
    lines_feed(&reader, part.data(), part.size(), Note);
  }
  return noted;
}

int Words(const std::string& line) {
  std::string copy = line;
  char* words[MAX_WORDS];
  return split_words(&copy[0], words);
}

int64_t Number(const char* word, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  return parse_number(word, least, most, &value) ? static_cast<int64_t>(value)
                                                 : -1;
}

TEST(LinesInAnyPieces) {
  const std::string longest(511, 'x');
  const std::string bytes = "a b\n\n" + longest + "\n" + longest +
                            "x\nafter\n" + std::string("nul\0\n", 5) +
                            "tab\t\n\x7f\n\xff\nc";
  for (size_t step : {1, 2, 7, 511, 512, 4096}) {
    const auto lines = Lines(bytes, step);
    CHECK_EQ(lines.size(), size_t{9});
    if (lines.size() != 9) return;
    CHECK_EQ(lines[0], "a b");
    CHECK_EQ(lines[1], "");
    CHECK_EQ(lines[2], longest);
    CHECK_EQ(lines[3], "<bad>");
    CHECK_EQ(lines[4], "after");
    for (int i = 5; i < 9; i++) CHECK_EQ(lines[i], "<bad>");
  }
}

TEST(WordsAreSeparatedByOneSpace) {
  CHECK_EQ(Words("a"), 1);
  CHECK_EQ(Words("a bc d"), 3);
  CHECK_EQ(Words("1 2 3 4 5 6 7 8"), 8);
  for (const char* wrong : {"", " ", " a", "a ", "a  b", "1 2 3 4 5 6 7 8 9"}) {
    CHECK_EQ(Words(wrong), 0);
  }
}

TEST(NumbersAreStrict) {
  CHECK_EQ(Number("0", 0, 9), 0);
  CHECK_EQ(Number("65535", 0, 65535), 65535);
  CHECK_EQ(Number("4294967295", 1, UINT32_MAX), 4294967295);
  for (const char* wrong :
       {"", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "1e3", "65536", "99999",
        "18446744073709551616", "18446744073709551617", "a"}) {
    CHECK_EQ(Number(wrong, 0, 65535), -1);
  }
  CHECK_EQ(Number("0", 1, 9), -1);
  CHECK_EQ(Number("7", 0, 3), -1);
  CHECK_EQ(Number("18446744073709551616", 0, UINT64_MAX), -1);
  uint64_t value = 0;
  CHECK(parse_number("18446744073709551615", 0, UINT64_MAX, &value));
  CHECK_EQ(value, UINT64_MAX);
}

TEST(Ids) {
  for (const char* id : {"a", "dial4", "0-9-z", "abcdefghijklmnopqrstuvw"}) {
    CHECK(is_id(id));
  }
  for (const char* id : {"", "A", "a.b", "a b", "abcdefghijklmnopqrstuvwx"}) {
    CHECK(!is_id(id));
  }
}

TEST(Levels) {
  CHECK_EQ(parse_level("L0"), 0);
  CHECK_EQ(parse_level("L2"), 2);
  CHECK_EQ(parse_level("L3"), 3);
  CHECK_EQ(parse_level("L4"), 4);
  for (const char* wrong : {"", "L", "L1", "L5", "l2", "L22", "2", "L2 "}) {
    CHECK_EQ(parse_level(wrong), -1);
  }
}

// Parsing cuts the word.
int Address(const char* family, std::string word, uint16_t port,
            socket_address* address) {
  return parse_address(family, &word[0], port, address);
}

TEST(Addresses) {
  socket_address address;
  CHECK_EQ(Address("udp4", "192.0.2.1", 4001, &address), 0);
  CHECK_EQ(address.v4.sin_port, htons(4001));
  CHECK_EQ(address.v4.sin_addr.s_addr, htonl(0xc0000201));
  CHECK_EQ(Address("udp6", "fe80::1%7", 1, &address), 0);
  CHECK_EQ(address.v6.sin6_scope_id, 7u);
  CHECK_EQ(Address("udp6", "fe80::1%lo", 1, &address), 0);
  CHECK(address.v6.sin6_scope_id != 0);
  CHECK_EQ(Address("udp6", "fe80::1%none-such", 1, &address), ENODEV);
  for (const char* wrong : {"", "::1", "1.2.3", "1.2.3.4.5", "01.2.3.4",
                            "1.2.3.4%1", "localhost"}) {
    CHECK_EQ(Address("udp4", wrong, 1, &address), EINVAL);
  }
  for (const char* wrong : {"", "%", "::1%", "::1%0", "::1%01x", "1.2.3.4",
                            ":::", "::1%an-interface-name-that-is-too-long"}) {
    CHECK(Address("udp6", wrong, 1, &address) != 0);
  }
  CHECK_EQ(Address("udp5", "::1", 1, &address), EINVAL);
  const std::string endless = std::string(500, ':');
  CHECK_EQ(Address("udp6", endless, 1, &address), EINVAL);
}

TEST(RandomBytesNeverPassTheirBounds) {
  test::Random random(7);
  line_reader reader = {};
  for (int i = 0; i < 100000; i++) {
    char bytes[64];
    for (char& byte : bytes) {
      byte = random.OneIn(40) ? '\n' : static_cast<char>(random.Below(130));
    }
    lines_feed(&reader, bytes, random.Below(sizeof bytes), Note);
    CHECK(reader.used < MAX_LINE_BYTES);
    for (const auto& line : noted) {
      CHECK(line.size() < MAX_LINE_BYTES);
      CHECK(Words(line) <= MAX_WORDS);
    }
    noted.clear();
  }
}

}  // namespace
}  // namespace xtp
