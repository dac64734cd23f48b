// npm run bench -- --profile: where the CPU time of a transfer goes, by perf, in all processes at once.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { contestants } from './contestants.ts'
import { end, firstLine, machineLine, table } from './harness.ts'
import { OTHERS, ownerOf, rowOf, type Sample, samplesOf } from './reporting/samples.ts'
import type { Effort } from './workloads/types.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'quic,utp' },
    streams: { type: 'string' },
    connections: { type: 'string' },
    seconds: { type: 'string', default: '5' }
  }
})

const HZ = 997
const WARM_UP_MS = 1500
/** Those of the workload's own warm-up have less. */
const LEAST_BYTES = 200e6
const SYMBOLS = 25
const PEER = path.join(import.meta.dirname, 'peer.ts')
const [workload, count] =
  values.connections === undefined
    ? (['streams', Number(values.streams ?? 1)] as const)
    : (['connections', Number(values.connections)] as const)

const effort: Effort = {
  warmUpMs: WARM_UP_MS,
  transferMs: 0,
  manyMs: Number(values.seconds) * 1000,
  ...{ mib: 0, echoTrips: 1, echoMs: 1, openMs: 1, starts: 0 },
  streams: [count],
  connections: [count]
}

/** What a traced client says first: bytes of a transfer that begins, and of one that is over. */
interface Line {
  measuring?: number
  measured?: number
}

/** A peer whose JavaScript perf knows by name. */
function peer(...args: string[]): ChildProcess {
  return spawn(process.execPath, ['--perf-basic-prof', PEER, ...args], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
}

async function* lines(child: ChildProcess): AsyncGenerator<Line> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    yield JSON.parse(line) as Line
  }
}

function checkPerf(): void {
  try {
    execFileSync('perf', ['--version'], { stdio: 'ignore' })
  } catch {
    throw new Error(
      'there is no perf here: install it (Debian: apt-get install linux-perf), or run with node --cpu-prof, which knows of no native code'
    )
  }
}

/** The first upload that is long enough. */
async function record(kind: string, file: string): Promise<{ samples: Sample[]; bytes: number }> {
  const server = peer('server', kind)
  const client = peer('traced-client', kind, workload, JSON.stringify(effort))
  let perf: ChildProcess | undefined
  let bytes = 0
  try {
    const { address } = await firstLine<{ address: string }>(server)
    client.stdin?.write(`${JSON.stringify({ address, serverPid: server.pid })}\n`)
    for await (const { measuring = 0, measured = 0 } of lines(client)) {
      if (measuring > LEAST_BYTES) {
        const args = ['record', '-a', '-g', '-e', 'cpu-clock', '-F', String(HZ), '-o', file]
        perf = spawn('perf', args, { stdio: 'ignore' })
      } else if (perf !== undefined && measured > 0) {
        bytes = measured
        break
      }
    }
    if (perf === undefined || bytes === 0) {
      throw new Error(
        `${kind} has not moved ${LEAST_BYTES / 1e6} MB: take more --seconds, or fewer streams where it does not allow so many`
      )
    }
    if (perf.exitCode !== null) {
      throw new Error(
        `perf record ended with ${perf.exitCode}: it needs root, or sysctl kernel.perf_event_paranoid=-1`
      )
    }
    const stopped = once(perf, 'exit')
    perf.kill('SIGINT')
    await stopped
    return { samples: samplesOf(file, [server.pid as number, client.pid as number]), bytes }
  } finally {
    for (const child of [perf, client]) {
      child?.kill('SIGKILL')
    }
    await end(server)
    for (const { pid } of [server, client]) {
      fs.rmSync(`/tmp/perf-${pid}.map`, { force: true })
    }
  }
}

function report(kind: string, samples: Sample[], bytes: number): void {
  const perGb = (n: number) => n / HZ / (bytes / 1e9)
  const sum = (key: (sample: Sample) => string) => {
    const counts = new Map<string, number>()
    for (const sample of samples) {
      counts.set(key(sample), (counts.get(key(sample)) ?? 0) + 1)
    }
    return [...counts].sort(([, a], [, b]) => b - a)
  }
  const rows = [...new Set(samples.map(rowOf))].sort()
  const cell = (owner: string, row: string) => {
    const n = samples.filter(each => ownerOf(each) === owner && rowOf(each) === row).length
    return n === 0 ? '' : perGb(n).toFixed(2)
  }
  const owners = sum(ownerOf).map(([owner, n]) => [
    owner,
    ...rows.map(row => cell(owner, row)),
    perGb(n).toFixed(2)
  ])
  const all = ['all', ...rows.map(row => perGb(samples.filter(s => rowOf(s) === row).length))]
  const last = [...all, perGb(samples.length)].map(x => (typeof x === 'number' ? x.toFixed(2) : x))
  const many = count === 1 ? `one ${workload.slice(0, -1)}` : `${count} ${workload}`
  console.log(`\n${contestants[kind]?.title}, ${many}, up; CPU seconds per GB\n`)
  console.log(table(['', ...rows, 'all'], [...owners, last]))
  console.log('\nfunctions by their own time\n')
  const functions = sum(({ symbol }) => symbol)
    .slice(0, SYMBOLS)
    .map(([symbol, n]) => [perGb(n).toFixed(3), symbol.replaceAll('|', '\\|')])
  console.log(table(['s/GB', 'function'], functions))
  const isHidden = (sample: Sample) =>
    !sample.isApplication && sample.symbol === '[unknown]' && ownerOf(sample) === OTHERS
  if (samples.some(isHidden)) {
    console.log(
      '\nperf finds no names of functions in a service that is in a sandbox, so its ciphers count as Node: take KIND@L0'
    )
  }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-profile-'))
try {
  checkPerf()
  const kinds = values.only.split(',')
  const unknown = kinds.find(kind => contestants[kind] === undefined)
  if (unknown !== undefined) {
    const known = Object.keys(contestants).join(', ')
    throw new Error(`--only: there is no contestant ${unknown}; there are ${known}`)
  }
  console.log(machineLine())
  for (const kind of kinds) {
    const { samples, bytes } = await record(kind, path.join(folder, 'perf.data'))
    report(kind, samples, bytes)
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
