#include "quic/tls.h"

#include <openssl/err.h>

#include <cstring>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace xtp::quic {
namespace {

constexpr char kAesFirst[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
    "TLS_CHACHA20_POLY1305_SHA256";
constexpr char kChaChaFirst[] =
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
    "TLS_AES_256_GCM_SHA384";
// Without a post-quantum share a ClientHello is one datagram.
constexpr char kGroups[] = "X25519:P-256";

// In place of a chain's verification: who the peer is, the parent judges from
// the certificate. That the peer has its key, TLS has proven by then.
int VerifyCertificate(X509_STORE_CTX* store, void*) {
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_untrusted(store);
  const int length = leaf != nullptr ? i2d_X509(leaf, nullptr) : 0;
  if (length <= 0 || length > static_cast<int>(kMaxCertificateBytes) ||
      chain == nullptr || sk_X509_num(chain) != 1) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_length,
               const unsigned char* in, unsigned in_length, void*) {
  const auto* wanted = reinterpret_cast<const unsigned char*>(kAlpn);
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, wanted, kAlpnBytes, in,
                            in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

bool Configure(SSL_CTX* context, X509* certificate, EVP_PKEY* key) {
  if (context == nullptr ||
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(
          context, HasAesInstructions() ? kAesFirst : kChaChaFirst) != 1 ||
      SSL_CTX_set1_groups_list(context, kGroups) != 1 ||
      SSL_CTX_set_num_tickets(context, 0) != 1) {
    return false;
  }
  if (certificate != nullptr &&
      (SSL_CTX_use_certificate(context, certificate) != 1 ||
       SSL_CTX_use_PrivateKey(context, key) != 1)) {
    return false;
  }
  // A compressed certificate may say that it has 16 MiB, which OpenSSL then
  // allocates and fills.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |
                                   SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  SSL_CTX_set_cert_verify_callback(context, &VerifyCertificate, nullptr);
  // More than one certificate of any sane size is not read at all.
  SSL_CTX_set_max_cert_list(context, 2 * kMaxCertificateBytes);
  return true;
}

}  // namespace

std::shared_ptr<const TlsContexts> TlsContexts::Create(
    X509* certificate, EVP_PKEY* key, const std::string& alpn) {
  if (ngtcp2_crypto_ossl_init() != 0) return nullptr;
  std::shared_ptr<TlsContexts> result(new TlsContexts());
  result->server_ = SSL_CTX_new(TLS_server_method());
  result->client_ = SSL_CTX_new(TLS_client_method());
  const auto* protocols = reinterpret_cast<const unsigned char*>(alpn.data());
  if (!Configure(result->server_, certificate, key) ||
      !Configure(result->client_, certificate, key) ||
      (!alpn.empty() &&
       SSL_CTX_set_alpn_protos(result->client_, protocols,
                               static_cast<unsigned>(alpn.size())) != 0)) {
    ERR_clear_error();
    return nullptr;
  }
  SSL_CTX_set_alpn_select_cb(result->server_, &SelectAlpn, nullptr);
  return result;
}

TlsContexts::~TlsContexts() {
  SSL_CTX_free(server_);
  SSL_CTX_free(client_);
}

std::unique_ptr<TlsSession> TlsSession::Create(
    const std::shared_ptr<const TlsContexts>& contexts, bool server,
    ngtcp2_crypto_conn_ref* reference) {
  std::unique_ptr<TlsSession> result(new TlsSession());
  result->contexts_ = contexts;
  SSL* ssl = SSL_new(server ? contexts->server() : contexts->client());
  result->ssl_ = ssl;
  if (ssl == nullptr) return nullptr;
  SSL_set_app_data(ssl, reference);
  const int configured = server
                             ? ngtcp2_crypto_ossl_configure_server_session(ssl)
                             : ngtcp2_crypto_ossl_configure_client_session(ssl);
  if (configured != 0 ||
      ngtcp2_crypto_ossl_ctx_new(&result->context_, ssl) != 0) {
    return nullptr;
  }
  if (server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return result;
}

TlsSession::~TlsSession() {
  if (ssl_ != nullptr) SSL_set_app_data(ssl_, nullptr);
  ngtcp2_crypto_ossl_ctx_del(context_);
  SSL_free(ssl_);
  // The queue of errors is the thread's: the next connection must not find
  // this one's.
  ERR_clear_error();
}

bool TlsSession::HasLibp2pAlpn() const {
  const unsigned char* alpn = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &length);
  return length == kAlpnBytes - 1 && memcmp(alpn, kAlpn + 1, length) == 0;
}

std::string TlsSession::PeerCertificate() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr ? DerOf(certificate) : "";
}

bool HasAesInstructions() {
#if defined(__x86_64__) || defined(__i386__)
  unsigned a, b, c = 0, d;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_AES) != 0;
#elif defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kHwcapAes = 1 << 3;
  return (getauxval(AT_HWCAP) & kHwcapAes) != 0;
#else
  return true;  // Apple's processors
#endif
}

std::string AlertName(uint8_t alert) {
  switch (alert) {
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "no application protocol";
    case SSL_AD_MISSING_EXTENSION:
      return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "certificate required";
    default:
      return SSL_alert_desc_string_long(alert);
  }
}

}  // namespace xtp::quic
