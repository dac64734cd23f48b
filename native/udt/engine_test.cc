// The engine with real UDT sockets, on a clock of the test's. libudt's
// receiving thread is held in the middle of an answer to a dial, at calls
// between its source files (CMakeLists.txt).
#include "udt/engine.h"

#include <sys/socket.h>
#include <udt/ccc.h>  // CPacket, CHandShake
#include <udt/udt.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/byte_order.h"
#include "common/testing/test.h"
#include "udt/packet.h"
#include "udt/testing/end.h"
#include "udt/testing/host.h"

namespace xtp::udt {
namespace {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kStart = 1000 * 1000 * kMs;
constexpr int kLongMs = 10000;
constexpr uint32_t kDial = 1;
constexpr uint32_t kClose = 2;
constexpr uint32_t kConnection = 1;

// Of an answer to a dial, in libudt's receiving thread.
enum class Moment {
  kNone,
  kChallenge,  // a cookie has come
  kResponse,   // the answer has come: libudt has looked up the socket
  kRemoved,    // which is not among those that dial any more
  kListed,     // is among those that receive
  kComplete,   // and CONNECTED
  kTold,       // epoll has been told
};

class Gate {
 public:
  // The next socket to get there stays. Not one that was let go before.
  void HoldAt(Moment moment) {
    std::unique_lock<std::mutex> lock(mutex_);
    CHECK(changed_.wait_for(lock, std::chrono::milliseconds(kLongMs),
                            [this] { return answers_ == 0; }));
    at_ = moment;
    socket_ = UDT::INVALID_SOCK;
  }
  // INVALID_SOCK: none came.
  int WaitForSocket() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kLongMs),
                      [this] { return socket_ != UDT::INVALID_SOCK; });
    return socket_;
  }
  void LetGo() {
    std::lock_guard<std::mutex> lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }

  // libudt's threads.
  void Enter() {
    std::lock_guard<std::mutex> lock(mutex_);
    answers_++;
  }
  void Leave() {
    std::lock_guard<std::mutex> lock(mutex_);
    answers_--;
    changed_.notify_all();
  }
  void Pass(Moment moment, int socket) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (moment != at_) return;
    at_ = Moment::kNone;
    socket_ = socket;
    is_held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_held_; });
  }

 private:
  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  Moment at_ = Moment::kNone;
  int socket_ = UDT::INVALID_SOCK;
  bool is_held_ = false;
  int answers_ = 0;  // that libudt is at
};

// libudt's threads outlive main.
Gate& gate = *new Gate();
// Whose answer the calling thread has.
thread_local int answered = UDT::INVALID_SOCK;

void PassIfAnswered(Moment moment) {
  if (answered != UDT::INVALID_SOCK) gate.Pass(moment, answered);
}

}  // namespace
}  // namespace xtp::udt

class CRcvQueue;
class CUDT;
class CUDTUnited;

using xtp::udt::answered;
using xtp::udt::gate;
using xtp::udt::Moment;
using xtp::udt::PassIfAnswered;

extern "C" {

// CUDT::connect(const CPacket&)
int __real__ZN4CUDT7connectERK7CPacket(CUDT* socket, const CPacket* answer);
int __wrap__ZN4CUDT7connectERK7CPacket(CUDT* socket, const CPacket* answer) {
  CHandShake handshake;
  handshake.deserialize(answer->m_pcData, answer->getLength());
  if (handshake.m_iReqType == 1) {
    gate.Pass(Moment::kChallenge, answer->m_iID);
    return __real__ZN4CUDT7connectERK7CPacket(socket, answer);
  }
  answered = answer->m_iID;
  gate.Enter();
  PassIfAnswered(Moment::kResponse);
  const int result = __real__ZN4CUDT7connectERK7CPacket(socket, answer);
  PassIfAnswered(Moment::kTold);
  gate.Leave();
  answered = UDT::INVALID_SOCK;
  return result;
}

void __real__ZN9CRcvQueue15removeConnectorERKi(CRcvQueue* queue, const int* id);
void __wrap__ZN9CRcvQueue15removeConnectorERKi(CRcvQueue* queue,
                                               const int* id) {
  __real__ZN9CRcvQueue15removeConnectorERKi(queue, id);
  PassIfAnswered(Moment::kRemoved);
}

void __real__ZN9CRcvQueue11setNewEntryEP4CUDT(CRcvQueue* queue, CUDT* socket);
void __wrap__ZN9CRcvQueue11setNewEntryEP4CUDT(CRcvQueue* queue, CUDT* socket) {
  __real__ZN9CRcvQueue11setNewEntryEP4CUDT(queue, socket);
  PassIfAnswered(Moment::kListed);
}

void __real__ZN10CUDTUnited16connect_completeEi(CUDTUnited* all, int id);
void __wrap__ZN10CUDTUnited16connect_completeEi(CUDTUnited* all, int id) {
  __real__ZN10CUDTUnited16connect_completeEi(all, id);
  PassIfAnswered(Moment::kComplete);
}

}  // extern "C"

namespace xtp::udt {
namespace {

// How a dial ends.
enum class Way {
  kClosed,    // the parent gives it up
  kTimedOut,  // its time is over
  kAnew,      // without an answer for a while it begins anew
  kStopped,   // the engine stops
};

bool Ended(int socket) {
  const UDTSTATUS state = UDT::getsockstate(socket);
  return state == CLOSED || state == NONEXIST;
}

// Of a request; kOk where there is none.
Code Answer(const TestHost& host, uint32_t request) {
  for (const Event& event : host.events) {
    if (event.request == request) return event.status.code();
  }
  return Code::kOk;
}

size_t Count(const TestHost& host, Event::Kind kind) {
  return static_cast<size_t>(
      std::count_if(host.events.begin(), host.events.end(),
                    [kind](const Event& event) { return event.kind == kind; }));
}

// Ends a dial in that way at that moment. Returns its UDT socket.
int EndAt(Moment moment, Way way) {
  End server(At("127.0.0.1"));
  TestHost host;
  Status status;
  auto engine = CreateEngine(&host, {}, &status);
  CHECK(status.ok());
  uint64_t now = kStart;
  const uint32_t timeout_ms = way == Way::kTimedOut ? 1000 : 10000;
  gate.HoldAt(moment);
  engine->Dial(kDial, kConnection, server.channel->local(), timeout_ms, now);
  const int socket = gate.WaitForSocket();
  CHECK(socket != UDT::INVALID_SOCK);

  switch (way) {
    case Way::kClosed:
      engine->Close(kClose, kConnection, true, 0, now);
      CHECK(Answer(host, kDial) == Code::kCancelled);
      CHECK_EQ(Count(host, Event::Kind::kReply), size_t{2});
      break;
    case Way::kTimedOut:
      now += 1001 * kMs;
      engine->OnRound(now);
      CHECK(Answer(host, kDial) == Code::kConnectionTimedOut);
      break;
    case Way::kAnew:
      now += 3001 * kMs;
      engine->OnRound(now);
      CHECK(host.events.empty());
      break;
    case Way::kStopped:
      engine->OnStop(now);
      CHECK(Answer(host, kDial) == Code::kCancelled);
      engine.reset();
      break;
  }
  for (int i = 0; i < 10 && engine != nullptr; i++) {
    now += 100 * kMs;
    engine->OnRound(now);
  }
  const bool connects = moment == Moment::kResponse ||
                        moment == Moment::kRemoved || moment == Moment::kListed;
  CHECK_EQ(UDT::getsockstate(socket), connects ? CONNECTING : CLOSED);

  gate.LetGo();
  if (connects && way == Way::kStopped) {
    CHECK(Connected(socket));
    UDT::close(socket);
    return socket;
  }
  CHECK(Within(kLongMs, [&] {
    if (engine != nullptr) engine->OnRound(now);
    return Ended(socket);
  }));
  if (engine == nullptr) return socket;
  // The peers are told; a dial that has begun anew lives on.
  std::vector<int> peers;
  if (moment != Moment::kChallenge) peers.push_back(server.Accept());
  const bool lives = way == Way::kAnew;
  if (lives) {
    CHECK(Within(kLongMs, [&] {
      engine->OnRound(now);
      return Count(host, Event::Kind::kConnected) == 1;
    }));
    peers.push_back(server.Accept());
  }
  CHECK(Within(kLongMs, [&] {
    return std::count_if(peers.begin(), peers.end(), [](int peer) {
             return UDT::getsockstate(peer) == CONNECTED;
           }) == (lives ? 1 : 0);
  }));
  CHECK_EQ(Count(host, Event::Kind::kConnected), size_t{lives ? 1u : 0u});
  for (const int peer : peers) UDT::close(peer);
  engine->OnStop(now);
  return socket;
}

// By itself libudt throws an exception that nobody catches.
TEST(ADialThatEndsWhileItIsAnsweredIsClosed) {
  std::set<int> sockets;
  for (const Way way :
       {Way::kClosed, Way::kTimedOut, Way::kAnew, Way::kStopped}) {
    for (const Moment moment : {Moment::kChallenge, Moment::kResponse,
                                Moment::kRemoved, Moment::kListed}) {
      sockets.insert(EndAt(moment, way));
    }
  }
  // It is connected then.
  for (const Moment moment : {Moment::kComplete, Moment::kTold}) {
    sockets.insert(EndAt(moment, Way::kClosed));
    sockets.insert(EndAt(moment, Way::kStopped));
  }
  for (const int socket : sockets) {
    CHECK(Within(kLongMs,
                 [socket] { return UDT::getsockstate(socket) == NONEXIST; }));
  }
}

// What answers by hand.
class RawServer {
 public:
  RawServer() {
    CHECK(UdpSocket::Bind(At("127.0.0.1"), UdpOptions(), &udp_).ok());
  }
  const Endpoint& local() const { return udp_->local(); }
  // Waits for a request. Returns the socket that dials.
  int Take() {
    length_ = sizeof name_;
    CHECK(Within(kLongMs, [this] {
      return recvfrom(udp_->fd(), packet_, sizeof packet_, 0, name(),
                      &length_) == sizeof packet_;
    }));
    const uint32_t id = GetU32(packet_ + kHeaderBytes + 24);
    PutU32(packet_ + 12, id);
    return static_cast<int>(id);
  }
  // The request that was taken last.
  void Challenge() { Send(*udp_, 1); }
  void Answer() { Send(*udp_, UINT32_MAX); }
  void AnswerFrom(const RawServer& other) { Send(*other.udp_, UINT32_MAX); }

 private:
  sockaddr* name() { return reinterpret_cast<sockaddr*>(&name_); }
  void Send(const UdpSocket& udp, uint32_t type) {
    PutU32(packet_ + kHeaderBytes + 20, type);
    CHECK_EQ(sendto(udp.fd(), packet_, sizeof packet_, 0, name(), length_),
             ssize_t{sizeof packet_});
  }

  std::unique_ptr<UdpSocket> udp_;
  uint8_t packet_[kHandshakeBytes];
  sockaddr_storage name_ = {};
  socklen_t length_ = 0;
};

TEST(AnAnswerThatWaitsForLibudtIsWaitedFor) {
  RawServer first, second;
  TestHost host;
  Status status;
  auto engine = CreateEngine(&host, {}, &status);
  CHECK(status.ok());
  engine->Dial(kDial, kConnection, first.local(), 10000, kStart);
  engine->Dial(kDial + 2, kConnection + 2, second.local(), 10000, kStart);
  first.Take();
  const int socket = second.Take();
  gate.HoldAt(Moment::kChallenge);
  first.Challenge();
  CHECK(gate.WaitForSocket() != UDT::INVALID_SOCK);
  // Both come in one batch.
  gate.HoldAt(Moment::kChallenge);
  first.Challenge();
  second.Answer();
  gate.LetGo();
  CHECK(gate.WaitForSocket() != UDT::INVALID_SOCK);
  engine->Close(kClose, kConnection + 2, true, 0, kStart);
  CHECK_EQ(UDT::getsockstate(socket), CONNECTING);
  gate.HoldAt(Moment::kResponse);
  gate.LetGo();
  CHECK_EQ(gate.WaitForSocket(), socket);
  for (int i = 0; i < 10; i++) engine->OnRound(kStart + 100 * i * kMs);
  CHECK_EQ(UDT::getsockstate(socket), CONNECTING);
  gate.LetGo();
  CHECK(Within(kLongMs, [&] {
    engine->OnRound(kStart + 1000 * kMs);
    return Ended(socket);
  }));
  engine->OnStop(kStart + 1000 * kMs);
}

TEST(AnAnswerFromElsewhereIsNotWaitedFor) {
  RawServer server, stranger;
  TestHost host;
  Status status;
  auto engine = CreateEngine(&host, {}, &status);
  CHECK(status.ok());
  engine->Dial(kDial, kConnection, server.local(), 10000, kStart);
  const int socket = server.Take();
  server.AnswerFrom(stranger);
  server.AnswerFrom(stranger);
  // With the second one there the first has been looked at.
  CHECK(Within(kLongMs, [&] {
    host.events.clear();
    engine->Stats(3, 0, kStart);
    const std::string& text = host.events.back().text;
    return text.find("datagrams_in 2\n") != std::string::npos;
  }));
  engine->Close(kClose, kConnection, true, 0, kStart);
  CHECK_EQ(UDT::getsockstate(socket), CONNECTING);
  CHECK(Within(kLongMs, [&] {
    engine->OnRound(kStart);
    return Ended(socket);
  }));
  engine->OnStop(kStart);
}

}  // namespace
}  // namespace xtp::udt
