#include "common/endpoint.h"

#include <arpa/inet.h>

#include <cstring>

#include "common/testing/test.h"

namespace xtp {
namespace {

Endpoint Parsed(const std::string& ip, uint16_t port) {
  Endpoint result;
  CHECK(Endpoint::Parse(ip, port, &result).ok());
  return result;
}

TEST(EmptyByDefault) {
  const Endpoint none;
  CHECK_EQ(none.length(), socklen_t{0});
  CHECK_EQ(none.ip(), "");
  CHECK_EQ(none.port(), 0);
  CHECK_EQ(none.ToString(), "");
  CHECK(none == Endpoint());
}

TEST(ParsesV4) {
  const Endpoint e = Parsed("192.0.2.7", 4433);
  CHECK_EQ(e.family(), AF_INET);
  CHECK_EQ(e.length(), socklen_t{sizeof(sockaddr_in)});
  CHECK_EQ(e.ToString(), "192.0.2.7:4433");
  CHECK(!e.IsUnspecified());
  CHECK(Parsed("0.0.0.0", 1).IsUnspecified());
}

TEST(ParsesV6) {
  const Endpoint e = Parsed("2001:db8::1", 65535);
  CHECK_EQ(e.family(), AF_INET6);
  CHECK_EQ(e.length(), socklen_t{sizeof(sockaddr_in6)});
  CHECK_EQ(e.ToString(), "[2001:db8::1]:65535");
  CHECK(!e.IsUnspecified());
  CHECK(Parsed("::", 1).IsUnspecified());
}

TEST(ParsesZones) {
  CHECK_EQ(Parsed("fe80::1%lo", 1).ip(), "fe80::1%lo");
  CHECK(Parsed("fe80::1%1", 1) == Parsed("fe80::1%lo", 1));
  CHECK(Parsed("fe80::1%1", 1) != Parsed("fe80::1%77", 1));
  CHECK_EQ(Parsed("fe80::1%77", 1).ip(), "fe80::1%77");
}

TEST(RejectsWhatIsNoAddress) {
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "[::1]",
        "::1::", "fe80::1%", "fe80::1%no-such-zone", "fe80::1%-1", "fe80::1%+1",
        "fe80::1%4294967296", "1.2.3.4%lo", " 1.2.3.4"}) {
    Endpoint untouched = Parsed("127.0.0.1", 9);
    const Status status = Endpoint::Parse(text, 1, &untouched);
    CHECK_EQ(status.code(), Code::kInvalidArgument);
    CHECK(untouched == Parsed("127.0.0.1", 9));
  }
  Endpoint out;
  CHECK(!Endpoint::Parse(std::string("127.0.0.1\0x", 11), 1, &out).ok());
}

TEST(ComparesWhatCounts) {
  CHECK(Parsed("1.2.3.4", 5) == Parsed("1.2.3.4", 5));
  CHECK(Parsed("1.2.3.4", 5) != Parsed("1.2.3.4", 6));
  CHECK(Parsed("1.2.3.4", 5) != Parsed("1.2.3.5", 5));
  CHECK(Parsed("::1", 5) != Parsed("::2", 5));
  CHECK(Parsed("::1", 5) != Parsed("::1", 6));
  CHECK(Parsed("::", 5) != Parsed("0.0.0.0", 5));
  CHECK_EQ(Parsed("::1", 5).Hash(), Parsed("::1", 5).Hash());
  CHECK(Parsed("::1", 5).Hash() != Parsed("::1", 6).Hash());
  CHECK(Parsed("1.2.3.4", 5).Hash() != Parsed("1.2.3.4", 6).Hash());

  // As the kernel returns it, with a flow label and old bytes behind it.
  Endpoint received = Parsed("::1", 5);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(received.mutable_address());
  v6->sin6_flowinfo = 77;
  memset(reinterpret_cast<char*>(v6) + sizeof *v6, 1, 16);
  CHECK(received == Parsed("::1", 5));
  CHECK_EQ(received.Hash(), Parsed("::1", 5).Hash());
}

TEST(FromSockaddrChecksLength) {
  const Endpoint v6 = Parsed("::1", 5);
  CHECK(Endpoint::FromSockaddr(v6.address(), v6.length()) == v6);
  CHECK(Endpoint::FromSockaddr(v6.address(), v6.length() - 1) == Endpoint());
  CHECK(Endpoint::FromSockaddr(v6.address(), 1) == Endpoint());
  CHECK(Endpoint::FromSockaddr(nullptr, 28) == Endpoint());
  sockaddr_storage other = {};
  other.ss_family = AF_UNIX;
  CHECK(Endpoint::FromSockaddr(reinterpret_cast<sockaddr*>(&other),
                               sizeof other) == Endpoint());
}

}  // namespace
}  // namespace xtp
