// The self-signed certificate of libp2p's TLS specification.
#ifndef XTP_QUIC_CERTIFICATE_H_
#define XTP_QUIC_CERTIFICATE_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace xtp::quic {

struct OpenSslDelete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDelete>;
using X509Ptr = std::unique_ptr<X509, OpenSslDelete>;

// An ECDSA key on P-256; null if OpenSSL has no more memory or randomness.
KeyPtr GenerateTlsKey();

// SubjectPublicKeyInfo, DER. Empty on failure.
std::string SpkiOf(EVP_PKEY* key);

// The extension 1.3.6.1.4.1.53594.1.1 holds `public_key` and `signature`, each
// at most 64 KiB. Null on failure.
X509Ptr MakeCertificate(EVP_PKEY* key, const std::string& public_key,
                        const std::string& signature);

// DER. Empty on failure.
std::string DerOf(X509* certificate);

}  // namespace xtp::quic

#endif  // XTP_QUIC_CERTIFICATE_H_
