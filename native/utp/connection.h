// One uTP connection: libutp's socket as a ByteSocket, and what the packets
// that pass tell of it. libutp's callbacks come from inside its calls, so they
// only note what happened; ByteConnection acts on it at the end of the round.
#ifndef XTP_UTP_CONNECTION_H_
#define XTP_UTP_CONNECTION_H_

#include <cstdint>
#include <string>

#include "common/byte_engine.h"
#include "common/endpoint.h"
#include "common/status.h"
#include "utp/packet.h"
#include "utp/peer_key.h"
#include "utp/send_window.h"
#include "utp/shared.h"

struct UTPSocket;

namespace xtp::utp {

class Port;

class Connection final : public ByteSocket {
 public:
  Connection(Shared* shared, Port* port);
  ~Connection() override;

  // Sends the SYN.
  void Dial(ByteConnection* owner);
  // Takes over what libutp accepted.
  void Accept(ByteConnection* owner, UTPSocket* socket, const Header& first);

  const Endpoint& peer() const { return owner_->peer(); }
  uint16_t send_id() const { return send_id_; }
  uint16_t receive_id() const { return receive_id_; }
  uint16_t next_seq() const { return next_seq_; }

  // ByteSocket.
  Status Write(const iovec* slices, size_t count, size_t* taken) override;
  void OnTaken() override;
  Status EndWriting(bool* done) override;
  void Close() override;
  uint64_t Undelivered() override;
  bool AllArrived() override;
  uint64_t poll_us() const override { return kNever; }  // acknowledgements tell
  void OnTimer() override;
  void Abort(uint32_t code) override;
  void AppendStats(std::string* text) const override;

  // From Port, around libutp's calls.
  bool AdmitPacket(const Packet& packet);  // false: drop it
  bool AdmitReset(const Header& header) const;
  // Whether a packet of ours like that can be on its way.
  bool MayBeOnItsWay(const Header& sent) const;
  uint16_t AckForLibutp(const Header& header) const;
  uint32_t WindowForLibutp(const Header& header) const;
  bool HoldsBack(const Packet& packet);  // true: without its selective ack
  void AfterPacket(const Packet& packet, size_t reads, size_t read_bytes);
  // A packet of libutp's that is about to be sent.
  void RefreshWindow(const uint8_t* packet) const;
  void OnSent(const Packet& packet, bool retransmit);
  void OnBytes(const uint8_t* data, size_t length);
  void OnState(int state);
  void OnQueueingDelay(uint32_t ms);
  void OnLibutpError(int error);
  void OnIcmp(int error);
  size_t buffered_bytes() const { return owner_->buffered_bytes(); }
  // What the peer may send now.
  size_t receive_room() const {
    return owner_->ReceiveRoom(shared_->settings.receive_window_bytes);
  }

 private:
  void Register();
  void ArmTimer();
  void Connected();
  void SendProof();
  void TrackAck(uint16_t ack);
  void TrackWindow(const Header& header);
  size_t InboundLimit() const;
  bool Behind() const;  // libutp may hold back packets

  void Fail(const Status& status);
  void SendReset();
  void Kill();
  void DialTimer();
  void OpenTimer();
  void SampleRtt(uint64_t rtt_us);
  void ApplySendWindow();
  void GrowWindow(uint16_t acked_packets);

  Shared* const shared_;
  Port* const port_;
  ByteConnection* owner_ = nullptr;  // outlives it
  UTPSocket* socket_ = nullptr;      // libutp's; null once it is dead
  bool registered_ = false;
  bool connected_ = false;  // if it was dialed: libutp has said so
  bool closed_ = false;     // utp_close was called
  bool remote_ended_ = false;
  bool peer_gone_ = false;  // and needs no RST
  bool aborted_ = false;

  // Dialing.
  uint64_t dialed_us_ = 0;
  uint8_t syn_[kHeaderBytes] = {};
  int syn_repeats_ = 0;
  uint16_t syn_seq_ = 0;
  Header proof_;  // shows the acceptor that our address is ours
  int proofs_sent_ = 0;
  uint64_t next_proof_us_ = kNever;

  uint64_t stalled_since_us_ = 0;  // the parent has had no room since

  // Towards the network.
  bool fin_queued_ = false;
  bool window_full_ = false;  // there is more than libutp takes
  uint64_t bytes_given_ = 0;  // to libutp
  uint64_t bytes_sent_ = 0;   // by libutp for the first time

  // What is known of the protocol's state from the packets that pass.
  uint16_t receive_id_ = 0;
  uint16_t send_id_ = 0;
  uint16_t next_seq_ = 0;   // ours
  uint16_t acked_ = 0;      // ours, up to and with this
  uint16_t sent_ack_ = 0;   // theirs, as we last told them
  uint16_t first_ack_ = 0;  // ours, as the peer's first packet told
  // Of the peer's latest packet, once there is one; by the peer's clock.
  bool peer_known_ = false;
  uint32_t peer_window_bytes_ = 0;
  uint32_t peer_timestamp_us_ = 0;
  uint16_t peer_next_seq_ = 0;  // of its next new data
  bool fin_sent_ = false;
  uint16_t fin_seq_ = 0;
  bool recovering_ = false;
  uint16_t recover_seq_ = 0;
  bool heard_ = false;
  uint64_t last_heard_us_ = 0;
  size_t reorder_bytes_ = 0;
  bool rtt_probing_ = false;
  uint16_t rtt_seq_ = 0;
  uint64_t rtt_sent_us_ = 0;
  uint64_t rtt_us_ = 0;
  uint64_t min_rtt_us_ = 0;
  SendWindow send_window_;

  // A selective ack that waits: its gap may be a mere reordering.
  uint8_t held_[kHeaderBytes + 2 + kMaxSelectiveAckBytes] = {};
  size_t held_bytes_ = 0;  // 0: none
  uint16_t held_ack_ = 0;
  uint64_t hold_until_us_ = 0;
  bool gap_real_ = false;  // gap_ack_ has been waited for
  uint16_t gap_ack_ = 0;

  uint64_t retransmits_ = 0;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_CONNECTION_H_
