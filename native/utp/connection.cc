#include "utp/connection.h"

#include <sys/socket.h>
#include <utp.h>

#include <algorithm>
#include <string>

#include "utp/port.h"

namespace xtp::utp {
namespace {

constexpr size_t kSlices = 32;

}  // namespace

Connection::Connection(Shared* shared, Port* port)
    : shared_(shared), port_(port), send_window_(shared->settings) {}

Connection::~Connection() {
  Kill();
  if (!registered_) return;
  TimeWait::Entry entry;
  entry.send_id = send_id_;
  entry.next_seq = next_seq_;
  entry.last_ack = sent_ack_;
  entry.first_ack = first_ack_;
  entry.orderly = remote_ended_ && !aborted_;
  port_->Unregister(PeerKey(peer(), receive_id_), entry);
}

void Connection::Dial(ByteConnection* owner) {
  owner_ = owner;
  socket_ = utp_create_socket(port_->context());
  utp_set_userdata(socket_, this);
  shared_->libutp_sockets++;
  dialed_us_ = shared_->now_us;
  port_->PrepareDial();
  utp_connect(socket_, peer().address(), peer().length());  // calls OnSent
  Register();
}

void Connection::Accept(ByteConnection* owner, UTPSocket* socket,
                        const Header& first) {
  owner_ = owner;
  socket_ = socket;
  utp_set_userdata(socket, this);
  send_id_ = first.connection_id;
  receive_id_ = static_cast<uint16_t>(first.connection_id + 1);
  first_ack_ = acked_ = first.ack;
  next_seq_ = static_cast<uint16_t>(first.ack + 1);
  last_heard_us_ = shared_->now_us;
  heard_ = true;
  connected_ = true;
  Register();
}

void Connection::Register() {
  port_->Register(PeerKey(peer(), receive_id_), this);
  registered_ = true;
  ArmTimer();
}

void Connection::Connected() {
  connected_ = true;
  last_heard_us_ = shared_->now_us;
  owner_->OnConnected();
  SendProof();
  ArmTimer();
}

// An acceptor of ours takes any packet of the new connection as proof that our
// address is ours, and until then it does not tell its parent of us. libutp
// sends nothing before there is data, so that a dialer that waits for the
// acceptor to speak first would wait for ever. BEP 29 permits an
// acknowledgement at any time; other implementations ignore this one.
void Connection::SendProof() {
  constexpr int kMaxProofs = 6;
  constexpr uint64_t kFirstRepeatUs = 250 * 1000;
  port_->SendHeader(proof_, peer());
  proofs_sent_++;
  next_proof_us_ = kNever;
  if (!shared_->guards.repeat_proof || proofs_sent_ == kMaxProofs) return;
  next_proof_us_ = shared_->now_us + (kFirstRepeatUs << (proofs_sent_ - 1));
}

// --- ByteSocket

// UTP_STATE_WRITABLE tells of room.
Status Connection::Write(const iovec* slices, size_t count, size_t* taken) {
  utp_iovec copies[kSlices];
  count = std::min(count, kSlices);
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    copies[i] = {slices[i].iov_base, slices[i].iov_len};
    total += slices[i].iov_len;
  }
  const ssize_t written = utp_writev(socket_, copies, count);
  *taken = written > 0 ? static_cast<size_t>(written) : 0;
  window_full_ = *taken < total;
  bytes_given_ += *taken;
  return Status::Ok();
}

void Connection::OnTaken() {
  stalled_since_us_ = shared_->now_us;
  if (closed_) return;
  utp_read_drained(socket_);
  port_->WantAcks();
}

Status Connection::EndWriting(bool* done) {
  *done = fin_queued_ = true;
  utp_shutdown(socket_, SHUT_WR);
  return Status::Ok();
}

// libutp tells that the end of a socket is acknowledged only after utp_close.
void Connection::Close() {
  closed_ = true;
  utp_close(socket_);
  port_->WantTick();
}

// Falls with every new acknowledgement, and never rises: a packet that is sent
// counts one, and so does at least one byte before.
uint64_t Connection::Undelivered() {
  if (socket_ == nullptr) return 0;
  const auto packets = static_cast<uint16_t>(next_seq_ - acked_);
  return bytes_given_ - bytes_sent_ + packets + (fin_sent_ ? 0 : 1);
}

bool Connection::AllArrived() {
  if (bytes_sent_ != bytes_given_) return false;
  const auto last =
      static_cast<uint16_t>((fin_sent_ ? fin_seq_ : next_seq_) - 1);
  return !SeqLess(acked_, last);
}

void Connection::Abort(uint32_t /*code*/) {
  aborted_ = true;
  if (!peer_gone_) SendReset();
  Kill();
}

void Connection::SendReset() {
  Header reset;
  reset.type = PacketType::kReset;
  reset.connection_id = send_id_;
  reset.seq = next_seq_;
  reset.ack = sent_ack_;
  port_->SendReset(reset, peer());
}

// libutp has no abort: utp_close would go on sending what it holds. A RST that
// seems to come from the peer makes it forget everything.
void Connection::Kill() {
  if (socket_ == nullptr) return;
  UTPSocket* const socket = socket_;
  socket_ = nullptr;
  utp_set_userdata(socket, nullptr);
  port_->InjectReset(receive_id_, peer());
  if (!closed_) utp_close(socket);
  port_->WantTick();
}

void Connection::AppendStats(std::string* text) const {
  AddStat(text, "retransmits", retransmits_);
  AddStat(text, "rtt_us", rtt_us_);
  AddStat(text, "min_rtt_us", min_rtt_us_);
  AddStat(text, "unsent_bytes", bytes_given_ - bytes_sent_);
}

}  // namespace xtp::utp
