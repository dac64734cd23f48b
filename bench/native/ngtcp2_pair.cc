// ngtcp2 alone: its own callbacks, one thread, GSO and GRO, pacing.
#include "native/ngtcp2_pair.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/rand.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "native/gso_socket.h"
#include "quic/certificate.h"
#include "quic/tls.h"

namespace xtp::bench {
namespace {

constexpr uint64_t kWindowBytes = 16 * kMiB;
constexpr size_t kSourceBytes = kMiB;
constexpr size_t kSliceBytes = 64 * 1024;
constexpr uint64_t kLimitNs = 60 * kNsPerSecond;
constexpr size_t kCidBytes = 8;
constexpr size_t kInitialCidBytes = 18;
// Batches that are read before something is written again.
constexpr int kReadRounds = 4;

int Random(uint8_t* data, size_t length) {
  return RAND_bytes(data, static_cast<int>(length)) == 1
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

ngtcp2_cid NewCid(size_t length) {
  ngtcp2_cid cid = {};
  cid.datalen = length;
  if (Random(cid.data, length) != 0) Fail("RAND_bytes");
  return cid;
}

class QuicSide {
 public:
  QuicSide(const Side& side, size_t payload)
      : side_(side),
        payload_(payload),
        socket_(false),
        source_(kSourceBytes + kSliceBytes, 7),
        packets_(GsoSocket::kMaxBytes),
        remote_(socket_.local()) {
    const auto key = quic::GenerateTlsKey();
    const auto certificate =
        quic::MakeCertificate(key.get(), "key", "signature");
    contexts_ = quic::TlsContexts::Create(certificate.get(), key.get());
    reference_.user_data = this;
    reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
      return static_cast<QuicSide*>(reference->user_data)->conn_;
    };
    remote_.sin_port = htons(side.port);
  }
  ~QuicSide() {
    tls_.reset();
    ngtcp2_conn_del(conn_);
  }
  QuicSide(const QuicSide&) = delete;
  QuicSide& operator=(const QuicSide&) = delete;

  int Run() {
    if (side_.server) {
      PrintPort(socket_.port());
    } else {
      Connect();
    }
    const uint64_t limit = NowNs() + kLimitNs;
    while (!over_ && NowNs() < limit) Round();
    if (!side_.server && conn_ != nullptr) Close();
    meter_.Print(side_.server ? received_ : acknowledged());
    return finished_ ? 0 : 1;
  }

 private:
  uint64_t acknowledged() const { return finished_ ? side_.bytes : sent_; }

  ngtcp2_path Path() {
    ngtcp2_path path = {};
    path.local.addr =
        reinterpret_cast<sockaddr*>(const_cast<sockaddr_in*>(&socket_.local()));
    path.local.addrlen = sizeof(sockaddr_in);
    path.remote.addr = reinterpret_cast<sockaddr*>(&remote_);
    path.remote.addrlen = sizeof remote_;
    return path;
  }

  static ngtcp2_callbacks Callbacks(bool server) {
    ngtcp2_callbacks c = {};
    if (server) {
      c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
      c.client_initial = ngtcp2_crypto_client_initial_cb;
      c.recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    c.encrypt = ngtcp2_crypto_encrypt_cb;
    c.decrypt = ngtcp2_crypto_decrypt_cb;
    c.hp_mask = ngtcp2_crypto_hp_mask_cb;
    c.update_key = ngtcp2_crypto_update_key_cb;
    c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    c.rand = [](uint8_t* data, size_t length, const ngtcp2_rand_ctx*) {
      Random(data, length);
    };
    c.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token,
                                 size_t length, void*) {
      *cid = NewCid(length);
      return Random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
    };
    c.handshake_completed = [](ngtcp2_conn* conn, void* user) {
      auto* self = static_cast<QuicSide*>(user);
      if (self->side_.server) return 0;
      self->meter_.Begin();
      return ngtcp2_conn_open_bidi_stream(conn, &self->stream_, nullptr);
    };
    c.recv_stream_data = [](ngtcp2_conn* conn, uint32_t flags, int64_t stream,
                            uint64_t, const uint8_t*, size_t length, void* user,
                            void*) {
      static_cast<QuicSide*>(user)->OnData(
          stream, length, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
      ngtcp2_conn_extend_max_stream_offset(conn, stream, length);
      ngtcp2_conn_extend_max_offset(conn, length);
      return 0;
    };
    return c;
  }

  void OnData(int64_t stream, size_t length, bool fin) {
    meter_.Begin();
    stream_ = stream;
    received_ += length;
    if (!fin) return;
    meter_.End();
    finished_ = true;
    // the client has its answer; the server waits for its close
    over_ = !side_.server;
  }

  void Fill(ngtcp2_settings* settings, ngtcp2_transport_params* params) const {
    ngtcp2_settings_default(settings);
    settings->initial_ts = NowNs();
    settings->max_tx_udp_payload_size = payload_;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->no_pmtud = 1;
    ngtcp2_transport_params_default(params);
    params->initial_max_streams_bidi = 1;
    params->initial_max_stream_data_bidi_local = kWindowBytes;
    params->initial_max_stream_data_bidi_remote = kWindowBytes;
    params->initial_max_data = 2 * kWindowBytes;
    params->max_udp_payload_size = 65527;
  }

  void StartTls(int error) {
    if (error != 0) Fail("ngtcp2_conn_new");
    tls_ = quic::TlsSession::Create(contexts_, side_.server, &reference_);
    if (tls_ == nullptr) Fail("TLS");
    ngtcp2_conn_set_tls_native_handle(conn_, tls_->native());
  }

  void Connect() {
    const ngtcp2_callbacks callbacks = Callbacks(false);
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    Fill(&settings, &params);
    const ngtcp2_cid to = NewCid(kInitialCidBytes), from = NewCid(kCidBytes);
    const ngtcp2_path path = Path();
    StartTls(ngtcp2_conn_client_new(&conn_, &to, &from, &path,
                                    NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                    &params, nullptr, this));
  }

  void Accept(const uint8_t* data, size_t length, const sockaddr_in& from) {
    ngtcp2_pkt_hd header;
    if (ngtcp2_accept(&header, data, length) != 0) return;
    remote_ = from;
    const ngtcp2_callbacks callbacks = Callbacks(true);
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    Fill(&settings, &params);
    params.original_dcid = header.dcid;
    params.original_dcid_present = 1;
    const ngtcp2_cid own = NewCid(kCidBytes);
    const ngtcp2_path path = Path();
    StartTls(ngtcp2_conn_server_new(&conn_, &header.scid, &own, &path,
                                    header.version, &callbacks, &settings,
                                    &params, nullptr, this));
  }

  void Round() {
    Wait();
    Read();
    if (conn_ == nullptr || over_) return;
    const uint64_t now = NowNs();
    if (ngtcp2_conn_get_expiry(conn_) <= now &&
        ngtcp2_conn_handle_expiry(conn_, now) != 0) {
      over_ = true;
      return;
    }
    Write();
  }

  void Wait() {
    pollfd fd = {socket_.fd(), POLLIN, 0};
    if (!Flush()) fd.events |= POLLOUT;
    uint64_t wait = kNsPerSecond;
    if (conn_ != nullptr) {
      const uint64_t now = NowNs(), expiry = ngtcp2_conn_get_expiry(conn_);
      wait = expiry <= now ? 0 : std::min(expiry - now, kNsPerSecond);
    }
    const timespec timeout = {static_cast<time_t>(wait / kNsPerSecond),
                              static_cast<long>(wait % kNsPerSecond)};
    ppoll(&fd, 1, &timeout, nullptr);
  }

  void Read() {
    const auto on_datagram = [this](const uint8_t* data, size_t length,
                                    const sockaddr_in& from) {
      if (conn_ == nullptr) Accept(data, length, from);
      if (conn_ == nullptr || over_) return;
      const ngtcp2_path path = Path();
      const ngtcp2_pkt_info info = {};
      // the client's close, or a failure that the missing end tells
      over_ = ngtcp2_conn_read_pkt(conn_, &path, &info, data, length,
                                   NowNs()) != 0 ||
              over_;
    };
    for (int i = 0; i < kReadRounds && socket_.Receive(on_datagram); i++) {
    }
  }

  // False: the socket has no room for what is packed already.
  bool Flush() {
    if (packed_ > 0 &&
        !socket_.Send(packets_.data(), packed_, segment_, remote_)) {
      return false;
    }
    packed_ = 0;
    return true;
  }

  void Write() {
    if (!Flush()) return;
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info;
    const uint64_t now = NowNs();
    blocked_ = false;
    const size_t room =
        std::min(packets_.size(),
                 std::max(ngtcp2_conn_get_send_quantum(conn_), payload_));
    const ngtcp2_ssize packed = ngtcp2_conn_write_aggregate_pkt2(
        conn_, &path.path, &info, packets_.data(), room, &segment_,
        &WritePacket, GsoSocket::kMaxSegments, now);
    if (packed < 0) over_ = true;
    if (packed > 0) {
      packed_ = static_cast<size_t>(packed);
      if (segment_ == 0) segment_ = packed_;
      Flush();
    }
    ngtcp2_conn_update_pkt_tx_time(conn_, now);
  }

  static ngtcp2_ssize WritePacket(ngtcp2_conn* conn, ngtcp2_path* path,
                                  ngtcp2_pkt_info* info, uint8_t* to,
                                  size_t length, ngtcp2_tstamp now,
                                  void* user) {
    auto* self = static_cast<QuicSide*>(user);
    for (;;) {
      ngtcp2_vec slice = {};
      uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
      const bool sends = self->NextSlice(&slice, &flags);
      ngtcp2_ssize taken = -1;
      const ngtcp2_ssize written = ngtcp2_conn_writev_stream(
          conn, path, info, to, length, &taken, flags,
          sends ? self->stream_ : -1, &slice, sends ? 1 : 0, now);
      if (taken >= 0) {
        self->sent_ += static_cast<uint64_t>(taken);
        self->fin_sent_ = self->sent_ == self->to_send();
      }
      if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED ||
          written == NGTCP2_ERR_STREAM_SHUT_WR) {
        self->blocked_ = true;
      } else if (written != NGTCP2_ERR_WRITE_MORE) {
        return written;
      }
    }
  }

  uint64_t to_send() const { return side_.server ? 1 : side_.bytes; }

  bool NextSlice(ngtcp2_vec* slice, uint32_t* flags) {
    const bool may = side_.server ? finished_ : stream_ >= 0;
    if (!may || fin_sent_ || blocked_) return false;
    const uint64_t left = to_send() - sent_;
    slice->base = &source_[sent_ % kSourceBytes];
    slice->len = std::min<uint64_t>(left, kSliceBytes);
    *flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
    if (slice->len == left) *flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    return true;
  }

  void Close() {
    ngtcp2_ccerr error;
    ngtcp2_ccerr_default(&error);
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info;
    const ngtcp2_ssize length = ngtcp2_conn_write_connection_close(
        conn_, &path.path, &info, packets_.data(), 1200, &error, NowNs());
    if (length > 0) {
      const auto bytes = static_cast<size_t>(length);
      socket_.Send(packets_.data(), bytes, bytes, remote_);
    }
  }

  const Side side_;
  const size_t payload_;
  GsoSocket socket_;
  std::vector<uint8_t> source_;
  std::vector<uint8_t> packets_;
  sockaddr_in remote_;
  std::shared_ptr<const quic::TlsContexts> contexts_;
  ngtcp2_crypto_conn_ref reference_ = {};
  ngtcp2_conn* conn_ = nullptr;
  std::unique_ptr<quic::TlsSession> tls_;
  Meter meter_;
  int64_t stream_ = -1;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  size_t packed_ = 0;
  size_t segment_ = 0;
  bool blocked_ = false;
  bool fin_sent_ = false;
  bool finished_ = false;
  bool over_ = false;
};

}  // namespace

int RunNgtcp2(const Side& side, size_t payload) {
  return QuicSide(side, payload).Run();
}

}  // namespace xtp::bench
