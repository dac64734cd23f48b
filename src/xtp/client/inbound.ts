// An inbound connection is announced on the control link and its stream opens on the data link: they
// may come in either order. What came first is held here, bounded in number and in time.
import type { Clock, Incoming, MuxStream, MuxStreamHandler } from '../ctl/index.ts'

/** One half without the other for this long is given up. */
export const HOLD_MS = 10_000
/** Halves held at once; more means that the service does not keep its word. */
export const MAX_HELD = 4096

/** Remembers what a stream received before anybody could take it: at most its window. */
export class EarlyStream implements MuxStreamHandler {
  readonly stream: MuxStream
  #chunks: Uint8Array[] = []
  #ended = false
  #drained = false
  #reset?: number

  constructor(stream: MuxStream) {
    this.stream = stream
    stream.handler = this
  }

  onData(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
  }

  onEnd(): void {
    this.#ended = true
  }

  onReset(code: number): void {
    this.#reset = code
  }

  onDrain(): void {
    this.#drained = true
  }

  /** Hands everything over, and what comes later directly. */
  attach(handler: MuxStreamHandler): MuxStream {
    // not now: the constructor of the connection calls this
    queueMicrotask(() => {
      this.stream.handler = handler
      for (const chunk of this.#chunks) {
        handler.onData(chunk)
      }
      this.#chunks = []
      if (this.#drained) {
        handler.onDrain()
      }
      if (this.#ended) {
        handler.onEnd()
      }
      if (this.#reset !== undefined) {
        handler.onReset(this.#reset)
      }
    })
    return this.stream
  }
}

export interface InboundPair {
  incoming: Incoming
  early: EarlyStream
}

interface Held {
  incoming?: Incoming
  early?: EarlyStream
  cancelTimer(): void
}

export type HoldResult = InboundPair | 'held' | 'duplicate' | 'full'

export class InboundHold {
  readonly #held = new Map<number, Held>()
  readonly #clock: Clock
  readonly #onExpired: (connId: number, half: Partial<InboundPair>) => void

  constructor(clock: Clock, onExpired: (connId: number, half: Partial<InboundPair>) => void) {
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** Adds one half; gives the pair when it is complete. */
  add(connId: number, half: Partial<InboundPair>): HoldResult {
    const held = this.#held.get(connId)
    if (held === undefined) {
      if (this.#held.size >= MAX_HELD) {
        return 'full'
      }
      const cancelTimer = this.#clock.setTimer(HOLD_MS, () => {
        this.#held.delete(connId)
        this.#onExpired(connId, half)
      })
      this.#held.set(connId, { ...half, cancelTimer })
      return 'held'
    }
    const incoming = half.incoming ?? held.incoming
    const early = half.early ?? held.early
    if (incoming === undefined || early === undefined) {
      return 'duplicate'
    }
    this.take(connId)
    return { incoming, early }
  }

  /** Forgets a connection that ended meanwhile, and gives what was held of it. */
  take(connId: number): Partial<InboundPair> | undefined {
    const held = this.#held.get(connId)
    held?.cancelTimer()
    this.#held.delete(connId)
    return held
  }

  /** Forgets everything. */
  clear(): void {
    for (const { cancelTimer } of this.#held.values()) {
      cancelTimer()
    }
    this.#held.clear()
  }
}
