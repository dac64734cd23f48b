// Finds a service that is there and does nothing: its JavaScript hangs, or it is stopped.
import type { Clock } from '../ctl/index.ts'

/** A second ping, after one that was missed. */
const SECOND_PING_MS = 250

export interface HeartbeatTimes {
  heartbeatIntervalMs: number
  heartbeatTimeoutMs: number
}

/**
 * Pings at its interval until one is not answered, which is reported once. Gives the function that
 * ends it.
 */
export function startHeartbeat(
  clock: Clock,
  { heartbeatIntervalMs, heartbeatTimeoutMs }: HeartbeatTimes,
  session: { ping(timeoutMs: number): Promise<void> },
  onMissed: (error: Error) => void
): () => void {
  let stopped = false
  let cancelTimer: () => void
  const next = () => {
    cancelTimer = clock.setTimer(heartbeatIntervalMs, beat)
  }
  const beat = async () => {
    try {
      // where this process itself was blocked, the timer was first and the answer is there now
      await session
        .ping(heartbeatTimeoutMs)
        .catch(() => session.ping(Math.min(heartbeatTimeoutMs, SECOND_PING_MS)))
      if (!stopped) {
        next()
      }
    } catch (error) {
      onMissed(error as Error)
    }
  }
  next()
  return () => {
    stopped = true
    cancelTimer()
  }
}
