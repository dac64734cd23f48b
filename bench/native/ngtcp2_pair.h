#ifndef XTP_BENCH_NGTCP2_PAIR_H_
#define XTP_BENCH_NGTCP2_PAIR_H_

#include <cstddef>

#include "native/measure.h"

namespace xtp::bench {

// One connection with one stream from client to server, and an answer of one
// byte. UDP payloads of `payload` bytes; no path MTU discovery.
int RunNgtcp2(const Side& side, size_t payload);

}  // namespace xtp::bench

#endif  // XTP_BENCH_NGTCP2_PAIR_H_
