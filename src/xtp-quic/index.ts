/**
 * @packageDocumentation
 *
 * QUIC ({@link https://www.rfc-editor.org/rfc/rfc9000 | RFC 9000}, `/quic-v1`) for js-libp2p, in a process of
 * its own: the application never loads native code, and a crash of the QUIC library costs its
 * connections and nothing else. Encryption and multiplexing are QUIC's own and happen in that process, so
 * neither an encrypter nor a muxer is needed for it.
 *
 * The identity key of the node stays in the application: the service has a TLS key of its own, which the
 * identity key signs once per process, and certificates of peers are verified in the application.
 *
 * @example
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { quic } from 'xtp-quic'
 *
 * const node = await createLibp2p({
 *   addresses: { listen: ['/ip4/0.0.0.0/udp/4001/quic-v1'] },
 *   transports: [quic()]
 * })
 * ```
 */
import { defineTransport, type XtpComponents, type XtpInit, type XtpTransport } from 'xtp'
import { PROTOCOL } from './protocol.ts'

/** Options of `quic()`. All but `settings` are those of every transport. */
export interface QuicInit extends XtpInit {
  /**
   * Settings of the addon (native/quic/settings.h), such as
   *
   * - `max_udp_payload_bytes`: the largest UDP payload that path MTU discovery tries, 1200 to 65507. Default
   *   8952, which finds jumbo frames; 1452 keeps to Ethernet's.
   * - `max_loopback_udp_payload_bytes`: the same on loopback. Default 65507.
   * - `max_streams`: streams that a peer may have open on a connection, 1 to 4096. Default 256.
   * - `congestion`: 0 CUBIC, the default; 1 BBR; 2 NewReno.
   */
  settings?: Record<string, number>
}

/** Of the addon (native/quic/settings.h). */
const DEFAULT_MAX_STREAMS = 256

const { matcher, transport } = defineTransport({
  ...PROTOCOL,
  url: import.meta.url,
  // the credit that a peer has for its streams: the smaller one counts
  limitSettings: ({ streams }, { max_streams: own = DEFAULT_MAX_STREAMS }) => ({
    max_streams: Math.min(own, streams || own)
  })
})

/**
 * Matches QUIC addresses: `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/quic-v1`, where a link-local IPv6
 * address may have its `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const QUIC = matcher

/**
 * The transport for libp2p's `transports`. It takes the node's `privateKey` from libp2p.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function quic(init: QuicInit = {}): (components: XtpComponents) => XtpTransport {
  return transport(init)
}
