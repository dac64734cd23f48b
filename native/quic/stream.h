// One bidirectional QUIC stream between the parent's stream and ngtcp2.
//
// Towards the network nothing is copied: bytes stay in the slabs that the data
// link was read into, unconsumed, until the peer acknowledges them; so the
// parent's credit follows the acknowledgements. Towards the parent the QUIC
// window follows the parent's credit; `pending_` holds only what that credit
// covers and the link has no room for; on long paths, where that window would
// be too small, also what the peer may send beyond it.
#ifndef XTP_QUIC_STREAM_H_
#define XTP_QUIC_STREAM_H_

#include <ngtcp2/ngtcp2.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "common/byte_queue.h"
#include "common/intrusive_list.h"
#include "common/stream.h"

namespace xtp::quic {

class Connection;

class QuicStream final : public StreamHandler {
 public:
  // What a peer may send before the parent has granted anything: the link's
  // initial credit, less what a StreamHeader takes of it.
  static constexpr uint64_t kInitialWindow = 256 * 1024 - 64;

  // `id` is -1 for a stream of the parent's that waits for the peer's
  // permission to open.
  QuicStream(Connection* connection, Stream* link, int64_t id);
  ~QuicStream() override = default;
  QuicStream(const QuicStream&) = delete;
  QuicStream& operator=(const QuicStream&) = delete;

  int64_t id() const { return id_; }
  void Opened(int64_t id);

  // StreamHandler: the parent's wishes.
  void OnReadable() override;
  void OnWritable() override;
  void OnCredit(uint32_t bytes) override;
  void OnReset(uint32_t code) override;

  // From ngtcp2's callbacks.
  void OnData(const uint8_t* data, size_t length, bool fin);
  void OnAcked(uint64_t length);
  void OnPeerReset(uint64_t code);
  void OnStopSending();
  // ngtcp2 has forgotten the stream.
  void OnClosed();

  // --- sending

  // Something to send: bytes, or FIN.
  bool HasOutput() const;
  // Nothing to send, nor to be sent again; FIN apart.
  bool Settled() const { return !HasOutput() && (closed_ || in_flight_ == 0); }
  // Fills slices of unsent bytes; `*fin`: they are the last ones, or there are
  // none and FIN is left.
  size_t Unsent(ngtcp2_vec* slices, size_t max, bool* fin);
  void Sent(size_t length, bool fin);

  // --- the end

  // Nothing is left to do for it here.
  bool done() const { return closed_ && link_ == nullptr; }
  // All that the peer sent is here or with the parent, and either some of it
  // only lacks room on the link, or all that the parent sent is with the peer.
  bool only_pending() const {
    return link_ != nullptr && (closed_ || (peer_fin_ && !write_closed_));
  }
  // The connection is over: cuts off what is left.
  void Abort(uint32_t code);
  size_t pending_bytes() const { return pending_.size(); }

  IntrusiveList<QuicStream>::Node ready_node{this};    // has output
  IntrusiveList<QuicStream>::Node blocked_node{this};  // no connection window
  IntrusiveList<QuicStream>::Node waiting_node{this};  // not open yet

 private:
  static constexpr size_t kSlices = 8;

  void FlushPending();
  void EndWriting();
  void ReleaseIfOver();
  void ReturnWindow(uint64_t bytes);
  void ConsumeAll();
  void WidenIfUseful();
  void WidenForPeer(uint64_t credit);
  void DropLink();

  Connection* const connection_;
  Stream* link_;  // null once it is over
  int64_t id_;
  bool closed_ = false;  // for ngtcp2

  // Towards the network.
  size_t in_flight_ = 0;  // sent and not acknowledged, at the link's front
  bool fin_sent_ = false;
  bool swallow_ = false;   // the peer does not want to read
  iovec slices_[kSlices];  // of the link, from behind in_flight_
  size_t slices_count_ = 0;
  size_t slices_at_ = 0;
  uint64_t extra_credit_ = 0;  // given by Widen

  // Towards the parent.
  ByteQueue pending_;
  bool peer_fin_ = false;
  bool write_closed_ = false;
  uint64_t ungranted_ = 0;     // received, and the parent has not granted it
  uint64_t early_credit_ = 0;  // granted before the stream was open
  // What the parent would take now, negative where it has yet to, and the most
  // that this has been: its window.
  int64_t parent_room_ = kInitialWindow;
  uint64_t parent_window_ = kInitialWindow;
  uint64_t extra_window_ = 0;  // of the peer, beyond the parent's
  // What the parent has granted, and since when, to know its speed.
  uint64_t granted_ = 0;
  uint64_t granted_since_us_ = 0;
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_STREAM_H_
