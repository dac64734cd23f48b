// Streams that wait for room in the sink, and whose turn it is. Woken streams may write later, in a
// microtask; so only a few are woken at a time, or a thousand would be for the room of four.
const WOKEN_AT_ONCE = 8

export class SinkQueue<Stream extends { drain(): void }> {
  /** Came while the sink was full, and has not written since; served first. */
  #unserved = new Set<Stream>()
  /** Filled the sink in its last turn. */
  #served = new Set<Stream>()
  #isFull: () => boolean
  #onError: (err: unknown) => void
  #scheduled = false
  #continue = (): void => {
    this.#scheduled = false
    this.wakeSafely()
  }

  constructor(isFull: () => boolean, onError: (err: unknown) => void) {
    this.#isFull = isFull
    this.#onError = onError
  }

  /** Streams that wait. */
  get size(): number {
    return this.#unserved.size + this.#served.size
  }

  add(stream: Stream, hadTurn: boolean): void {
    if (this.#unserved.has(stream) || this.#served.has(stream)) return
    if (hadTurn) this.#served.add(stream)
    else this.#unserved.add(stream)
  }

  delete(stream: Stream): void {
    this.#unserved.delete(stream)
    this.#served.delete(stream)
  }

  clear(): void {
    this.#unserved.clear()
    this.#served.clear()
  }

  /** Calls `drain` on streams in turn, until the sink is full. */
  wake(): void {
    let woken = 0
    for (const set of [this.#unserved, this.#served]) {
      for (const stream of set) {
        if (this.#isFull()) return
        if (woken++ === WOKEN_AT_ONCE) {
          this.#schedule()
          return
        }
        // Before the call, for it may have to wait again.
        set.delete(stream)
        stream.drain()
      }
    }
  }

  /** As `wake`, where nobody could catch what a handler throws. */
  wakeSafely(): void {
    if (this.size === 0) return
    try {
      this.wake()
    } catch (err) {
      this.#onError(err)
    }
  }

  // Behind the microtasks in which the woken ones write.
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(this.#continue)
  }
}
