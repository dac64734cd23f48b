// npm run bench -- --levels [--mib N --rounds N --starts N --only L0,L3]: what the sandbox costs. The same raw uTP at
// L0, L2 and L3, interleaved; medians and ratios to the first as a table, everything as bench/report/levels.json.
import type { ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
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
import { LEVELS, type Level } from './sandbox-level.ts'

interface Transfer {
  mbPerSecond: number
  cpuSecondsPerGb: number
}

interface Result {
  up: Transfer
  down: Transfer
  echo: { p50us: number; p99us: number }
  serviceRssMb: number
  jailRssMb: number
  startsMs: number[]
}

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '5' },
    starts: { type: 'string', default: '8' },
    only: { type: 'string' }
  }
})
const levels = LEVELS.filter(level => values.only?.split(',').includes(level) ?? true)
const LIMIT_MS = 180_000
const GOAL = { cpuRatio: 1.05, startMs: 15 }

async function measure(level: Level): Promise<Result> {
  const kind = `xtp-utp-raw@${level}`
  const server = start('peer.ts', ['server', kind])
  const clients: ChildProcess[] = []
  const timer = setTimeout(() => {
    for (const child of [...clients, server]) {
      child.kill('SIGKILL')
    }
  }, LIMIT_MS)
  const client = async <T>(role: string, amount: string): Promise<T> => {
    const child = start('peer.ts', [role, kind, address, String(server.pid), amount])
    clients.push(child)
    const answer = await firstLine<T>(child)
    await end(child)
    return answer
  }
  let address = ''
  try {
    address = (await firstLine<{ address: string }>(server)).address
    const { times } = await client<{ times: number[] }>('cold', values.starts)
    const result = await client<Omit<Result, 'startsMs'>>('client', values.mib)
    // the first one of a process also compiles the client's own code
    return { ...result, startsMs: times.slice(1) }
  } finally {
    clearTimeout(timer)
    await end(server, ...clients)
  }
}

const results = new Map<Level, Result[]>(levels.map(level => [level, []]))
const rounds = Number(values.rounds)
for (let round = 1; round <= rounds; round++) {
  // not always the same one after the machine has rested
  const order = levels.map((_, i) => levels[(i + round) % levels.length] as Level)
  for (const level of order) {
    process.stderr.write(`round ${round}/${rounds}: ${level} … `)
    const result = await measure(level)
    process.stderr.write(
      `${result.up.mbPerSecond.toFixed(0)} up, ${result.down.mbPerSecond.toFixed(0)} down MB/s, ` +
        `start ${median(result.startsMs).toFixed(0)} ms\n`
    )
    results.get(level)?.push(result)
  }
}

const summary = levels.map(level => {
  const all = results.get(level) as Result[]
  const of = (pick: (result: Result) => number) => median(all.map(pick))
  return {
    level,
    startMs: median(all.flatMap(({ startsMs }) => startsMs)),
    serviceRssMb: of(r => r.serviceRssMb),
    jailRssMb: of(r => r.jailRssMb),
    upMBps: of(r => r.up.mbPerSecond),
    downMBps: of(r => r.down.mbPerSecond),
    cpuSecondsPerGb: of(r => (r.up.cpuSecondsPerGb + r.down.cpuSecondsPerGb) / 2),
    echoP50us: of(r => r.echo.p50us)
  }
})
type Summary = (typeof summary)[number]
const base = summary[0] as Summary

const withRatio = (s: Summary, key: Exclude<keyof Summary, 'level'>, digits: number) =>
  `${s[key].toFixed(digits)}${s === base ? '' : ` (× ${(s[key] / base[key]).toFixed(2)})`}`
const head = [
  'level',
  'start to first echo, ms',
  'RSS MB, service',
  'RSS MB, jail',
  'MB/s up',
  'MB/s down',
  'CPU s/GB, all processes',
  'echo p50, µs'
]
const rows = summary.map(s => [
  s.level,
  withRatio(s, 'startMs', 1),
  withRatio(s, 'serviceRssMb', 1),
  s.jailRssMb.toFixed(1),
  withRatio(s, 'upMBps', 0),
  withRatio(s, 'downMBps', 0),
  withRatio(s, 'cpuSecondsPerGb', 2),
  withRatio(s, 'echoP50us', 0)
])
console.log(`\n${table(head, rows)}\n`)

const strongest = summary.at(-1) as Summary
const goals = [
  {
    label: `${strongest.level} : ${base.level}, CPU per GB`,
    measured: strongest.cpuSecondsPerGb / base.cpuSecondsPerGb,
    goal: GOAL.cpuRatio
  },
  {
    label: `${strongest.level} − ${base.level}, start to first echo in ms`,
    measured: strongest.startMs - base.startMs,
    goal: GOAL.startMs
  }
]
  // one level alone has nothing to be compared with
  .filter(() => strongest !== base)
  .map(goal => ({ ...goal, reached: goal.measured <= goal.goal }))
for (const { label, measured, goal, reached } of goals) {
  console.log(
    `${label}: ${measured.toFixed(2)} (goal at most ${goal}: ${reached ? 'reached' : 'missed'})`
  )
}
console.log(
  `\n${machineLine()}, ${values.mib} MiB, medians of ${rounds} rounds, ${values.starts} cold starts in each`
)
saveReport('levels', {
  machine: { ...machine, mib: Number(values.mib), rounds },
  summary,
  goals,
  results: Object.fromEntries(results)
})
