// Port's side towards libutp: its context, its callbacks, its clock.
#include <utp.h>

#include <algorithm>
#include <cstring>

#include "common/address.h"
#include "utp/connection.h"
#include "utp/port.h"

namespace xtp::utp {
namespace {

constexpr uint64_t kTickMs = 500;            // libutp's own interval
constexpr uint64_t kQuickTickUs = 2 * 1000;  // at most one so often

// bandwidth_type_t of utp_internal.h: what kind of packet is sent.
constexpr int kRetransmitOverhead = 5;

constexpr size_t kMaxDatagramBytes = 65535;

}  // namespace

// libutp calls these from inside Port's calls into it.
struct LibutpCallbacks {
  static Port* PortOf(utp_callback_arguments* a) {
    return static_cast<Port*>(utp_context_get_userdata(a->context));
  }
  static Connection* ConnectionOf(utp_callback_arguments* a) {
    return static_cast<Connection*>(utp_get_userdata(a->socket));
  }

  // Comes right before SendTo, and is the only one of the two that knows the
  // socket.
  static uint64 OnOverhead(utp_callback_arguments* a) {
    if (!a->send || a->socket == nullptr) return 0;
    Port* port = PortOf(a);
    port->sending_ = ConnectionOf(a);
    port->retransmitting_ = a->type == kRetransmitOverhead;
    return 0;
  }

  static uint64 SendTo(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    Connection* connection = port->sending_;
    port->sending_ = nullptr;
    if (port->muted_) return 0;
    Packet packet;
    if (!ParsePacket(a->buf, a->len, &packet)) return 0;
    Shared* shared = port->shared_;
    if (connection != nullptr) {
      if (shared->guards.fresh_window) connection->RefreshWindow(a->buf);
      connection->OnSent(packet, port->retransmitting_);
    } else if (shared->guards.stateless_syn) {
      return 0;  // of a connection that we have given up
    }
    const Endpoint* to =
        connection != nullptr ? &connection->peer() : port->peer_;
    if (to == nullptr) return 0;
    shared->counters.datagrams_out++;
    shared->host->SendDatagram(port->socket(), a->buf, a->len, *to);
    return 0;
  }

  static uint64 OnRead(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    port->reads_++;
    port->read_bytes_ += a->len;
    Connection* connection = ConnectionOf(a);
    if (connection != nullptr) connection->OnBytes(a->buf, a->len);
    return 0;
  }

  static uint64 OnStateChange(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    if (a->state == UTP_STATE_DESTROYING) port->shared_->libutp_sockets--;
    Connection* connection = ConnectionOf(a);
    if (connection != nullptr) connection->OnState(a->state);
    return 0;
  }

  static uint64 OnDelay(utp_callback_arguments* a) {
    Connection* connection = ConnectionOf(a);
    if (connection != nullptr) {
      connection->OnQueueingDelay(static_cast<uint32_t>(a->sample_ms));
    }
    return 0;
  }

  static uint64 OnError(utp_callback_arguments* a) {
    Connection* connection = ConnectionOf(a);
    if (connection != nullptr) connection->OnLibutpError(a->error_code);
    return 0;
  }

  static uint64 OnAccept(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    port->shared_->libutp_sockets++;
    Connection* connection = port->acceptor_->OnAccept(
        port, a->socket, *port->peer_, *port->header_);
    if (connection == nullptr) {
      utp_close(a->socket);
      port->tick_wanted_ = true;  // to delete it
    }
    return 0;
  }

  static uint64 ReadBufferSize(utp_callback_arguments* a) {
    Connection* connection = ConnectionOf(a);
    if (connection == nullptr) return 0;
    return PortOf(a)->shared_->settings.receive_window_bytes -
           connection->receive_room();
  }

  // The size of a UDP payload, without IP and UDP headers.
  static uint64 UdpMtu(utp_callback_arguments* a) {
    const Settings& settings = PortOf(a)->shared_->settings;
    const uint32_t mtu = IsLoopback(a->address) ? settings.loopback_mtu_bytes
                                                : settings.mtu_bytes;
    return mtu - xtp::UdpOverhead(a->address->sa_family);
  }
  static uint64 UdpOverhead(utp_callback_arguments* a) {
    return xtp::UdpOverhead(a->address->sa_family);
  }

  static uint64 Microseconds(utp_callback_arguments* a) {
    return PortOf(a)->shared_->now_us;
  }
  static uint64 Milliseconds(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    if (a->socket == nullptr && port->quick_tick_ms_ != 0) {
      return port->quick_tick_ms_;
    }
    return port->shared_->now_us / 1000;
  }

  // A dial asks for a connection id and then for its first sequence number.
  //
  // The id is even, the one that an acceptor receives on is odd then: two
  // hosts that dial each other from their listening ports never choose the
  // same. (libutp adds one in 32 bits, too: 0xffff would never be found again.)
  //
  // The sequence number is in the lower half: libutp starts looking for losses
  // at 1, and takes what is more than half the number space ahead for the past.
  // Then nothing is resent before a timeout until the numbers wrap.
  static uint64 RandomNumber(utp_callback_arguments* a) {
    Port* port = PortOf(a);
    if (port->forced_random_ >= 0) return port->forced_random_;
    const uint32_t value = port->shared_->random.Next() & 0xffff;
    if (a->socket == nullptr) return value;
    const Guards& guards = port->shared_->guards;
    if (!port->dial_id_chosen_) {
      port->dial_id_chosen_ = true;
      return guards.even_dial_ids ? value & 0xfffe : value;
    }
    return guards.low_first_seq ? 2 + value % 0x7000 : value;
  }
};

Port::Port(Shared* shared, Acceptor* acceptor, SocketId socket)
    : PortBase(socket, shared->host->LocalEndpoint(socket), shared->now_us),
      shared_(shared),
      acceptor_(acceptor),
      scratch_(new uint8_t[kMaxDatagramBytes + Transport::kSlackBytes]) {
  using C = LibutpCallbacks;
  context_ = utp_init(2);
  utp_context_set_userdata(context_, this);
  utp_set_callback(context_, UTP_SENDTO, &C::SendTo);
  utp_set_callback(context_, UTP_ON_OVERHEAD_STATISTICS, &C::OnOverhead);
  utp_set_callback(context_, UTP_ON_READ, &C::OnRead);
  utp_set_callback(context_, UTP_ON_STATE_CHANGE, &C::OnStateChange);
  utp_set_callback(context_, UTP_ON_ERROR, &C::OnError);
  utp_set_callback(context_, UTP_ON_DELAY_SAMPLE, &C::OnDelay);
  utp_set_callback(context_, UTP_ON_ACCEPT, &C::OnAccept);
  utp_set_callback(context_, UTP_GET_READ_BUFFER_SIZE, &C::ReadBufferSize);
  utp_set_callback(context_, UTP_GET_UDP_MTU, &C::UdpMtu);
  utp_set_callback(context_, UTP_GET_UDP_OVERHEAD, &C::UdpOverhead);
  utp_set_callback(context_, UTP_GET_MICROSECONDS, &C::Microseconds);
  utp_set_callback(context_, UTP_GET_MILLISECONDS, &C::Milliseconds);
  utp_set_callback(context_, UTP_GET_RANDOM, &C::RandomNumber);
  const Settings& settings = shared->settings;
  utp_context_set_option(context_, UTP_RCVBUF, settings.receive_window_bytes);
  utp_context_set_option(context_, UTP_SNDBUF, settings.send_window_bytes);
  utp_context_set_option(context_, UTP_TARGET_DELAY,
                         settings.target_delay_ms * 1000);
  Tick();
}

Port::~Port() { utp_destroy(context_); }

void Port::ToLibutp(const Packet& packet, const Endpoint& from) {
  if (packet.has_extensions && shared_->guards.own_slack) {
    CopyToLibutp(packet, from);
  } else {
    Process(packet.header, packet.data, packet.length, from);
  }
}

// With the header as `packet` has it, without extensions that libutp does not
// know, and with bytes behind it that it may read.
void Port::CopyToLibutp(const Packet& packet, const Endpoint& from) {
  if (packet.length > kMaxDatagramBytes) return;
  const size_t length = CopyKnownExtensions(packet, scratch_.get());
  memset(scratch_.get() + length, 0, Transport::kSlackBytes);
  Process(packet.header, scratch_.get(), length, from);
}

void Port::Process(const Header& header, const uint8_t* data, size_t length,
                   const Endpoint& from) {
  peer_ = &from;
  header_ = &header;
  utp_process_udp(context_, data, length, from.address(), from.length());
  peer_ = nullptr;
  header_ = nullptr;
}

void Port::HeaderToLibutp(const Header& header, const Endpoint& from) {
  uint8_t bytes[kHeaderBytes + Transport::kSlackBytes] = {};
  BuildHeader(header, bytes);
  Packet packet;
  if (ParsePacket(bytes, kHeaderBytes, &packet)) ToLibutp(packet, from);
}

void Port::IssueAcks() {
  acks_due_ = false;
  unacknowledged_ = 0;
  utp_issue_deferred_acks(context_);
}

uint64_t Port::EndRound() {
  if (acks_due_) IssueAcks();
  time_wait_.Expire(shared_->now_us);
  const uint64_t repeat = repeats_.empty() ? kNever : RepeatResets();
  return std::min(repeat, RunTicks());
}

uint64_t Port::RunTicks() {
  if (connections_.empty() && !tick_wanted_) return kNever;
  const uint64_t now = shared_->now_us;
  const bool quick = tick_wanted_ && shared_->guards.quick_tick;
  if (now / 1000 - last_check_ms_ >= kTickMs) {
    Tick();
  } else if (quick && now - last_quick_tick_us_ >= kQuickTickUs) {
    QuickTick();
  }
  const uint64_t next = (last_check_ms_ + kTickMs) * 1000;
  if (!tick_wanted_ || !shared_->guards.quick_tick) return next;
  return std::min(next, last_quick_tick_us_ + kQuickTickUs);
}

void Port::Tick() {
  tick_wanted_ = false;
  last_check_ms_ = shared_->now_us / 1000;
  utp_check_timeouts(context_);
}

// libutp sends packets that it holds back, and deletes sockets that are done
// with, on its tick only, and ignores ticks within 500 ms of the last. But it
// compares unsigned numbers: a time just before the last tick passes. No timer
// of a connection is due then that was not due at that tick, so that a quick
// tick sends and deletes, and times nothing out early. It turns libutp's clock
// back, so that the next tick comes a little early.
void Port::QuickTick() {
  tick_wanted_ = false;
  last_quick_tick_us_ = shared_->now_us;
  quick_tick_ms_ = --last_check_ms_;
  utp_check_timeouts(context_);
  quick_tick_ms_ = 0;
  const uint64_t now_ms = shared_->now_us / 1000;
  if (now_ms - last_check_ms_ >= kTickMs) last_check_ms_ = now_ms;
  utp_check_timeouts(context_);  // most often to tell it the true time only
}

}  // namespace xtp::utp
