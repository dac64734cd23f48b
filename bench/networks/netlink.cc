#include "netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace xtp::networks {

std::string NetlinkRequest::Attribute(uint16_t type, const void* data,
                                      size_t length) {
  const rtattr attribute = {static_cast<uint16_t>(RTA_LENGTH(length)), type};
  std::string text(reinterpret_cast<const char*>(&attribute), sizeof attribute);
  text.append(static_cast<const char*>(data), length);
  text.resize(RTA_SPACE(length));
  return text;
}

int NetlinkRequest::Send() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return errno;
  header_.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(body_.size()));
  std::string text(reinterpret_cast<const char*>(&header_), sizeof header_);
  text += body_;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char request[1024];
  } answer = {};
  int error = EIO;
  if (send(fd, text.data(), text.size(), 0) !=
          static_cast<ssize_t>(text.size()) ||
      recv(fd, &answer, sizeof answer, 0) < 0) {
    error = errno;
  } else if (answer.header.nlmsg_type == NLMSG_ERROR) {
    error = -answer.error.error;
  }
  close(fd);
  return error;
}

}  // namespace xtp::networks
