// The round trip of a yamux connection, by PINGs, which also keep what is between awake.

/** Its windows may need another size by then. */
const REMEASURE_MS = 1_000
export const DEFAULT_KEEP_ALIVE_MS = 30_000

export class RoundTrip {
  readonly #ping: (value: number) => void
  readonly #timer?: ReturnType<typeof setInterval>
  #value = 0
  /** When the PING that is not answered was sent. */
  #askedAt?: number
  #measuredAt = Number.NEGATIVE_INFINITY
  #ms?: number

  /** @param keepAliveMs - between PINGs; 0: none but those for `measure` */
  constructor(ping: (value: number) => void, keepAliveMs = DEFAULT_KEEP_ALIVE_MS) {
    this.#ping = ping
    if (keepAliveMs > 0) {
      this.#timer = setInterval(() => this.#ask(), keepAliveMs)
    }
  }

  /** What was measured last, in milliseconds; measures again where that is long ago. */
  measure(): number | undefined {
    if (performance.now() - this.#measuredAt > REMEASURE_MS) {
      this.#ask()
    }
    return this.#ms
  }

  onAnswer(value: number): void {
    if (this.#askedAt !== undefined && value === this.#value) {
      this.#measuredAt = performance.now()
      this.#ms = this.#measuredAt - this.#askedAt
      this.#askedAt = undefined
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #ask(): void {
    if (this.#askedAt === undefined) {
      this.#value = (this.#value + 1) >>> 0
      this.#askedAt = performance.now()
      this.#ping(this.#value)
    }
  }
}
