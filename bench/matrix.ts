// Which contestant does what, how often, and how much of it.
import { contestants, LEVELS, type Level } from './contestants.ts'
import type { Job } from './session.ts'
import type { Effort } from './workloads/types.ts'

export interface Entry extends Job {
  /** Repeats, spread over the run. */
  rounds: number
}

/** A run: everything that is measured but the native references, the crashes and the networks. */
export interface Plan {
  /** Not that of the plan where options have changed it. */
  name: string
  effort: Effort
  entries: Entry[]
  /** Of the references in C++. */
  nativeRounds: number
  nativeMib: number
  /** SIGKILLs of each kind of service. 0: none. */
  kills: number
  /** Arguments of networks.ts; without any it does not run. */
  networks: string[]
}

/** Those that goals compare. */
const COMPARED = ['quic', 'tcp-noise', 'quic-1452', 'utp', 'quinn', 'quic-inside', 'utp-inside']
const RAW = ['utp-raw', 'utp-native-raw', 'udt-raw']
const kindsAt = (...levels: Level[]) => levels.flatMap(level => [`quic@${level}`, `utp@${level}`])
const LEVEL_KINDS = kindsAt(...LEVELS)
/** Transports with libp2p's encrypter and muxer, and with XTP's, in the other two combinations. */
const OTHER_UPGRADES = ['utp-libp2p', 'tcp-xtp']
const OTHER_KINDS = ['udt', 'tcp-tls', 'tcp-plaintext', 'ws-noise', 'tcp-raw']

const entries = (workload: string, rounds: number, kinds: string[]): Entry[] =>
  kinds.map(kind => ({ kind, workload, rounds }))

const FULL: Plan = {
  name: 'full',
  effort: {
    warmUpMs: 700,
    transferMs: 700,
    manyMs: 1400,
    mib: 0,
    echoTrips: 4000,
    echoMs: 500,
    openMs: 600,
    starts: 3,
    streams: [1, 16, 256, 1000],
    connections: [1, 100, 1000]
  },
  entries: [
    ...entries('core', 3, COMPARED),
    // goals compare these, too, by ratios that have room
    ...entries('core', 2, [...kindsAt('L0', 'L3'), ...RAW, 'utp-libp2p']),
    ...entries('core', 1, [...kindsAt('L2'), 'tcp-xtp', ...OTHER_KINDS]),
    ...entries('starts', 3, [...kindsAt('L0', 'L3'), 'tcp-noise', 'quinn', 'quic-inside']),
    ...entries('starts', 1, kindsAt('L2')),
    ...entries('sizes', 1, ['quic', 'utp', 'tcp-noise', 'quinn']),
    ...entries('streams', 2, ['quic-1024-streams']),
    ...entries('streams', 1, ['quic', 'tcp-noise', 'utp', ...OTHER_UPGRADES]),
    ...entries('connections', 1, ['quic', 'tcp-noise', 'utp'])
  ],
  nativeRounds: 2,
  nativeMib: 512,
  kills: 8,
  // loopback is what everything else runs on
  networks: [
    ...['--seconds', '3', '--on', 'lan,wan,wan-loss,bottleneck,far,shared'],
    ...[
      '--only',
      'libp2p-xtp-utp,libp2p-xtp-udt,libp2p-xtp-quic,libp2p-xtp-quic-bbr,libp2p-tcp-cubic,libp2p-tcp-bbr'
    ]
  ]
}

const QUICK: Plan = {
  name: 'quick',
  effort: {
    ...FULL.effort,
    warmUpMs: 250,
    transferMs: 300,
    manyMs: 300,
    echoTrips: 1000,
    echoMs: 150,
    openMs: 250,
    starts: 1,
    streams: [1, 16],
    connections: [1, 50]
  },
  entries: [
    ...entries('core', 2, ['quic', 'tcp-noise', 'utp', 'quic-inside']),
    ...entries('core', 1, ['quic-1452', 'quinn', 'utp-inside', 'utp-raw', 'utp-native-raw']),
    ...entries('streams', 1, ['quic', 'tcp-noise']),
    ...entries('connections', 1, ['quic']),
    ...entries('starts', 1, ['quic@L0', 'quic@L3', 'tcp-noise'])
  ],
  nativeRounds: 1,
  nativeMib: 256,
  kills: 2,
  networks: []
}

/** What the sandbox costs: the levels alone, more often. */
const LEVELS_ALONE: Plan = {
  ...FULL,
  name: 'levels',
  effort: { ...FULL.effort, starts: 8 },
  entries: [...entries('core', 5, LEVEL_KINDS), ...entries('starts', 5, LEVEL_KINDS)],
  nativeRounds: 0,
  kills: 0,
  networks: []
}

/** Transfers of 1 GiB, where those of a full run take a time: what a short one may hide, or may not have yet. */
const LONG: Plan = {
  ...FULL,
  name: 'long',
  effort: { ...FULL.effort, mib: 1024 },
  entries: [
    ...entries('core', 3, ['quic', 'tcp-noise', 'quic-1452', 'utp']),
    // they need minutes for it
    ...entries('core', 2, ['quinn', 'utp-raw', 'utp-native-raw', 'udt-raw']),
    ...entries('streams', 1, ['quic', 'tcp-noise'])
  ],
  nativeMib: 1024,
  kills: 0,
  networks: [
    ...['--seconds', '8', '--on', 'wan-loss'],
    ...['--only', 'libp2p-xtp-quic,libp2p-xtp-quic-bbr,libp2p-tcp-cubic']
  ]
}

export const PLANS = { full: FULL, quick: QUICK, levels: LEVELS_ALONE, long: LONG }

/** Leaves out what is not in `only`; `rounds` and `mib` replace the plan's. */
export function planFor(
  name: keyof typeof PLANS,
  { only, rounds, mib }: { only?: string[]; rounds?: number; mib?: number }
): Plan {
  const plan = PLANS[name]
  const unknown = only?.find(kind => contestants[kind] === undefined)
  if (unknown !== undefined) {
    throw new Error(
      `--only: there is no contestant ${unknown}; there are ${Object.keys(contestants).join(', ')}`
    )
  }
  const chosen =
    only === undefined
      ? plan.entries
      : only.flatMap(kind => {
          const planned = plan.entries.filter(entry => entry.kind === kind)
          return planned.length > 0 ? planned : entries('core', rounds ?? 3, [kind])
        })
  const isWhole = only === undefined && rounds === undefined && mib === undefined
  return {
    ...plan,
    name: isWhole ? plan.name : `${plan.name} with options`,
    effort: { ...plan.effort, ...(mib !== undefined && { mib }) },
    entries: chosen.map(entry => ({ ...entry, rounds: rounds ?? entry.rounds })),
    ...(only !== undefined && { nativeRounds: 0, kills: 0, networks: [] })
  }
}

/**
 * Every repeat of every entry, A B C A B C. Each round begins with another one, so that nobody always has the
 * machine that has just rested.
 */
export function order(plan: Plan): Array<Job & { round: number }> {
  const most = Math.max(0, ...plan.entries.map(({ rounds }) => rounds))
  return Array.from({ length: most }, (_, round) => {
    const taking = plan.entries.filter(({ rounds }) => round < rounds)
    return taking.map((_, i) => {
      const { kind, workload } = taking[(i + round) % taking.length] as Entry
      return { kind, workload, round }
    })
  }).flat()
}
