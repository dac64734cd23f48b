// Binary multiaddrs of xtp-ctl <-> the IP and port that an addon takes. Not with a library of multiaddrs: each comes with
// every base and hash there is, which is half of the time in which a service starts.
import { isIPv4, isIPv6 } from 'node:net'
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

/** Codes of the multiaddr table. */
const CODE = { ip4: 4, tcp: 6, ip6: 41, ip6zone: 42, udp: 273 }
const IP4_BYTES = 4
const IP6_BYTES = 16

/** Takes a binary multiaddr apart. What is not there is undefined. */
class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** An unsigned varint of at most three bytes, in its shortest form. */
  varint(): number | undefined {
    let value = 0
    for (let i = 0; i < 3; i++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined || (byte === 0 && i > 0)) {
        return undefined
      }
      value |= (byte & 0x7f) << (7 * i)
      if (byte < 0x80) {
        return value
      }
    }
    return undefined
  }

  take(length: number): Uint8Array | undefined {
    const begin = this.#at
    this.#at += length
    return this.#at <= this.#bytes.length ? this.#bytes.subarray(begin, this.#at) : undefined
  }
}

function readIp(reader: Reader): string | undefined {
  let code = reader.varint()
  let zone = ''
  if (code === CODE.ip6zone) {
    const name = reader.take(reader.varint() ?? 0)
    zone = `%${Buffer.from(name ?? []).toString()}`
    code = reader.varint()
    if (code !== CODE.ip6) {
      return undefined
    }
  }
  const bytes =
    code === CODE.ip4
      ? reader.take(IP4_BYTES)
      : code === CODE.ip6
        ? reader.take(IP6_BYTES)
        : undefined
  if (bytes === undefined) {
    return undefined
  }
  if (code === CODE.ip4) {
    return bytes.join('.')
  }
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)).toString(16)
  )
  const ip = groups.join(':') + zone
  return isIPv6(ip) ? ip : undefined
}

/**
 * Takes `/ip4|ip6/…/udp|tcp/…<suffix>` apart. The client resolves names and strips `/p2p`, so that
 * anything else here is a mistake of the client's.
 *
 * @throws InvalidArgumentError
 */
export function ipPortFromBytes(bytes: Uint8Array, form: AddressForm): IpPort {
  const { portProtocol = 'udp', suffix, suffixCode } = form
  const reader = new Reader(bytes)
  const ip = readIp(reader)
  const portCode = reader.varint()
  const port = reader.take(2)
  const suffixOk = suffix === '' || reader.varint() === suffixCode
  if (
    ip === undefined ||
    portCode !== CODE[portProtocol] ||
    port === undefined ||
    !suffixOk ||
    !reader.isAtEnd
  ) {
    throw new InvalidArgumentError(
      `the service takes binary /ip4|ip6/…/${portProtocol}/…${suffix} addresses, not ${Buffer.from(bytes.subarray(0, 64)).toString('hex')}`
    )
  }
  return { ip, port: ((port[0] as number) << 8) | (port[1] as number) }
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/** Groups of 16 bits of a part of an IPv6 address; the last may be an IPv4 address. */
function groupsOf(text: string): number[] {
  return text === ''
    ? []
    : text.split(':').flatMap(group => {
        if (!group.includes('.')) {
          return [Number.parseInt(group, 16)]
        }
        const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
        return [(a << 8) | b, (c << 8) | d]
      })
}

function ip6Bytes(ip: string): number[] {
  const [head = '', tail] = ip.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail ?? '')
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap(group => [group >> 8, group & 0xff])
}

/** @throws InvalidArgumentError where `ip` is none */
export function bytesFromIpPort(ip: string, port: number, form: AddressForm): Uint8Array {
  const { portProtocol = 'udp', suffix, suffixCode } = form
  const end = [
    ...varint(CODE[portProtocol]),
    port >> 8,
    port & 0xff,
    ...(suffix === '' ? [] : varint(suffixCode))
  ]
  if (isIPv4(ip)) {
    return Uint8Array.from([CODE.ip4, ...ip.split('.').map(Number), ...end])
  }
  if (!isIPv6(ip)) {
    throw new InvalidArgumentError(`${ip} is not an IP address`)
  }
  const [address = '', zone] = ip.split('%')
  const name = Buffer.from(zone ?? '')
  const begin = zone === undefined ? [] : [CODE.ip6zone, ...varint(name.length), ...name]
  return Uint8Array.from([...begin, CODE.ip6, ...ip6Bytes(address), ...end])
}
