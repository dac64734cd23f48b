#include "quic/tokens.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>

#include "quic/cid_table.h"

namespace xtp::quic {
namespace {

constexpr uint64_t kNsPerUs = 1000;
constexpr size_t kMaxRetryBytes = 256;

}  // namespace

bool Tokens::Init() {
  return RAND_bytes(retry_secret_, kSecretBytes) == 1 &&
         RAND_bytes(reset_secret_, kSecretBytes) == 1 &&
         RAND_bytes(compare_secret_, kSecretBytes) == 1;
}

ngtcp2_stateless_reset_token Tokens::ResetToken(const ngtcp2_cid& cid) const {
  ngtcp2_stateless_reset_token token;
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data, reset_secret_,
                                                   kSecretBytes, &cid) != 0) {
    // One that nobody can know, and so nobody can use.
    RAND_bytes(token.data, sizeof token.data);
  }
  return token;
}

std::string Tokens::Retry(const ngtcp2_pkt_hd& header, const Endpoint& from,
                          uint64_t now_us) const {
  ngtcp2_cid id;
  id.datalen = kCidBytes;
  if (RAND_bytes(id.data, kCidBytes) != 1) return "";
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
  const ngtcp2_ssize length = ngtcp2_crypto_generate_retry_token2(
      token, retry_secret_, kSecretBytes, header.version, from.address(),
      from.length(), &id, &header.dcid, now_us * kNsPerUs);
  if (length < 0) return "";
  uint8_t packet[kMaxRetryBytes];
  const ngtcp2_ssize written = ngtcp2_crypto_write_retry(
      packet, sizeof packet, header.version, &header.scid, &id, &header.dcid,
      token, static_cast<size_t>(length));
  if (written < 0) return "";
  return std::string(reinterpret_cast<char*>(packet),
                     static_cast<size_t>(written));
}

Tokens::Verdict Tokens::Check(const ngtcp2_pkt_hd& header, const Endpoint& from,
                              uint64_t now_us, ngtcp2_cid* original) const {
  // We give out no other tokens; NEW_TOKENs of a former process mean nothing.
  if (header.tokenlen == 0 ||
      header.token[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    return Verdict::kNone;
  }
  const int error = ngtcp2_crypto_verify_retry_token2(
      original, header.token, header.tokenlen, retry_secret_, kSecretBytes,
      header.version, from.address(), from.length(), &header.dcid,
      kRetryLifeUs * kNsPerUs, now_us * kNsPerUs);
  if (error == 0) return Verdict::kValid;
  return error == NGTCP2_CRYPTO_ERR_UNREADABLE_TOKEN ? Verdict::kNone
                                                     : Verdict::kInvalid;
}

uint64_t Tokens::Fingerprint(const uint8_t* token) const {
  uint8_t hash[EVP_MAX_MD_SIZE] = {};
  uint8_t input[kSecretBytes + NGTCP2_STATELESS_RESET_TOKENLEN];
  memcpy(input, compare_secret_, kSecretBytes);
  memcpy(input + kSecretBytes, token, NGTCP2_STATELESS_RESET_TOKENLEN);
  unsigned length = 0;
  EVP_Digest(input, sizeof input, hash, &length, EVP_sha256(), nullptr);
  uint64_t result;
  memcpy(&result, hash, sizeof result);
  return result;
}

}  // namespace xtp::quic
