// libutp alone, on the project's batched UDP socket.
#include <poll.h>
#include <utp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "common/udp_socket.h"
#include "native/measure.h"

namespace xtp::bench {
namespace {

// As xtp-utp has them.
constexpr int kReceiveWindowBytes = 1024 * 1024;
constexpr int kSendWindowBytes = 256 * 1024;
constexpr uint64_t kMtuBytes = 1500 - 28;
constexpr int kTickMs = 50;
constexpr uint64_t kLingerNs = kNsPerSecond / 2;

class UtpSide : public UdpSink {
 public:
  explicit UtpSide(const Side& side)
      : side_(side), memory_(kMiB, 7), context_(utp_init(2)) {
    Endpoint local;
    if (!Endpoint::Parse("127.0.0.1", 0, &local).ok() ||
        !UdpSocket::Bind(local, UdpOptions(), &socket_).ok()) {
      Fail("bind");
    }
    utp_context_set_userdata(context_, this);
    utp_context_set_option(context_, UTP_RCVBUF, kReceiveWindowBytes);
    utp_context_set_option(context_, UTP_SNDBUF, kSendWindowBytes);
    utp_set_callback(context_, UTP_SENDTO, [](utp_callback_arguments* a) {
      Of(a)->socket_->Send(a->buf, a->len,
                           Endpoint::FromSockaddr(a->address, a->address_len));
      return uint64{0};
    });
    utp_set_callback(context_, UTP_ON_READ, [](utp_callback_arguments* a) {
      Of(a)->meter_.Begin();
      Of(a)->received_ += a->len;
      utp_read_drained(a->socket);
      return uint64{0};
    });
    utp_set_callback(context_, UTP_ON_STATE_CHANGE,
                     [](utp_callback_arguments* a) {
                       Of(a)->OnState(a->state);
                       return uint64{0};
                     });
    utp_set_callback(context_, UTP_ON_ERROR, [](utp_callback_arguments*) {
      std::fprintf(stderr, "the uTP connection failed\n");
      std::exit(1);
      return uint64{0};
    });
    utp_set_callback(context_, UTP_ON_ACCEPT, [](utp_callback_arguments* a) {
      Of(a)->connection_ = a->socket;
      return uint64{0};
    });
    utp_set_callback(context_, UTP_ON_FIREWALL,
                     [](utp_callback_arguments*) { return uint64{0}; });
    utp_set_callback(context_, UTP_GET_UDP_MTU,
                     [](utp_callback_arguments*) { return uint64{kMtuBytes}; });
    utp_set_callback(context_, UTP_GET_MICROSECONDS,
                     [](utp_callback_arguments* a) {
                       return uint64{Of(a)->now_ns_ / 1000};
                     });
    utp_set_callback(context_, UTP_GET_MILLISECONDS,
                     [](utp_callback_arguments* a) {
                       return uint64{Of(a)->now_ns_ / 1000000};
                     });
  }

  void OnUdpBatch() override { now_ns_ = NowNs(); }
  void OnUdpDatagram(const uint8_t* data, size_t length,
                     const Endpoint& from) override {
    utp_process_udp(context_, data, length, from.address(), from.length());
  }
  void OnUdpError(const uint8_t*, size_t, const Endpoint&, int,
                  uint32_t) override {}

  void Run() {
    now_ns_ = NowNs();
    if (side_.server) {
      PrintPort(socket_->local().port());
    } else {
      Endpoint to;
      if (!Endpoint::Parse("127.0.0.1", side_.port, &to).ok()) Fail("port");
      connection_ = utp_create_socket(context_);
      utp_connect(connection_, to.address(), to.length());
    }
    // the last acknowledgements must reach the other side, too
    while (end_ns_ == 0 || NowNs() < end_ns_ + kLingerNs) Round();
    meter_.Print(side_.server ? received_ : side_.bytes);
  }

 private:
  static UtpSide* Of(utp_callback_arguments* a) {
    return static_cast<UtpSide*>(utp_context_get_userdata(a->context));
  }

  void OnState(int state) {
    if (state == UTP_STATE_CONNECT || state == UTP_STATE_WRITABLE) {
      meter_.Begin();
      writable_ = true;
    } else if (state == UTP_STATE_EOF || state == UTP_STATE_DESTROYING) {
      Finish();
    }
    if (state == UTP_STATE_DESTROYING) connection_ = nullptr;
  }

  void Finish() {
    if (end_ns_ != 0) return;
    meter_.End();
    end_ns_ = NowNs();
    if (connection_ != nullptr && side_.server) utp_close(connection_);
  }

  void Round() {
    socket_->Flush();
    pollfd poll_fd = {socket_->fd(), POLLIN, 0};
    poll(&poll_fd, 1, kTickMs);
    now_ns_ = NowNs();
    while (socket_->Receive(&buffers_, this)) {
    }
    utp_issue_deferred_acks(context_);
    Write();
    utp_check_timeouts(context_);
  }

  void Write() {
    while (!side_.server && writable_ && connection_ != nullptr && !closed_) {
      const size_t size = std::min<uint64_t>(side_.bytes - sent_, kMiB);
      if (size == 0) {
        closed_ = true;
        utp_close(connection_);
        return;
      }
      const ssize_t written = utp_write(connection_, memory_.data(), size);
      writable_ = written == static_cast<ssize_t>(size);
      sent_ += static_cast<uint64_t>(std::max<ssize_t>(written, 0));
    }
  }

  const Side side_;
  std::vector<uint8_t> memory_;
  utp_context* const context_;
  std::unique_ptr<UdpSocket> socket_;
  UdpReceiveBuffers buffers_;
  utp_socket* connection_ = nullptr;
  Meter meter_;
  uint64_t now_ns_ = 0;
  uint64_t end_ns_ = 0;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  bool writable_ = false;
  bool closed_ = false;
};

}  // namespace

int RunUtp(const Side& side) {
  UtpSide(side).Run();
  return 0;
}

}  // namespace xtp::bench
