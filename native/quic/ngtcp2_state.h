// What ngtcp2's public header does not say or do: see ngtcp2_state.c.
#ifndef XTP_QUIC_NGTCP2_STATE_H_
#define XTP_QUIC_NGTCP2_STATE_H_

#include <ngtcp2/ngtcp2.h>

#ifdef __cplusplus
extern "C" {
#endif

// Nonzero: the congestion window is full of packets that no timer watches, and
// the next packet that is written may exceed it.
int xtp_ngtcp2_unblock(ngtcp2_conn *conn);

#ifdef __cplusplus
}
#endif

#endif  // XTP_QUIC_NGTCP2_STATE_H_
