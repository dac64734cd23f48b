// Watches from outside what a service uses. Where the kernel enforces limits itself (level L4), it tells what a
// service ran against; elsewhere it is what enforces them.
import type { Clock } from '../ctl/index.ts'
import type { Incarnation, ProcessUsage } from '../runner/index.ts'
import type { Limits, WatchedLimit } from './limits.ts'

const INTERVAL_MS = 500
/** Time over which processor use is averaged. */
const CPU_WINDOW_MS = 10_000

export interface Exceeded {
  limit: WatchedLimit
  /** What it used; undefined where the kernel did not let it. */
  value?: number
  allowed: number
}

export interface WatchdogInit {
  clock: Clock
  limits: Pick<Limits, WatchedLimit>
  /**
   * Where the kernel enforces the limits: then it alone says what was exceeded. It gives the service no more processor
   * time than allowed, and that is no event.
   */
  enforced?: Incarnation['enforced']
  /** Undefined where there is nothing to see. */
  usage(): Promise<ProcessUsage | undefined>
  onUsage(usage: ProcessUsage): void
  /** Once; nothing is watched after it. */
  onExceeded(exceeded: Exceeded): void
}

/** Looks twice per second. Gives the function that ends it. */
export function startWatchdog(init: WatchdogInit): () => void {
  const { clock, limits } = init
  const samples: Array<{ at: number; cpuMs: number }> = []
  let stopped = false
  let cancelTimer: () => void
  const look = async () => {
    const usage = await init.usage()
    if (stopped) {
      return
    }
    if (usage !== undefined) {
      init.onUsage(usage)
      const exceeded = check(usage)
      if (exceeded !== undefined) {
        stopped = true
        init.onExceeded(exceeded)
        return
      }
    }
    cancelTimer = clock.setTimer(INTERVAL_MS, look)
  }
  const check = ({ rssBytes, cpuMs, threads }: ProcessUsage): Exceeded | undefined => {
    if (init.enforced !== undefined) {
      const limit = init.enforced.exceeded()
      return limit && { limit, allowed: limits[limit] }
    }
    if (limits.memoryBytes > 0 && rssBytes > limits.memoryBytes) {
      return { limit: 'memoryBytes', value: rssBytes, allowed: limits.memoryBytes }
    }
    if (limits.processes > 0 && threads > limits.processes) {
      return { limit: 'processes', value: threads, allowed: limits.processes }
    }
    const now = clock.now()
    samples.push({ at: now, cpuMs })
    while (samples.length > 1 && now - (samples[1] as { at: number }).at >= CPU_WINDOW_MS) {
      samples.shift()
    }
    const [first] = samples
    const elapsed = now - (first?.at ?? now)
    if (limits.cpu > 0 && elapsed >= CPU_WINDOW_MS) {
      const value = (cpuMs - (first?.cpuMs ?? cpuMs)) / elapsed
      if (value > limits.cpu) {
        return { limit: 'cpu', value, allowed: limits.cpu }
      }
    }
    return undefined
  }
  cancelTimer = clock.setTimer(INTERVAL_MS, look)
  return () => {
    stopped = true
    cancelTimer()
  }
}
