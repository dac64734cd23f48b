// npm run bench -- --failover [--kills N --rounds N --rate N]: how long a listener is silent after its
// service was killed with SIGKILL, under a load of datagrams, at each sandbox level and with a warm
// standby. The load is SYNs, which a service answers without keeping anything. Meanwhile somebody else tries
// to bind the port. A table, and everything as bench/report/failover.json.
import type { ChildProcess } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { processes, tree, until } from '../test/support/processes.ts'
import type { Level } from './contestants.ts'
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
  /** Answers that came in each `BIN_MS`, from `BEFORE_MS` before the kill on. */
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
/** The time line of one kill. An answer that is later does not come. */
const BEFORE_MS = 50
const AFTER_MS = 250
const BIN_MS = 5
/** Between two kills: a standby has to become ready again. */
const REST_MS = 500
const KILL_LIMIT_MS = 20_000
const STANDBY_LIMIT_MS = 3_000
/** Ticks between two attempts to bind: they cost CPU time of the same machine. */
const TICKS_PER_ATTEMPT = 4

/** A SYN of BEP 29, whose connection id and sequence number are the two halves of `id`. */
function syn(id: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes[0] = 0x41
  bytes.writeUInt16BE(id >>> 16, 2)
  bytes.writeUInt32BE(1 << 20, 12)
  bytes.writeUInt16BE(id & 0xffff, 16)
  return bytes
}

/** Sends at a steady rate, and knows what was answered. */
class Load {
  readonly #socket = dgram.createSocket('udp4')
  readonly #sentAt: number[] = []
  readonly #answeredAt: Array<number | undefined> = []
  readonly #begin = performance.now()
  readonly #timer: NodeJS.Timeout
  #onAnswer: (id: number) => void = () => {}
  #onTick: () => void = () => {}

  constructor(port: number) {
    this.#socket.on('message', bytes => {
      const id = ((bytes.readUInt16BE(2) << 16) | bytes.readUInt16BE(18)) >>> 0
      this.#answeredAt[id] = performance.now()
      this.#onAnswer(id)
    })
    // without a socket the port is closed, and ICMP says so
    this.#socket.on('error', () => {})
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#begin) * rate) / 1000
      while (this.#sentAt.length < due) {
        const id = this.#sentAt.push(performance.now()) - 1
        this.#socket.send(syn(id), port, '127.0.0.1', () => {})
      }
      this.#onTick()
    }, 1)
  }

  get nextId(): number {
    return this.#sentAt.length
  }

  /** Resolves with the time of the first answer to a datagram from `id` on; `tick` is called meanwhile. */
  async answerFrom(id: number, tick: () => void): Promise<number> {
    this.#onTick = tick
    const answer = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer within ${KILL_LIMIT_MS} ms`)),
        KILL_LIMIT_MS
      )
      this.#onAnswer = answered => {
        if (answered >= id) {
          clearTimeout(timer)
          resolve(performance.now())
        }
      }
    })
    try {
      return await answer
    } finally {
      this.#onTick = () => {}
      this.#onAnswer = () => {}
    }
  }

  lostBetween(from: number, to: number): number {
    return this.#sentAt.filter((at, id) => at >= from && at <= to && !this.#answeredAt[id]).length
  }

  answersAround(at: number): number[] {
    const bins = new Array<number>((BEFORE_MS + AFTER_MS) / BIN_MS).fill(0)
    for (const answered of this.#answeredAt) {
      const bin = Math.floor(((answered ?? 0) - at + BEFORE_MS) / BIN_MS)
      if (bins[bin] !== undefined) {
        bins[bin]++
      }
    }
    return bins
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}

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
  await pause(AFTER_MS)
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
        found.command.includes('service.js') &&
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
    load = new Load(current.port)
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
  timeline: { beforeMs: BEFORE_MS, binMs: BIN_MS },
  summary,
  results: Object.fromEntries(results)
})
if (summary.some(({ bindSuccesses }) => bindSuccesses > 0)) {
  console.error('somebody else could bind the port while the service was down')
  process.exitCode = 1
}
