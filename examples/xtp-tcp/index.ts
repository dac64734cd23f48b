/**
 * @packageDocumentation
 *
 * The kernel's TCP for js-libp2p, in a process of its own: the template of a transport (docs/new-transport.md). The
 * service makes sockets itself, which nothing in a sandbox may do, so that the sandbox level is L0.
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

/** Options of `tcp()`. At any `sandbox.level` but L0, the default here, it can neither listen nor dial. */
export interface TcpInit extends XtpInit {}

const { matcher, transport, client } = defineTransport({ ...PROTOCOL, url: import.meta.url })

const withLevel = (init: TcpInit): XtpInit => ({
  ...init,
  sandbox: { level: 'L0', ...init.sandbox }
})

/**
 * Matches `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>`, where a link-local IPv6 address may have its
 * `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const TCP = matcher

/**
 * The transport for libp2p's `transports`, with encryption and a muxer configured as for `@libp2p/tcp`.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function tcp(init: TcpInit = {}): (components: XtpComponents) => XtpTransport {
  return transport(withLevel(init))
}

/**
 * Raw TCP connections, without libp2p: no encryption, no multiplexing, true half-close.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function tcpClient(init: TcpInit = {}, components: XtpClientComponents = {}): XtpClient {
  return client(withLevel(init), components)
}
