// What a stream carries: a header that says what the server is to do, then bytes. The header is the mode (U upload,
// D download, E echo), how many bytes come, and the size of a write for those that the server makes.
import type { Duplex } from '../contestants/types.ts'

export type Mode = 'U' | 'D' | 'E'

const HEADER_BYTES = 13

export function header(mode: Mode, size: number, writeBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, mode.charCodeAt(0))
  view.setBigUint64(1, BigInt(size))
  view.setUint32(9, writeBytes)
  return bytes
}

/** Writes bytes with backpressure until all are accepted or `stop` is called. */
export class Pour {
  /** Bytes that are not accepted yet. */
  left: number
  readonly #duplex: Duplex
  readonly #chunk: Uint8Array

  constructor(duplex: Duplex, size: number, writeBytes: number) {
    this.left = size
    this.#duplex = duplex
    this.#chunk = chunkOf(writeBytes)
    // as an application does that waits for a promise. In the event itself, libp2p's muxer would starve
    // every other stream: it gives each of them its turn in a microtask, and by then there is no room
    duplex.onDrain = () => queueMicrotask(() => this.#go())
    this.#go()
  }

  stop(): void {
    this.left = 0
    this.#duplex.onDrain = undefined
  }

  #go(): void {
    const chunk = this.#chunk
    while (this.left > 0) {
      const n = Math.min(this.left, chunk.length)
      this.left -= n
      if (!this.#duplex.write(n === chunk.length ? chunk : chunk.subarray(0, n)) && this.left > 0) {
        return
      }
    }
  }
}

const chunks = new Map<number, Uint8Array>()

function chunkOf(bytes: number): Uint8Array {
  const chunk = chunks.get(bytes) ?? new Uint8Array(bytes).fill(7)
  chunks.set(bytes, chunk)
  return chunk
}

/** The server's side of a stream. */
export function answer(duplex: Duplex): void {
  const head = new Uint8Array(HEADER_BYTES)
  let headBytes = 0
  let mode = ''
  let size = 0
  let got = 0
  duplex.onData = bytes => {
    let rest = bytes
    if (headBytes < HEADER_BYTES) {
      const n = Math.min(HEADER_BYTES - headBytes, bytes.length)
      head.set(bytes.subarray(0, n), headBytes)
      headBytes += n
      rest = bytes.subarray(n)
      if (headBytes < HEADER_BYTES) {
        return
      }
      const view = new DataView(head.buffer)
      mode = String.fromCharCode(view.getUint8(0))
      size = Number(view.getBigUint64(1))
      if (mode === 'D') {
        new Pour(duplex, size, view.getUint32(9))
      }
    }
    if (rest.length === 0) {
      return
    }
    if (mode === 'E') {
      duplex.write(rest)
    } else if (mode === 'U') {
      got += rest.length
      if (got === size) {
        duplex.write(Uint8Array.of(1))
      }
    }
  }
  duplex.onEnd = () => duplex.end()
}
