// The thread that moves all bytes of a service: data link on one side, UDP on
// the other, a Transport in between. JavaScript never sees a packet.
//
// Lifetime: construct; give the Host to a transport; Start; Stop (or the
// destructor) joins. Start, Stop and the destructor are for one owner's
// thread; Post and the heartbeat are for any, while the object lives; all the
// rest runs on the I/O thread.
#ifndef XTP_COMMON_IO_THREAD_H_
#define XTP_COMMON_IO_THREAD_H_

#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/lent_sockets.h"
#include "common/link.h"
#include "common/status.h"
#include "common/transport.h"
#include "common/udp_socket.h"

namespace xtp {

struct IoSettings {
  // Keep polling (with sched_yield) for so long after the last event before
  // going to sleep: halves the latency of an echo.
  uint32_t spin_us = 200;
  UdpOptions udp;
  MuxOptions mux;
  int link_send_buffer_bytes = 1024 * 1024;
  // Where UDP sockets come from (lent_sockets.h); -1: the thread binds them
  // itself. Taken by Start.
  int socket_fd = -1;
  // End the process `link_lost_exit_ms` after the link was lost, unless
  // stopped before: a service never outlives its parent, even if its
  // JavaScript hangs. Also ends it when Stop finds this thread hung.
  bool exit_on_link_lost = true;
  uint32_t link_lost_exit_ms = 2000;
  uint32_t stop_timeout_ms = 5000;
};

struct IoCounters {
  LinkCounters link;
  UdpCounters udp;  // of all sockets, closed ones included
  uint64_t rounds = 0;
  uint64_t sleeps = 0;
};

class IoThread : public Host, private UdpSink {
 public:
  using Command = std::function<void(Transport& transport, uint64_t now_us)>;
  // Called from the I/O thread; must not block and must not call Stop.
  using Emitter = std::function<void(Event event)>;

  IoThread(const IoSettings& settings, Emitter emit);
  ~IoThread() override;  // Stop
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Takes the descriptor, also on failure, and begins to run. Once.
  Status Start(int link_fd, std::unique_ptr<Transport> transport);
  // Queues a command. False: the thread has ended or will not run it, as the
  // link is lost.
  bool Post(Command command);
  // Ends the thread: Transport::OnStop, last bytes out, all sockets closed.
  // Returns when it has ended. Idempotent.
  void Stop();

  // Any thread. Rounds of the loop so far, and until when (CLOCK_MONOTONIC) all
  // is well: the last round began then, or the one after an idle loop's sleep,
  // a second at most, is due then; earlier if a thread of the library was due
  // earlier.
  uint64_t heartbeat_rounds() const { return rounds_.load(); }
  uint64_t heartbeat_us() const { return heartbeat_us_.load(); }
  static uint64_t NowUs();

  // Host; I/O thread only, save Wake.
  void Wake() override;
  Status Bind(const Endpoint& local, SocketId* out) override;
  void CloseSocket(SocketId socket) override;
  Endpoint LocalEndpoint(SocketId socket) const override;
  void SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                    const Endpoint& to) override;
  bool CanSend(SocketId socket) const override;
  Status OpenUdp(const Endpoint& local,
                 std::unique_ptr<UdpSocket>* out) override;
  void Watch(int fd, short events) override;
  Stream* OpenStream(uint32_t connection, uint32_t kind) override;
  void Emit(Event event) override;

  // I/O thread only.
  IoCounters counters() const;

 private:
  void OnUdpBatch() override;
  void OnUdpDatagram(const uint8_t* data, size_t length,
                     const Endpoint& from) override;
  void OnUdpError(const uint8_t* payload, size_t length, const Endpoint& to,
                  int error, uint32_t mtu) override;

  static void* ThreadMain(void* self);
  void Run();
  uint64_t Round();  // when the transport wants the next one
  void Wait(uint64_t deadline_us);
  void RunCommands();
  void ReadUdp(size_t index);
  void FlushUdp();
  void BuryClosedSockets();
  void LinkLost();
  void Finish();
  void WaitForStop();
  UdpSocket* Find(SocketId socket) const;
  void TellTransport(size_t first_poll);
  void WarnOfBuffer(const UdpSocket& udp);
  Status OpenWakeup();
  void DrainWakeup();

  const IoSettings settings_;
  const Emitter emit_;

  // Shared; under mutex_ unless atomic.
  std::mutex mutex_;
  std::condition_variable finished_changed_;
  std::vector<Command> commands_;
  bool accepting_ = false;  // Post may queue
  bool finished_ = false;   // nothing but the return is left of the thread
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> rounds_{0};
  std::atomic<uint64_t> heartbeat_us_{0};
  bool library_is_late_ = false;  // a thread of its own

  // Set by Start before the thread exists, closed after it ended.
  int wake_read_ = -1;
  int wake_write_ = -1;  // the same descriptor where it is an eventfd
  pthread_t thread_ = {};
  bool running_ = false;  // owner's thread only: has to be joined

  // I/O thread only.
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<UdpReceiveBuffers> buffers_;
  std::unique_ptr<LentSockets> lent_;  // null: Bind makes them
  struct Socket {
    SocketId id;
    std::unique_ptr<UdpSocket> udp;
  };
  std::vector<Socket> sockets_;  // polls_[2 + i] is that of sockets_[i]
  struct Watched {
    int fd;
    short events;
  };
  std::vector<Watched> watched_;  // their polls are behind those of sockets_
  std::vector<pollfd> polls_;
  SocketId next_socket_ = 1;
  SocketId reading_ = 0;  // whose datagrams are being delivered
  UdpCounters closed_counters_;
  std::vector<Command> running_commands_;
  uint64_t now_us_ = 0;
  uint64_t last_event_us_ = 0;
  uint64_t sleeps_ = 0;
  bool stopped_transport_ = false;
  bool small_buffer_logged_ = false;
};

}  // namespace xtp

#endif  // XTP_COMMON_IO_THREAD_H_
