// Secrets of this process, and what is derived from them without state: proofs
// of address in Retry packets (RFC 9000, section 8.1.2) and stateless reset
// tokens (section 10.3). Both die with the process.
#ifndef XTP_QUIC_TOKENS_H_
#define XTP_QUIC_TOKENS_H_

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <string>

#include "common/endpoint.h"

namespace xtp::quic {

class Tokens {
 public:
  // A peer has this long to come back with a Retry's token.
  static constexpr uint64_t kRetryLifeUs = 10 * 1000 * 1000;

  // False: the system has no randomness.
  bool Init();

  ngtcp2_stateless_reset_token ResetToken(const ngtcp2_cid& cid) const;

  // For an Initial `from` a peer with version and ids as in its header.
  // Returns a whole Retry packet; empty on failure.
  std::string Retry(const ngtcp2_pkt_hd& header, const Endpoint& from,
                    uint64_t now_us) const;

  enum class Verdict {
    kNone,     // no token of ours: as if there were none
    kValid,    // the peer owns its address
    kInvalid,  // was ours, and is too old or of somebody else
  };
  // `original` is the destination id of the peer's first Initial.
  Verdict Check(const ngtcp2_pkt_hd& header, const Endpoint& from,
                uint64_t now_us, ngtcp2_cid* original) const;

  // A value that only equal `token`s share, safe to compare in any way.
  uint64_t Fingerprint(const uint8_t* token) const;

 private:
  static constexpr size_t kSecretBytes = 32;

  uint8_t retry_secret_[kSecretBytes];
  uint8_t reset_secret_[kSecretBytes];
  uint8_t compare_secret_[kSecretBytes];
};

}  // namespace xtp::quic

#endif  // XTP_QUIC_TOKENS_H_
