// A sink for a Mux that keeps what is written until the test takes it.
import type { MuxSink } from '../mux/writer.ts'
import { concat } from './bytes.ts'

export class MemorySink implements MuxSink {
  chunks: Uint8Array[] = []
  writableLength = 0
  corks = 0

  write(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.writableLength += bytes.byteLength
  }

  cork(): void {
    this.corks++
  }

  uncork(): void {
    this.corks--
  }

  /** Removes up to `count` bytes from the front. */
  take(count = Number.POSITIVE_INFINITY): Uint8Array {
    if (count >= this.writableLength) {
      const all = concat(this.chunks.splice(0))
      this.writableLength = 0
      return all
    }
    const parts: Uint8Array[] = []
    let left = count
    while (left > 0) {
      const chunk = this.chunks[0] as Uint8Array
      const part = chunk.subarray(0, left)
      parts.push(part)
      left -= part.byteLength
      if (part.byteLength === chunk.byteLength) this.chunks.shift()
      else this.chunks[0] = chunk.subarray(part.byteLength)
    }
    this.writableLength -= count
    return concat(parts)
  }
}
