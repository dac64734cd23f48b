// A clock that only a test moves.
import type { Clock } from '../clock.ts'

interface Timer {
  at: number
  order: number
  fn: () => void
}

export class ManualClock implements Clock {
  #now = 0
  #order = 0
  #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  setTimer(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** Moves time forward and runs what falls due, in order; timers set on the way run too. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers) {
        if (timer.at > end) continue
        if (
          next == null ||
          timer.at < next.at ||
          (timer.at === next.at && timer.order < next.order)
        ) {
          next = timer
        }
      }
      if (next == null) break
      this.#timers.delete(next)
      this.#now = next.at
      next.fn()
    }
    this.#now = end
  }

  /** Timers that have not fired and were not cancelled. */
  get pending(): number {
    return this.#timers.size
  }
}
