// What a transport package is made of, in the application's process.
import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import { serviceFile } from '../runner/index.ts'
import { XtpClient, type XtpClientComponents } from './client.ts'
import type { PortProtocol, TransportDefinition, XtpInit } from './definition.ts'
import { portMatcher } from './port-matcher.ts'
import { createTransport, type XtpComponents, type XtpTransport } from './transport.ts'

/** What `protocol.ts` of a transport package has, and where the package is. */
export interface TransportPackage {
  /** Short name, such as `utp`: logs are `xtp:<name>`, metrics `libp2p_xtp_<name>_…`. */
  name: string
  /** Such as `xtp-utp`. */
  packageName: string
  /** Whose port its multiaddrs have: `/udp/<port>` or `/tcp/<port>`. Default `udp`. */
  portProtocol?: PortProtocol
  /**
   * Last component of its multiaddrs, such as `/utp`, and its code in the multiaddr table. Where that is the port's
   * the suffix is empty.
   */
  suffix: string
  multiaddrCode: number
  /** The service itself secures and multiplexes connections. Default false. */
  native?: boolean
  /** Addresses that can be dialled and listened on. Default: `portMatcher(portProtocol, multiaddrCode)`. */
  matcher?: MultiaddrMatcher
  /** Settings of the addon that follow from `limits`, beside those of the user. Default none. */
  limitSettings?: TransportDefinition['limitSettings']
  /** `import.meta.url` of the package's `index`; the service program is in its `dist`. */
  url: string
}

/** The parts of a transport package. */
export interface DefinedTransport {
  /** Matches the addresses of the transport. */
  matcher: MultiaddrMatcher
  /**
   * For libp2p's `transports`.
   *
   * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
   */
  transport(init?: XtpInit): (components: XtpComponents) => XtpTransport
  /**
   * Raw connections, without libp2p.
   *
   * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
   */
  client(init?: XtpInit, components?: XtpClientComponents): XtpClient
}

/** Makes a transport of what its package says of itself. */
export function defineTransport(description: TransportPackage): DefinedTransport {
  const { name, packageName, portProtocol, suffix, multiaddrCode, native, limitSettings, url } =
    description
  const matcher = description.matcher ?? portMatcher(portProtocol ?? 'udp', multiaddrCode)
  const definition: TransportDefinition = {
    name,
    packageName,
    ...(portProtocol !== undefined && { portProtocol }),
    multiaddrCode,
    suffix,
    matcher,
    ...(native === true && { native }),
    ...(limitSettings !== undefined && { limitSettings }),
    serviceEntry: serviceFile(url)
  }
  return {
    matcher,
    transport: (init = {}) => createTransport(definition, init),
    client: (init = {}, components = {}) => new XtpClient(definition, init, components)
  }
}
