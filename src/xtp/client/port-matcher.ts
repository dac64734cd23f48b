// The addresses of a transport over UDP or TCP. The matchers of @multiformats/multiaddr-matcher take more than can be
// dialled: /dnsaddr, which stands for whole addresses, and /ipcidr.
import {
  CODE_DNS,
  CODE_DNS4,
  CODE_DNS6,
  CODE_IP4,
  CODE_IP6,
  CODE_IP6ZONE,
  CODE_P2P,
  CODE_TCP,
  CODE_UDP
} from '@multiformats/multiaddr'
import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import { and, code, fmt, optional, or, value } from '@multiformats/multiaddr-matcher/utils'
import type { PortProtocol } from './definition.ts'

const HOST = or(
  value(CODE_IP4),
  and(optional(value(CODE_IP6ZONE)), value(CODE_IP6)),
  value(CODE_DNS),
  value(CODE_DNS4),
  value(CODE_DNS6)
)

const PORT_CODES = { udp: CODE_UDP, tcp: CODE_TCP }

/**
 * Matches `/ip4|ip6|dns|dns4|dns6/<host>/udp|tcp/<port>/<protocol>`, where a link-local IPv6 address may have its
 * `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 *
 * @param port - whose port
 * @param protocol - code of the transport's own component in the multiaddr table; that of the port: there is none
 */
export function portMatcher(port: PortProtocol, protocol: number): MultiaddrMatcher {
  const portCode = PORT_CODES[port]
  const peer = optional(value(CODE_P2P))
  return protocol === portCode
    ? fmt(HOST, value(portCode), peer)
    : fmt(HOST, value(portCode), code(protocol), peer)
}
