// Switches for tests: each guard against a defect of libutp or an attack can
// be taken away, so that a test shows both the defect and the cure.
#ifndef XTP_UTP_GUARDS_H_
#define XTP_UTP_GUARDS_H_

namespace xtp::utp {

struct Guards {
  // SYNs are answered without state (half_open.h). Without: libutp keeps a
  // socket for every SYN for ever, stops at 3000, and never repairs a SYN-ACK.
  bool stateless_syn = true;
  // An accepted connection can write at once. Without: libutp refuses until
  // the dialer's first data, and says nothing when it stops refusing.
  bool acceptor_ready = true;
  // Packets with extensions are copied to where reading past them is harmless,
  // and only sound ones reach libutp. Without: EACK reads one byte too far.
  bool own_slack = true;
  // A peer that ignores the receive window is reset. Without: memory grows.
  bool window_limit = true;
  // The same for data that is out of order, which libutp keeps.
  bool reorder_limit = true;
  // Data that is sent again tells the window of now. Without: that of the first
  // time, with an acknowledgement of now, and a peer that believes it sends
  // more than there is room for.
  bool fresh_window = true;
  // A reported MTU is made sane and counts IP headers. Without: libutp takes
  // it as the size of a UDP payload and goes on sending too much.
  bool mtu_sanity = true;
  // RST while dialing is "refused". Without: libutp says "reset".
  bool refused_while_dialing = true;
  // Dialers choose even connection ids. Without: two hosts that dial each other
  // from one port each may choose ids that meet, and the dial gets no answer.
  bool even_dial_ids = true;
  // A dialer's sequence numbers begin in the lower half. Without: half of all
  // dialed connections resend nothing before a timeout.
  bool low_first_seq = true;
  // A selective ack waits a quarter of a round trip for its gap to close.
  // Without: packets that merely changed places count as lost and halve the
  // window.
  bool reorder_tolerance = true;
  // Data whose acknowledgement is old is delivered. Without: data that was
  // overtaken by a few acknowledgements is lost.
  bool old_acks = true;
  // The window of the peer's latest packet counts. Without: that of whichever
  // arrives last, also of data that is sent again with the window of the first
  // time. A peer that counts what it keeps out of order, as libtorrent does,
  // has no room for the one packet that it waits for, then.
  bool latest_window = true;
  // libutp sends what it held back after an acknowledgement. Without: on the
  // next write or 500 ms tick.
  bool quick_tick = true;
  // A FIN that arrives again after the end is acknowledged again. Without: the
  // peer is reset although everything arrived.
  bool time_wait = true;
  // The dialer repeats its proof of address until it hears from the acceptor.
  bool repeat_proof = true;
  // A lost SYN is repeated after 1 and 2 s. Without: after libutp's 3 s.
  bool repeat_syn = true;
  // A RST of ours is sent three times within a second.
  bool repeat_reset = true;
  // A connection that nobody acknowledges ends some time after its close.
  bool linger_limit = true;
  // ICMP ends dials and refused connections only. Without: any ICMP error, as
  // libutp has it.
  bool soft_icmp = true;
  // The window of a long path doubles in a round trip until a queue fills or a
  // packet is lost. Without: 3000 bytes more in each.
  bool slow_start = true;
  // A RST must fit what was sent. Without: libutp only compares ids.
  bool strict_reset = true;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_GUARDS_H_
