import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import { udpMatcher } from 'xtp'
import { UTP_CODE } from './protocol.ts'

/**
 * Matches uTP addresses: `/ip4|ip6|dns|dns4|dns6/<host>/udp/<port>/utp`, where a link-local IPv6
 * address may have its `/ip6zone/<zone>` in front, with an optional `/p2p/<peer id>` at the end.
 */
export const UTP: MultiaddrMatcher = udpMatcher(UTP_CODE)
