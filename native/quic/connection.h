// One QUIC connection: ngtcp2's state machine between a UDP socket's datagrams
// and the parent's streams.
//
// ngtcp2's callbacks come from inside its calls, so they only note what
// happened and mark the connection dirty; Service, at the end of the round,
// acts on it. Exception: bytes from the network go to the stream at once.
//
// connection.cc: life and end. connection_callbacks.cc: what ngtcp2 says.
// connection_output.cc: streams and packets on their way out.
#ifndef XTP_QUIC_CONNECTION_H_
#define XTP_QUIC_CONNECTION_H_

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/engine_base.h"
#include "common/intrusive_list.h"
#include "common/status.h"
#include "common/stream.h"
#include "quic/shared.h"
#include "quic/stream.h"
#include "quic/tls.h"

namespace xtp::quic {

class Connection final : public ConnectionBase {
 public:
  // `id`: the parent's, of a dial; 0 of an inbound connection.
  Connection(Shared* shared, Port* port, uint32_t id, const Endpoint& peer);
  ~Connection() override;

  // Status is about this machine only; the answer to `request` comes later.
  Status Dial(uint32_t request, uint32_t timeout_ms);
  // For an Initial; `original` is the destination id of the very first one,
  // other than the header's if the peer went through a Retry.
  Status Accept(const ngtcp2_pkt_hd& header, const ngtcp2_cid* original);

  uint32_t id() const { return id_; }
  Port* port() const { return port_; }
  const Endpoint& peer() const { return peer_; }
  bool dialing() const override {
    return state_ == State::kHandshake && !inbound_;
  }
  bool half_open() const { return state_ == State::kHandshake && inbound_; }
  bool open() const { return state_ == State::kOpen; }
  // The parent knows no such connection any more, or never did.
  bool over() const { return state_ >= State::kEnding; }

  // From the engine.
  enum class After { kNothing, kRetry };
  After OnPacket(const Endpoint& from, const uint8_t* data, size_t length);
  void OnIcmp(int error);
  bool AttachStream(Stream* link) override;
  void CancelDial() override;
  void Abort(uint32_t code) override;
  void CloseGracefully() override;
  // Once per round while dirty.
  void Service();
  // The first in line for the peer's buffer may send. False: its own socket is
  // full.
  bool TakeTurn();
  void OnTimer();
  // The end of everything: closes towards the peer, events as for an abort.
  void Stop();
  std::string StatsText() const override;  // in stats.cc
  size_t streams() const { return streams_.size(); }
  size_t buffered_bytes() const;

  // From QuicStream.
  void StreamHasOutput(QuicStream* stream);
  void StreamChanged(QuicStream* stream);
  void ExtendStreamWindow(int64_t id, uint64_t bytes);
  void ExtendWindow(uint64_t bytes);
  void ShutStream(int64_t id, uint64_t code);
  void ShutStreamLater(int64_t id, uint64_t code);
  void CountSent(size_t bytes);
  // How much more credit a stream's writer may have, whose window is `window`
  // and full; reserves it.
  uint64_t MoreSendWindow(uint64_t window, uint64_t in_flight);
  void ReturnSendWindow(uint64_t bytes) { extra_send_bytes_ -= bytes; }
  // How much more than its `window` a peer may send on a stream. It gets as
  // much more of the connection's, so that other streams have no less.
  uint64_t MoreReceiveWindow(uint64_t window);
  void ReturnReceiveWindow(uint64_t bytes) { extra_receive_bytes_ -= bytes; }
  uint64_t now_us() const { return shared_->now_us; }
  // UINT64_MAX where none is known.
  uint64_t MinRttUs() const;

 private:
  enum class State {
    kHandshake,
    kOpen,
    kClosing,  // the parent wants the end: what is queued leaves first
    // Over for QUIC; the link has no room yet for what the peer sent.
    kEnding,
    // Reported. Stays to repeat its last packet (RFC 9000, section 10.2).
    kLingering,
    kGone,
  };

  // In connection_callbacks.cc.
  struct Callbacks;
  static const ngtcp2_callbacks& CallbacksOf(bool server);

  // --- life and end, connection.cc
  void FillSettings(ngtcp2_settings* settings, uint64_t handshake_timeout_ms);
  void FillParameters(ngtcp2_transport_params* parameters) const;
  bool NewCid(ngtcp2_cid* cid);
  ngtcp2_path Path(const Endpoint* from) const;
  Status CreateTls(bool server);
  void Completed();
  void OnError(int error);
  // Sends CONNECTION_CLOSE and ends with `status`.
  void Fail(const Status& status, const ngtcp2_ccerr& close);
  void MakeClosePacket(const ngtcp2_ccerr& close);
  // Ends without a word to the peer, save what close_packet_ has.
  void End(const Status& status);
  void Report();
  void Linger();
  void Bury();
  void DropCids();
  void EndTimer();
  bool FlushesPending();

  // --- output, connection_output.cc
  void MarkDirty();
  void ArmTimer(uint64_t due_us);
  void ShutStreams();
  void OpenStreams();
  void ReviveBlocked();
  void ReturnStreams();
  bool SearchPathMtu();
  void NotePathMtu();
  bool* LoopbackFits() const;  // null for other peers
  bool WritePackets();
  void EnterPeerBuffer();
  void EmptyPeerBuffer();
  void LeavePeerBuffer();
  void CountInFlight();
  bool MaySendData() const;
  void LineUp();
  ngtcp2_ssize WritePacket(ngtcp2_path* path, ngtcp2_pkt_info* info,
                           uint8_t* out, size_t room, ngtcp2_tstamp now);
  void Send(const ngtcp2_path& path, const uint8_t* data, size_t length,
            size_t segment);
  void SweepStreams();
  void CheckClosing();
  bool AllSent() const;
  uint64_t NextTimer() const;

  ngtcp2_tstamp now_ns() const { return shared_->now_us * 1000; }

  Shared* const shared_;
  Port* const port_;
  uint32_t id_;  // 0: inbound, and the parent has not heard of it
  Endpoint peer_;
  State state_ = State::kHandshake;
  bool inbound_ = false;
  bool announced_ = false;
  bool dirty_ = false;
  uint32_t dial_request_ = 0;  // 0: answered
  uint32_t listener_ = 0;      // of an inbound connection

  std::unique_ptr<TlsSession> tls_;
  ngtcp2_crypto_conn_ref reference_ = {};
  ngtcp2_conn* conn_ = nullptr;  // null once it is over
  std::vector<uint16_t> mtu_probes_;
  bool mtu_searched_ = false;
  bool mtu_found_ = false;  // the largest
  uint64_t mtu_search_us_ = 0;
  std::vector<ngtcp2_cid> cids_;        // that lead here
  std::vector<uint64_t> reset_tokens_;  // fingerprints of the peer's

  std::unordered_set<QuicStream*> streams_;  // owned
  IntrusiveList<QuicStream> ready_;
  IntrusiveList<QuicStream> blocked_;
  IntrusiveList<QuicStream> waiting_;
  std::vector<QuicStream*> changed_;                   // may be done
  std::vector<std::pair<int64_t, uint64_t>> to_shut_;  // stream, code
  uint64_t streams_to_return_ = 0;
  uint64_t extra_send_bytes_ = 0;
  uint64_t extra_receive_bytes_ = 0;
  uint64_t most_extra_receive_bytes_ = 0;  // so far

  // What callbacks noted.
  Status failure_;
  uint8_t failure_alert_ = 0;
  bool reset_by_peer_ = false;
  bool refused_by_icmp_ = false;

  // The end.
  Status end_status_;
  uint32_t end_code_ = 0;     // that streams are cut off with
  std::string close_packet_;  // for whoever still sends
  Endpoint close_to_;
  uint32_t packets_after_close_ = 0;
  uint64_t deadline_us_ = kNever;  // of kClosing, kEnding and kLingering
  uint64_t linger_us_ = 0;         // three PTO

  PeerBuffer* peer_buffer_ = nullptr;  // of a peer on loopback
  IntrusiveList<Connection>::Node turn_node_{this};
  bool has_turn_ = false;
  bool may_send_data_ = true;    // of streams, in this batch
  uint64_t unacknowledged_ = 0;  // when it was counted last
  uint64_t in_flight_ = 0;       // of that, as in *peer_buffer_
  uint64_t progress_us_ = 0;     // when it was less than before, or 0
  bool stuck_ = false;           // for too long since then

  uint64_t timer_us_ = kNever;  // as in shared_->timers
  bool more_output_ = false;    // the round's bursts were used up
  bool socket_full_ = false;
  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_CONNECTION_H_
