// How often a service may crash before it is left alone for a while. Pure: the caller tells the time.

/**
 * `closed`: restarts as usual. `open`: none before `retryAt`. `half-open`: one is being tried; a crash
 * opens it again, for twice as long.
 */
export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerPolicy {
  /** Crashes within the window that are still restarted. */
  budget: number
  budgetWindowMs: number
  /** How long the breaker stays open the first time. */
  breakerOpenMs: number
}

/** The longest that it stays open. */
const MAX_OPEN_MS = 600_000

export class CircuitBreaker {
  readonly #policy: BreakerPolicy
  readonly #onChange: (state: BreakerState) => void
  #state: BreakerState = 'closed'
  #crashes: number[] = []
  #openMs = 0

  constructor(policy: BreakerPolicy, onChange: (state: BreakerState) => void = () => {}) {
    this.#policy = policy
    this.#onChange = onChange
  }

  get state(): BreakerState {
    return this.#state
  }

  /** The service crashed. Gives for how many ms it is left alone, or 0 where restarts go on. */
  crashed(now: number): number {
    const { budget, budgetWindowMs, breakerOpenMs } = this.#policy
    this.#crashes = [...this.#crashes.filter(time => now - time < budgetWindowMs), now]
    if (this.#state === 'closed' && this.#crashes.length <= budget) {
      return 0
    }
    this.#openMs =
      this.#state === 'closed' ? breakerOpenMs : Math.min(2 * this.#openMs, MAX_OPEN_MS)
    this.#become('open')
    return this.#openMs
  }

  /** The pause is over: the next start is a trial. */
  tried(): void {
    if (this.#state === 'open') {
      this.#become('half-open')
    }
  }

  /** The service has run long enough to be trusted, or somebody starts over. */
  proved(): void {
    this.#crashes = []
    this.#openMs = 0
    this.#become('closed')
  }

  #become(state: BreakerState): void {
    if (this.#state !== state) {
      this.#state = state
      this.#onChange(state)
    }
  }
}
