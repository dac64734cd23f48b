#include "native/gso_socket.h"

#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "native/measure.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace xtp::bench {
namespace {

constexpr size_t kBatch = 16;
constexpr size_t kSlotBytes = 65536;

}  // namespace

GsoSocket::GsoSocket(bool blocking)
    : fd_(socket(AF_INET, SOCK_DGRAM | (blocking ? 0 : SOCK_NONBLOCK), 0)),
      memory_(new uint8_t[kBatch * kSlotBytes]) {
  const int one = 1;
  const int bytes = kSocketBufferBytes;
  local_.sin_family = AF_INET;
  local_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof local_;
  const auto raw = reinterpret_cast<sockaddr*>(&local_);
  if (fd_ < 0 || bind(fd_, raw, length) != 0 ||
      getsockname(fd_, raw, &length) != 0) {
    Fail("bind");
  }
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &one, sizeof one) != 0) {
    Fail("UDP_GRO");
  }
}

GsoSocket::~GsoSocket() { close(fd_); }

bool GsoSocket::Send(const uint8_t* data, size_t length, size_t segment,
                     const sockaddr_in& to) {
  iovec slice = {const_cast<uint8_t*>(data), length};
  msghdr message = {};
  message.msg_name = const_cast<sockaddr_in*>(&to);
  message.msg_namelen = sizeof to;
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
  if (length > segment) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto bytes = static_cast<uint16_t>(segment);
    std::memcpy(CMSG_DATA(header), &bytes, sizeof bytes);
  }
  if (sendmsg(fd_, &message, 0) >= 0) return true;
  if (errno == EAGAIN || errno == ENOBUFS) return false;
  // a peer that has ended already
  if (errno == ECONNREFUSED) return true;
  Fail("sendmsg");
}

bool GsoSocket::Receive(const OnDatagram& on_datagram) {
  constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int));
  mmsghdr messages[kBatch] = {};
  iovec slices[kBatch];
  sockaddr_in from[kBatch];
  alignas(cmsghdr) char control[kBatch][kControlBytes];
  for (size_t i = 0; i < kBatch; i++) {
    slices[i] = {&memory_[i * kSlotBytes], kSlotBytes};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &slices[i];
    header.msg_iovlen = 1;
    header.msg_name = &from[i];
    header.msg_namelen = sizeof from[i];
    header.msg_control = control[i];
    header.msg_controllen = kControlBytes;
  }
  const int count = recvmmsg(fd_, messages, kBatch, MSG_WAITFORONE, nullptr);
  for (int i = 0; i < count; i++) {
    const size_t length = messages[i].msg_len;
    size_t segment = length;
    msghdr* message = &messages[i].msg_hdr;
    for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
         header = CMSG_NXTHDR(message, header)) {
      if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
        int bytes;
        std::memcpy(&bytes, CMSG_DATA(header), sizeof bytes);
        segment = static_cast<size_t>(bytes);
      }
    }
    const auto data = static_cast<const uint8_t*>(slices[i].iov_base);
    for (size_t at = 0; at < length; at += segment) {
      on_datagram(data + at, std::min(segment, length - at), from[i]);
    }
  }
  return count > 0;
}

}  // namespace xtp::bench
