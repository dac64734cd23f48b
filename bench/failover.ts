// npm run bench -- --failover [--kills N --rounds N --rate N]: how long a listener is silent after its
// service was killed with SIGKILL, under a load of datagrams, at each sandbox level and with a warm
// standby. The load is SYNs, which a service answers without keeping anything. Meanwhile somebody else tries
// to bind the port. A table, and everything as bench/report/failover.json.
import type { ChildProcess } from 'node:child_process'
import dgram from 'node:dgram'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { processes, tree, until } from '../test/support/processes.ts'
import type { Level } from './contestants.ts'
import { Load, TIMELINE } from './failover-load.ts'
import {
  end,
  machine,
  machineLine,
  median,
  percentile,
  saveReport,
  start,
  table
} from './harness.ts'

interface Variant {
  title: string
  level: Level
  standby: boolean
  goalMs: number
}

interface Kill {
  /** From SIGKILL to the first answer to a datagram that was sent after the process was dead. */
  silentMs: number
  /** Datagrams around the silence that were never answered. */
  lost: number
  bindAttempts: number
  bindSuccesses: number
  /** Of the time line. */
  answers: number[]
}

interface HostLine {
  port: number
  pid: number
  level?: string
}

const VARIANTS: Variant[] = [
  { title: 'L0', level: 'L0', standby: false, goalMs: 80 },
  { title: 'L2', level: 'L2', standby: false, goalMs: 80 },
  { title: 'L3', level: 'L3', standby: false, goalMs: 80 },
  { title: 'L3, standby', level: 'L3', standby: true, goalMs: 15 }
]

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '2' },
    rate: { type: 'string', default: '2000' },
    only: { type: 'string' }
  }
})
const kills = Number(values.kills)
const rounds = Number(values.rounds)
const rate = Number(values.rate)
const variants = VARIANTS.filter(({ title }) => values.only?.split(';').includes(title) ?? true)

/** Around the silence, for datagrams that the dead process had read and not answered. */
const MARGIN_MS = 20
/** Between two kills: a standby has to become ready again. */
const REST_MS = 500
const STANDBY_LIMIT_MS = 3_000
/** Ticks between two attempts to bind: they cost CPU time of the same machine. */
const TICKS_PER_ATTEMPT = 4

function isDead(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return true
  }
}

/** SIGKILL; returns when the process answers nothing any more. */
function kill(pid: number): void {
  process.kill(pid, 'SIGKILL')
  while (!isDead(pid)) {
    // microseconds: a turn of the event loop would cost more
  }
}

/** Tries to take the port; gives it back at once. */
async function tryToBind(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4')
  const bound = await new Promise<boolean>(resolve => {
    socket.once('error', () => resolve(false))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
  socket.close()
  return bound
}

async function killOnce(load: Load, { port, pid }: HostLine, level: Level): Promise<Kill> {
  const attempts: Array<Promise<boolean>> = []
  let ticks = 0
  const killedAt = performance.now()
  kill(pid)
  const answeredAt = await load.answerFrom(load.nextId, () => {
    // without a jail the port is free meanwhile: whoever took it would be what is measured
    if (level !== 'L0' && ticks++ % TICKS_PER_ATTEMPT === 0) {
      attempts.push(tryToBind(port))
    }
  })
  await pause(TIMELINE.afterMs)
  return {
    silentMs: answeredAt - killedAt,
    lost: load.lostBetween(killedAt - MARGIN_MS, answeredAt + MARGIN_MS),
    bindAttempts: attempts.length,
    bindSuccesses: (await Promise.all(attempts)).filter(Boolean).length,
    answers: load.answersAround(killedAt)
  }
}

/** Two service processes below the application, within a while. */
async function hasStandby(pid: number): Promise<boolean> {
  const services = () => {
    const below = new Set(tree(pid))
    return processes().filter(
      found =>
        below.has(found.pid) &&
        found.command.includes('service.cjs') &&
        !found.command.includes('xtp-jail')
    )
  }
  return until('a standby', () => services().length === 2, STANDBY_LIMIT_MS).then(
    () => true,
    () => false
  )
}

/** Nothing where a standby was asked for, and this build has none. */
async function measure({ level, standby }: Variant, count: number): Promise<Kill[] | undefined> {
  const host: ChildProcess = start('failover-host.ts', [level, String(standby)])
  const lines = createInterface({ input: host.stdout as NodeJS.ReadableStream })
  const queue = lines[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await queue.next()
    if (done) {
      throw new Error('the application of the benchmark ended')
    }
    return JSON.parse(value) as HostLine
  }
  let load: Load | undefined
  try {
    let current = await next()
    if (standby && !(await hasStandby(host.pid as number))) {
      return undefined
    }
    if (current.level !== level) {
      throw new Error(`asked for ${level}, got ${current.level}`)
    }
    load = new Load(current.port, rate)
    const results: Kill[] = []
    for (let i = 0; i < count; i++) {
      await pause(REST_MS)
      results.push(await killOnce(load, current, level))
      current = await next()
    }
    return results
  } finally {
    await load?.stop()
    await end(host)
  }
}

const results = new Map<string, Kill[]>(variants.map(({ title }) => [title, []]))
for (let round = 1; round <= rounds; round++) {
  for (const variant of variants) {
    process.stderr.write(`round ${round}/${rounds}: ${variant.title} … `)
    const found = await measure(variant, Math.ceil(kills / rounds))
    if (found === undefined) {
      process.stderr.write('left out: the client starts no standby\n')
      continue
    }
    process.stderr.write(`${median(found.map(({ silentMs }) => silentMs)).toFixed(1)} ms\n`)
    results.get(variant.title)?.push(...found)
  }
}

const measured = variants.filter(({ title }) => results.get(title)?.length)
const summary = measured.map(({ title, level, goalMs }) => {
  const all = results.get(title) as Kill[]
  const total = (pick: (kill: Kill) => number) => all.reduce((sum, kill) => sum + pick(kill), 0)
  const silent = all.map(({ silentMs }) => silentMs)
  const lost = all.map(kill => kill.lost)
  const bindSuccesses = total(kill => kill.bindSuccesses)
  return {
    title,
    level,
    kills: all.length,
    medianMs: median(silent),
    p99Ms: percentile(silent, 0.99),
    lostMedian: median(lost),
    lostMax: Math.max(...lost),
    bindAttempts: total(kill => kill.bindAttempts),
    bindSuccesses,
    answers: all[0]?.answers.map((_, i) => total(kill => kill.answers[i] ?? 0) / all.length) ?? [],
    goalMs,
    reached: median(silent) < goalMs && bindSuccesses === 0
  }
})

const head = [
  'service',
  'silent after SIGKILL, ms, median / p99',
  'goal',
  'datagrams lost, median / max',
  'attempts to bind the port, succeeded'
]
const rows = summary.map(s => [
  s.title,
  `${s.medianMs.toFixed(1)} / ${s.p99Ms.toFixed(1)}`,
  `${s.goalMs}: ${s.reached ? 'reached' : 'missed'}`,
  `${s.lostMedian} / ${s.lostMax}`,
  s.level === 'L0' ? 'not tried' : `${s.bindAttempts}, ${s.bindSuccesses}`
])
console.log(`\n${table(head, rows)}\n`)
console.log(`${machineLine()}, ${kills} kills each, ${rate} datagrams/s`)
saveReport('failover', {
  machine: { ...machine, rate, rounds },
  timeline: TIMELINE,
  summary,
  results: Object.fromEntries(results)
})
if (summary.some(({ bindSuccesses }) => bindSuccesses > 0)) {
  console.error('somebody else could bind the port while the service was down')
  process.exitCode = 1
}
