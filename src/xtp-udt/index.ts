/**
 * @packageDocumentation
 *
 * UDT 4 ({@link https://datatracker.ietf.org/doc/html/draft-gg-udt-03 | draft-gg-udt-03}) for js-libp2p, in a
 * process of its own: the application never loads native code, and a crash or a deadlock of libudt costs its
 * connections and nothing else.
 *
 * @example
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { noise, udt, yamux } from 'xtp-udt'
 *
 * const node = await createLibp2p({
 *   addresses: { listen: ['/ip4/0.0.0.0/udp/4001/udt'] },
 *   transports: [udt()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()]
 * })
 * ```
 */
import {
  defineTransport,
  type XtpClient,
  type XtpClientComponents,
  type XtpComponents,
  type XtpInit,
  type XtpTransport
} from 'xtp'
import { PROTOCOL } from './protocol.ts'

export { type NoiseInit, noise } from 'xtp/noise'
export { type YamuxInit, yamux } from 'xtp/yamux'

/** Options of `udt()`. `settings` are those of the addon; all others are of the client. */
export interface UdtInit extends XtpInit {}

const { matcher, transport, client } = defineTransport({ ...PROTOCOL, url: import.meta.url })

/**
 * Matches UDT addresses: `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/udt`, where a link-local IPv6
 * address may have its `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const UDT = matcher

/**
 * The transport for libp2p's `transports`, with encryption and a muxer configured as for TCP.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function udt(init: UdtInit = {}): (components: XtpComponents) => XtpTransport {
  return transport(init)
}

/**
 * Raw UDT connections, without libp2p: no encryption, no multiplexing, true half-close.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function udtClient(init: UdtInit = {}, components: XtpClientComponents = {}): XtpClient {
  return client(init, components)
}
