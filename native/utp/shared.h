// What the parts of the engine have in common. I/O thread only.
#ifndef XTP_UTP_SHARED_H_
#define XTP_UTP_SHARED_H_

#include <cstdint>
#include <vector>

#include "common/engine_base.h"
#include "common/parent_window.h"
#include "common/siphash.h"
#include "common/transport.h"
#include "utp/guards.h"
#include "utp/half_open.h"
#include "utp/settings.h"

namespace xtp::utp {

class Connection;

// Since the start of the engine. Stats reports them by these names.
struct Counters {
  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t payload_bytes_in = 0;
  uint64_t payload_bytes_out = 0;
  uint64_t retransmits = 0;
  uint64_t malformed_datagrams = 0;
  uint64_t unknown_datagrams = 0;
  uint64_t syns = 0;
  uint64_t syns_dropped = 0;
  uint64_t resets_sent = 0;
  uint64_t resets_received = 0;
  uint64_t resets_ignored = 0;
  uint64_t dials = 0;
  uint64_t dials_failed = 0;
  uint64_t accepted = 0;
  uint64_t closed = 0;
  uint64_t misbehaved = 0;
  uint64_t reorder_dropped = 0;
};

struct Shared {
  Shared(Host* the_host, const Settings& the_settings, const Guards& the_guards,
         const SipKey& syn_key, const SipKey& random_key)
      : host(the_host),
        settings(the_settings),
        guards(the_guards),
        syn_guard(syn_key),
        random(random_key) {}

  Host* const host;
  const Settings settings;
  const Guards guards;
  SynGuard syn_guard;
  Random random;
  Counters counters;
  WindowBudget window_budget;
  uint64_t now_us = 0;
  // No connection's timer is due before this.
  uint64_t next_timer_us = kNever;
  // Connections with something to do at the end of the round, once each.
  std::vector<Connection*> dirty;
  // Ids of connections that are over and can be deleted.
  std::vector<uint32_t> finished;
  // libutp's own objects that live now, in all contexts.
  size_t libutp_sockets = 0;
};

}  // namespace xtp::utp

#endif  // XTP_UTP_SHARED_H_
