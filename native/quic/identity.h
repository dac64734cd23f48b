// The TLS key of this process, and the certificate that the host's key signs.
#ifndef XTP_QUIC_IDENTITY_H_
#define XTP_QUIC_IDENTITY_H_

#include <memory>
#include <mutex>
#include <string>

#include "common/controlled_transport.h"
#include "quic/tls.h"

namespace xtp::quic {

class QuicIdentity final : public Identity {
 public:
  // Any thread.
  Status GenerateKey(std::string* spki) override;
  Status SetCertificate(const std::string& public_key,
                        const std::string& signature) override;
  // Null before SetCertificate.
  std::shared_ptr<const TlsContexts> contexts() const;
  // For tests of peers that break the rules.
  void Override(std::shared_ptr<const TlsContexts> contexts);

 private:
  mutable std::mutex mutex_;  // guards the rest
  KeyPtr key_;
  std::shared_ptr<const TlsContexts> contexts_;
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_IDENTITY_H_
