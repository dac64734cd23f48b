#include "tun_device.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "netlink.h"

namespace xtp::networks {
namespace {

constexpr char kName[] = "xtp0";
// Packets that wait for us; more than a burst of any sender's.
constexpr int kSendQueuePackets = 20000;

Status Failed(const std::string& what, int error = errno) {
  return Status(Code::kInternal, what + ": " + strerror(error), error);
}

Status OpenDevice(int* out) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return Failed(
        errno == EACCES
            ? "no access to /dev/net/tun; run it as root, or as root: "
              "chmod 666 /dev/net/tun"
            : "no /dev/net/tun; as root: modprobe tun (in a "
              "container: give it the device /dev/net/tun)");
  }
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, kName, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) != 0) {
    const int error = errno;
    close(fd);
    return Failed("cannot make a TUN device", error);
  }
  *out = fd;
  return Status::Ok();
}

// Brings a device up. 0, or an errno.
int SetUp(const char* name, int mtu, int queue_packets) {
  ifinfomsg link = {};
  link.ifi_family = AF_UNSPEC;
  link.ifi_index = static_cast<int>(if_nametoindex(name));
  link.ifi_flags = link.ifi_change = IFF_UP;
  NetlinkRequest request(RTM_NEWLINK, 0, link);
  if (mtu > 0) request.Add(IFLA_MTU, static_cast<uint32_t>(mtu));
  if (queue_packets > 0) {
    request.Add(IFLA_TXQLEN, static_cast<uint32_t>(queue_packets));
  }
  return request.Send();
}

int SetAddresses(const std::string& own, const std::string& peer) {
  ifaddrmsg address = {};
  address.ifa_family = AF_INET;
  address.ifa_prefixlen = 32;
  address.ifa_index = if_nametoindex(kName);
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address);
  request.Add(IFA_LOCAL, inet_addr(own.c_str()));
  request.Add(IFA_ADDRESS, inet_addr(peer.c_str()));
  return request.Send();
}

// A route may choose what a namespace's sysctl may not.
Status RouteWithCongestion(const std::string& peer,
                           const std::string& congestion) {
  rtmsg route = {};
  route.rtm_family = AF_INET;
  route.rtm_dst_len = 32;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_LINK;
  route.rtm_type = RTN_UNICAST;
  const std::string metric = NetlinkRequest::Attribute(
      RTAX_CC_ALGO, congestion.c_str(), congestion.size() + 1);
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  request.Add(RTA_DST, inet_addr(peer.c_str()));
  request.Add(RTA_OIF, if_nametoindex(kName));
  request.Add(RTA_METRICS, metric.data(), metric.size());
  const int error = request.Send();
  if (error == 0) return Status::Ok();
  return Failed("TCP's congestion control cannot be '" + congestion +
                    "' (as root: modprobe tcp_" + congestion + ")",
                error);
}

}  // namespace

Status OpenTun(const TunSettings& settings, int* out) {
  const Status status = OpenDevice(out);
  if (!status.ok()) return status;
  int error = SetUp("lo", 0, 0);
  if (error == 0) error = SetAddresses(settings.address, settings.peer);
  if (error == 0) error = SetUp(kName, settings.mtu, kSendQueuePackets);
  if (error != 0) return Failed("cannot set up a TUN device", error);
  if (settings.congestion.empty()) return Status::Ok();
  return RouteWithCongestion(settings.peer, settings.congestion);
}

}  // namespace xtp::networks
