// xtp_quic.node for peers that break TLS: disguise() gives it other
// certificates and protocols than the host's. Never part of a package.
#include <openssl/x509.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "common/napi_support.h"
#include "quic/engine.h"

namespace {

using xtp::quic::KeyPtr;
using xtp::quic::TlsContexts;
using xtp::quic::X509Ptr;

constexpr size_t kMaxBytes = 65536;

// Set before the I/O thread makes the first connection.
std::shared_ptr<xtp::Identity> identity;
std::string alpn;
std::string wire_from;
std::string wire_to;

std::unique_ptr<xtp::ControlledTransport> CreateEngine(
    xtp::Host* host, const xtp::TransportSettings& settings,
    xtp::Status* status) {
  auto engine = xtp::quic::CreateEngine(host, settings, status);
  if (engine != nullptr) identity = engine->identity();
  return engine;
}

const unsigned char* Data(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_length,
               const unsigned char* in, unsigned in_length, void*) {
  if (alpn.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, Data(alpn),
                            static_cast<unsigned>(alpn.size()), in,
                            in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// disguise(alpn, certificate, key, from, to): ALPN as on the wire, one
// certificate in DER or none, its key in PKCS #8; `from` becomes `to` wherever
// a TLS message has it.
napi_value Disguise(napi_env env, napi_callback_info info) {
  const xtp::NapiArguments arguments(env, info, 5);
  std::string der, pkcs8;
  if (!arguments.Bytes(0, "alpn", 255, &alpn) ||
      !arguments.Bytes(1, "certificate", kMaxBytes, &der) ||
      !arguments.Bytes(2, "key", kMaxBytes, &pkcs8) ||
      !arguments.Bytes(3, "from", kMaxBytes, &wire_from) ||
      !arguments.Bytes(4, "to", kMaxBytes, &wire_to)) {
    return nullptr;
  }
  const unsigned char* at = Data(der);
  X509Ptr certificate(
      der.empty() ? nullptr
                  : d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  at = Data(pkcs8);
  KeyPtr key(der.empty() ? nullptr
                         : d2i_AutoPrivateKey(nullptr, &at,
                                              static_cast<long>(pkcs8.size())));
  const bool parsed = der.empty() || (certificate != nullptr && key != nullptr);
  auto contexts = parsed
                      ? TlsContexts::Create(certificate.get(), key.get(), alpn)
                      : nullptr;
  if (contexts == nullptr || identity == nullptr) {
    xtp::NapiThrow(env, "INVALID_ARGUMENT", "OpenSSL takes no such disguise");
    return nullptr;
  }
  SSL_CTX_set_alpn_select_cb(contexts->server(), &SelectAlpn, nullptr);
  static_cast<xtp::quic::QuicIdentity*>(identity.get())
      ->Override(std::move(contexts));
  return nullptr;
}

napi_value Init(napi_env env, napi_value exports) {
  napi_value disguise;
  if (napi_create_function(env, "disguise", NAPI_AUTO_LENGTH, &Disguise,
                           &identity, &disguise) != napi_ok ||
      napi_set_named_property(env, exports, "disguise", disguise) != napi_ok) {
    return nullptr;
  }
  return xtp::RegisterTransport(env, exports, &CreateEngine,
                                "a hostile peer, ngtcp2 " NGTCP2_VERSION, true);
}

}  // namespace

// The linker's --wrap: what TLS has to say goes through here, and no protocol
// is wrong.
extern "C" {
int __real_ngtcp2_conn_submit_crypto_data(ngtcp2_conn* conn,
                                          ngtcp2_encryption_level level,
                                          const uint8_t* data, size_t length);

int __wrap_ngtcp2_conn_submit_crypto_data(ngtcp2_conn* conn,
                                          ngtcp2_encryption_level level,
                                          const uint8_t* data, size_t length) {
  std::string bytes(reinterpret_cast<const char*>(data), length);
  const size_t at =
      wire_from.empty() ? std::string::npos : bytes.find(wire_from);
  if (at != std::string::npos) {
    bytes.replace(at, wire_from.size(), wire_to);
    // OpenSSL hashes its buffer after this: of the same length, a lie is
    // consistent up to the end of the handshake.
    if (bytes.size() == length) {
      memcpy(const_cast<uint8_t*>(data), bytes.data(), length);
    }
  }
  return __real_ngtcp2_conn_submit_crypto_data(conn, level, Data(bytes),
                                               bytes.size());
}

bool __wrap__ZNK3xtp4quic10TlsSession13HasLibp2pAlpnEv(const void*) {
  return true;
}
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
