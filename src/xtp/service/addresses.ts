// Binary multiaddrs of xtp-ctl <-> the IP and port that an addon takes.
import { isIPv4, isIPv6 } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { InvalidArgumentError } from '../ctl/index.ts'

export interface IpPort {
  ip: string
  port: number
}

/** What the addresses of a transport have behind the IP. */
export interface AddressForm {
  /** Default `udp`. */
  portProtocol?: 'udp' | 'tcp'
  /** Last component, such as `/utp`, and its code; empty where it is the port's. */
  suffix: string
  suffixCode: number
}

/**
 * Takes `/ip4|ip6/…/udp|tcp/…<suffix>` apart. The client resolves names and strips `/p2p`, so that
 * anything else here is a mistake of the client's.
 *
 * @throws InvalidArgumentError
 */
export function ipPortFromBytes(bytes: Uint8Array, form: AddressForm): IpPort {
  const { portProtocol = 'udp', suffix, suffixCode } = form
  let ma: Multiaddr
  try {
    ma = multiaddr(bytes)
  } catch (cause) {
    throw new InvalidArgumentError('the address is not a binary multiaddr', { cause })
  }
  const parts = ma.getComponents()
  const zone = parts[0]?.name === 'ip6zone' ? parts.shift()?.value : undefined
  const [host, number] = parts
  const ip = host?.value ?? ''
  const port = Number(number?.value)
  const hostOk = host?.name === 'ip4' ? isIPv4(ip) : host?.name === 'ip6' && isIPv6(ip)
  const shapeOk =
    parts.length === (suffix === '' ? 2 : 3) &&
    number?.name === portProtocol &&
    parts.at(-1)?.code === suffixCode
  if (!hostOk || !shapeOk || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new InvalidArgumentError(
      `the service takes /ip4|ip6/…/${portProtocol}/… addresses of its own transport, not ${ma}`
    )
  }
  return { ip: zone === undefined ? ip : `${ip}%${zone}`, port }
}

export function bytesFromIpPort(ip: string, port: number, form: AddressForm): Uint8Array {
  const { portProtocol = 'udp', suffix } = form
  const [address, zone] = ip.split('%')
  const host = isIPv4(ip) ? `/ip4/${ip}` : `${zone ? `/ip6zone/${zone}` : ''}/ip6/${address}`
  return multiaddr(`${host}/${portProtocol}/${port}${suffix}`).bytes
}
