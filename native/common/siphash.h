// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short inputs
// that an attacker chooses.
#ifndef XTP_COMMON_SIPHASH_H_
#define XTP_COMMON_SIPHASH_H_

#include <cstddef>
#include <cstdint>

namespace xtp {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

uint64_t SipHash(const SipKey& key, const uint8_t* data, size_t length);

// Numbers that cannot be guessed: SipHash of a counter.
class Random {
 public:
  explicit Random(const SipKey& key) : key_(key) {}
  uint32_t Next();

 private:
  const SipKey key_;
  uint64_t counter_ = 0;
};

// Random bytes of the system's, at most 256; false if it has none.
bool FillRandom(void* out, size_t length);

}  // namespace xtp

#endif  // XTP_COMMON_SIPHASH_H_
