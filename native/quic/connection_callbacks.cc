// What ngtcp2 says. A callback may not call back into ngtcp2, save for windows:
// it notes, and Service acts.
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "quic/connection.h"
#include "quic/errors.h"

namespace xtp::quic {

struct Connection::Callbacks {
  static Connection* Of(void* user) { return static_cast<Connection*>(user); }
  static QuicStream* StreamOf(void* user) {
    return static_cast<QuicStream*>(user);
  }

  static void Random(uint8_t* out, size_t length, const ngtcp2_rand_ctx*) {
    // For padding and greasing only: nothing depends on it.
    if (RAND_bytes(out, static_cast<int>(length)) != 1) {
      std::fill(out, out + length, uint8_t{0});
    }
  }

  static int NewConnectionId(ngtcp2_conn*, ngtcp2_cid* cid,
                             ngtcp2_stateless_reset_token* token, size_t,
                             void* user) {
    Connection* const self = Of(user);
    if (!self->NewCid(cid)) return NGTCP2_ERR_CALLBACK_FAILURE;
    *token = self->shared_->tokens.ResetToken(*cid);
    return 0;
  }

  static int RemoveConnectionId(ngtcp2_conn*, const ngtcp2_cid* cid,
                                void* user) {
    Connection* const self = Of(user);
    self->shared_->cids.Remove(*cid, self);
    auto& cids = self->cids_;
    cids.erase(std::remove_if(cids.begin(), cids.end(),
                              [cid](const ngtcp2_cid& other) {
                                return ngtcp2_cid_eq(cid, &other) != 0;
                              }),
               cids.end());
    return 0;
  }

  static int PeerIdStatus(ngtcp2_conn*, ngtcp2_connection_id_status_type type,
                          uint64_t, const ngtcp2_cid*,
                          const ngtcp2_stateless_reset_token* token,
                          void* user) {
    Connection* const self = Of(user);
    if (token == nullptr) return 0;
    const uint64_t print = self->shared_->tokens.Fingerprint(token->data);
    auto& known = self->shared_->reset_tokens;
    auto& own = self->reset_tokens_;
    if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) {
      if (known.emplace(print, self).second) own.push_back(print);
    } else {
      const auto found = known.find(print);
      if (found != known.end() && found->second == self) known.erase(found);
      own.erase(std::remove(own.begin(), own.end(), print), own.end());
    }
    return 0;
  }

  static int Refuse(Connection* self, uint8_t alert) {
    self->failure_alert_ = alert;
    self->failure_ = StatusOfAlert(alert, true, self->peer_.ToString());
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }

  // RFC 9001, section 8.2: OpenSSL leaves the check to us, ngtcp2 to OpenSSL.
  // With this key it sends packets, and reads from a null pointer for them.
  static int SendKey(ngtcp2_conn* conn, ngtcp2_encryption_level level,
                     void* user) {
    if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT &&
        ngtcp2_conn_get_remote_transport_params2(conn) == nullptr) {
      return Refuse(Of(user), SSL_AD_MISSING_EXTENSION);
    }
    return 0;
  }

  static int HandshakeCompleted(ngtcp2_conn*, void* user) {
    Connection* const self = Of(user);
    // A peer without the extension is not refused by TLS itself.
    if (!self->tls_->HasLibp2pAlpn()) {
      return Refuse(self, SSL_AD_NO_APPLICATION_PROTOCOL);
    }
    if (self->inbound_ && self->port_->listener() != self->listener_) {
      self->failure_ = Status(Code::kCancelled, "nobody listens any more");
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    self->Completed();
    return 0;
  }

  static int StatelessReset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset2*,
                            void* user) {
    Of(user)->reset_by_peer_ = true;
    return 0;
  }

  static int PathValidated(ngtcp2_conn* conn, uint32_t, const ngtcp2_path*,
                           const ngtcp2_path*,
                           ngtcp2_path_validation_result result, void* user) {
    if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) return 0;
    Connection* const self = Of(user);
    const ngtcp2_path* path = ngtcp2_conn_get_path2(conn);
    const Endpoint now =
        Endpoint::FromSockaddr(path->remote.addr, path->remote.addrlen);
    if (now != self->peer_) {
      self->peer_ = now;
      self->shared_->counters.migrations++;
    }
    return 0;
  }

  // --- streams

  static int StreamOpen(ngtcp2_conn* conn, int64_t id, void* user) {
    Connection* const self = Of(user);
    Stream* const link = self->shared_->host->OpenStream(self->id_, 1);
    if (link == nullptr) {
      self->ShutStreamLater(id, 0);
      return 0;
    }
    auto* stream = new QuicStream(self, link, id);
    self->streams_.insert(stream);
    ngtcp2_conn_set_stream_user_data(conn, id, stream);
    return 0;
  }

  static int StreamData(ngtcp2_conn*, uint32_t flags, int64_t, uint64_t,
                        const uint8_t* data, size_t length, void* user,
                        void* stream_user) {
    Connection* const self = Of(user);
    QuicStream* const stream = StreamOf(stream_user);
    if (stream == nullptr) {
      self->ExtendWindow(length);
      return 0;
    }
    self->bytes_in_ += length;
    self->shared_->counters.payload_bytes_in += length;
    stream->OnData(data, length, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    return 0;
  }

  static int StreamAcked(ngtcp2_conn*, int64_t, uint64_t, uint64_t length,
                         void*, void* stream_user) {
    if (stream_user != nullptr) StreamOf(stream_user)->OnAcked(length);
    return 0;
  }

  static int StreamReset(ngtcp2_conn*, int64_t, uint64_t, uint64_t code, void*,
                         void* stream_user) {
    if (stream_user != nullptr) StreamOf(stream_user)->OnPeerReset(code);
    return 0;
  }

  static int StopSending(ngtcp2_conn*, int64_t, uint64_t, void*,
                         void* stream_user) {
    if (stream_user != nullptr) StreamOf(stream_user)->OnStopSending();
    return 0;
  }

  static int StreamClose(ngtcp2_conn* conn, uint32_t, int64_t id, uint64_t,
                         void* user, void* stream_user) {
    Connection* const self = Of(user);
    if (!ngtcp2_conn_is_local_stream2(conn, id)) self->streams_to_return_++;
    if (stream_user == nullptr) return 0;
    QuicStream* const stream = StreamOf(stream_user);
    stream->OnClosed();
    self->StreamChanged(stream);
    return 0;
  }

  static int MoreStreamData(ngtcp2_conn*, int64_t, uint64_t, void* user,
                            void* stream_user) {
    if (stream_user != nullptr) {
      Of(user)->StreamHasOutput(StreamOf(stream_user));
    }
    return 0;
  }

  static int MoreStreams(ngtcp2_conn*, uint64_t, void* user) {
    Of(user)->MarkDirty();
    return 0;
  }

  static ngtcp2_callbacks Make(bool server) {
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
    c.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
    c.rand = Random;
    c.get_new_connection_id2 = NewConnectionId;
    c.remove_connection_id = RemoveConnectionId;
    c.dcid_status2 = PeerIdStatus;
    c.recv_tx_key = SendKey;
    c.handshake_completed = HandshakeCompleted;
    c.recv_stateless_reset2 = StatelessReset;
    c.path_validation = PathValidated;
    c.stream_open = StreamOpen;
    c.recv_stream_data = StreamData;
    c.acked_stream_data_offset = StreamAcked;
    c.stream_reset = StreamReset;
    c.recv_stop_sending = StopSending;
    c.stream_close = StreamClose;
    c.extend_max_stream_data = MoreStreamData;
    c.extend_max_local_streams_bidi = MoreStreams;
    return c;
  }
};

const ngtcp2_callbacks& Connection::CallbacksOf(bool server) {
  static const ngtcp2_callbacks for_server = Callbacks::Make(true);
  static const ngtcp2_callbacks for_client = Callbacks::Make(false);
  return server ? for_server : for_client;
}

}  // namespace xtp::quic
