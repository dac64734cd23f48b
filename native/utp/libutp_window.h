// What utp.h has no way to say: how a socket's congestion window begins.
#ifndef XTP_UTP_LIBUTP_WINDOW_H_
#define XTP_UTP_LIBUTP_WINDOW_H_

struct UTPSocket;

// The window grows by so many packets, as far as the send buffer (UTP_SNDBUF)
// allows. Does nothing where the socket's slow start is over: at a loss, or at
// nine tenths of the target delay.
void utp_grow_window(UTPSocket* socket, int packets);

// Ends a socket's slow start as the target delay would.
void utp_end_slow_start(UTPSocket* socket);

#endif  // XTP_UTP_LIBUTP_WINDOW_H_
