// How much each test does: what CI runs (short), what CI runs again under other conditions, such as another
// Node or another level of the sandbox (again), what `npm run test:full` runs (full), and what runs with
// sanitizers in both (sanitized).
// Run as a program, it prints the counts in force.

const TIERS = ['short', 'again', 'full', 'sanitized'] as const

export const tier = TIERS.find(name => name === process.env.TEST_TIER) ?? 'short'

/** How many times longer than on a processor of iron a test may take (scripts/machine.mjs). */
export const patience = Number(process.env.XTP_TEST_PATIENCE ?? 1)

const COUNTS = {
  /** Bytes of the large transfer, each way. */
  largeTransferBytes: {
    short: 256 * 2 ** 20,
    again: 64 * 2 ** 20,
    full: 2 ** 30,
    sanitized: 64 * 2 ** 20
  },
  /** Concurrent streams, over 10 connections. */
  concurrentStreams: { short: 1000, again: 200, full: 1000, sanitized: 200 },
  /** Connections of QUIC that are open at once and idle. */
  idleConnections: { short: 200, again: 200, full: 2000, sanitized: 50 },
  /** Connections opened and closed one after the other. */
  sequentialConnections: { short: 200, again: 60, full: 200, sanitized: 60 },
  /** Bytes offered to a paused reader. */
  pausedReaderBytes: {
    short: 64 * 2 ** 20,
    again: 64 * 2 ** 20,
    full: 64 * 2 ** 20,
    sanitized: 64 * 2 ** 20
  },
  /** Connections whose readers stop while all are sent to. */
  pausedConnections: { short: 300, again: 50, full: 1000, sanitized: 50 },
  /** Bytes through the lossy relay, each way. */
  lossyBytes: { short: 16 * 2 ** 20, again: 2 ** 20, full: 16 * 2 ** 20, sanitized: 2 * 2 ** 20 },
  /** The same for UDT, whose estimates of the path suffer from jitter. */
  udtLossyBytes: { short: 2 ** 20, again: 2 ** 20, full: 16 * 2 ** 20, sanitized: 2 ** 18 },
  /** Bytes seeded and leeched with the independent uTP. */
  torrentBytes: {
    short: 32 * 2 ** 20,
    again: 4 * 2 ** 20,
    full: 32 * 2 ** 20,
    sanitized: 4 * 2 ** 20
  },
  /** The same through the lossy relay. */
  torrentLossyBytes: { short: 4 * 2 ** 20, again: 2 ** 20, full: 32 * 2 ** 20, sanitized: 2 ** 20 },
  /** Bytes from and to the independent QUIC, each way: it is slow. */
  quinnBytes: {
    short: 256 * 2 ** 20,
    again: 4 * 2 ** 20,
    full: 256 * 2 ** 20,
    sanitized: 8 * 2 ** 20
  },
  /** Bytes that the independent QUIC offers to a paused reader. */
  quinnPausedBytes: {
    short: 256 * 2 ** 20,
    again: 64 * 2 ** 20,
    full: 256 * 2 ** 20,
    sanitized: 64 * 2 ** 20
  },
  /** Bytes from and to peers of go-libp2p and rust-libp2p, each way. */
  foreignBytes: { short: 8 * 2 ** 20, again: 2 ** 20, full: 256 * 2 ** 20, sanitized: 2 ** 20 },
  /** Streams that each side opens to the other at once. */
  foreignStreams: { short: 200, again: 50, full: 1000, sanitized: 50 },
  /** For how long a reader pauses, ms. */
  foreignPauseMs: { short: 500, again: 500, full: 5000, sanitized: 500 },
  /** Random frames per link and direction. */
  fuzzFrames: { short: 25_000, again: 5_000, full: 250_000, sanitized: 5_000 },
  /** Spoofed SYNs. */
  spoofedSyns: { short: 5000, again: 1000, full: 5000, sanitized: 5000 },
  /** Initials of QUIC from addresses that are not the sender's. */
  spoofedInitials: { short: 4000, again: 1000, full: 40_000, sanitized: 2000 },
  /** Random or replayed datagrams. */
  hostileDatagrams: { short: 20_000, again: 5_000, full: 200_000, sanitized: 10_000 },
  /** Kills of the service, per control state. */
  kills: { short: 2, again: 1, full: 25, sanitized: 1 },
  /** The same in the middle of a transfer. */
  transferKills: { short: 10, again: 2, full: 100, sanitized: 2 },
  /** Kills of one service under load. */
  loadKills: { short: 12, again: 5, full: 500, sanitized: 5 },
  /** Of the 120 ways in which parent, jail, init and service can die one after the other, one stopped. */
  deathOrders: { short: 10, again: 2, full: 120, sanitized: 2 }
} satisfies Record<string, Record<(typeof TIERS)[number], number>>

export const counts = Object.fromEntries(
  Object.entries(COUNTS).map(([name, value]) => [name, value[tier]])
) as Record<keyof typeof COUNTS, number>

if (process.argv[1] === import.meta.filename) {
  console.log(`test counts (${tier}):`)
  for (const [name, value] of Object.entries(counts)) {
    console.log(`  ${name.padEnd(24)} ${value.toLocaleString('en')}`)
  }
}
