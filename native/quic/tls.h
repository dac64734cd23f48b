// TLS 1.3 as libp2p wants it: both ends show one certificate, ALPN `libp2p`,
// no server name, no tickets, no early data.
#ifndef XTP_QUIC_TLS_H_
#define XTP_QUIC_TLS_H_

#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "quic/certificate.h"

namespace xtp::quic {

constexpr char kAlpn[] = "\x06libp2p";
constexpr size_t kAlpnBytes = sizeof kAlpn - 1;
constexpr size_t kMaxCertificateBytes = 16384;

// What all connections share. Immutable.
class TlsContexts {
 public:
  // `alpn` as on the wire, `certificate` may be null: both for tests of peers
  // that break the rules. Null on failure.
  static std::shared_ptr<const TlsContexts> Create(
      X509* certificate, EVP_PKEY* key, const std::string& alpn = kAlpn);
  ~TlsContexts();
  TlsContexts(const TlsContexts&) = delete;
  TlsContexts& operator=(const TlsContexts&) = delete;

  SSL_CTX* server() const { return server_; }
  SSL_CTX* client() const { return client_; }

 private:
  TlsContexts() = default;

  SSL_CTX* server_ = nullptr;
  SSL_CTX* client_ = nullptr;
};

// Of one connection.
class TlsSession {
 public:
  // `reference` lives as long. Null on failure.
  static std::unique_ptr<TlsSession> Create(
      const std::shared_ptr<const TlsContexts>& contexts, bool server,
      ngtcp2_crypto_conn_ref* reference);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  ngtcp2_crypto_ossl_ctx* native() const { return context_; }
  // After the handshake.
  bool HasLibp2pAlpn() const;
  std::string PeerCertificate() const;  // DER

 private:
  TlsSession() = default;

  std::shared_ptr<const TlsContexts> contexts_;
  SSL* ssl_ = nullptr;
  ngtcp2_crypto_ossl_ctx* context_ = nullptr;
};

// AES in hardware: AES-128-GCM is then faster than ChaCha20, and otherwise
// slower, and not constant in time.
bool HasAesInstructions();

// "bad_certificate", …
std::string AlertName(uint8_t alert);

}  // namespace xtp::quic

#endif  // XTP_QUIC_TLS_H_
