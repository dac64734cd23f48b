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
 * import { noise } from '@chainsafe/libp2p-noise'
 * import { yamux } from '@chainsafe/libp2p-yamux'
 * import { createLibp2p } from 'libp2p'
 * import { utp } from 'xtp-utp'
 *
 * const node = await createLibp2p({
 *   addresses: { listen: ['/ip4/0.0.0.0/udp/4001/utp'] },
 *   transports: [utp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()]
 * })
 * ```
 */
import { fileURLToPath } from 'node:url'
import {
  createTransport,
  type TransportDefinition,
  XtpClient,
  type XtpClientComponents,
  type XtpComponents,
  type XtpInit,
  type XtpTransport
} from 'xtp'
import { UTP } from './multiaddr.ts'
import { UTP_CODE, UTP_SUFFIX } from './protocol.ts'

export { UTP } from './multiaddr.ts'

/** Options of `utp()`. `settings` are those of the addon; all others are of the client. */
export interface UtpInit extends XtpInit {}

// the sources run without a build of their own, but the service is always the bundled file
const ENTRY = import.meta.url.endsWith('.ts') ? './dist/service.js' : './service.js'

const definition: TransportDefinition = {
  name: 'utp',
  packageName: 'xtp-utp',
  multiaddrCode: UTP_CODE,
  suffix: UTP_SUFFIX,
  matcher: UTP,
  serviceEntry: fileURLToPath(new URL(ENTRY, import.meta.url))
}

/**
 * The transport for libp2p's `transports`, with encryption and a muxer configured as for TCP.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function utp(init: UtpInit = {}): (components: XtpComponents) => XtpTransport {
  return createTransport(definition, init)
}

/**
 * Raw uTP connections, without libp2p: no encryption, no multiplexing, true half-close.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function utpClient(init: UtpInit = {}, components: XtpClientComponents = {}): XtpClient {
  return new XtpClient(definition, init, components)
}
