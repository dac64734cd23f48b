// A bound, non-blocking UDP socket with batching and offloads where the system
// has them. I/O thread only.
#ifndef XTP_COMMON_UDP_SOCKET_H_
#define XTP_COMMON_UDP_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/endpoint.h"
#include "common/status.h"

namespace xtp {

// Each switch falls back by itself where the system lacks the feature.
struct UdpOptions {
  bool mmsg = true;  // recvmmsg and sendmmsg
  bool gso = true;   // UDP_SEGMENT
  bool gro = true;   // UDP_GRO
  // SO_RCVBUF and SO_SNDBUF, as far as the system's limits go.
  int buffer_bytes = 4 * 1024 * 1024;
};

struct UdpCounters {
  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t receive_calls = 0;
  uint64_t send_calls = 0;
  uint64_t send_drops = 0;  // datagrams: no room, or refused by the kernel
  uint64_t icmp_errors = 0;

  void Add(const UdpCounters& other);
};

// Who gets what a socket received.
class UdpSink {
 public:
  virtual ~UdpSink() = default;
  // One batch has been read: time to look at the clock.
  virtual void OnUdpBatch() = 0;
  // Transport::kSlackBytes bytes behind data[length] are owned, and zero, for
  // the duration of the call.
  virtual void OnUdpDatagram(const uint8_t* data, size_t length,
                             const Endpoint& from) = 0;
  // As Transport::OnIcmpError; with the same slack.
  virtual void OnUdpError(const uint8_t* payload, size_t length,
                          const Endpoint& to, int error, uint32_t mtu) = 0;
};

// Memory for one batch of received datagrams; sockets of a thread share it.
class UdpReceiveBuffers {
 public:
  static constexpr size_t kBatch = 16;
  // What the largest datagram, or GRO's largest batch of them, takes.
  static constexpr size_t kDatagramBytes = 65535;

  UdpReceiveBuffers();
  ~UdpReceiveBuffers();
  UdpReceiveBuffers(const UdpReceiveBuffers&) = delete;
  UdpReceiveBuffers& operator=(const UdpReceiveBuffers&) = delete;

 private:
  friend class UdpSocket;
  struct Arrays;  // what recvmmsg wants

  uint8_t* buffer(size_t index);

  std::unique_ptr<uint8_t[]> memory_;
  std::unique_ptr<Arrays> arrays_;
};

class UdpSocket {
 public:
  static Status Bind(const Endpoint& local, const UdpOptions& options,
                     std::unique_ptr<UdpSocket>* out);
  // A bound socket of somebody else's, taken also on failure. Its buffers stay
  // as they are; every other option is set anew, as another process may have
  // changed it.
  static Status Adopt(int fd, const UdpOptions& options,
                      std::unique_ptr<UdpSocket>* out);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // The kernel splits what a path does not carry, for transports that do not
  // search for its MTU.
  void AllowFragments();

  int fd() const { return fd_; }
  const Endpoint& local() const { return local_; }
  // What the kernel granted, in its own (doubled) accounting halved again.
  int receive_buffer_bytes() const { return receive_buffer_bytes_; }
  int send_buffer_bytes() const { return send_buffer_bytes_; }
  bool gso() const { return options_.gso; }
  bool gro() const { return options_.gro; }
  bool mmsg() const { return options_.mmsg; }

  // Sends what is queued as far as possible and frees the port at once. Safe
  // from inside a sink's call; the object can go when Receive has returned.
  void Close();
  bool closed() const { return fd_ < 0; }

  // Reads one batch. True: the batch was full, more is likely there.
  bool Receive(UdpReceiveBuffers* buffers, UdpSink* sink);
  // Reads the error queue (POLLERR), bounded.
  void ReceiveErrors(UdpReceiveBuffers* buffers, UdpSink* sink);

  // Queues a datagram. Consecutive ones of one size to one peer become one
  // segmented send. Flushes by itself when the queue is full, and drops when
  // the kernel takes no more.
  void Send(const uint8_t* data, size_t length, const Endpoint& to);
  void Flush();
  // The kernel was full: call Flush on POLLOUT.
  bool blocked() const { return blocked_; }
  bool has_output() const;

  const UdpCounters& counters() const { return counters_; }

 private:
  struct Message;     // one or more datagrams of one size to one peer
  struct SendArrays;  // what sendmmsg wants

  UdpSocket(int fd, const UdpOptions& options);
  Status Configure(bool grow_buffers);
  bool ReceiveOne(UdpReceiveBuffers* buffers, UdpSink* sink);
  void Deliver(UdpSink* sink, uint8_t* data, size_t length, size_t segment,
               const Endpoint& from);
  bool MakeRoom(size_t length);
  size_t SendBatch(int* error);
  void SendFailed(int error);
  bool SendSingly(Message* message, bool* first_left);
  void Done(const Message& message);

  int fd_;
  Endpoint local_;
  UdpOptions options_;
  int receive_buffer_bytes_ = 0;
  int send_buffer_bytes_ = 0;
  bool blocked_ = false;
  // Datagrams wait in arena_, as messages_[first_..] describe them.
  std::unique_ptr<uint8_t[]> arena_;
  size_t arena_used_ = 0;
  std::vector<Message> messages_;
  size_t first_ = 0;
  std::unique_ptr<SendArrays> send_arrays_;
  UdpCounters counters_;
};

}  // namespace xtp

#endif  // XTP_COMMON_UDP_SOCKET_H_
