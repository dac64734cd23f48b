// System calls that libudt makes, as vendor/libudt renames them. Each is here
// for a reason that the calls of libc cannot meet: see the table in
// ARCHITECTURE.md, section "libudt's defects".
#include "udt/libudt_calls.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "common/endpoint.h"
#include "common/siphash.h"
#include "common/thread.h"
#include "udt/channel.h"

// What libudt gives up connecting after three seconds it forgets to take out of
// its list, which then refers to what has been deleted. So it never gives up:
// the engine does. (CRcvQueue::registerConnector; `until_us` in its time.)
extern "C" {
void __real__ZN9CRcvQueue17registerConnectorERKiP4CUDTiPK8sockaddrm(
    void* queue, const int* id, void* socket, int family,
    const sockaddr* address, uint64_t until_us);
void __wrap__ZN9CRcvQueue17registerConnectorERKiP4CUDTiPK8sockaddrm(
    void* queue, const int* id, void* socket, int family,
    const sockaddr* address, uint64_t) {
  __real__ZN9CRcvQueue17registerConnectorERKiP4CUDTiPK8sockaddrm(
      queue, id, socket, family, address, UINT64_MAX);
}

// CTimer's: ticks in a microsecond, and whether it asks gettimeofday instead of
// counting the processor's.
extern uint64_t _ZN6CTimer17s_ullCPUFrequencyE;
extern bool _ZN6CTimer17m_bUseMicroSecondE;
}

namespace xtp::udt {
namespace {

// How exact libudt's pacing is. Its sender waits for ticks that its receiver
// gives, and would wait for 10 ms with ours.
constexpr long kPacingStepNs = 100 * 1000;
constexpr long kLongestPacingWaitNs = 11 * 1000 * 1000;
constexpr long kNsPerSecond = 1000000000;

thread_local const std::atomic<int>* waiting_step_ms = nullptr;
thread_local uint64_t thread_time_us = 0;

SipKey NewKey() {
  SipKey key;
  if (!FillRandom(&key, sizeof key)) abort();
  return key;
}

uint32_t RandomNumber() {
  static std::mutex mutex;
  static Random random(NewKey());
  std::lock_guard<std::mutex> lock(mutex);
  return random.Next();
}

int64_t Until(const timespec& deadline, const timespec& now) {
  return (int64_t{deadline.tv_sec} - now.tv_sec) * kNsPerSecond +
         (deadline.tv_nsec - now.tv_nsec);
}

timespec After(const timespec& now, int64_t ns) {
  timespec result = now;
  result.tv_sec += static_cast<time_t>(ns / kNsPerSecond);
  result.tv_nsec += static_cast<long>(ns % kNsPerSecond);
  if (result.tv_nsec >= kNsPerSecond) {
    result.tv_nsec -= kNsPerSecond;
    result.tv_sec++;
  }
  return result;
}

struct ThreadStart {
  void* (*run)(void*);
  void* argument;
};

void* RunThread(void* data) {
  const std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(data));
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "libudt");
#endif
  return start->run(start->argument);
}

}  // namespace

void SetEventWaiter(const std::atomic<int>* step_ms) {
  waiting_step_ms = step_ms;
}

void SetThreadTime(uint64_t now_us) { thread_time_us = now_us; }

}  // namespace xtp::udt

using xtp::udt::Channel;

extern "C" {

ssize_t xtp_udt_recvmsg(int fd, msghdr* message, int /*flags*/) {
  const auto channel = Channel::Find(fd);
  if (channel != nullptr) return channel->Receive(message);
  xtp::udt::SetThreadTime(0);
  usleep(1000);  // its thread is being ended
  errno = EBADF;
  return -1;
}

ssize_t xtp_udt_sendmsg(int fd, const msghdr* message, int /*flags*/) {
  const auto channel = Channel::Find(fd);
  if (channel != nullptr) return channel->Send(message);
  errno = EBADF;
  return -1;
}

int xtp_udt_getsockname(int fd, sockaddr* name, socklen_t* length) {
  const auto channel = Channel::Find(fd);
  if (channel != nullptr) return channel->Name(name, length);
  errno = EBADF;
  return -1;
}

int xtp_udt_close(int fd) {
  const auto channel = Channel::Find(fd);
  if (channel != nullptr) channel->Released();
  return 0;  // all other descriptors of libudt's are none
}

// A lent socket keeps the options that it has.
int xtp_udt_setsockopt(int, int, int, const void*, socklen_t) { return 0; }

// libudt makes no socket, resolves no name, and waits for nothing of the
// kernel's: it would have to be let out of the sandbox.
int xtp_udt_socket(int, int, int) {
  errno = EACCES;
  return -1;
}
int xtp_udt_epoll_create(int) { return 0; }

// For the cookie of a handshake, which libudt makes of the peer's name and the
// minute alone: anybody could tell it without having received it.
int xtp_udt_getnameinfo(const sockaddr* name, socklen_t length, char* host,
                        socklen_t host_size, char* service,
                        socklen_t service_size, int /*flags*/) {
  static const xtp::SipKey key = xtp::udt::NewKey();
  const auto peer = xtp::Endpoint::FromSockaddr(name, length);
  const uint64_t hash = xtp::SipHash(
      key, reinterpret_cast<const uint8_t*>(peer.address()), peer.length());
  if (snprintf(host, host_size, "%016llx",
               static_cast<unsigned long long>(hash)) < 0 ||
      snprintf(service, service_size, "%u", peer.port()) < 0) {
    return EAI_FAIL;
  }
  return 0;
}

// Socket ids and first sequence numbers, which strangers must not guess.
int xtp_udt_rand() {
  return static_cast<int>(xtp::udt::RandomNumber() % (unsigned{RAND_MAX} + 1));
}
void xtp_udt_srand(unsigned) {}

// A clock that nobody sets: libudt measures time-outs with it.
int xtp_udt_gettimeofday(timeval* now, void*) {
  const uint64_t us = xtp::udt::thread_time_us;
  if (us != 0) {
    now->tv_sec = static_cast<time_t>(us / 1000000);
    now->tv_usec = static_cast<suseconds_t>(us % 1000000);
    return 0;
  }
  timespec monotonic;
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  now->tv_sec = monotonic.tv_sec;
  now->tv_usec = monotonic.tv_nsec / 1000;
  return 0;
}

// When it is loaded, libudt waits for 100 ms to learn the processor's
// frequency. It does without: xtp_udt_pthread_create.
int xtp_udt_nanosleep(const timespec* duration, timespec* left) {
  const bool measures = duration->tv_sec == 0 && duration->tv_nsec == 100000000;
  return measures ? 0 : nanosleep(duration, left);
}

int xtp_udt_pthread_cond_timedwait(pthread_cond_t* condition,
                                   pthread_mutex_t* mutex,
                                   const timespec* deadline) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // as libudt's deadline
  int64_t wait = std::max<int64_t>(0, xtp::udt::Until(*deadline, now));
  if (wait <= xtp::udt::kLongestPacingWaitNs) {
    wait = xtp::udt::waiting_step_ms != nullptr
               ? int64_t{*xtp::udt::waiting_step_ms} * 1000000
               : int64_t{xtp::udt::kPacingStepNs};
  }
  clock_gettime(CLOCK_REALTIME, &now);
  const timespec until = xtp::udt::After(now, wait);
  return pthread_cond_timedwait(condition, mutex, &until);
}

int xtp_udt_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                           void* (*run)(void*), void* argument) {
  // Before the first socket, which needs it. A process that did not run for
  // half a millisecond while libudt waited for nothing has measured something,
  // with which libudt's seconds are milliseconds.
  _ZN6CTimer17s_ullCPUFrequencyE = 1;
  _ZN6CTimer17m_bUseMicroSecondE = true;
  auto start = std::make_unique<xtp::udt::ThreadStart>();
  start->run = run;
  start->argument = argument;
  const int error =
      xtp::StartThread(thread, attributes, &xtp::udt::RunThread, start.get());
  if (error == 0) start.release();
  return error;
}

// Its destructors would wait for its threads when the process ends.
int xtp_udt_cxa_atexit(void (*)(void*), void*, void*) { return 0; }

}  // extern "C"
