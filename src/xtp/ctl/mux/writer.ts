// Puts frames on the sink. Headers and small payloads are copied together into a slab, large payloads
// are passed on as they are, and everything of one turn of the event loop leaves in one system call.
import type { ByteList } from './byte-list.ts'
import { writeMuxHeader } from './frame.ts'

/** Where frames go; a `net.Socket` fits. */
export interface MuxSink {
  /** Takes the bytes without copying them; they are not touched afterwards. */
  write(bytes: Uint8Array): void
  cork(): void
  uncork(): void
  /** Bytes that were written and have not left. */
  readonly writableLength: number
}

// Never written twice: the sink may still hold a part when the next one is filled.
const SLAB_BYTES = 65_536
/** Copying up to here costs less than one more entry of a vector. */
const MAX_COPIED_BYTES = 4_096

export class MuxWriter {
  #sink: MuxSink
  #slab = new Uint8Array(SLAB_BYTES)
  /** End of the slab's used part, and the start of what has not been given to the sink. */
  #used = 0
  #flushed = 0
  #corked = false
  #bytesOut = 0
  #uncork: () => void

  /** @param onFlushed - called after everything written in one turn was given to the sink */
  constructor(sink: MuxSink, onFlushed: () => void) {
    this.#sink = sink
    this.#uncork = () => {
      if (!this.#corked) return
      this.flush()
      onFlushed()
    }
  }

  get bytesOut(): number {
    return this.#bytesOut
  }

  /** Bytes that have been written here and have not left the sink. */
  get queuedBytes(): number {
    return this.#sink.writableLength + this.#used - this.#flushed
  }

  /** A frame without payload. */
  frame(type: number, flags: number, streamId: number, length: number): void {
    this.#begin()
    this.#header(type, flags, streamId, length)
  }

  /** A DATA frame of all of `data`. */
  data(streamId: number, data: Uint8Array | ByteList): void {
    this.#begin()
    this.#header(0, 0, streamId, data.byteLength)
    if (data instanceof Uint8Array) {
      this.#payload(data)
    } else {
      for (const part of data) this.#payload(part)
    }
  }

  /** Gives everything to the sink now. */
  flush(): void {
    this.#flushSlab()
    if (!this.#corked) return
    this.#corked = false
    this.#sink.uncork()
  }

  #begin(): void {
    if (this.#corked) return
    this.#corked = true
    this.#sink.cork()
    queueMicrotask(this.#uncork)
  }

  #header(type: number, flags: number, streamId: number, length: number): void {
    this.#reserve(12)
    writeMuxHeader(this.#slab, this.#used, type, flags, streamId, length)
    this.#used += 12
    this.#bytesOut += 12
  }

  #payload(bytes: Uint8Array): void {
    const length = bytes.byteLength
    this.#bytesOut += length
    if (length <= MAX_COPIED_BYTES) {
      this.#reserve(length)
      this.#slab.set(bytes, this.#used)
      this.#used += length
    } else {
      this.#flushSlab()
      this.#sink.write(bytes)
    }
  }

  #reserve(length: number): void {
    if (this.#used + length <= SLAB_BYTES) return
    this.#flushSlab()
    this.#slab = new Uint8Array(SLAB_BYTES)
    this.#used = 0
    this.#flushed = 0
  }

  #flushSlab(): void {
    if (this.#used === this.#flushed) return
    const bytes = this.#slab.subarray(this.#flushed, this.#used)
    this.#flushed = this.#used
    this.#sink.write(bytes)
  }
}
