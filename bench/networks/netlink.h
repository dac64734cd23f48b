// Requests of rtnetlink(7), about the current network namespace.
#ifndef XTP_BENCH_NETWORKS_NETLINK_H_
#define XTP_BENCH_NETWORKS_NETLINK_H_

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace xtp::networks {

class NetlinkRequest {
 public:
  // `base` is the structure of that type of message, such as rtmsg.
  template <typename Base>
  NetlinkRequest(uint16_t type, uint16_t flags, const Base& base) {
    header_.nlmsg_type = type;
    header_.nlmsg_flags =
        static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    body_.assign(reinterpret_cast<const char*>(&base), sizeof base);
    body_.resize(NLMSG_ALIGN(sizeof base));
  }

  void Add(uint16_t type, const void* data, size_t length) {
    body_ += Attribute(type, data, length);
  }
  void Add(uint16_t type, uint32_t value) { Add(type, &value, sizeof value); }

  static std::string Attribute(uint16_t type, const void* data, size_t length);

  // 0, or the errno of the answer.
  int Send();

 private:
  nlmsghdr header_ = {};
  std::string body_;
};

}  // namespace xtp::networks

#endif  // XTP_BENCH_NETWORKS_NETLINK_H_
