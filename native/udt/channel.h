// A UDP socket as libudt sees it. libudt is given a handle instead of a
// descriptor, and its system calls on handles end here (libudt_calls.cc):
// - a lent socket stays as it is: no option of it is set, it is never shut;
// - a descriptor number that is used again is no matter: handles are not;
// - the port is free as soon as Close returns, not seconds later;
// - datagrams are read in batches, and looked at before libudt sees them;
// - libudt's receiving thread sleeps until there is something, not 100 µs;
// - packets that libudt has no room for are given to it again when it has;
// - what is missing is asked for until it comes, not once;
// - the last packets are sent until they are acknowledged, whatever comes.
#ifndef XTP_UDT_CHANNEL_H_
#define XTP_UDT_CHANNEL_H_

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/endpoint.h"
#include "common/io_thread.h"
#include "common/rate_limit.h"
#include "common/status.h"
#include "common/transport.h"
#include "common/udp_socket.h"
#include "udt/acknowledgement.h"
#include "udt/arrivals.h"
#include "udt/gap.h"
#include "udt/packet.h"
#include "udt/tail.h"

namespace xtp::udt {

// libudt's timers of a connection run in steps of 10 ms (SYN time).
constexpr uint64_t kTimerStepUs = 10 * 1000;

// What a channel noticed about one of its UDT sockets.
struct Notice {
  enum class Kind {
    kRefused,   // a dial: the peer said no, or nobody is there
    kShutdown,  // the peer's libudt closed the connection
    kUnknown,   // the peer has no such connection
  };
  uint32_t socket;
  Kind kind;
};

// Of all channels of an engine. Libudt's threads outlive the engine by seconds.
struct ChannelCounters {
  std::atomic<uint64_t> datagrams_in{0};
  std::atomic<uint64_t> datagrams_out{0};
  std::atomic<uint64_t> receive_calls{0};
  std::atomic<uint64_t> send_drops{0};
  std::atomic<uint64_t> malformed{0};
  std::atomic<uint64_t> unknown{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> requests_dropped{0};
  std::atomic<uint64_t> refusals_sent{0};
  std::atomic<uint64_t> repeated_naks{0};
  std::atomic<uint64_t> tail_probes{0};
};

struct ChannelOwner {
  ChannelCounters counters;
  // Wakes the engine; from any thread.
  void Ring() {
    std::lock_guard<std::mutex> lock(mutex);
    if (host != nullptr) host->Wake();
  }
  std::mutex mutex;      // guards the rest
  Host* host = nullptr;  // null once the engine has stopped
};

class Channel final : private UdpSink, private AckListener {
 public:
  // The owner is rung when there are notices to take.
  static Status Create(std::unique_ptr<UdpSocket> socket,
                       const PacketLimits& limits,
                       std::shared_ptr<ChannelOwner> owner,
                       std::shared_ptr<Channel>* out);
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // --- the engine's thread

  // What UDT::bind2 takes.
  int handle() const { return handle_; }
  const Endpoint& local() const { return local_; }
  // From now on datagrams are received: libudt has a listener for those that
  // have waited, and would drop requests before.
  void Open();
  // Whether requests of peers go to libudt; without, they are refused. They do
  // at first: those that waited for a restart are not refused meanwhile.
  void SetListening(bool listening) { listening_ = listening; }
  // Whether they are dropped meanwhile: there is no room.
  void SetFull(bool full) { full_ = full; }
  // There are connections, whose timers want libudt's thread to turn.
  void SetBusy(bool busy);
  // A UDT socket that dials, whose answer is to be looked at.
  void AddDialing(uint32_t socket);
  // Until the lock goes, libudt gets no answer to a dial: one that comes
  // before UDT::connect has returned costs it 250 ms.
  std::unique_lock<std::mutex> HoldAnswers() {
    return std::unique_lock<std::mutex>(answers_mutex_);
  }
  // Nothing reaches a socket that dials any more. False: libudt has had the
  // answer, or it does not dial.
  bool StopDialing(uint32_t socket);
  // Changes when libudt has done all that had come for it until then.
  uint64_t settled() const { return settled_; }
  // A UDT socket that is no more: its peer is told, should it send.
  void Forget(uint32_t socket);
  void TakeNotices(std::vector<Notice>* out);
  // There is room in the receive buffer of a UDT socket.
  void OnRead(uint32_t socket) {
    if (keeping_.load(std::memory_order_relaxed) > 0) OfferSoon(socket);
  }
  // The UDP socket goes at once; libudt may take its time.
  void Close();
  // libudt's receiving thread: when it was last here; `now_us` while it is.
  uint64_t LastAliveUs(uint64_t now_us) const;

  // --- libudt's threads

  // Null for a descriptor that is none of ours.
  static std::shared_ptr<Channel> Find(int handle);
  ssize_t Receive(msghdr* message);
  ssize_t Send(const msghdr* message);
  // The name of the UDP socket, with a port that no other channel has: libudt
  // tells its multiplexers apart by the port alone.
  int Name(sockaddr* name, socklen_t* length) const;
  // libudt will not use the handle again. Also for one that it never got.
  void Released();

 private:
  struct Datagram {
    uint8_t* data;
    size_t length;
    Endpoint from;
    uint64_t arrived_us;
  };

  Channel(std::unique_ptr<UdpSocket> socket, const PacketLimits& limits,
          std::shared_ptr<ChannelOwner> owner);

  // UdpSink.
  void OnUdpBatch() override { arrivals_.OnBatch(IoThread::NowUs()); }
  void OnUdpDatagram(const uint8_t* data, size_t length,
                     const Endpoint& from) override;
  void OnUdpError(const uint8_t* payload, size_t length, const Endpoint& to,
                  int error, uint32_t mtu) override;

  void OnData(uint32_t socket, std::shared_ptr<AckSwitch> ack) override;

  bool Fill();
  void Wait();
  void Acknowledge();
  void OnSend(const msghdr* message);
  Gap NewGap(uint32_t first) const {
    // an acknowledgement may be under way
    return Gap(first, 2 * limits_.max_flight_packets);
  }
  // Of libudt's receiving thread.
  bool HoldNak(const msghdr* message, const Endpoint& to);
  void OnSequence(uint32_t socket, uint32_t sequence);
  void SendDueNaks(uint64_t now_us);
  void AskAgain(uint64_t now_us);
  void ProbeTails(uint64_t now_us);
  void OfferSoon(uint32_t socket);
  void Offer();
  bool Admit(uint8_t* data, size_t length, const Endpoint& from);
  bool AdmitRequest(const uint8_t* data, const Endpoint& from);
  void Note(uint32_t socket, Notice::Kind kind);
  void PublishNotices();
  void SendRaw(const uint8_t* data, size_t length, const Endpoint& to);
  bool MayAnswer();
  void Wake();

  struct Peer {
    uint32_t id;
    Endpoint address;
  };
  struct PeerHash {
    size_t operator()(const Peer& peer) const {
      return peer.address.Hash() ^ (size_t{peer.id} * 0x9e3779b97f4a7c15u);
    }
  };
  struct PeerEqual {
    bool operator()(const Peer& a, const Peer& b) const {
      return a.id == b.id && a.address == b.address;
    }
  };

  // A packet that came when its socket's buffer was full.
  struct Kept {
    uint32_t sequence;
    std::vector<uint8_t> bytes;
  };
  struct Connection {
    Peer peer;
    Gap gap;
    Tail tail;
    bool full = false;
    std::vector<Kept> kept;
    uint64_t offer_us = 0;  // when libudt gets them once more; 0: not yet
  };
  void Keep(uint32_t socket, Connection* connection, uint32_t sequence,
            const uint8_t* data, size_t length);
  void OnAcknowledged(uint32_t socket, const SentFacts& ack);
  void OfferAt(Connection* connection, uint64_t due_us);

  const PacketLimits limits_;
  const std::shared_ptr<ChannelOwner> owner_;
  ChannelCounters* const counters_;
  const Endpoint local_;
  int handle_ = -1;
  uint16_t virtual_port_ = 0;
  int wake_[2] = {-1, -1};

  std::atomic<bool> open_{false};
  std::atomic<bool> listening_{true};
  std::atomic<bool> full_{false};
  std::atomic<bool> busy_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> released_{false};
  // When the receiving thread left Receive; 0 while it is in there.
  std::atomic<uint64_t> left_us_{0};
  std::atomic<bool> entered_once_{false};
  std::atomic<uint64_t> settled_{0};
  std::atomic<size_t> keeping_{0};  // connections with packets that are kept
  std::atomic<uint64_t> next_offer_us_{0};  // 0: none

  // Shared by threads that use the socket, owned by Close.
  mutable std::shared_mutex socket_mutex_;
  std::unique_ptr<UdpSocket> socket_;

  // The receiving thread's own.
  UdpReceiveBuffers buffers_;
  Arrivals arrivals_;
  bool has_challenge_ = false;  // among those that were received last
  std::deque<Datagram> received_;
  std::vector<Notice> fresh_;  // libudt has not processed their packets yet
  struct Unacknowledged {
    uint32_t socket;
    std::shared_ptr<AckSwitch> ack;
  };
  std::vector<Unacknowledged> unacknowledged_;
  std::deque<std::array<uint8_t, kHeaderBytes>> reminders_;
  uint64_t acknowledged_us_ = 0;
  // What is missing may only have been overtaken: asked for a little later.
  struct HeldNak {
    uint64_t due_us;
    uint32_t socket;
    Endpoint to;
    std::array<uint8_t, kHeaderBytes> header;
    std::vector<uint32_t> missing;
  };
  std::deque<HeldNak> held_naks_;  // the oldest first
  uint64_t asked_us_ = 0;          // when AskAgain looked last
  std::deque<std::array<uint8_t, kMaxNakBytes>> probes_;
  bool told_libudt_ = false;  // of a packet, since the last Wait
  std::deque<std::vector<uint8_t>> offered_;

  std::mutex answers_mutex_;

  std::mutex mutex_;  // guards the rest
  std::unordered_set<uint32_t> dialing_;
  // Our UDT sockets with a connection, and the peers' ids of them.
  std::unordered_map<uint32_t, Connection> sockets_;
  std::unordered_set<uint32_t> keepers_;  // those with packets that are kept
  std::unordered_map<Peer, uint32_t, PeerHash, PeerEqual> peers_;
  std::vector<Notice> notices_;
  // To packets that belong to nothing; more of them would only serve to annoy
  // somebody whose address is being spoofed.
  RateLimit answers_{200, 200};
};

}  // namespace xtp::udt

#endif  // XTP_UDT_CHANNEL_H_
