// The data link with a limit on its bytes per second, each way: what is above waits, nothing is lost.
// Reading pauses, so that credit runs out and the remote waits; writers are told that the sink is full.
import type { Clock, MuxSink } from '../ctl/index.ts'
import type { ByteLink, LinkHandler } from '../runner/index.ts'

/** Longest burst, as a share of a second. */
const BURST_S = 0.1
/** What a sink that must wait says is queued. */
const FULL_BYTES = Number.MAX_SAFE_INTEGER

/** A token bucket that may go into debt by one chunk. */
class Bucket {
  readonly #clock: Clock
  readonly #rate: number
  readonly #onPaid: () => void
  #tokens: number
  #at: number
  #cancelTimer?: () => void

  constructor(clock: Clock, bytesPerSecond: number, onPaid: () => void) {
    this.#clock = clock
    this.#rate = bytesPerSecond
    this.#onPaid = onPaid
    this.#tokens = bytesPerSecond * BURST_S
    this.#at = clock.now()
  }

  get isInDebt(): boolean {
    return this.#cancelTimer !== undefined
  }

  /** True: wait for `onPaid`. */
  take(bytes: number): boolean {
    const now = this.#clock.now()
    const earned = ((now - this.#at) / 1000) * this.#rate
    this.#tokens = Math.min(this.#rate * BURST_S, this.#tokens + earned) - bytes
    this.#at = now
    if (this.#tokens < 0 && this.#cancelTimer === undefined) {
      this.#wait()
    }
    return this.isInDebt
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #wait(): void {
    const ms = Math.max(1, Math.ceil((-this.#tokens / this.#rate) * 1000))
    this.#cancelTimer = this.#clock.setTimer(ms, () => {
      this.#cancelTimer = undefined
      if (!this.take(0)) {
        this.#onPaid()
      }
    })
  }
}

/** A sink that counts, and says that it is full while it is in debt. */
class ThrottledSink implements MuxSink {
  readonly #sink: MuxSink
  readonly #bucket: Bucket

  constructor(sink: MuxSink, bucket: Bucket) {
    this.#sink = sink
    this.#bucket = bucket
  }

  get writableLength(): number {
    return this.#bucket.isInDebt ? FULL_BYTES : this.#sink.writableLength
  }

  write(bytes: Uint8Array): void {
    this.#bucket.take(bytes.byteLength)
    this.#sink.write(bytes)
  }

  cork(): void {
    this.#sink.cork()
  }

  uncork(): void {
    this.#sink.uncork()
  }
}

export class ThrottledLink implements ByteLink {
  readonly sink: MuxSink
  readonly #link: ByteLink
  readonly #in: Bucket
  readonly #out: Bucket
  #handler?: LinkHandler

  constructor(link: ByteLink, clock: Clock, bytesPerSecond: number) {
    this.#link = link
    this.#in = new Bucket(clock, bytesPerSecond, () => link.resume?.())
    this.#out = new Bucket(clock, bytesPerSecond, () => this.#handler?.onDrain())
    this.sink = new ThrottledSink(link.sink, this.#out)
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
    this.#link.attach({
      onData: bytes => {
        handler.onData(bytes)
        if (this.#in.take(bytes.byteLength)) {
          this.#link.pause?.()
        }
      },
      onDrain: () => handler.onDrain(),
      onEnd: error => {
        this.#in.stop()
        this.#out.stop()
        handler.onEnd(error)
      }
    })
  }

  destroy(): void {
    this.#link.destroy()
  }
}
