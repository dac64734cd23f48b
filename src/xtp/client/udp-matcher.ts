// The addresses of a transport over UDP. The matchers of @multiformats/multiaddr-matcher take more than can be
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

const HOST = or(
  value(CODE_IP4),
  and(optional(value(CODE_IP6ZONE)), value(CODE_IP6)),
  value(CODE_DNS),
  value(CODE_DNS4),
  value(CODE_DNS6)
)

/**
 * Matches `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/<protocol>`, where a link-local IPv6 address may have its
 * `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 *
 * @param protocol - code of the transport's own component in the multiaddr table
 */
export function udpMatcher(protocol: number): MultiaddrMatcher {
  return fmt(HOST, value(CODE_UDP), code(protocol), optional(value(CODE_P2P)))
}
