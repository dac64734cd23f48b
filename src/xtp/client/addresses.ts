// Multiaddrs of users and peers -> the binary addresses that a service takes, and back.
import { getThinWaistAddresses } from '@libp2p/utils'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { raceSignal } from 'race-signal'
import {
  InvalidArgumentError,
  NotFoundError,
  ProtocolViolationError,
  UnavailableError
} from '../ctl/index.ts'
import type { Resolver } from '../runner/index.ts'
import type { TransportDefinition } from './definition.ts'

/** Addresses of one name that a dial tries, in the resolver's order. */
const MAX_RESOLVED = 4

const FAMILY: Record<string, 0 | 4 | 6> = { dns: 0, dns4: 4, dns6: 6 }

/** Where to, taken from a multiaddr. */
export interface Target {
  /** Of the host component: `ip4`, `ip6`, `dns`, `dns4` or `dns6`. */
  type: string
  host: string
  /** Scope of a link-local IPv6 address, such as `eth0`. */
  zone?: string
  port: number
}

/**
 * Parses text that a person wrote.
 *
 * @throws InvalidArgumentError
 */
export function parseMultiaddr(input: Multiaddr | string, definition: TransportDefinition) {
  if (typeof input !== 'string') {
    return input
  }
  try {
    return multiaddr(input)
  } catch (cause) {
    const why = (cause as Error).message
    throw new InvalidArgumentError(`"${input}" is no multiaddr (${why}): ${expected(definition)}`, {
      cause
    })
  }
}

/**
 * Takes an address of this transport apart; a `/p2p/…` at its end is left out.
 *
 * @throws InvalidArgumentError for any other address
 */
export function targetOf(ma: Multiaddr, definition: TransportDefinition): Target {
  if (!definition.matcher.exactMatch(ma)) {
    throw new InvalidArgumentError(
      `${ma} is no address of ${definition.packageName}: ${expected(definition)}`
    )
  }
  const parts = ma.getComponents()
  const zone = parts[0]?.name === 'ip6zone' ? parts.shift()?.value : undefined
  const [host, port] = parts
  return { type: host?.name ?? '', host: host?.value ?? '', zone, port: Number(port?.value) }
}

/** The peer that an address names at its end, if it does. */
export function peerIdOf(ma: Multiaddr): string | undefined {
  const last = ma.getComponents().at(-1)
  return last?.code === CODE_P2P ? last.value : undefined
}

function expected({ packageName, portProtocol = 'udp', suffix }: TransportDefinition): string {
  return `${packageName} takes /ip4|ip6|dns|dns4|dns6/<host>/${portProtocol}/<port>${suffix}, with /p2p/<peer id> or without`
}

/** Of a target with an IP. */
export function familyOf({ type }: Target): 4 | 6 {
  return type === 'ip6' ? 6 : 4
}

/** The IP of such a target, as the system takes it. */
export function ipOf({ host, zone }: Target): string {
  return zone === undefined ? host : `${host}%${zone}`
}

/** The binary form of an address with an IP, as it goes to the service. */
export function encodeTarget(
  { type, host, zone }: Target,
  port: number,
  { portProtocol = 'udp', suffix }: TransportDefinition
): Uint8Array {
  const prefix = zone === undefined ? '' : `/ip6zone/${zone}`
  return multiaddr(`${prefix}/${type}/${host}/${portProtocol}/${port}${suffix}`).bytes
}

/**
 * Replaces a name by the addresses that it stands for.
 *
 * @throws NotFoundError, UnavailableError, and the signal's reason
 */
export async function resolveTarget(
  target: Target,
  resolver: Resolver,
  signal?: AbortSignal
): Promise<Target[]> {
  const family = FAMILY[target.type]
  if (family === undefined) {
    return [target]
  }
  const { host } = target
  let found: string[]
  try {
    found = await raceSignal(resolver(host, family), signal)
  } catch (cause) {
    signal?.throwIfAborted()
    const code = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
    if (code === 'EAI_AGAIN') {
      throw new UnavailableError(`could not resolve ${host} now (${code}): is the network up?`, {
        errno: code,
        cause
      })
    }
    throw new NotFoundError(`could not resolve ${host} (${code}): check the name`, {
      errno: code,
      cause
    })
  }
  const targets = found
    .map(ip => ({ ...target, type: ip.includes(':') ? 'ip6' : 'ip4', host: ip }))
    .filter(({ type, host }) => (family === 0 || type === `ip${family}`) && isIp(type, host))
    .slice(0, MAX_RESOLVED)
  if (targets.length === 0) {
    throw new NotFoundError(`${host} has no ${target.type === 'dns6' ? 'IPv6' : 'IP'} address`)
  }
  return targets
}

function isIp(type: string, host: string): boolean {
  try {
    multiaddr(`/${type}/${host}`)
    return true
  } catch {
    return false
  }
}

/**
 * An address that the service reported.
 *
 * @throws ProtocolViolationError: nothing that the service says is taken on trust
 */
export function addressFromService(bytes: Uint8Array, definition: TransportDefinition): Multiaddr {
  let ma: Multiaddr
  try {
    ma = multiaddr(bytes)
  } catch (cause) {
    throw new ProtocolViolationError('the service reported bytes that are no multiaddr', { cause })
  }
  const host = ma.getComponents().find(({ name }) => name !== 'ip6zone')?.name
  const last = ma.getComponents().at(-1)?.code
  const isOurs = last === definition.multiaddrCode && definition.matcher.exactMatch(ma)
  if (!isOurs || (host !== 'ip4' && host !== 'ip6')) {
    throw new ProtocolViolationError(`the service reported ${ma}, no ${definition.suffix} address`)
  }
  return ma
}

/** What a listener on `ma` with this port is reached at; unspecified addresses are expanded. */
export function listeningAddresses(
  ma: Multiaddr,
  port: number,
  { suffix }: TransportDefinition
): Multiaddr[] {
  const addresses = getThinWaistAddresses(ma, port)
  return suffix === '' ? addresses : addresses.map(address => address.encapsulate(suffix))
}
