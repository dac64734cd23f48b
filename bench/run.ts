// npm run bench [-- --mib N --rounds N --only KIND,KIND]: every contestant, interleaved, two processes
// each, over loopback; medians and ratios as a table, everything as bench/report/utp.json.
import type { ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
import { contestants } from './contestants.ts'
import {
  end,
  firstLine,
  machine,
  machineLine,
  median,
  saveReport,
  start,
  table
} from './harness.ts'

interface Result {
  up: { mbPerSecond: number; cpuSecondsPerGb: number }
  down: { mbPerSecond: number; cpuSecondsPerGb: number }
  echo: { p50us: number; p99us: number }
  connectionsPerSecond: number
  coldStartMs: number
  rssMb: number[]
}

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' }
  }
})
const kinds = values.only?.split(',') ?? Object.keys(contestants)
const LIMIT_MS = 120_000

async function measure(kind: string): Promise<Result> {
  const server = start('peer.ts', ['server', kind])
  let client: ChildProcess | undefined
  const timer = setTimeout(() => {
    client?.kill('SIGKILL')
    server.kill('SIGKILL')
  }, LIMIT_MS)
  try {
    const { address } = await firstLine<{ address: string }>(server)
    client = start('peer.ts', ['client', kind, address, String(server.pid), values.mib])
    return await firstLine<Result>(client)
  } finally {
    clearTimeout(timer)
    await end(server, client)
  }
}

const results = new Map<string, Result[]>(kinds.map(kind => [kind, []]))
const rounds = Number(values.rounds)
for (let round = 1; round <= rounds; round++) {
  for (const kind of kinds) {
    process.stderr.write(`round ${round}/${rounds}: ${kind} … `)
    const result = await measure(kind)
    process.stderr.write(
      `${result.up.mbPerSecond.toFixed(0)} up, ${result.down.mbPerSecond.toFixed(0)} down MB/s\n`
    )
    results.get(kind)?.push(result)
  }
}

const summary = kinds.map(kind => {
  const all = results.get(kind) as Result[]
  const of = (pick: (result: Result) => number) => median(all.map(pick))
  const spread = (pick: (result: Result) => number) => [
    Math.min(...all.map(pick)),
    Math.max(...all.map(pick))
  ]
  return {
    kind,
    title: contestants[kind]?.title ?? kind,
    upMBps: of(r => r.up.mbPerSecond),
    upSpread: spread(r => r.up.mbPerSecond),
    downMBps: of(r => r.down.mbPerSecond),
    downSpread: spread(r => r.down.mbPerSecond),
    cpuSecondsPerGb: of(r => (r.up.cpuSecondsPerGb + r.down.cpuSecondsPerGb) / 2),
    echoP50us: of(r => r.echo.p50us),
    echoP99us: of(r => r.echo.p99us),
    connectionsPerSecond: of(r => r.connectionsPerSecond),
    coldStartMs: of(r => r.coldStartMs),
    rssMb: all[0]?.rssMb.map((_, i) => of(r => r.rssMb[i] ?? 0)) ?? []
  }
})

const f = (n: number, digits = 0) => n.toFixed(digits)
const rows = summary.map(s => [
  s.title,
  `${f(s.upMBps)} / ${f(s.downMBps)}`,
  f(s.cpuSecondsPerGb, 1),
  `${f(s.echoP50us)} / ${f(s.echoP99us)}`,
  f(s.connectionsPerSecond),
  f(s.coldStartMs),
  s.rssMb.map(n => f(n)).join(' + ')
])
const head = [
  'one stream, 64 KiB writes',
  'MB/s up / down',
  'CPU s/GB, all processes',
  'echo p50 / p99 µs',
  'connections/s',
  'start to first echo, ms',
  'RSS MB, each process'
]
const ratios = [
  ['raw uTP, xtp-utp : utp-native', 'xtp-utp-raw', 'utp-native-raw', 3],
  ['libp2p, xtp-utp : tcp', 'libp2p-xtp-utp', 'libp2p-tcp', 0.9],
  ['libp2p, xtp-quic : tcp', 'libp2p-xtp-quic', 'libp2p-tcp', 3],
  ['libp2p, xtp-quic : libp2p-quic', 'libp2p-xtp-quic', 'libp2p-quinn', 10]
].flatMap(([label, a, b, goal]) => {
  const [x, y] = [summary.find(s => s.kind === a), summary.find(s => s.kind === b)]
  return x && y
    ? [{ label, up: x.upMBps / y.upMBps, down: x.downMBps / y.downMBps, goal: Number(goal) }]
    : []
})

console.log(`\n${table(head, rows)}\n`)
for (const { label, up, down, goal } of ratios) {
  console.log(`${label}: ${up.toFixed(2)} up, ${down.toFixed(2)} down (goal ${goal})`)
}
console.log(`\n${machineLine()}, ${values.mib} MiB, medians of ${rounds}`)
saveReport('utp', {
  machine: { ...machine, mib: Number(values.mib), rounds },
  summary,
  ratios,
  results: Object.fromEntries(results)
})
