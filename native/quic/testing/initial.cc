#include "quic/testing/initial.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>

namespace xtp::quic::sim {
namespace {

constexpr char kVersion1[] = "\0\0\0\1";
constexpr char kSalt[] =
    "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17"
    "\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a";
constexpr size_t kNumberBytes = 4;
constexpr size_t kTagBytes = 16;
constexpr size_t kSampleBytes = 16;

const unsigned char* Data(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string Hmac(const std::string& key, const std::string& text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Data(text),
       text.size(), hash, &length);
  return std::string(reinterpret_cast<char*>(hash), length);
}

// HKDF-Expand-Label (RFC 8446, section 7.1) of at most one hash.
std::string Expand(const std::string& secret, const std::string& name,
                   size_t length) {
  const std::string label = "tls13 " + name;
  std::string info(1, '\0');
  info += static_cast<char>(length);
  info += static_cast<char>(label.size());
  info += label;
  info += std::string("\0\1", 2);
  return Hmac(secret, info).substr(0, length);
}

struct Keys {
  std::string key, iv, header;
};

Keys KeysOf(const std::string& key_id, bool from_server) {
  const std::string initial =
      Hmac(std::string(kSalt, sizeof kSalt - 1), key_id);
  const std::string secret =
      Expand(initial, from_server ? "server in" : "client in", 32);
  return {Expand(secret, "quic key", 16), Expand(secret, "quic iv", 12),
          Expand(secret, "quic hp", 16)};
}

using Context = std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)>;

std::string Mask(const Keys& keys, const std::string& sample) {
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  unsigned char mask[kSampleBytes + 16];
  int length = 0;
  EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr,
                     Data(keys.header), nullptr);
  EVP_EncryptUpdate(context.get(), mask, &length, Data(sample), kSampleBytes);
  return std::string(reinterpret_cast<char*>(mask), kSampleBytes);
}

// `tag` is written, or read and checked.
bool Crypt(const Keys& keys, uint32_t number, const std::string& header,
           bool seal, std::string* text, std::string* tag) {
  std::string nonce = keys.iv;
  for (size_t i = 0; i < kNumberBytes; i++) {
    nonce[11 - i] = static_cast<char>(nonce[11 - i] ^ (number >> (8 * i)));
  }
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string result(text->size() + 1, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(result.data());
  int length = 0, rest = 0;
  EVP_CipherInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, Data(keys.key),
                    Data(nonce), seal ? 1 : 0);
  EVP_CipherUpdate(context.get(), nullptr, &length, Data(header),
                   static_cast<int>(header.size()));
  EVP_CipherUpdate(context.get(), out, &length, Data(*text),
                   static_cast<int>(text->size()));
  if (!seal) {
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                        tag->data());
  }
  const bool ok = EVP_CipherFinal_ex(context.get(), out + length, &rest) == 1;
  if (seal) {
    tag->resize(kTagBytes);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                        tag->data());
  }
  *text = result.substr(0, text->size());
  return ok;
}

}  // namespace

std::string VarInt(uint64_t value) {
  const int log = value < 64           ? 0
                  : value < 16384      ? 1
                  : value < (1u << 30) ? 2
                                       : 3;
  std::string result;
  for (int i = (1 << log) - 1; i >= 0; i--) {
    result += static_cast<char>(value >> (8 * i));
  }
  result[0] = static_cast<char>(result[0] | (log << 6));
  return result;
}

std::string Seal(Initial packet, size_t min_bytes) {
  const Keys keys = KeysOf(packet.key_id, packet.from_server);
  // A packet number of four bytes.
  std::string header = "\xc3" + std::string(kVersion1, 4);
  for (const std::string& id : {packet.to, packet.from}) {
    header += static_cast<char>(id.size());
    header += id;
  }
  header += VarInt(packet.token.size()) + packet.token;
  const size_t others = header.size() + 2 + kNumberBytes + kTagBytes;
  // Something must be there for the header's protection.
  const size_t least = others < min_bytes ? min_bytes - others : 0;
  packet.frames.resize(std::max(packet.frames.size(), least));
  const size_t length = kNumberBytes + packet.frames.size() + kTagBytes;
  header += static_cast<char>(0x40 | ((length >> 8) & 0x3f));
  header += static_cast<char>(length);
  const size_t number_at = header.size();
  for (int i = kNumberBytes - 1; i >= 0; i--) {
    header += static_cast<char>(packet.number >> (8 * i));
  }
  std::string tag;
  Crypt(keys, packet.number, header, true, &packet.frames, &tag);
  const std::string sealed = packet.frames + tag;
  const std::string mask = Mask(keys, sealed.substr(0, kSampleBytes));
  header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
  for (size_t i = 0; i < kNumberBytes; i++) {
    header[number_at + i] =
        static_cast<char>(header[number_at + i] ^ mask[1 + i]);
  }
  return header + sealed;
}

bool Open(const std::string& datagram, Initial* packet,
          const std::string& key_id) {
  const auto byte = [&](size_t at) -> size_t {
    return at < datagram.size() ? static_cast<uint8_t>(datagram[at]) : 0;
  };
  const auto number_of = [&](size_t* at) {
    const size_t bytes = size_t{1} << (byte(*at) >> 6);
    uint64_t value = byte((*at)++) & 0x3f;
    for (size_t i = 1; i < bytes; i++) value = value << 8 | byte((*at)++);
    return value;
  };
  if (datagram.size() < 40 || (byte(0) & 0xf0) != 0xc0) return false;
  size_t at = 5;
  for (std::string* id : {&packet->to, &packet->from}) {
    const size_t length = byte(at++);
    *id = datagram.substr(std::min(at, datagram.size()), length);
    at += length;
  }
  const uint64_t token = number_of(&at);
  if (token > datagram.size() - at) return false;
  packet->token = datagram.substr(at, token);
  at += token;
  const uint64_t length = number_of(&at);
  if (at + length > datagram.size() || length < kNumberBytes + kSampleBytes) {
    return false;
  }
  packet->key_id = key_id.empty() ? packet->to : key_id;
  const Keys keys = KeysOf(packet->key_id, packet->from_server);
  const std::string mask =
      Mask(keys, datagram.substr(at + kNumberBytes, kSampleBytes));
  std::string header = datagram.substr(0, at);
  header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
  const size_t number_bytes = (static_cast<size_t>(header[0]) & 3) + 1;
  packet->number = 0;
  for (size_t i = 0; i < number_bytes; i++) {
    header += static_cast<char>(datagram[at + i] ^ mask[1 + i]);
    packet->number = packet->number << 8 | static_cast<uint8_t>(header.back());
  }
  packet->frames =
      datagram.substr(at + number_bytes, length - number_bytes - kTagBytes);
  std::string tag = datagram.substr(at + length - kTagBytes, kTagBytes);
  return Crypt(keys, packet->number, header, false, &packet->frames, &tag);
}

}  // namespace xtp::quic::sim
