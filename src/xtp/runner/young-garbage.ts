// Keeps V8 from full collections where an application only passes buffers on.
import type { Socket } from 'node:net'
import type { MuxSink } from '../ctl/index.ts'

/** As much garbage as buffers have passed: 16 arrays of 64 KiB per MiB. */
const STEP_BYTES = 1 << 16
const ARRAY_LENGTH = 8000

/**
 * The bytes of buffers lie outside of V8's heap. V8 frees those that nobody has any more in its small collections, which
 * come when young objects fill their part of the heap; whoever only passes buffers on makes hardly any, buffers pile up
 * as external memory, and V8 starts one full collection after the other instead, each of which costs as much
 * as sending several MiB. So there are young objects, made and thrown away. `slab-link.test.ts` counts collections.
 */
export class YoungGarbage {
  /** The last one: what nobody could read, a compiler might leave out. */
  array: unknown[] = []
  // a start has no garbage to spare time for
  #owed = -(1 << 20)

  /** Bytes of a buffer that was received, or is to be sent. */
  count(bytes: number): void {
    this.#owed += bytes
    while (this.#owed >= STEP_BYTES) {
      this.#owed -= STEP_BYTES
      this.array = new Array(ARRAY_LENGTH)
    }
  }
}

/** A socket as a sink that counts what it is given. */
export class BulkSink implements MuxSink {
  readonly #socket: Socket
  readonly #garbage: YoungGarbage

  constructor(socket: Socket, garbage: YoungGarbage) {
    this.#socket = socket
    this.#garbage = garbage
  }

  get writableLength(): number {
    return this.#socket.writableLength
  }

  write(bytes: Uint8Array): void {
    this.#garbage.count(bytes.byteLength)
    this.#socket.write(bytes)
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }
}
