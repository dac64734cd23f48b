// One uTP connection between the parent's stream and libutp's socket.
//
// libutp's callbacks come from inside its calls, so they only note what
// happened and mark the connection dirty; Service, at the end of the round,
// acts on it. Exception: bytes from the network go to the stream at once.
#ifndef XTP_UTP_CONNECTION_H_
#define XTP_UTP_CONNECTION_H_

#include <cstdint>
#include <string>

#include "common/byte_queue.h"
#include "common/endpoint.h"
#include "common/engine_base.h"
#include "common/parent_window.h"
#include "common/status.h"
#include "common/stream.h"
#include "utp/packet.h"
#include "utp/peer_key.h"
#include "utp/send_window.h"
#include "utp/shared.h"

struct UTPSocket;

namespace xtp::utp {

class Port;

class Connection final : public ConnectionBase, public StreamHandler {
 public:
  Connection(Shared* shared, Port* port, uint32_t id, const Endpoint& peer);
  ~Connection() override;

  // Sends the SYN. Status is about this machine only.
  Status Dial(uint32_t request, uint32_t timeout_ms);
  // Takes over what libutp accepted; announces it to the parent. False: there
  // is no parent any more.
  bool Accept(UTPSocket* socket, uint32_t listener, const Header& first);

  uint32_t id() const { return id_; }
  bool dialing() const override { return state_ == State::kDialing; }
  bool over() const { return state_ == State::kOver; }
  const Endpoint& peer() const { return peer_; }
  uint16_t send_id() const { return send_id_; }
  uint16_t receive_id() const { return receive_id_; }
  uint16_t next_seq() const { return next_seq_; }

  // The parent's wishes.
  bool AttachStream(Stream* stream) override;
  void CancelDial() override;
  void Abort(uint32_t /*code*/) override {
    AbortLocally("aborted by the parent");
  }
  void AbortLocally(const char* why);
  void CloseGracefully() override;
  void OnReadable() override;
  void OnWritable() override;
  void OnReset(uint32_t code) override;

  // From Port, around libutp's calls.
  bool AdmitPacket(const Packet& packet);  // false: drop it
  bool AdmitReset(const Header& header) const;
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
  size_t buffered_bytes() const { return inbound_.size(); }
  void OnIcmp(int error);

  // Once per round while dirty.
  void Service();
  uint64_t timer_us() const { return timer_us_; }
  void OnTimer();
  void ReleaseMemory() { inbound_.Shrink(); }
  // The end of everything: RST to the peer, events as for an abort.
  void Stop();

  std::string StatsText() const override;  // in stats.cc

 private:
  enum class State {
    kNew,
    kDialing,
    kOpen,
    kClosing,  // both sides ended: waiting for the last acknowledgement
    kOver,     // reported; to be deleted at the end of the round
  };

  void MarkDirty();
  void ArmTimer();
  void Connected();
  void SendProof();
  void FlushToParent();
  void PumpToNetwork();
  void EndWriting();
  void CheckEnds();
  void StartClosing();
  void TrackAck(uint16_t ack);
  void TrackWindow(const Header& header);
  bool AllDataAcknowledged() const;
  size_t InboundLimit() const;
  bool Behind() const;  // libutp may hold back packets

  void Fail(const Status& status);
  void Finish(const Status& status);
  void SendReset();
  void DropStream(uint32_t code);
  void Kill();
  void DialTimer();
  void OpenTimer();
  void SampleRtt(uint64_t rtt_us);
  void ApplySendWindow();
  void GrowWindow(uint16_t acked_packets);

  Shared* const shared_;
  Port* const port_;
  const uint32_t id_;
  const Endpoint peer_;
  State state_ = State::kNew;
  UTPSocket* socket_ = nullptr;  // libutp's; null once it is dead or let go
  Stream* stream_ = nullptr;     // null before it is open and once it is over
  bool had_stream_ = false;
  bool announced_ = false;
  bool inbound_connection_ = false;
  bool dirty_ = false;
  bool registered_ = false;

  // Dialing.
  uint32_t dial_request_ = 0;
  uint64_t dial_deadline_us_ = 0;
  uint64_t dialed_us_ = 0;
  uint8_t syn_[kHeaderBytes] = {};
  int syn_repeats_ = 0;
  uint16_t syn_seq_ = 0;
  bool connected_ = false;
  Header proof_;  // shows the acceptor that our address is ours
  int proofs_sent_ = 0;
  uint64_t next_proof_us_ = kNever;

  // What libutp or the parent said since the last Service.
  Status failure_;
  bool remote_ended_ = false;
  bool destroyed_ = false;
  bool stream_lost_ = false;

  // Towards the parent.
  ByteQueue inbound_;
  bool write_closed_ = false;  // FIN given to the stream
  bool discard_inbound_ = false;
  uint64_t stalled_since_us_ = 0;  // the parent has had no room since

  // Towards the network.
  ParentWindow window_;
  bool fin_queued_ = false;
  bool closing_requested_ = false;
  uint64_t close_idle_at_us_ = 0;
  bool window_full_ = false;  // there is more than libutp takes
  uint64_t bytes_given_ = 0;  // to libutp
  uint64_t bytes_sent_ = 0;   // by libutp for the first time
  uint64_t linger_from_us_ = 0;

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

  uint64_t timer_us_ = kNever;
  uint64_t bytes_in_ = 0;
  uint64_t retransmits_ = 0;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_CONNECTION_H_
