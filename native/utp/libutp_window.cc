// libutp's utp_internal.cpp as it was published, and behind it what only that
// file can do: the structure of a socket is declared nowhere else.
#include "utp/libutp_window.h"

#include <utp_internal.cpp>

void utp_grow_window(UTPSocket* socket, int packets) {
  if (!socket->slow_start) return;
  // libutp sets the limit once, to what UTP_SNDBUF was when the socket was made
  socket->ssthresh = socket->opt_sndbuf;
  socket->max_window =
      min(socket->max_window + packets * socket->get_packet_size(),
          socket->opt_sndbuf);
}

void utp_end_slow_start(UTPSocket* socket) {
  if (!socket->slow_start) return;
  socket->slow_start = false;
  socket->ssthresh = socket->max_window;
}
