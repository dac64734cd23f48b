#include "udt/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <udt/udt.h>
// after it: needs its types
#include <udt/common.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/address.h"
#include "common/byte_order.h"
#include "common/io_thread.h"
#include "common/poll_for.h"
#include "udt/libudt_calls.h"

namespace xtp::udt {
namespace {

// Handles are far from descriptors, so that neither is taken for the other.
constexpr int kFirstHandle = 1 << 24;
constexpr size_t kMaxChannels = 1024;

constexpr uint64_t kBusySleepUs = kTimerStepUs;
constexpr uint64_t kIdleSleepUs = 500 * 1000;
// Acknowledgements, where each packet comes alone.
constexpr uint64_t kAckStepUs = 300;
// How often what is missing is looked for.
constexpr uint64_t kAskStepUs = 10 * 1000;
// A full socket buffer blocks libudt's sender, as a blocking socket would.
constexpr int kSendWaitMs = 10;

// Channels by slot. A slot is used again when libudt has let it go, the one
// that has been free for longest first. Never destroyed: libudt's threads
// outlive main.
std::mutex slots_mutex;
auto& slots = *new std::array<std::shared_ptr<Channel>, kMaxChannels>();
auto& free_slots = *new std::deque<size_t>();
uint32_t used_slots = 0;  // ever

Endpoint PeerOf(const msghdr* message) {
  return Endpoint::FromSockaddr(static_cast<const sockaddr*>(message->msg_name),
                                message->msg_namelen);
}

// Whose packets the calling thread receives.
thread_local const Channel* receiving = nullptr;

}  // namespace

Channel::Channel(std::unique_ptr<UdpSocket> socket, const PacketLimits& limits,
                 std::shared_ptr<ChannelOwner> owner)
    : limits_(limits),
      owner_(std::move(owner)),
      counters_(&owner_->counters),
      local_(socket->local()),
      socket_(std::move(socket)) {}

Status Channel::Create(std::unique_ptr<UdpSocket> socket,
                       const PacketLimits& limits,
                       std::shared_ptr<ChannelOwner> owner,
                       std::shared_ptr<Channel>* out) {
  std::shared_ptr<Channel> channel(
      new Channel(std::move(socket), limits, std::move(owner)));
  if (pipe2(channel->wake_, O_CLOEXEC | O_NONBLOCK) != 0) {
    return Status::FromErrno(errno, "a pipe");
  }
  std::lock_guard<std::mutex> lock(slots_mutex);
  size_t slot;
  if (used_slots < kMaxChannels) {
    slot = used_slots++;
  } else if (!free_slots.empty()) {
    slot = free_slots.front();
    free_slots.pop_front();
  } else {
    return Status(Code::kResourceExhausted, "too many UDP sockets");
  }
  channel->handle_ = kFirstHandle + static_cast<int>(slot);
  channel->virtual_port_ = static_cast<uint16_t>(slot + 1);
  slots[slot] = channel;
  *out = std::move(channel);
  return Status::Ok();
}

Channel::~Channel() {
  for (const int fd : wake_) {
    if (fd >= 0) close(fd);
  }
}

std::shared_ptr<Channel> Channel::Find(int handle) {
  if (handle < kFirstHandle) return nullptr;
  const size_t slot = static_cast<size_t>(handle - kFirstHandle);
  if (slot >= kMaxChannels) return nullptr;
  std::lock_guard<std::mutex> lock(slots_mutex);
  return slots[slot];
}

void Channel::Released() {
  if (released_.exchange(true)) return;
  Wake();
  const size_t slot = static_cast<size_t>(handle_ - kFirstHandle);
  std::lock_guard<std::mutex> lock(slots_mutex);
  slots[slot].reset();  // callers hold references of their own
  free_slots.push_back(slot);
}

// --- the engine's side

void Channel::Wake() {
  const char byte = 0;
  if (write(wake_[1], &byte, 1) < 0) return;  // full: it wakes as well
}

void Channel::Open() {
  open_ = true;
  Wake();
}

void Channel::SetBusy(bool busy) {
  if (busy_.exchange(busy) == busy) return;
  if (busy) Wake();
}

void Channel::AddDialing(uint32_t socket) {
  std::lock_guard<std::mutex> lock(mutex_);
  dialing_.insert(socket);
}

bool Channel::StopDialing(uint32_t socket) {
  std::lock_guard<std::mutex> lock(mutex_);
  return dialing_.erase(socket) != 0;
}

void Channel::Forget(uint32_t socket) {
  std::lock_guard<std::mutex> lock(mutex_);
  dialing_.erase(socket);
  const auto found = sockets_.find(socket);
  if (found == sockets_.end()) return;
  peers_.erase(found->second.peer);
  keepers_.erase(socket);
  keeping_ = keepers_.size();
  sockets_.erase(found);
}

void Channel::TakeNotices(std::vector<Notice>* out) {
  std::lock_guard<std::mutex> lock(mutex_);
  out->insert(out->end(), notices_.begin(), notices_.end());
  notices_.clear();
}

void Channel::Close() {
  closed_ = true;
  Wake();
  std::unique_lock<std::shared_mutex> lock(socket_mutex_);
  socket_.reset();
}

uint64_t Channel::LastAliveUs(uint64_t now_us) const {
  if (!entered_once_ || released_) return now_us;
  const uint64_t left = left_us_;
  return left == 0 ? now_us : left;
}

// --- libudt's side

int Channel::Name(sockaddr* name, socklen_t* length) const {
  const socklen_t needed = local_.length();
  if (*length < needed) {
    errno = EINVAL;
    return -1;
  }
  memcpy(name, local_.address(), needed);
  *length = needed;
  // At the same place in both families.
  reinterpret_cast<sockaddr_in*>(name)->sin_port = htons(virtual_port_);
  return 0;
}

ssize_t Channel::Receive(msghdr* message) {
  left_us_ = 0;
  entered_once_ = true;
  if (received_.empty()) settled_++;
  SetAckListener(this);
  receiving = this;
  const uint64_t now = IoThread::NowUs();
  if (!held_naks_.empty()) SendDueNaks(now);
  if (now - asked_us_ >= kAskStepUs) {
    AskAgain(now);
    // those of before have been read
    if (received_.empty()) ProbeTails(now);
  }
  // libudt has seen the packets that these are about.
  if (!fresh_.empty()) PublishNotices();
  if (received_.empty()) Offer();
  if (received_.empty() && !Fill()) {
    Wait();
    if (received_.empty()) Offer();
    if (received_.empty() && !Fill()) {
      left_us_ = IoThread::NowUs();
      SetThreadTime(arrivals_.Tell(left_us_));
      errno = EAGAIN;
      return -1;
    }
  }
  const Datagram datagram = received_.front();
  received_.pop_front();
  size_t at = 0;
  for (size_t i = 0; i < message->msg_iovlen && at < datagram.length; i++) {
    const iovec& part = message->msg_iov[i];
    const size_t size = std::min(part.iov_len, datagram.length - at);
    memcpy(part.iov_base, datagram.data + at, size);
    at += size;
  }
  if (message->msg_namelen >= datagram.from.length()) {
    memcpy(message->msg_name, datagram.from.address(), datagram.from.length());
  }
  told_libudt_ = true;
  SetThreadTime(arrivals_.Tell(datagram.arrived_us));
  left_us_ = IoThread::NowUs();
  return static_cast<ssize_t>(at);
}

// Reads one batch. False: there is nothing.
bool Channel::Fill() {
  if (closed_ || !open_) return false;
  {
    std::shared_lock<std::shared_mutex> lock(socket_mutex_);
    if (socket_ == nullptr) return false;
    counters_->receive_calls++;
    const size_t first = received_.size();
    socket_->Receive(&buffers_, this);
    const size_t count = received_.size() - first;
    for (size_t i = 0; i < count; i++) {
      received_[first + i].arrived_us = arrivals_.At(i, count);
    }
  }
  // Who holds answers sends meanwhile, and locks the socket for that.
  if (has_challenge_) {
    has_challenge_ = false;
    HoldAnswers();
  }
  return !received_.empty();
}

void Channel::Wait() {
  // libudt wakes whoever waits before it says what for.
  if (told_libudt_) CTimer::triggerEvent();
  told_libudt_ = false;
  pollfd polls[2] = {{wake_[0], POLLIN, 0}, {-1, POLLIN, 0}};
  const uint64_t now = IoThread::NowUs();
  uint64_t due = now + (busy_ || closed_ ? kBusySleepUs : kIdleSleepUs);
  if (!unacknowledged_.empty()) {
    due = acknowledged_us_ + kAckStepUs;
    if (now >= due) {
      Acknowledge();
      return;
    }
  }
  if (!held_naks_.empty()) due = std::min(due, held_naks_.front().due_us);
  const uint64_t offer_us = next_offer_us_;
  if (offer_us != 0) due = std::min(due, offer_us);
  if (released_) due = now;
  {
    // Close waits until this returns; it wakes first.
    std::shared_lock<std::shared_mutex> lock(socket_mutex_);
    if (socket_ != nullptr && open_ && !closed_) polls[1].fd = socket_->fd();
    PollFor(polls, 2, due - std::min(due, now));
    if ((polls[1].revents & POLLERR) != 0) {
      socket_->ReceiveErrors(&buffers_, this);
    }
  }
  arrivals_.OnWoken(IoThread::NowUs());
  char drain[64];
  if ((polls[0].revents & POLLIN) != 0) {
    while (read(wake_[0], drain, sizeof drain) > 0) {
    }
  }
  if (!fresh_.empty()) PublishNotices();
}

// libudt looks at a connection's timers when a packet comes for it. A
// keep-alive says nothing that the data before it has not said.
void Channel::Acknowledge() {
  acknowledged_us_ = IoThread::NowUs();
  reminders_.clear();
  for (const Unacknowledged& entry : unacknowledged_) {
    entry.ack->AcknowledgeNow();
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = sockets_.find(entry.socket);
    if (found == sockets_.end()) continue;
    reminders_.emplace_back();
    uint8_t* const packet = reminders_.back().data();
    MakeKeepAlive(entry.socket, packet);
    received_.push_back(Datagram{packet, kHeaderBytes,
                                 found->second.peer.address, acknowledged_us_});
  }
  unacknowledged_.clear();
}

void Channel::OnData(uint32_t socket, std::shared_ptr<AckSwitch> ack) {
  unacknowledged_.push_back(Unacknowledged{socket, std::move(ack)});
}

// In the receiving thread: the memory is its own until the next batch.
void Channel::OnUdpDatagram(const uint8_t* data, size_t length,
                            const Endpoint& from) {
  counters_->datagrams_in++;
  auto* const packet = const_cast<uint8_t*>(data);
  if (Admit(packet, length, from)) {
    received_.push_back(Datagram{packet, length, from, 0});
  }
}

bool Channel::Admit(uint8_t* data, size_t length, const Endpoint& from) {
  const PacketFacts facts = InspectPacket(data, length, limits_);
  if (facts.kind == PacketKind::kBad ||
      length > limits_.max_segment_bytes - UdpOverhead(AF_INET)) {
    counters_->malformed++;
    return false;
  }
  if (facts.kind == PacketKind::kRequest) return AdmitRequest(data, from);
  if (facts.kind == PacketKind::kUnknownSocket) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = peers_.find(Peer{facts.handshake_id, from});
    if (found != peers_.end()) Note(found->second, Notice::Kind::kUnknown);
    return false;
  }
  if (facts.kind == PacketKind::kChallenge) has_challenge_ = true;
  std::unique_lock<std::mutex> lock(mutex_);
  const bool dialing = dialing_.count(facts.destination) != 0;
  if (dialing) {
    if (facts.kind == PacketKind::kRefusal) {
      // libudt would take it for a connection.
      Note(facts.destination, Notice::Kind::kRefused);
      return false;
    }
    if (facts.kind == PacketKind::kResponse) {
      dialing_.erase(facts.destination);
      const Peer peer{facts.handshake_id, from};
      Connection& connection = sockets_[facts.destination];
      connection.peer = peer;
      connection.gap = NewGap(facts.first_sequence);
      connection.tail = Tail(facts.first_sequence);
      peers_[peer] = facts.destination;
    }
    return true;
  }
  const auto found = sockets_.find(facts.destination);
  if (found != sockets_.end() && found->second.peer.address == from) {
    if (!facts.control && !held_naks_.empty()) {
      OnSequence(facts.destination, facts.sequence);
    }
    if (!facts.control) {
      found->second.gap.OnData(facts.sequence, IoThread::NowUs());
    }
    if (facts.is_ack) found->second.tail.OnAcknowledged(facts.acknowledged);
    if (facts.has_rtt) {
      found->second.tail.OnRoundTrip(facts.rtt_us, facts.rtt_variance_us);
    }
    if (!facts.control && found->second.full) {
      Keep(facts.destination, &found->second, facts.sequence, data, length);
    }
    if (facts.kind == PacketKind::kShutdown) {
      Note(facts.destination, Notice::Kind::kShutdown);
    }
    return facts.kind != PacketKind::kRefusal;
  }
  lock.unlock();
  counters_->unknown++;
  // Not to handshakes and shutdowns: no answer is to be answered.
  if (facts.kind == PacketKind::kOther && found == sockets_.end() &&
      MayAnswer()) {
    uint8_t answer[kUnknownSocketBytes];
    MakeUnknownSocket(facts.destination, answer);
    SendRaw(answer, sizeof answer, from);
  }
  return false;
}

bool Channel::AdmitRequest(const uint8_t* data, const Endpoint& from) {
  counters_->requests++;
  if (listening_ && !full_) return true;
  counters_->requests_dropped++;
  // Without room: silence. The dialer tries again.
  if (!listening_ && MayAnswer()) {
    uint8_t answer[kHandshakeBytes];
    MakeRefusal(data, answer);
    SendRaw(answer, sizeof answer, from);
    counters_->refusals_sent++;
  }
  return false;
}

// What the network says of a dial; connections find out by themselves.
void Channel::OnUdpError(const uint8_t* payload, size_t length,
                         const Endpoint& /*to*/, int error, uint32_t /*mtu*/) {
  if (length < kHandshakeBytes || error == EMSGSIZE) return;
  const SentFacts sent =
      InspectSent(payload, payload + kHeaderBytes, length - kHeaderBytes);
  if (sent.handshake_id == 0 || sent.destination != 0) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (dialing_.count(sent.handshake_id) != 0) {
    Note(sent.handshake_id, Notice::Kind::kRefused);
  }
}

void Channel::Note(uint32_t socket, Notice::Kind kind) {
  if (fresh_.size() < 1024) fresh_.push_back(Notice{socket, kind});
}

void Channel::PublishNotices() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (notices_.size() < 4096) {
      notices_.insert(notices_.end(), fresh_.begin(), fresh_.end());
    }
    fresh_.clear();
  }
  owner_->Ring();
}

bool Channel::MayAnswer() {
  std::lock_guard<std::mutex> lock(mutex_);
  return answers_.Take(IoThread::NowUs());
}

// The caller may hold the socket's lock, as a reader.
void Channel::SendRaw(const uint8_t* data, size_t length, const Endpoint& to) {
  if (socket_ == nullptr) return;
  if (sendto(socket_->fd(), data, length, MSG_DONTWAIT, to.address(),
             to.length()) < 0) {
    counters_->send_drops++;
  }
}

// Connections begin, are acknowledged, and go on with what libudt sends.
void Channel::OnSend(const msghdr* message) {
  if (message->msg_iovlen != 2 || message->msg_iov[0].iov_len != kHeaderBytes) {
    return;
  }
  const SentFacts sent =
      InspectSent(static_cast<const uint8_t*>(message->msg_iov[0].iov_base),
                  static_cast<const uint8_t*>(message->msg_iov[1].iov_base),
                  message->msg_iov[1].iov_len);
  if (!sent.is_data && !sent.is_ack && !sent.is_response) return;
  const Peer peer{sent.destination, PeerOf(message)};
  std::lock_guard<std::mutex> lock(mutex_);
  if (sent.is_response) {
    // A response may be sent more than once.
    const auto [found, is_new] = sockets_.try_emplace(sent.handshake_id);
    found->second.peer = peer;
    if (is_new) {
      found->second.gap = NewGap(sent.first_sequence);
      found->second.tail = Tail(sent.first_sequence);
    }
    peers_[peer] = sent.handshake_id;
    return;
  }
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  if (sent.is_ack) {
    OnAcknowledged(found->second, sent);
  } else {
    sockets_[found->second].tail.OnSent(sent.sequence);
  }
}

ssize_t Channel::Send(const msghdr* message) {
  size_t length = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) {
    length += message->msg_iov[i].iov_len;
  }
  OnSend(message);
  if (receiving == this && HoldNak(message, PeerOf(message))) {
    return static_cast<ssize_t>(length);
  }
  std::shared_lock<std::shared_mutex> lock(socket_mutex_);
  if (socket_ == nullptr || closed_) return static_cast<ssize_t>(length);
  counters_->datagrams_out++;
  const int fd = socket_->fd();
  ssize_t sent = sendmsg(fd, message, MSG_DONTWAIT);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    pollfd room = {fd, POLLOUT, 0};
    poll(&room, 1, kSendWaitMs);
    sent = sendmsg(fd, message, MSG_DONTWAIT);
  } else if (sent < 0 && errno != EMSGSIZE) {
    // The socket owed an ICMP error of an earlier datagram.
    sent = sendmsg(fd, message, MSG_DONTWAIT);
  }
  if (sent < 0) counters_->send_drops++;
  return sent;
}

}  // namespace xtp::udt
