#include "common/siphash.h"

#include <unistd.h>

#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include <cstring>

namespace xtp {
namespace {

uint64_t RotateLeft(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = RotateLeft(v1, 13) ^ v0;
    v3 = RotateLeft(v3, 16) ^ v2;
    v0 = RotateLeft(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = RotateLeft(v1, 17) ^ v2;
    v3 = RotateLeft(v3, 21) ^ v0;
    v2 = RotateLeft(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

uint64_t ReadLittleEndian(const uint8_t* data, size_t length) {
  uint64_t word = 0;
  for (size_t i = 0; i < length; i++) word |= uint64_t{data[i]} << (8 * i);
  return word;
}

}  // namespace

uint64_t SipHash(const SipKey& key, const uint8_t* data, size_t length) {
  State s = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
             key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
  const size_t whole = length / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) s.Absorb(ReadLittleEndian(data + i, 8));
  s.Absorb(ReadLittleEndian(data + whole, length - whole) | uint64_t{length}
                                                                << 56);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint32_t Random::Next() {
  uint8_t block[8];
  memcpy(block, &counter_, sizeof block);
  counter_++;
  return static_cast<uint32_t>(SipHash(key_, block, sizeof block));
}

bool FillRandom(void* out, size_t length) {
  return getentropy(out, length) == 0;
}

}  // namespace xtp
