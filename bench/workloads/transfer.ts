// Bulk bytes over one stream or many.
import type { Duplex } from '../contestants/types.ts'
import { header, type Mode, Pour } from './wire.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const WRITE_BYTES = 64 * KIB

/** One transfer under way. */
export class Transfer {
  /** Resolves when the receiver has everything. */
  readonly done: Promise<void>
  readonly #duplex: Duplex
  readonly #size: number
  readonly #pour?: Pour
  #got = 0

  constructor(duplex: Duplex, mode: Exclude<Mode, 'E'>, size: number, writeBytes = WRITE_BYTES) {
    this.#duplex = duplex
    this.#size = size
    // an upload is answered with one byte
    const expected = mode === 'U' ? 1 : size
    this.done = new Promise((resolve, reject) => {
      duplex.onData = bytes => {
        this.#got += bytes.length
        if (this.#got === expected) {
          resolve()
        }
      }
      duplex.onEnd = error =>
        reject(error ?? new Error(`the stream ended after ${this.#got} of ${expected} bytes`))
    })
    // whoever stops early does not wait for it
    this.done.catch(() => {})
    duplex.write(header(mode, size, writeBytes))
    if (mode === 'U') {
      this.#pour = new Pour(duplex, size, writeBytes)
    }
  }

  /** Bytes that were received, or taken off this process's hands. */
  get bytes(): number {
    return this.#pour === undefined ? this.#got : this.#size - this.#pour.left
  }

  /** Ends the stream; what is on its way is of no interest. */
  end(): void {
    this.#pour?.stop()
    this.#duplex.onEnd = undefined
    this.#duplex.end()
  }
}

/** `size` in MB per second. */
export function rate(size: number, sinceMs: number): number {
  return size / 1e6 / ((performance.now() - sinceMs) / 1000)
}
