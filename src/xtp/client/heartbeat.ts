// Finds a service that is there and does nothing: its JavaScript hangs, its I/O thread hangs, or it is
// stopped.
import { type Clock, DeadlineExceededError } from '../ctl/index.ts'

/** A second ping, after one that was missed. */
const SECOND_PING_MS = 250

export interface HeartbeatTimes {
  heartbeatIntervalMs: number
  heartbeatTimeoutMs: number
}

/** Which thread of the service hangs: the one that answers, or the one that moves bytes. */
export type HungThread = 'js' | 'io'

/**
 * Pings at its interval until one is not answered, or the answer tells that the I/O thread has not
 * turned for `heartbeatTimeoutMs`, which is reported once. Gives the function that ends it.
 */
export function startHeartbeat(
  clock: Clock,
  { heartbeatIntervalMs, heartbeatTimeoutMs }: HeartbeatTimes,
  session: { ping(timeoutMs: number): Promise<number> },
  onMissed: (error: Error, thread: HungThread) => void
): () => void {
  let stopped = false
  let cancelTimer: () => void
  const next = () => {
    cancelTimer = clock.setTimer(heartbeatIntervalMs, beat)
  }
  const beat = async () => {
    try {
      // where this process itself was blocked, the timer was first and the answer is there now
      const ioAgeMs = await session
        .ping(heartbeatTimeoutMs)
        .catch(() => session.ping(Math.min(heartbeatTimeoutMs, SECOND_PING_MS)))
      if (stopped) {
        return
      }
      if (ioAgeMs > heartbeatTimeoutMs) {
        onMissed(new DeadlineExceededError(`its I/O thread has not turned for ${ioAgeMs} ms`), 'io')
      } else {
        next()
      }
    } catch (error) {
      onMissed(error as Error, 'js')
    }
  }
  next()
  return () => {
    stopped = true
    cancelTimer()
  }
}
