// A byte link without an operating system: what one end writes, the other end gets in a microtask.
import type { ByteLink, LinkHandler } from '../../runner/index.ts'

/** A sink that says so when it holds this much, as a socket does. */
const HIGH_WATER_BYTES = 65_536

export class MemoryEnd implements ByteLink {
  readonly sink = this
  writableLength = 0
  /** Nothing is delivered while this is set: a peer that does not read. */
  stalled = false
  #peer?: MemoryEnd
  #handler?: LinkHandler
  #queue: Uint8Array[] = []
  #needsDrain = false
  #scheduled = false
  #ended = false

  static pair(): [MemoryEnd, MemoryEnd] {
    const a = new MemoryEnd()
    const b = new MemoryEnd()
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  get isEnded(): boolean {
    return this.#ended
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
    this.#peer?.pump()
  }

  write(bytes: Uint8Array): void {
    if (!this.#ended) {
      this.#queue.push(bytes.slice())
      this.writableLength += bytes.byteLength
      this.#needsDrain ||= this.writableLength >= HIGH_WATER_BYTES
      this.pump()
    }
  }

  cork(): void {}
  uncork(): void {}

  /** Delivers what is queued, soon. */
  pump(): void {
    if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(() => {
        this.#scheduled = false
        this.#deliver()
      })
    }
  }

  /** Both ends see the end, after what was sent before. */
  destroy(): void {
    if (!this.#ended) {
      this.#ended = true
      queueMicrotask(() => this.#handler?.onEnd())
      this.#peer?.destroy()
    }
  }

  #deliver(): void {
    const handler = this.#peer === undefined ? undefined : this.#peer.#handler
    while (!this.stalled && handler !== undefined && !this.#ended) {
      const bytes = this.#queue.shift()
      if (bytes === undefined) {
        break
      }
      this.writableLength -= bytes.byteLength
      handler.onData(bytes)
    }
    if (this.#needsDrain && this.writableLength === 0) {
      this.#needsDrain = false
      this.#handler?.onDrain()
    }
  }
}
