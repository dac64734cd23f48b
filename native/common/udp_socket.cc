#include "common/udp_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "common/transport.h"

// XTP_PLAIN_UDP makes a Linux build take the path of other systems, for tests.
#if defined(__linux__) && !defined(XTP_PLAIN_UDP)
#define XTP_LINUX_UDP 1
#include <linux/errqueue.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#else
#define XTP_LINUX_UDP 0
#endif

namespace xtp {
namespace {

constexpr size_t kSlackBytes = Transport::kSlackBytes;
constexpr size_t kMaxDatagramBytes = 65535;

// The send queue: when it is flushed early, and where it ends.
constexpr size_t kFlushBytes = 256 * 1024;
constexpr size_t kMessagesPerCall = 64;
constexpr size_t kArenaBytes = 1024 * 1024;
constexpr size_t kMaxMessages = 1024;

#if XTP_LINUX_UDP
// Of the kernel, for one segmented send.
constexpr size_t kMaxSegments = 64;
constexpr size_t kMaxSegmentedBytes = 65000;
constexpr size_t kErrorsPerCall = 64;
#endif
// How often a call is repeated that reported an earlier datagram's ICMP error.
constexpr int kReceiveTries = 8;
constexpr int kSendRetries = 2;

void SetInt(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

int GetInt(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, level, name, &value, &length) != 0) return 0;
  return value;
}

// Linux answers with twice the value; half of it is for its bookkeeping.
int BufferBytes(int fd, int name) {
#if defined(__linux__)
  return GetInt(fd, SOL_SOCKET, name) / 2;
#else
  return GetInt(fd, SOL_SOCKET, name);
#endif
}

void GrowBuffer(int fd, int name, int force_name, int bytes) {
  SetInt(fd, SOL_SOCKET, name, bytes);
  if (BufferBytes(fd, name) < bytes && force_name != 0) {
    // Beyond the system's limit; works with CAP_NET_ADMIN only.
    SetInt(fd, SOL_SOCKET, force_name, bytes);
  }
}

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// Errors that the socket may owe to a datagram sent earlier, to anybody.
bool IsSoft(int error) {
  switch (error) {
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EPROTO:
    case EOPNOTSUPP:
    case EACCES:
    case EPERM:
      return true;
    default:
      return false;
  }
}

}  // namespace

void UdpCounters::Add(const UdpCounters& other) {
  datagrams_in += other.datagrams_in;
  datagrams_out += other.datagrams_out;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  receive_calls += other.receive_calls;
  send_calls += other.send_calls;
  send_drops += other.send_drops;
  icmp_errors += other.icmp_errors;
}

// --- memory for receiving

namespace {

// One buffer: a datagram, its slack, and an odd cache line, so that the
// buffers do not all compete for the same cache sets.
constexpr size_t kStride = 65536 + 2 * kSlackBytes;
static_assert(kStride >= UdpReceiveBuffers::kDatagramBytes + kSlackBytes,
              "no room for the slack");

}  // namespace

struct UdpReceiveBuffers::Arrays {
  Endpoint from[kBatch];
#if XTP_LINUX_UDP
  iovec slices[kBatch];
  mmsghdr messages[kBatch];
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  } control[kBatch];
#endif
};

UdpReceiveBuffers::UdpReceiveBuffers()
    : memory_(new uint8_t[kBatch * kStride]), arrays_(new Arrays()) {}

UdpReceiveBuffers::~UdpReceiveBuffers() = default;

uint8_t* UdpReceiveBuffers::buffer(size_t index) {
  return memory_.get() + index * kStride;
}

// --- life of a socket

struct UdpSocket::Message {
  Endpoint to;
  size_t offset;   // in arena_
  size_t length;   // of all its datagrams together
  size_t segment;  // of each, save the last, which may be shorter
  uint32_t count;
  int failures;
};

struct UdpSocket::SendArrays {
#if XTP_LINUX_UDP
  iovec slices[kMessagesPerCall];
  mmsghdr messages[kMessagesPerCall];
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
  } control[kMessagesPerCall];
#endif
};

UdpSocket::UdpSocket(int fd, const UdpOptions& options)
    : fd_(fd),
      options_(options),
      arena_(new uint8_t[kArenaBytes]),
      send_arrays_(new SendArrays()) {
  messages_.reserve(kMaxMessages);
#if !XTP_LINUX_UDP
  options_.mmsg = options_.gso = options_.gro = false;
#endif
}

UdpSocket::~UdpSocket() { Close(); }

Status UdpSocket::Bind(const Endpoint& local, const UdpOptions& options,
                       std::unique_ptr<UdpSocket>* out) {
  if (local.length() == 0) {
    return Status(Code::kInvalidArgument, "no address to bind");
  }
  const std::string what = "bind " + local.ToString();
#if defined(__linux__)
  const int fd =
      socket(local.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(local.family(), SOCK_DGRAM, 0);
#endif
  if (fd < 0) return Status::FromErrno(errno, what);
  std::unique_ptr<UdpSocket> result(new UdpSocket(fd, options));
  Status status = result->Configure(true);
  if (!status.ok()) return status;
  // No SO_REUSEADDR: with it another process could take the port as well.
  if (bind(fd, local.address(), local.length()) != 0) {
    return Status::FromErrno(errno, what);
  }
  socklen_t length = sizeof(sockaddr_storage);
  if (getsockname(fd, result->local_.mutable_address(), &length) != 0) {
    return Status::FromErrno(errno, what);
  }
  *out = std::move(result);
  return Status();
}

Status UdpSocket::Adopt(int fd, const UdpOptions& options,
                        std::unique_ptr<UdpSocket>* out) {
  std::unique_ptr<UdpSocket> result(new UdpSocket(fd, options));
  socklen_t length = sizeof(sockaddr_storage);
  if (GetInt(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM ||
      getsockname(fd, result->local_.mutable_address(), &length) != 0 ||
      result->local_.port() == 0) {
    return Status(Code::kInvalidArgument, "not a bound UDP socket");
  }
  Status status = result->Configure(false);
  if (!status.ok()) return status;
  *out = std::move(result);
  return Status();
}

Status UdpSocket::Configure(bool grow_buffers) {
  if (fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK) != 0 ||
      fcntl(fd_, F_SETFD, FD_CLOEXEC) != 0) {
    return Status::FromErrno(errno, "fcntl");
  }
  int domain = AF_INET;
#if defined(SO_DOMAIN)
  domain = GetInt(fd_, SOL_SOCKET, SO_DOMAIN);
#else
  Endpoint self;
  socklen_t length = sizeof(sockaddr_storage);
  if (getsockname(fd_, self.mutable_address(), &length) == 0) {
    domain = self.family();
  }
#endif
  const bool v6 = domain == AF_INET6;
  // An IPv4 listener on the same port is a socket of its own.
  if (v6 && grow_buffers) SetInt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, 1);

#if defined(SO_RCVBUFFORCE)
  const int receive_force = SO_RCVBUFFORCE, send_force = SO_SNDBUFFORCE;
#else
  const int receive_force = 0, send_force = 0;
#endif
  if (grow_buffers) {
    GrowBuffer(fd_, SO_RCVBUF, receive_force, options_.buffer_bytes);
    GrowBuffer(fd_, SO_SNDBUF, send_force, options_.buffer_bytes);
  }
  receive_buffer_bytes_ = BufferBytes(fd_, SO_RCVBUF);
  send_buffer_bytes_ = BufferBytes(fd_, SO_SNDBUF);

  // Don't Fragment on every datagram, and no path MTU of the kernel's: the
  // transports search it themselves (RFC 8899), and a forged "fragmentation
  // needed" must not make the kernel refuse what they send. PROBE is that;
  // what exceeds the interface's MTU comes back as EMSGSIZE on the error
  // queue, as do ICMP messages, for the transport to judge.
#if defined(__linux__)
  if (v6) {
    SetInt(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    SetInt(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
  } else {
    SetInt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  }
#else
#if defined(IP_DONTFRAG)
  if (!v6) SetInt(fd_, IPPROTO_IP, IP_DONTFRAG, 1);
#endif
#if defined(IPV6_DONTFRAG)
  if (v6) SetInt(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
#endif
#endif

#if XTP_LINUX_UDP
  if (v6) {
    SetInt(fd_, IPPROTO_IPV6, IPV6_RECVERR, 1);
  } else {
    SetInt(fd_, IPPROTO_IP, IP_RECVERR, 1);
  }
  const int gro = options_.gro ? 1 : 0;
  if (setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &gro, sizeof gro) != 0) {
    options_.gro = false;
  }
  // Segments are asked for with each send; nothing is to be left of others'.
  SetInt(fd_, IPPROTO_UDP, UDP_SEGMENT, 0);
  int segment = 0;
  socklen_t size = sizeof segment;
  if (options_.gso &&
      getsockopt(fd_, IPPROTO_UDP, UDP_SEGMENT, &segment, &size) != 0) {
    options_.gso = false;
  }
#endif
  return Status();
}

void UdpSocket::AllowFragments() {
#if defined(__linux__)
  if (local_.family() == AF_INET6) {
    SetInt(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
    SetInt(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
  } else {
    SetInt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
  }
#else
#if defined(IP_DONTFRAG)
  if (local_.family() == AF_INET) SetInt(fd_, IPPROTO_IP, IP_DONTFRAG, 0);
#endif
#if defined(IPV6_DONTFRAG)
  if (local_.family() == AF_INET6) SetInt(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
#endif
#endif
}

void UdpSocket::Close() {
  if (fd_ < 0) return;
  Flush();
  for (; first_ < messages_.size(); first_++) {
    counters_.send_drops += messages_[first_].count;
  }
  close(fd_);
  fd_ = -1;
  blocked_ = false;
}

// --- receiving

// GRO leaves datagrams side by side, so the slack of each is borrowed from its
// successor for the time of the call.
void UdpSocket::Deliver(UdpSink* sink, uint8_t* data, size_t length,
                        size_t segment, const Endpoint& from) {
  if (segment == 0 || segment > length) segment = length;
  size_t at = 0;
  do {
    const size_t size = std::min(segment, length - at);
    uint8_t* behind = data + at + size;
    uint8_t saved[kSlackBytes];
    memcpy(saved, behind, kSlackBytes);
    memset(behind, 0, kSlackBytes);
    counters_.datagrams_in++;
    counters_.bytes_in += size;
    sink->OnUdpDatagram(data + at, size, from);
    memcpy(behind, saved, kSlackBytes);
    at += size;
  } while (at < length && fd_ >= 0);
}

#if XTP_LINUX_UDP

namespace {

size_t GroSegment(msghdr* header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr;
       c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    int segment;
    memcpy(&segment, CMSG_DATA(c), sizeof segment);
    return segment > 0 ? static_cast<size_t>(segment) : 0;
  }
  return 0;
}

}  // namespace

bool UdpSocket::Receive(UdpReceiveBuffers* buffers, UdpSink* sink) {
  if (fd_ < 0) return false;
  UdpReceiveBuffers::Arrays& arrays = *buffers->arrays_;
  constexpr size_t kBatch = UdpReceiveBuffers::kBatch;
  for (size_t i = 0; i < kBatch; i++) {
    arrays.slices[i] = {buffers->buffer(i), UdpReceiveBuffers::kDatagramBytes};
    msghdr& header = arrays.messages[i].msg_hdr;
    header = msghdr();
    header.msg_name = arrays.from[i].mutable_address();
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &arrays.slices[i];
    header.msg_iovlen = 1;
    if (options_.gro) {
      header.msg_control = arrays.control[i].bytes;
      header.msg_controllen = sizeof arrays.control[i].bytes;
    }
  }
  int got = -1;
  for (int tries = 0; got < 0 && tries < kReceiveTries; tries++) {
    counters_.receive_calls++;
    if (options_.mmsg) {
      got = recvmmsg(fd_, arrays.messages, kBatch, MSG_DONTWAIT, nullptr);
      if (got < 0 && errno == ENOSYS) options_.mmsg = false;
    } else {
      const ssize_t length =
          recvmsg(fd_, &arrays.messages[0].msg_hdr, MSG_DONTWAIT);
      if (length >= 0) {
        arrays.messages[0].msg_len = static_cast<unsigned>(length);
        got = 1;
      }
    }
    if (got < 0 && !IsSoft(errno) && errno != ENOSYS && errno != EMSGSIZE) {
      return false;
    }
  }
  if (got <= 0) return false;
  sink->OnUdpBatch();
  for (int i = 0; i < got && fd_ >= 0; i++) {
    msghdr& header = arrays.messages[i].msg_hdr;
    if (header.msg_flags & MSG_TRUNC) continue;
    Deliver(sink, buffers->buffer(static_cast<size_t>(i)),
            arrays.messages[i].msg_len, GroSegment(&header), arrays.from[i]);
  }
  return fd_ >= 0 && (!options_.mmsg || static_cast<size_t>(got) == kBatch);
}

namespace {

const sock_extended_err* ExtendedError(msghdr* header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr;
       c = CMSG_NXTHDR(header, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 =
        c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (v4 || v6) {
      return reinterpret_cast<const sock_extended_err*>(CMSG_DATA(c));
    }
  }
  return nullptr;
}

}  // namespace

void UdpSocket::ReceiveErrors(UdpReceiveBuffers* buffers, UdpSink* sink) {
  for (size_t i = 0; i < kErrorsPerCall && fd_ >= 0; i++) {
    uint8_t* data = buffers->buffer(0);
    iovec slice = {data, UdpReceiveBuffers::kDatagramBytes};
    alignas(cmsghdr) char control[512];
    Endpoint to;  // where the datagram was going
    msghdr header = msghdr();
    header.msg_name = to.mutable_address();
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &slice;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(fd_, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (got < 0) {
      // Empty. An error that found no room in the queue would keep POLLERR up.
      GetInt(fd_, SOL_SOCKET, SO_ERROR);
      return;
    }
    const sock_extended_err* error = ExtendedError(&header);
    if (error == nullptr || (error->ee_origin != SO_EE_ORIGIN_LOCAL &&
                             error->ee_origin != SO_EE_ORIGIN_ICMP &&
                             error->ee_origin != SO_EE_ORIGIN_ICMP6)) {
      continue;
    }
    counters_.icmp_errors++;
    memset(data + got, 0, kSlackBytes);
    const int number = static_cast<int>(error->ee_errno);
    sink->OnUdpError(data, static_cast<size_t>(got), to, number,
                     number == EMSGSIZE ? error->ee_info : 0);
  }
}

#else

bool UdpSocket::Receive(UdpReceiveBuffers* buffers, UdpSink* sink) {
  if (fd_ < 0) return false;
  uint8_t* data = buffers->buffer(0);
  Endpoint& from = buffers->arrays_->from[0];
  ssize_t got = -1;
  for (int tries = 0; got < 0 && tries < kReceiveTries; tries++) {
    socklen_t length = sizeof(sockaddr_storage);
    counters_.receive_calls++;
    got = recvfrom(fd_, data, UdpReceiveBuffers::kDatagramBytes, 0,
                   from.mutable_address(), &length);
    if (got < 0 && !IsSoft(errno)) return false;
  }
  if (got < 0) return false;
  sink->OnUdpBatch();
  Deliver(sink, data, static_cast<size_t>(got), 0, from);
  return fd_ >= 0;
}

// Without an error queue nobody says which datagram an error belongs to.
void UdpSocket::ReceiveErrors(UdpReceiveBuffers*, UdpSink*) {
  if (fd_ >= 0) GetInt(fd_, SOL_SOCKET, SO_ERROR);
}

#endif

// --- sending

bool UdpSocket::has_output() const { return first_ < messages_.size(); }

void UdpSocket::Send(const uint8_t* data, size_t length, const Endpoint& to) {
  if (fd_ < 0) return;
  if (length > kMaxDatagramBytes) {
    counters_.send_drops++;
    return;
  }
#if XTP_LINUX_UDP
  if (options_.gso && has_output() && length > 0) {
    Message& last = messages_.back();
    // A shorter datagram has to be the last one of its message.
    const bool whole = last.length == last.segment * last.count;
    if (whole && length <= last.segment && last.count < kMaxSegments &&
        last.length + length < kMaxSegmentedBytes && last.to == to &&
        arena_used_ + length <= kArenaBytes) {
      memcpy(arena_.get() + arena_used_, data, length);
      arena_used_ += length;
      last.length += length;
      last.count++;
      return;
    }
  }
#endif
  if (!MakeRoom(length)) {
    counters_.send_drops++;
    return;
  }
  memcpy(arena_.get() + arena_used_, data, length);
  messages_.push_back(Message{to, arena_used_, length, length, 1, 0});
  arena_used_ += length;
}

bool UdpSocket::MakeRoom(size_t length) {
  const size_t waiting =
      has_output() ? arena_used_ - messages_[first_].offset : 0;
  if (!blocked_ && (waiting + length > kFlushBytes ||
                    messages_.size() - first_ >= kMessagesPerCall)) {
    Flush();
  }
  if (arena_used_ + length <= kArenaBytes && messages_.size() < kMaxMessages) {
    return true;
  }
  if (first_ == 0) return false;
  // Some of the queue has left: close the gap in front.
  const size_t gone = messages_[first_].offset;
  memmove(arena_.get(), arena_.get() + gone, arena_used_ - gone);
  arena_used_ -= gone;
  messages_.erase(messages_.begin(),
                  messages_.begin() + static_cast<ptrdiff_t>(first_));
  first_ = 0;
  for (Message& message : messages_) message.offset -= gone;
  return arena_used_ + length <= kArenaBytes && messages_.size() < kMaxMessages;
}

void UdpSocket::Done(const Message& message) {
  counters_.datagrams_out += message.count;
  counters_.bytes_out += message.length;
}

void UdpSocket::Flush() {
  if (fd_ < 0) return;
  blocked_ = false;
  while (first_ < messages_.size()) {
    if (messages_[first_].count > 1 && !options_.gso) {
      bool left = false;
      if (!SendSingly(&messages_[first_], &left)) return;
      first_++;
      continue;
    }
    int error = 0;
    const size_t sent = SendBatch(&error);
    for (size_t i = 0; i < sent; i++) Done(messages_[first_++]);
    if (error == 0) continue;
    if (WouldBlock(error)) {
      blocked_ = true;
      return;
    }
    SendFailed(error);
    if (blocked_) return;
  }
  messages_.clear();
  first_ = 0;
  arena_used_ = 0;
}

// The kernel refused the first message of the queue.
void UdpSocket::SendFailed(int error) {
  Message& message = messages_[first_];
  if (error == EINTR || (error == ENOSYS && options_.mmsg)) {
    if (error == ENOSYS) options_.mmsg = false;
    return;
  }
  if (message.count > 1 && !IsSoft(error)) {
    // EIO: no checksum offload on the way out. EINVAL: not supported there, or
    // a segment beyond the MTU, as is EMSGSIZE. Only if such a datagram leaves
    // by itself, segmentation is what is wrong.
    bool left = false;
    const bool done = SendSingly(&message, &left);
    if (left && (error == EIO || error == EINVAL)) options_.gso = false;
    if (done) first_++;
    return;
  }
  // The error may be that of an earlier datagram, so try again; but it may
  // also be this one's own.
  if (IsSoft(error) && message.failures++ < kSendRetries) return;
  counters_.send_drops += message.count;
  first_++;
}

// Sends the datagrams of a message one by one. `*first_left`: the first of them
// did. False: the kernel is full, and the message describes the rest.
bool UdpSocket::SendSingly(Message* message, bool* first_left) {
  bool first = true;
  int failures = 0;
  while (message->count > 0) {
    const size_t size = std::min(message->segment, message->length);
    counters_.send_calls++;
    const ssize_t sent = sendto(fd_, arena_.get() + message->offset, size, 0,
                                message->to.address(), message->to.length());
    if (sent < 0 && WouldBlock(errno)) {
      blocked_ = true;
      return false;
    }
    if (sent < 0 && IsSoft(errno) && failures++ < kSendRetries) continue;
    failures = 0;
    if (sent < 0) {
      counters_.send_drops++;
    } else {
      *first_left |= first;
      counters_.datagrams_out++;
      counters_.bytes_out += size;
    }
    first = false;
    message->offset += size;
    message->length -= size;
    message->count--;
  }
  return true;
}

#if XTP_LINUX_UDP

// Returns how many messages left; with `*error` if the next one could not.
size_t UdpSocket::SendBatch(int* error) {
  SendArrays& arrays = *send_arrays_;
  size_t count = 0;
  const size_t most = options_.mmsg ? kMessagesPerCall : 1;
  for (size_t i = first_; i < messages_.size() && count < most; i++) {
    Message& message = messages_[i];
    if (message.count > 1 && !options_.gso) break;
    arrays.slices[count] = {arena_.get() + message.offset, message.length};
    msghdr& header = arrays.messages[count].msg_hdr;
    header = msghdr();
    header.msg_name = message.to.mutable_address();
    header.msg_namelen = message.to.length();
    header.msg_iov = &arrays.slices[count];
    header.msg_iovlen = 1;
    if (message.count > 1) {
      header.msg_control = arrays.control[count].bytes;
      header.msg_controllen = sizeof arrays.control[count].bytes;
      cmsghdr* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const uint16_t segment = static_cast<uint16_t>(message.segment);
      memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    count++;
  }
  counters_.send_calls++;
  if (options_.mmsg) {
    const int sent = sendmmsg(fd_, arrays.messages,
                              static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent < 0) *error = errno;
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  const ssize_t sent = sendmsg(fd_, &arrays.messages[0].msg_hdr, MSG_DONTWAIT);
  if (sent < 0) *error = errno;
  return sent < 0 ? 0 : 1;
}

#else

size_t UdpSocket::SendBatch(int* error) {
  const Message& message = messages_[first_];
  counters_.send_calls++;
  const ssize_t sent =
      sendto(fd_, arena_.get() + message.offset, message.length, 0,
             message.to.address(), message.to.length());
  if (sent < 0) *error = errno;
  return sent < 0 ? 0 : 1;
}

#endif

}  // namespace xtp
