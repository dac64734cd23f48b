// Compiled against ngtcp2's own headers.
#include "quic/ngtcp2_state.h"

#include "ngtcp2_conn.h"

// Where a timeout finds nothing in flight to repeat, because all of it has been
// acknowledged in other packets, ngtcp2 1.24 sends no probe and stops its
// timer. The packets stay in flight until one that is sent later is
// acknowledged; and if they fill the congestion window, there never is one. RFC
// 9002, section 6.2.4, wants a probe here, which no window limits.
int xtp_ngtcp2_unblock(ngtcp2_conn *conn) {
  const ngtcp2_conn_stat *stat = &conn->cstat;
  ngtcp2_rtb *rtb = &conn->pktns.rtb;
  if (stat->bytes_in_flight < stat->cwnd ||
      stat->loss_detection_timer != UINT64_MAX || rtb->probe_pkt_left != 0 ||
      rtb->cc_bytes_in_flight == 0 || rtb->num_pto_eliciting != 0 ||
      conn->in_pktns != NULL || conn->hs_pktns != NULL) {
    return 0;
  }
  rtb->probe_pkt_left = 1;
  return 1;
}
