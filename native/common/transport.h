// The seam between the I/O thread and a transport library (libutp, ngtcp2, …).
// Everything here runs on the I/O thread. Time is given, never taken.
#ifndef XTP_COMMON_TRANSPORT_H_
#define XTP_COMMON_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/endpoint.h"
#include "common/status.h"
#include "common/stream.h"

namespace xtp {

class UdpSocket;

// Identifies a bound UDP socket of the I/O thread; never reused.
using SocketId = uint32_t;

// What a transport reports to JavaScript. Copied, so it outlives the thread.
struct Event {
  enum class Kind : uint32_t {
    kReply,      // request `request` is done with `status`; `local` if it bound
    kIncoming,   // inbound connection `connection` on `listener`
    kConnected,  // dial `request` made `connection`
    kClosed,     // `connection` is over, with `status`
    kStats,      // answer to a stats request: `text` is "key value\n" lines
    kLog,        // `level`, `text`
    kLinkLost,   // the data link ended (kOk) or broke its rules (`status`)
    kRefused,    // the handshake of a peer on `listener` failed, with `status`
  };
  Kind kind = Kind::kLog;
  uint32_t request = 0;
  uint32_t listener = 0;
  uint32_t connection = 0;
  uint32_t level = 0;  // 0 error, 1 warn, 2 info, 3 debug
  Status status;
  Endpoint local;
  Endpoint remote;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  std::string text;
  std::string certificate;  // DER of the peer's, with native security
};

// What the I/O thread gives to a transport.
class Host {
 public:
  virtual ~Host() = default;
  // Binds a UDP socket with batching, segmentation offload and large buffers
  // where the system has them. Port 0 lets the system choose.
  virtual Status Bind(const Endpoint& local, SocketId* out) = 0;
  virtual void CloseSocket(SocketId socket) = 0;
  virtual Endpoint LocalEndpoint(SocketId socket) const = 0;
  // Queues one datagram; equal-sized ones to the same peer leave in one system
  // call. Drops silently when the kernel has no room, as a network would.
  virtual void SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                            const Endpoint& to) = 0;
  // False: the kernel is full, and what is sent now only waits, or is dropped.
  virtual bool CanSend(SocketId /*socket*/) const { return true; }
  // A UDP socket as Bind has it, that the transport reads and writes itself.
  virtual Status OpenUdp(const Endpoint& /*local*/,
                         std::unique_ptr<UdpSocket>* /*out*/) {
    return Status(Code::kUnsupported, "no UDP sockets to give away");
  }
  // Lets the loop wait for `events` of poll(2) on a descriptor of the
  // transport's own: Transport::OnReady. 0 ends it, before it is closed.
  virtual void Watch(int /*fd*/, short /*events*/) {}
  // From any thread: a round follows soon.
  virtual void Wake() {}
  // Opens a stream towards the parent (inbound connections): sends
  // StreamHeader{connection, kind}. Null when the link is gone.
  virtual Stream* OpenStream(uint32_t connection, uint32_t kind) = 0;
  virtual void Emit(Event event) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // At least kSlackBytes zeroed bytes follow data[length], for parsers that
  // read past the end.
  static constexpr size_t kSlackBytes = 64;
  virtual void OnDatagram(SocketId socket, const uint8_t* data, size_t length,
                          const Endpoint& from, uint64_t now_us) = 0;
  // The network said that `payload`, sent to `to`, could not be delivered
  // (`error` is an errno such as ECONNREFUSED, or EMSGSIZE with `mtu`).
  virtual void OnIcmpError(SocketId socket, const uint8_t* payload,
                           size_t length, const Endpoint& to, int error,
                           uint32_t mtu, uint64_t now_us) = 0;
  // A watched descriptor is ready, as poll(2) has it.
  virtual void OnReady(int /*fd*/, short /*events*/, uint64_t /*now_us*/) {}
  // When the last of the library's own threads gave a sign of life, or was to
  // do so if it sleeps; `now_us` without such threads. A service whose
  // heartbeat is old is restarted.
  virtual uint64_t LastAliveUs(uint64_t now_us) { return now_us; }
  // The parent opened a stream for `connection`. False refuses it: the stream
  // is reset with kNotFound by the caller.
  virtual bool OnStreamOpen(Stream* stream, uint32_t connection, uint32_t kind,
                            uint64_t now_us) = 0;
  // Once per round of the loop, after all datagrams and link frames: issue
  // acknowledgements, retry writes, check timers. Returns when it wants to be
  // called next at the latest, in microseconds of the same clock.
  virtual uint64_t OnRound(uint64_t now_us) = 0;
  // The thread ends: reset or close everything that is left.
  virtual void OnStop(uint64_t now_us) = 0;
};

}  // namespace xtp

#endif  // XTP_COMMON_TRANSPORT_H_
