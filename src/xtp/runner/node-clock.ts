// The real clock of a client.
import { performance } from 'node:perf_hooks'
import type { Clock } from '../ctl/index.ts'

export const nodeClock: Clock = {
  now: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  }
}
