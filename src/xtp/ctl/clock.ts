/** Time as the state machines of this folder see it. The platform, or a test, supplies it. */
export interface Clock {
  /** Milliseconds of a monotonic clock; only differences mean something. */
  now(): number
  /** Calls `fn` once after `ms` milliseconds; the returned function cancels that. */
  setTimer(ms: number, fn: () => void): () => void
}
