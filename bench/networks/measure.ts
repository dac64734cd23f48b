// One measurement: a path, and one or more flows over it at the same time, in one direction.
import { cpuSeconds, tree } from '../../test/support/processes.ts'
import { Emulator, type LineProcess, type LinkCounters, loopback } from './emulator.ts'
import type { NetworkPath } from './paths.ts'

export type Direction = 'up' | 'down'

export interface Timing {
  /** Before anything is counted, so that slow starts are left out. */
  settleSeconds: number
  seconds: number
}

export interface FlowResult {
  mbPerSecond: number
  /** Of both processes and everything below them, without the emulator. */
  cpuSecondsPerGb: number
  /** Why there is no more. */
  error?: string
}

export interface Measurement {
  flows: FlowResult[]
  /** Of the emulator, in the direction of the bytes. */
  counters?: LinkCounters
}

interface Counted {
  bytesPerSecond: number
  error?: string
}

const CONNECT_MS = 15_000
const LATE_MS = 10_000

const cpuOf = (pids: number[]) =>
  pids.flatMap(pid => tree(pid)).reduce((sum, pid) => sum + cpuSeconds(pid), 0)

function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${ms / 1000} s`)), ms)
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function expect<T>(from: LineProcess, ms: number, what: string): Promise<T> {
  const message = await within(ms, what, from.next<T & { error?: string }>())
  if (message.error !== undefined) {
    throw new Error(message.error)
  }
  return message
}

/** What congestion control TCP uses is up to the path, and the same for all flows. */
export async function measure(
  path: NetworkPath,
  kinds: string[],
  direction: Direction,
  timing: Timing,
  more: Record<string, string | number> = {}
): Promise<Measurement> {
  const place = path.options ? await Emulator.open({ ...path.options, ...more }) : loopback
  const started: LineProcess[] = []
  const start = (side: 0 | 1, role: string, kind: string, ...args: string[]) => {
    const times = [String(timing.settleSeconds), String(timing.seconds)]
    const child = place.start(side, [role, kind, ...times, ...args])
    started.push(child)
    return child
  }

  const flow = async (kind: string): Promise<FlowResult> => {
    try {
      // both load at the same time
      const server = start(0, 'serve', kind)
      const client = start(1, 'dial', kind, direction === 'up' ? 'U' : 'D')
      client.say(await expect<{ address: string }>(server, CONNECT_MS, 'listening'))
      await expect(client, CONNECT_MS, 'connecting')
      const receiver = direction === 'up' ? server : client
      await expect(receiver, timing.settleSeconds * 1000 + LATE_MS, 'the first byte')
      const pids = [server.pid, client.pid]
      const cpu = cpuOf(pids)
      const { bytesPerSecond } = await expect<Counted>(
        receiver,
        timing.seconds * 1000 + LATE_MS,
        'counting'
      )
      const gb = (bytesPerSecond * timing.seconds) / 1e9
      return {
        mbPerSecond: bytesPerSecond / 1e6,
        cpuSecondsPerGb: gb > 0 ? (cpuOf(pids) - cpu) / gb : 0
      }
    } catch (error) {
      return { mbPerSecond: 0, cpuSecondsPerGb: 0, error: (error as Error).message }
    }
  }

  let counters: LinkCounters[] = []
  const flows: FlowResult[] = []
  try {
    flows.push(...(await Promise.all(kinds.map(flow))))
  } finally {
    await Promise.all(started.map(child => child.end()))
    counters = await place.end()
  }
  return { flows, counters: counters[direction === 'up' ? 1 : 0] }
}
