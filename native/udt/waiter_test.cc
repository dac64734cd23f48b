// The Waiter with libudt's epoll and real UDT sockets: more of them than it has
// asked for at first.
#include "udt/waiter.h"

#include <udt/udt.h>

#include <algorithm>
#include <set>
#include <vector>

#include "common/testing/test.h"
#include "udt/testing/end.h"
#include "udt/testing/host.h"

namespace xtp::udt {
namespace {

constexpr int kConnections = 300;
// They need one while sockets are added, and two then.
constexpr int kRounds = 10;
constexpr int kLongMs = 10000;
// Hundreds of connections cannot have buffers of megabytes.
constexpr int kBytes = 64 * 1024;
constexpr int kPackets = 64;

// What has been told when all of `wanted` have been, or in kRounds. Nothing is
// done about any of them, so all stay ready.
std::set<int> TellAll(Waiter* waiter, TestHost* host,
                      const std::set<int>& wanted) {
  std::set<int> told;
  std::vector<int> ready;
  for (int round = 0; round < kRounds; round++) {
    waiter->Continue();
    CHECK(host->WaitForWake(kLongMs));
    waiter->Take(&ready);
    told.insert(ready.begin(), ready.end());
    if (std::includes(told.begin(), told.end(), wanted.begin(), wanted.end())) {
      break;
    }
  }
  return told;
}

size_t Missing(const std::set<int>& told, const std::set<int>& wanted) {
  return wanted.size() - static_cast<size_t>(std::count_if(
                             wanted.begin(), wanted.end(), [&](int socket) {
                               return told.count(socket) != 0;
                             }));
}

// libudt tells of the newest ones first, and of the listener last.
TEST(AllThatAreReadyAreTold) {
  End server(At("127.0.0.1"), kBytes, kPackets);
  End dialer(At("127.0.0.1"), kBytes, kPackets);
  std::set<int> outs, ins;
  for (int i = 0; i < kConnections; i++) {
    outs.insert(dialer.Dial(server.channel->local()));
  }
  for (int i = 0; i < kConnections; i++) ins.insert(server.Accept());
  REQUIRE(ins.size() == kConnections && ins.count(UDT::INVALID_SOCK) == 0);
  for (const int out : outs) {
    REQUIRE(Connected(out));
    CHECK_EQ(UDT::send(out, "x", 1, 0), 1);
  }
  for (const int in : ins) {
    REQUIRE(Within(kLongMs, [in] {
      int bytes = 0;
      int length = sizeof bytes;
      UDT::getsockopt(in, 0, UDT_RCVDATA, &bytes, &length);
      return bytes > 0;
    }));
  }

  TestHost host;
  {
    // libudt tells of connections that come, not of those that wait.
    const int waiting = UDT::epoll_create();
    UDT::epoll_add_usock(waiting, server.listener, &kReadable);
    Waiter waiter(&host);
    REQUIRE(waiter.Start().ok());
    for (const int in : ins) waiter.SetInterest(in, kReadable);
    waiter.SetInterest(server.listener, kReadable);
    // It has found some of them, and stands still.
    CHECK(host.WaitForWake(kLongMs));
    const int last = dialer.Dial(server.channel->local());
    UDTSOCKET found = UDT::INVALID_SOCK;
    int count = 1;
    CHECK_EQ(
        UDT::epoll_wait2(waiting, &found, &count, nullptr, nullptr, kLongMs),
        1);
    CHECK_EQ(found, server.listener);
    UDT::epoll_release(waiting);

    std::set<int> wanted = ins;
    wanted.insert(server.listener);
    const std::set<int> told = TellAll(&waiter, &host, wanted);
    CHECK_EQ(Missing(told, wanted), size_t{0});
    CHECK_EQ(told.count(server.listener), size_t{1});
    CHECK_EQ(told.size(), wanted.size());
    CHECK(Connected(last));
    outs.insert(last);
    ins.insert(server.Accept());
  }
  {
    Waiter waiter(&host);
    REQUIRE(waiter.Start().ok());
    for (const int out : outs) waiter.SetInterest(out, kWritable);
    const std::set<int> told = TellAll(&waiter, &host, outs);
    CHECK_EQ(Missing(told, outs), size_t{0});
    CHECK_EQ(told.size(), outs.size());
  }
  for (const int socket : outs) UDT::close(socket);
  for (const int socket : ins) UDT::close(socket);
}

}  // namespace
}  // namespace xtp::udt
