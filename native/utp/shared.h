// What the parts of the engine have in common. I/O thread only.
#ifndef XTP_UTP_SHARED_H_
#define XTP_UTP_SHARED_H_

#include <cstdint>

#include "common/siphash.h"
#include "common/transport.h"
#include "utp/guards.h"
#include "utp/half_open.h"
#include "utp/settings.h"

namespace xtp::utp {

// Since the start of the engine. Stats reports them by these names.
struct Counters {
  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t retransmits = 0;
  uint64_t malformed_datagrams = 0;
  uint64_t unknown_datagrams = 0;
  uint64_t syns = 0;
  uint64_t syns_dropped = 0;
  uint64_t resets_sent = 0;
  uint64_t resets_received = 0;
  uint64_t resets_ignored = 0;
  uint64_t misbehaved = 0;
  uint64_t reorder_dropped = 0;
};

struct Shared {
  Shared(Host* the_host, const Settings& the_settings, const Guards& the_guards,
         const SipKey& syn_key, const SipKey& random_key,
         const uint64_t& clock_us)
      : host(the_host),
        settings(the_settings),
        guards(the_guards),
        syn_guard(syn_key),
        random(random_key),
        now_us(clock_us) {}

  Host* const host;
  const Settings settings;
  const Guards guards;
  SynGuard syn_guard;
  Random random;
  Counters counters;
  const uint64_t& now_us;  // the engine's clock
  // libutp's own objects that live now, in all contexts.
  size_t libutp_sockets = 0;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_SHARED_H_
