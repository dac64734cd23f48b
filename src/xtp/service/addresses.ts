// Binary multiaddrs of xtp-ctl <-> the IP and port that an addon takes.
import { isIPv4, isIPv6 } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { InvalidArgumentError } from '../ctl/index.ts'

export interface IpPort {
  ip: string
  port: number
}

const CODE_UDP = 273

/**
 * Takes `/ip4|ip6/…/udp/…/<suffix>` apart. The client resolves names and strips `/p2p`, so that
 * anything else here is a mistake of the client's.
 *
 * @throws InvalidArgumentError
 */
export function ipPortFromBytes(bytes: Uint8Array, suffixCode: number): IpPort {
  let ma: Multiaddr
  try {
    ma = multiaddr(bytes)
  } catch (cause) {
    throw new InvalidArgumentError('the address is not a binary multiaddr', { cause })
  }
  const parts = ma.getComponents()
  const zone = parts[0]?.name === 'ip6zone' ? parts.shift()?.value : undefined
  const [host, udp, suffix] = parts
  const ip = host?.value ?? ''
  const port = Number(udp?.value)
  const hostOk = host?.name === 'ip4' ? isIPv4(ip) : host?.name === 'ip6' && isIPv6(ip)
  const shapeOk = parts.length === 3 && udp?.code === CODE_UDP && suffix?.code === suffixCode
  if (!hostOk || !shapeOk || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new InvalidArgumentError(
      `the service takes /ip4|ip6/…/udp/… addresses of its own transport, not ${ma}`
    )
  }
  return { ip: zone === undefined ? ip : `${ip}%${zone}`, port }
}

export function bytesFromIpPort(ip: string, port: number, suffix: string): Uint8Array {
  const [address, zone] = ip.split('%')
  const host = isIPv4(ip) ? `/ip4/${ip}` : `${zone ? `/ip6zone/${zone}` : ''}/ip6/${address}`
  return multiaddr(`${host}/udp/${port}${suffix}`).bytes
}
