// npm run bench -- --networks [--seconds N --rounds N --on NAME,NAME --only KIND,KIND]: every contestant over emulated
// networks, interleaved, server and client in network namespaces of their own; those networks beside each other through
// which little passes. A table, and everything as bench/report/networks.json. Needs root, or user namespaces and access
// to /dev/net/tun.
import fs from 'node:fs'
import { parseArgs } from 'node:util'
import { networkContestants } from './contestants.ts'
import { machine, machineLine, saveReport, table } from './harness.ts'
import { endAll } from './networks/emulator.ts'
import { type Direction, type FlowResult, type Measurement, measure } from './networks/measure.ts'
import { type NetworkPath, paths, shared } from './networks/paths.ts'
import { Result } from './networks/result.ts'

interface Entrant {
  kind: string
  title: string
  /** Of the kernel's TCP. */
  congestion?: string
}

const SHARED = 'shared'
const SHARED_TIMING = { settleSeconds: 5, seconds: 7 }
const GOAL = { bbrToCubic: 10, tcpBesideUtp: 0.8 }
const DIRECTIONS: Direction[] = ['up', 'down']
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '1' },
    on: { type: 'string' },
    only: { type: 'string' }
  }
})
const rounds = Number(values.rounds)
const timing = { settleSeconds: 0, seconds: Number(values.seconds) }

const entrants: Record<string, Entrant> = {}
const kernelHas = fs.readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')
for (const [kind, { title }] of Object.entries(networkContestants)) {
  if (kind !== 'libp2p-tcp') {
    entrants[kind] = { kind, title }
    continue
  }
  for (const congestion of ['cubic', 'bbr'].filter(name => kernelHas.includes(name))) {
    entrants[`${kind}-${congestion}`] = { kind, title: `${title}, ${congestion}`, congestion }
  }
}

function chosen<T>(all: Record<string, T>, names: string | undefined): Array<[string, T]> {
  const wanted = names?.split(',') ?? Object.keys(all)
  const unknown = wanted.filter(name => all[name] === undefined)
  if (unknown.length > 0) {
    throw new Error(`no ${unknown.join(', ')}: there are ${Object.keys(all).join(', ')}`)
  }
  return Object.entries(all).filter(([name]) => wanted.includes(name))
}

const results: Result[] = []
const find = (network: string, contestant: string) =>
  results.find(r => r.network === network && r.contestant === contestant)

function resultOf(network: string, contestant: string, title: string): Result {
  let result = find(network, contestant)
  if (result === undefined) {
    result = new Result(network, contestant, title)
    results.push(result)
  }
  return result
}

function progress(round: number, network: NetworkPath, what: string, flows: FlowResult[]): void {
  const rates = flows.map(flow => flow.error ?? `${flow.mbPerSecond.toFixed(2)} MB/s`)
  process.stderr.write(
    `round ${round}/${rounds}: ${network.name}: ${what}: ${rates.join(' and ')}\n`
  )
}

async function measureOne(round: number, key: string, network: NetworkPath): Promise<void> {
  for (const [name, { kind, title, congestion }] of contestants) {
    // a device that is no path of ours has the system's congestion control
    if (network.options === undefined && congestion === 'bbr') {
      continue
    }
    const result = resultOf(key, name, title)
    if (network.options === undefined && congestion !== undefined) {
      result.note('with the congestion control of the system')
    }
    for (const direction of DIRECTIONS) {
      const options = { seed: round, ...(congestion && { congestion }) }
      const { flows, counters } = await measure(network, [kind], direction, timing, options)
      result.add(direction, flows[0] as FlowResult, counters)
      progress(round, network, `${title}, ${direction}`, flows)
    }
  }
}

/** uTP and TCP, each alone and both together. */
async function measureShared(round: number): Promise<void> {
  const both = ['libp2p-xtp-utp', 'libp2p-tcp-cubic'] as const
  const add = (keys: readonly string[], direction: Direction, measured: Measurement) => {
    const how = keys.length === 1 ? 'alone' : 'together'
    for (const [i, key] of keys.entries()) {
      const result = resultOf(SHARED, `${key} ${how}`, `${entrants[key]?.title}, ${how}`)
      result.add(direction, measured.flows[i] as FlowResult, measured.counters)
    }
    progress(round, shared, `${keys.join(' and ')} ${how}, ${direction}`, measured.flows)
  }
  for (const direction of DIRECTIONS) {
    for (const keys of [[both[0]], [both[1]], both]) {
      const kinds = keys.map(key => (entrants[key] as Entrant).kind)
      const options = { seed: round, congestion: 'cubic' }
      add(keys, direction, await measure(shared, kinds, direction, SHARED_TIMING, options))
    }
  }
}

/** a : b, in the direction where that is least; 0 where either failed. */
function ratio(network: string, a: string, b: string): number | undefined {
  const [over, under] = [find(network, a), find(network, b)]
  if (over === undefined || under === undefined) {
    return undefined
  }
  const of = (d: Direction) => (under.rate(d) > 0 ? over.rate(d) / under.rate(d) : 0)
  return Math.min(...DIRECTIONS.map(of))
}

function report(): void {
  const rows = contestants.map(([key, { title }]) => [
    title,
    ...networks.map(([network]) => String(find(network, key) ?? ''))
  ])
  if (networks.length > 0) {
    console.log(`\n${table(['MB/s up / down', ...networks.map(([, { name }]) => name)], rows)}`)
  }
  if (withShared) {
    const together = results.filter(r => r.network === SHARED).map(r => [r.title, String(r)])
    console.log(`\n${table([`shared: ${shared.name}`, 'MB/s up / down'], together)}`)
  }
  console.log('')
  for (const { title, network, errors } of results.filter(({ errors }) => errors !== '')) {
    console.log(`${title}, ${network}: ${errors}`)
  }
  const goals = [
    {
      label: '50 ms, 1 % loss: xtp-quic with BBR : tcp with cubic',
      measured: ratio('wan-loss', 'libp2p-xtp-quic-bbr', 'libp2p-tcp-cubic'),
      goal: GOAL.bbrToCubic
    },
    {
      label: 'shared bottleneck: tcp with cubic beside xtp-utp : alone (does LEDBAT yield?)',
      measured: ratio(SHARED, 'libp2p-tcp-cubic together', 'libp2p-tcp-cubic alone'),
      goal: GOAL.tcpBesideUtp
    }
  ].flatMap(({ label, measured, goal }) =>
    measured === undefined ? [] : [{ label, measured, goal, reached: measured >= goal }]
  )
  for (const { label, measured, goal, reached } of goals) {
    const verdict = reached ? 'reached' : 'missed'
    console.log(`${label}: ${measured.toFixed(2)} (goal at least ${goal}: ${verdict})`)
  }
  console.log(`\n${machineLine()}, ${values.seconds} s each way, medians of ${rounds}`)
  saveReport('networks', {
    machine: { ...machine, seconds: timing.seconds, rounds },
    networks: [
      ...networks.map(([key, path]) => ({ key, ...path })),
      ...(withShared ? [{ key: SHARED, ...shared }] : [])
    ],
    results,
    goals
  })
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void endAll().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  })
}

const withShared = values.on?.split(',').includes(SHARED) ?? values.only === undefined
const names = values.on
  ?.split(',')
  .filter(name => name !== SHARED)
  .join(',')
const networks = names === '' ? [] : chosen(paths, names)
const contestants = chosen(entrants, values.only)
for (let round = 1; round <= rounds; round++) {
  for (const [key, network] of networks.filter(([, { narrow }]) => !narrow)) {
    await measureOne(round, key, network)
  }
  const narrow = networks.filter(([, network]) => network.narrow)
  await Promise.all([
    ...narrow.map(([key, network]) => measureOne(round, key, network)),
    ...(withShared ? [measureShared(round)] : [])
  ])
}
report()
