// The addresses of this transport. The QUIC_V1 of @multiformats/multiaddr-matcher takes more than can be
// dialled: /dnsaddr, which stands for whole addresses, and /ipcidr.
import {
  CODE_DNS,
  CODE_DNS4,
  CODE_DNS6,
  CODE_IP4,
  CODE_IP6,
  CODE_IP6ZONE,
  CODE_P2P,
  CODE_UDP
} from '@multiformats/multiaddr'
import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import { and, code, fmt, optional, or, value } from '@multiformats/multiaddr-matcher/utils'
import { QUIC_CODE } from './protocol.ts'

const HOST = or(
  value(CODE_IP4),
  and(optional(value(CODE_IP6ZONE)), value(CODE_IP6)),
  value(CODE_DNS),
  value(CODE_DNS4),
  value(CODE_DNS6)
)

/**
 * Matches QUIC addresses: `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/quic-v1`, where a link-local IPv6
 * address may have its `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const QUIC: MultiaddrMatcher = fmt(
  HOST,
  value(CODE_UDP),
  code(QUIC_CODE),
  optional(value(CODE_P2P))
)
