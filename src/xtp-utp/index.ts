/**
 * @packageDocumentation
 *
 * uTP ({@link https://www.bittorrent.org/beps/bep_0029.html | BEP 29}) for js-libp2p, in a process of
 * its own: the application never loads native code, and a crash of the uTP library costs its
 * connections and nothing else.
 *
 * @example
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { noise, utp, yamux } from 'xtp-utp'
 *
 * const node = await createLibp2p({
 *   addresses: { listen: ['/ip4/0.0.0.0/udp/4001/utp'] },
 *   transports: [utp()],
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

/** Options of `utp()`. `settings` are those of the addon; all others are of the client. */
export interface UtpInit extends XtpInit {}

const { matcher, transport, client } = defineTransport({ ...PROTOCOL, url: import.meta.url })

/**
 * Matches uTP addresses: `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/utp`, where a link-local IPv6
 * address may have its `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const UTP = matcher

/**
 * The transport for libp2p's `transports`, with encryption and a muxer configured as for TCP.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function utp(init: UtpInit = {}): (components: XtpComponents) => XtpTransport {
  return transport(init)
}

/**
 * Raw uTP connections, without libp2p: no encryption, no multiplexing, true half-close.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function utpClient(init: UtpInit = {}, components: XtpClientComponents = {}): XtpClient {
  return client(init, components)
}
