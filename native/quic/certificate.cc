#include "quic/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdio>

namespace xtp::quic {
namespace {

constexpr char kExtensionOid[] = "1.3.6.1.4.1.53594.1.1";
constexpr long kHour = 3600;
constexpr long kValidity = 100L * 365 * 24 * kHour;
constexpr size_t kMaxFieldBytes = 65535;

// X.690, section 8.1.3, for lengths below 2^24.
std::string Der(uint8_t tag, const std::string& content) {
  std::string result(1, static_cast<char>(tag));
  const size_t length = content.size();
  if (length < 128) {
    result += static_cast<char>(length);
  } else {
    const int bytes = length < 256 ? 1 : length < 65536 ? 2 : 3;
    result += static_cast<char>(0x80 | bytes);
    for (int i = bytes - 1; i >= 0; i--) {
      result += static_cast<char>(length >> (8 * i));
    }
  }
  return result + content;
}

// SignedKey ::= SEQUENCE { publicKey OCTET STRING, signature OCTET STRING }
bool AddExtension(X509* certificate, const std::string& public_key,
                  const std::string& signature) {
  const std::string body =
      Der(0x30, Der(0x04, public_key) + Der(0x04, signature));
  ASN1_OBJECT* oid = OBJ_txt2obj(kExtensionOid, 1);
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  X509_EXTENSION* extension = nullptr;
  bool ok = oid != nullptr && value != nullptr &&
            ASN1_OCTET_STRING_set(
                value, reinterpret_cast<const unsigned char*>(body.data()),
                static_cast<int>(body.size())) == 1;
  if (ok) extension = X509_EXTENSION_create_by_OBJ(nullptr, oid, 0, value);
  ok = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(value);
  ASN1_OBJECT_free(oid);
  return ok;
}

// A random serial number, which is also the name: TLS stacks confuse
// certificates of one name.
bool SetNames(X509* certificate) {
  unsigned char serial[8];
  if (RAND_bytes(serial, sizeof serial) != 1) return false;
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 1);
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  char text[2 * sizeof serial + 1];
  for (size_t i = 0; i < sizeof serial; i++) {
    snprintf(text + 2 * i, 3, "%02x", serial[i]);
  }
  X509_NAME* name = X509_NAME_new();
  const bool ok = number != nullptr && name != nullptr &&
                  BN_to_ASN1_INTEGER(
                      number, X509_get_serialNumber(certificate)) != nullptr &&
                  X509_NAME_add_entry_by_txt(
                      name, "serialNumber", MBSTRING_ASC,
                      reinterpret_cast<unsigned char*>(text), -1, -1, 0) == 1 &&
                  X509_set_subject_name(certificate, name) == 1 &&
                  X509_set_issuer_name(certificate, name) == 1;
  X509_NAME_free(name);
  BN_free(number);
  return ok;
}

}  // namespace

KeyPtr GenerateTlsKey() {
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

std::string SpkiOf(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  const int length = i2d_PUBKEY(key, &bytes);
  if (length <= 0) return "";
  std::string result(reinterpret_cast<char*>(bytes),
                     static_cast<size_t>(length));
  OPENSSL_free(bytes);
  return result;
}

X509Ptr MakeCertificate(EVP_PKEY* key, const std::string& public_key,
                        const std::string& signature) {
  if (public_key.size() > kMaxFieldBytes || signature.size() > kMaxFieldBytes) {
    return nullptr;
  }
  X509Ptr result(X509_new());
  if (result == nullptr || X509_set_version(result.get(), 2) != 1 ||
      !SetNames(result.get()) ||
      // The peer's clock may be behind ours.
      X509_gmtime_adj(X509_getm_notBefore(result.get()), -kHour) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(result.get()), kValidity) == nullptr ||
      X509_set_pubkey(result.get(), key) != 1 ||
      !AddExtension(result.get(), public_key, signature) ||
      X509_sign(result.get(), key, EVP_sha256()) <= 0) {
    return nullptr;
  }
  return result;
}

std::string DerOf(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(certificate, &bytes);
  if (length <= 0) return "";
  std::string result(reinterpret_cast<char*>(bytes),
                     static_cast<size_t>(length));
  OPENSSL_free(bytes);
  return result;
}

}  // namespace xtp::quic
