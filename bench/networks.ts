// npm run bench -- --networks [--seconds N --rounds N --on NAME,NAME --only KIND,KIND]: every contestant over emulated
// networks, interleaved, server and client in network namespaces of their own; a table, and everything as
// bench/report/networks.json. Needs root, or user namespaces and access to /dev/net/tun.
import fs from 'node:fs'
import { parseArgs } from 'node:util'
import { networkContestants } from './contestants.ts'
import { machine, machineLine, median, saveReport, table } from './harness.ts'
import { endAll } from './networks/emulator.ts'
import { type Direction, type FlowResult, measure } from './networks/measure.ts'
import { type NetworkPath, paths, shared } from './networks/paths.ts'

interface Entrant {
  kind: string
  title: string
  /** Of the kernel's TCP. */
  congestion?: string
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '1' },
    on: { type: 'string' },
    only: { type: 'string' }
  }
})
const SHARED = 'shared'
const SHARED_TIMING = { settleSeconds: 6, seconds: 12 }
const GOAL = { bbrToCubic: 10, tcpBesideUtp: 0.8 }
const rounds = Number(values.rounds)
const timing = { settleSeconds: 0, seconds: Number(values.seconds) }
const available = fs.readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')

const entrants: Record<string, Entrant> = {}
for (const [kind, { title }] of Object.entries(networkContestants)) {
  if (kind !== 'libp2p-tcp') {
    entrants[kind] = { kind, title }
    continue
  }
  for (const congestion of ['cubic', 'bbr'].filter(name => available.includes(name))) {
    entrants[`${kind}-${congestion}`] = { kind, title: `${title}, ${congestion}`, congestion }
  }
}
const chosen = <T>(all: Record<string, T>, names: string | undefined) =>
  Object.entries(all).filter(([name]) => names?.split(',').includes(name) ?? true)
const networks = chosen(paths, values.on)
const contestants = chosen(entrants, values.only)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void endAll().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  })
}

const DIRECTIONS: Direction[] = ['up', 'down']
const optionsFor = (round: number, { congestion }: Entrant) => ({
  seed: round,
  ...(congestion && { congestion })
})

class Result {
  readonly network: string
  readonly contestant: string
  readonly title: string
  readonly upMBps: number[] = []
  readonly downMBps: number[] = []
  readonly #cpu: number[] = []
  readonly #notes = new Set<string>()

  constructor(network: string, contestant: string, title: string) {
    this.network = network
    this.contestant = contestant
    this.title = title
  }

  add(direction: Direction, flow: FlowResult): void {
    ;(direction === 'up' ? this.upMBps : this.downMBps).push(flow.mbPerSecond)
    if (flow.error !== undefined) {
      this.#notes.add(`${direction}: ${flow.error}`)
    } else {
      this.#cpu.push(flow.cpuSecondsPerGb)
    }
  }

  rate(direction: Direction): number {
    return median(direction === 'up' ? this.upMBps : this.downMBps)
  }

  note(text: string): void {
    this.#notes.add(text)
  }

  get notes(): string {
    return [...this.#notes].join('; ')
  }

  toJSON() {
    const { network, contestant, title, upMBps, downMBps, notes } = this
    const cpuSecondsPerGb = this.#cpu.length > 0 ? median(this.#cpu) : null
    return { network, contestant, title, upMBps, downMBps, cpuSecondsPerGb, notes }
  }
}

const results: Result[] = []
function resultOf(network: string, contestant: string, title: string): Result {
  const known = results.find(r => r.network === network && r.contestant === contestant)
  const result = known ?? new Result(network, contestant, title)
  if (known === undefined) {
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

async function measureAll(round: number): Promise<void> {
  for (const [name, network] of networks) {
    for (const [key, entrant] of contestants) {
      // a device that is no path of ours has the system's congestion control
      if (network.options === undefined && entrant.congestion === 'bbr') {
        continue
      }
      const result = resultOf(name, key, entrant.title)
      if (network.options === undefined && entrant.congestion !== undefined) {
        result.note('with the congestion control of the system')
      }
      for (const direction of DIRECTIONS) {
        const options = optionsFor(round, entrant)
        const { flows } = await measure(network, [entrant.kind], direction, timing, options)
        result.add(direction, flows[0] as FlowResult)
        progress(round, network, `${entrant.title}, ${direction}`, flows)
      }
    }
  }
}

/** uTP and TCP, each alone and both together. */
async function measureShared(round: number): Promise<void> {
  const flows = ['libp2p-xtp-utp', 'libp2p-tcp-cubic'].map(
    key => ({ key, ...entrants[key] }) as Entrant & { key: string }
  )
  const both = flows.map(({ kind }) => kind)
  for (const direction of DIRECTIONS) {
    for (const kinds of [...both.map(kind => [kind]), both]) {
      const how = kinds.length === 1 ? 'alone' : 'together'
      const options = { seed: round, congestion: 'cubic' }
      const measured = await measure(shared, kinds, direction, SHARED_TIMING, options)
      measured.flows.forEach((flow, i) => {
        const { key, title } = flows.find(({ kind }) => kind === kinds[i]) as (typeof flows)[number]
        resultOf(SHARED, `${key} ${how}`, `${title}, ${how}`).add(direction, flow)
      })
      progress(round, shared, `${kinds.join(' and ')} ${how}, ${direction}`, measured.flows)
    }
  }
}

const withShared = values.on?.split(',').includes(SHARED) ?? values.only === undefined
for (let round = 1; round <= rounds; round++) {
  await measureAll(round)
  if (withShared) {
    await measureShared(round)
  }
}

const rateOf = (network: string, contestant: string, direction: Direction): number | undefined =>
  results.find(r => r.network === network && r.contestant === contestant)?.rate(direction)

/** a : b, in the direction where that is least. */
function ratio(network: string, a: string, b: string): number | undefined {
  const [over, under] = [a, b].map(key => DIRECTIONS.map(d => rateOf(network, key, d)))
  const ratios = DIRECTIONS.map((_, i) => (over?.[i] ?? Number.NaN) / (under?.[i] || Number.NaN))
  return ratios.some(Number.isNaN) ? undefined : Math.min(...ratios)
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

const cell = (result: Result | undefined) =>
  result === undefined
    ? ''
    : DIRECTIONS.map(d => result.rate(d).toFixed(result.rate(d) < 10 ? 2 : 0)).join(' / ')
const find = (network: string, contestant: string) =>
  results.find(r => r.network === network && r.contestant === contestant)
const rows = contestants.map(([key, { title }]) => [
  title,
  ...networks.map(([network]) => cell(find(network, key)))
])
if (networks.length > 0) {
  const head = ['MB/s up / down', ...networks.map(([, { name }]) => name)]
  console.log(`\n${table(head, rows)}`)
}
if (withShared) {
  const together = results.filter(r => r.network === SHARED)
  console.log(
    `\n${table(
      [`shared: ${shared.name}`, 'MB/s up / down'],
      together.map(r => [r.title, cell(r)])
    )}`
  )
}
console.log('')
for (const result of results.filter(({ notes }) => notes !== '')) {
  console.log(`${result.title}, ${result.network}: ${result.notes}`)
}
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
