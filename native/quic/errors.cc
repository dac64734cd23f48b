#include "quic/errors.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>

#include "quic/tls.h"

namespace xtp::quic {
namespace {

constexpr size_t kMaxReasonBytes = 128;

// Printable and short: it comes from the peer and goes into logs.
std::string Reason(const ngtcp2_ccerr& close) {
  std::string result;
  const size_t length = std::min(close.reasonlen, kMaxReasonBytes);
  for (size_t i = 0; i < length; i++) {
    const char c = static_cast<char>(close.reason[i]);
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return result.empty() ? "" : " (\"" + result + "\")";
}

}  // namespace

Status StatusOfAlert(uint8_t alert, bool ours, const std::string& peer) {
  const std::string who = ours ? "the TLS handshake with " + peer + " failed: "
                               : peer + " refused the TLS handshake: ";
  const Code code = alert == SSL_AD_NO_APPLICATION_PROTOCOL
                        ? Code::kNoCommonAlpn
                        : Code::kHandshakeFailed;
  return Status(code, who + AlertName(alert));
}

Status StatusOfError(int error, uint8_t alert, const std::string& peer) {
  switch (error) {
    case NGTCP2_ERR_CRYPTO:
      return StatusOfAlert(alert, true, peer);
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return Status(Code::kConnectionTimedOut, peer + " does not answer",
                    ETIMEDOUT);
    case NGTCP2_ERR_NOMEM:
      return Status(Code::kResourceExhausted, "ngtcp2 has no memory", ENOMEM);
    case NGTCP2_ERR_INTERNAL:
    case NGTCP2_ERR_CALLBACK_FAILURE:
    case NGTCP2_ERR_INVALID_STATE:
    case NGTCP2_ERR_INVALID_ARGUMENT:
      return Status(
          Code::kInternal,
          std::string("ngtcp2: ") + ngtcp2_strerror(error) + ", with " + peer);
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE:
      return Status(Code::kHandshakeFailed, peer + " does not speak QUIC v1");
    case NGTCP2_ERR_NO_VIABLE_PATH:
      return Status(Code::kNetworkUnreachable, "no path to " + peer + " works");
    default:
      return Status(Code::kRemoteMisbehaved,
                    peer + " broke QUIC: " + ngtcp2_strerror(error));
  }
}

Status StatusOfClose(const ngtcp2_ccerr& close, const std::string& peer) {
  const std::string number = std::to_string(close.error_code);
  if (close.type == NGTCP2_CCERR_TYPE_APPLICATION) {
    if (close.error_code == 0) return Status::Ok();
    return Status(
        Code::kConnectionReset,
        peer + " closed the connection with code " + number + Reason(close),
        ECONNRESET);
  }
  if (close.type != NGTCP2_CCERR_TYPE_TRANSPORT ||
      close.error_code == NGTCP2_NO_ERROR) {
    return Status::Ok();
  }
  if (close.error_code == NGTCP2_CONNECTION_REFUSED) {
    return Status(Code::kConnectionRefused, peer + " refused the connection",
                  ECONNREFUSED);
  }
  if (close.error_code >= NGTCP2_CRYPTO_ERROR &&
      close.error_code < NGTCP2_CRYPTO_ERROR + 256) {
    return StatusOfAlert(
        static_cast<uint8_t>(close.error_code - NGTCP2_CRYPTO_ERROR), false,
        peer);
  }
  return Status(
      Code::kConnectionReset,
      peer + " ended the connection with QUIC error " + number + Reason(close),
      ECONNRESET);
}

}  // namespace xtp::quic
