#include "quic/identity.h"

#include <utility>

namespace xtp::quic {

Status QuicIdentity::GenerateKey(std::string* spki) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (key_ != nullptr) {
    return Status(Code::kAlreadyExists, "the TLS key was generated already");
  }
  KeyPtr key = GenerateTlsKey();
  if (key != nullptr) *spki = SpkiOf(key.get());
  if (key == nullptr || spki->empty()) {
    return Status(Code::kInternal, "OpenSSL cannot generate a P-256 key");
  }
  key_ = std::move(key);
  return Status::Ok();
}

Status QuicIdentity::SetCertificate(const std::string& public_key,
                                    const std::string& signature) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (key_ == nullptr) {
    return Status(Code::kUnavailable, "generateKey() has not been called");
  }
  if (contexts_ != nullptr) {
    return Status(Code::kAlreadyExists, "the certificate was set already");
  }
  const X509Ptr certificate =
      MakeCertificate(key_.get(), public_key, signature);
  if (certificate == nullptr) {
    return Status(Code::kInternal, "OpenSSL cannot make the certificate");
  }
  contexts_ = TlsContexts::Create(certificate.get(), key_.get());
  if (contexts_ == nullptr) {
    return Status(Code::kInternal,
                  "this OpenSSL cannot do TLS 1.3 for QUIC: 3.5 is needed");
  }
  return Status::Ok();
}

void QuicIdentity::Override(std::shared_ptr<const TlsContexts> contexts) {
  std::lock_guard<std::mutex> lock(mutex_);
  contexts_ = std::move(contexts);
}

std::shared_ptr<const TlsContexts> QuicIdentity::contexts() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return contexts_;
}

}  // namespace xtp::quic
