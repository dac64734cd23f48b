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
import { fileURLToPath } from 'node:url'
import {
  createTransport,
  type TransportDefinition,
  type XtpComponents,
  type XtpInit,
  type XtpTransport
} from 'xtp'
import { QUIC } from './multiaddr.ts'
import { QUIC_CODE, QUIC_SUFFIX } from './protocol.ts'

export { QUIC } from './multiaddr.ts'

/** Options of `quic()`. `settings` are those of the addon; all others are of the client. */
export interface QuicInit extends XtpInit {}

// the sources run without a build of their own, but the service is always the bundled file
const ENTRY = import.meta.url.endsWith('.ts') ? './dist/service.js' : './service.js'

/** Of the addon (native/quic/settings.h). */
const DEFAULT_MAX_STREAMS = 256

const definition: TransportDefinition = {
  name: 'quic',
  packageName: 'xtp-quic',
  multiaddrCode: QUIC_CODE,
  suffix: QUIC_SUFFIX,
  matcher: QUIC,
  native: true,
  // the credit that a peer has for its streams: the smaller one counts
  limitSettings: ({ streams }, { max_streams: own = DEFAULT_MAX_STREAMS }) => ({
    max_streams: Math.min(own, streams || own)
  }),
  serviceEntry: fileURLToPath(new URL(ENTRY, import.meta.url))
}

/**
 * The transport for libp2p's `transports`. It takes the node's `privateKey` from libp2p.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function quic(init: QuicInit = {}): (components: XtpComponents) => XtpTransport {
  return createTransport(definition, init)
}
