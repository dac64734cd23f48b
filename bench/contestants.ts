// Who takes part, by the name that `--only` and the report use.
import { loadQuicAddon } from '../src/xtp-quic/addon.ts'
import { PROTOCOL as QUIC } from '../src/xtp-quic/protocol.ts'
import { PROTOCOL as UTP } from '../src/xtp-utp/protocol.ts'
import { InProcessRunner } from './contestants/in-process.ts'
import { libp2p, type Stack, stacks } from './contestants/libp2p.ts'
import { tcpRaw, utpNativeRaw, xtpUdtRaw, xtpUtpRaw } from './contestants/raw.ts'
import type { Contestant } from './contestants/types.ts'

export type { Contestant, Duplex } from './contestants/types.ts'

export const LEVELS = ['L0', 'L2', 'L3'] as const
export type Level = (typeof LEVELS)[number]

/** The largest UDP payload of an Ethernet path, for QUIC without the large packets of loopback. */
export const ETHERNET_PAYLOAD_BYTES = 1452

interface HasStatus {
  status(): { sandbox?: { level: string } }
}

/** Refuses to measure another sandbox than the one that was asked for. */
function isAt(level: Level, stack: Stack): Stack {
  return {
    ...stack,
    check(node) {
      const transports = (
        node as unknown as {
          components: { transportManager: { getTransports(): HasStatus[] } }
        }
      ).components.transportManager.getTransports()
      const reached = transports[0]?.status().sandbox?.level
      if (reached !== level) {
        throw new Error(`asked for the sandbox ${level}, got ${reached}`)
      }
    }
  }
}

/** The default level is L3 where it works, and is measured as what it is. */
const sandbox = (level: Level) => ({ sandbox: { level } })

/** By default QUIC allows a peer as many streams at a time. */
const MAX_STREAMS = 256
const manyStreams = { settings: { max_streams: 1024 } }

const payload = {
  settings: {
    max_loopback_udp_payload_bytes: ETHERNET_PAYLOAD_BYTES,
    max_udp_payload_bytes: ETHERNET_PAYLOAD_BYTES
  }
}

// its end must not end the application
const inside = { settings: { exit_on_link_lost: 0 } }
const utpInside = () => new InProcessRunner(UTP)
const quicInside = () => new InProcessRunner({ ...QUIC, loadBinding: dir => loadQuicAddon(dir) })

export const contestants: Record<string, Contestant> = {
  quic: { ...libp2p('xtp-quic', () => stacks.quic()), maxStreams: MAX_STREAMS },
  'quic-1452': libp2p('xtp-quic, 1452-byte payload', () => stacks.quic(payload)),
  utp: libp2p('xtp-utp + xtp’s noise and yamux', () => stacks.utp()),
  'utp-libp2p': libp2p('xtp-utp + noise + yamux', () => stacks.utp({}, 'libp2p')),
  udt: libp2p('xtp-udt + xtp’s noise and yamux', stacks.udt),
  'tcp-noise': libp2p('@libp2p/tcp + noise + yamux', () => stacks.tcpNoise()),
  'tcp-xtp': libp2p('@libp2p/tcp + xtp’s noise and yamux', () => stacks.tcpNoise('xtp')),
  quinn: libp2p('@chainsafe/libp2p-quic, in the process', stacks.quinn),
  'quic-1024-streams': libp2p('xtp-quic, 1,024 streams allowed', () => stacks.quic(manyStreams)),
  'quic-inside': libp2p('xtp-quic, in the application’s process', () =>
    stacks.quic({ ...inside, runner: quicInside() })
  ),
  'utp-inside': libp2p('xtp-utp + xtp’s noise and yamux, in the application’s process', () =>
    stacks.utp({ ...inside, runner: utpInside() })
  ),
  'utp-raw': xtpUtpRaw,
  'utp-native-raw': utpNativeRaw,
  'udt-raw': xtpUdtRaw,
  ...Object.fromEntries(
    LEVELS.flatMap(level => [
      [
        `quic@${level}`,
        libp2p(`xtp-quic at ${level}`, () => isAt(level, stacks.quic(sandbox(level))))
      ],
      [
        `utp@${level}`,
        libp2p(`xtp-utp + xtp’s noise and yamux at ${level}`, () =>
          isAt(level, stacks.utp(sandbox(level)))
        )
      ]
    ])
  ),
  'tcp-tls': libp2p('@libp2p/tcp + tls + yamux', stacks.tcpTls),
  'tcp-plaintext': libp2p('@libp2p/tcp + plaintext + yamux', stacks.tcpPlaintext),
  'ws-noise': libp2p('@libp2p/websockets + noise + yamux', stacks.webSockets),
  'tcp-raw': tcpRaw
}

/** On other networks than loopback, for `--networks`. */
export const networkContestants: Record<string, Contestant> = {
  'libp2p-xtp-utp': contestants.utp as Contestant,
  'libp2p-xtp-udt': contestants.udt as Contestant,
  'libp2p-xtp-quic': contestants.quic as Contestant,
  'libp2p-xtp-quic-bbr': libp2p('xtp-quic, BBR', () =>
    stacks.quic({ settings: { congestion: 1 } })
  ),
  'libp2p-tcp': contestants['tcp-noise'] as Contestant,
  'libp2p-quinn': contestants.quinn as Contestant
}
