// One UDP socket with the libutp context that lives on it. libutp tells
// connections apart by the peer only, and does not say which connection a
// packet that it sends belongs to: hence one context per socket.
//
// Every packet passes here first. libutp sees only those that belong to a
// connection it has, checked and with extensions that it can read.
#ifndef XTP_UTP_PORT_H_
#define XTP_UTP_PORT_H_

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "common/endpoint.h"
#include "common/engine_base.h"
#include "common/rate_limit.h"
#include "common/transport.h"
#include "utp/packet.h"
#include "utp/peer_key.h"
#include "utp/shared.h"
#include "utp/time_wait.h"

struct UTPSocket;
struct struct_utp_context;

namespace xtp::utp {

class Connection;
class Port;
struct LibutpCallbacks;

// Makes the object for an inbound connection; null refuses it.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // Before libutp is bothered: may the port have one more?
  virtual bool HasRoom(const Port& port) const = 0;
  virtual Connection* OnAccept(Port* port, UTPSocket* socket,
                               const Endpoint& peer, const Header& first) = 0;
};

class Port final : public PortBase {
 public:
  Port(Shared* shared, Acceptor* acceptor, SocketId socket);
  ~Port() override;

  void OnDatagram(const uint8_t* data, size_t length, const Endpoint& from);
  // The connection that a packet sent to `to` came from, or null.
  Connection* FindBySent(const Header& sent, const Endpoint& to) const;

  // For connections.
  struct_utp_context* context() const { return context_; }
  void Register(const PeerKey& key, Connection* connection);
  void Unregister(const PeerKey& key, const TimeWait::Entry& entry);
  void SendHeader(const Header& header, const Endpoint& to);
  void SendReset(const Header& reset, const Endpoint& to);
  // Lets libutp believe that `peer` reset the connection with this id.
  void InjectReset(uint16_t receive_id, const Endpoint& peer);
  void DeliverHeld(Connection* connection, const Packet& packet);
  void PrepareDial() { dial_id_chosen_ = false; }
  void WantAcks() { acks_due_ = true; }
  void WantTick() { tick_wanted_ = true; }

  // After all packets and writes of a round: acknowledgements and timers of
  // libutp. Returns when it has to be called next.
  uint64_t EndRound();

 private:
  friend struct LibutpCallbacks;
  using ConnectionMap = std::unordered_map<PeerKey, Connection*, PeerKeyHash>;

  void OnSyn(const Packet& packet, const Endpoint& from);
  void OnReset(const Packet& packet, const Endpoint& from);
  void OnStranger(const Packet& packet, const PeerKey& key,
                  const Endpoint& from);
  void Accept(const Packet& packet, const PeerKey& key,
              const SynGuard::Proof& proof, const Endpoint& from);
  void AnswerTimeWait(const TimeWait::Entry& entry, const Packet& packet,
                      const Endpoint& from);
  void Deliver(Connection* connection, const Packet& packet,
               const Endpoint& from);
  void ToLibutp(const Packet& packet, const Endpoint& from);
  void CopyToLibutp(const Packet& packet, const Endpoint& from);
  void Process(const Header& header, const uint8_t* data, size_t length,
               const Endpoint& from);
  void HeaderToLibutp(const Header& header, const Endpoint& from);
  void SendResetTo(const Header& offending, const Endpoint& to);
  Connection* Find(const PeerKey& key);
  void IssueAcks();
  uint64_t RepeatResets();
  uint64_t RunTicks();
  void Tick();
  void QuickTick();

  Shared* const shared_;
  Acceptor* const acceptor_;
  struct_utp_context* context_ = nullptr;

  ConnectionMap connections_;
  PeerKey last_key_;  // of last_found_: packets come in bursts from one peer
  Connection* last_found_ = nullptr;
  TimeWait time_wait_;

  // While libutp runs.
  const Endpoint* peer_ = nullptr;  // of the packet that it processes
  const Header* header_ = nullptr;  // its header
  Connection* sending_ = nullptr;   // whose packet comes next
  bool retransmitting_ = false;     // and whether it is an old one
  bool muted_ = false;              // swallow what it sends
  int32_t forced_random_ = -1;      // answer of its next random number
  bool dial_id_chosen_ = false;     // its next one is a sequence number
  size_t reads_ = 0;                // what it delivered from one packet
  size_t read_bytes_ = 0;
  uint64_t quick_tick_ms_ = 0;  // what to call the time in a quick tick

  bool acks_due_ = false;
  size_t unacknowledged_ = 0;  // data packets since the last IssueAcks
  bool tick_wanted_ = false;
  uint64_t last_quick_tick_us_ = 0;
  uint64_t last_check_ms_ = 0;  // what libutp remembers as its last tick

  struct Repeat {
    uint64_t at_us;
    Header reset;
    Endpoint to;
  };
  std::vector<Repeat> repeats_;

  // RSTs to packets that belong to nothing. They let a peer notice at once that
  // we restarted; more of them would only serve to annoy somebody whose address
  // is being spoofed.
  RateLimit strangers_{200, 200};

  std::unique_ptr<uint8_t[]> scratch_;  // a packet with extensions
};

}  // namespace xtp::utp

#endif  // XTP_UTP_PORT_H_
