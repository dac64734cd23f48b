// Keeps V8 from full collections where an application only passes buffers on.
import type { Socket } from 'node:net'
import v8 from 'node:v8'
import type { MuxSink } from '../ctl/index.ts'

const MIB = 1 << 20
/** Bytes that pass between two looks at the heap, each of which takes a microsecond. */
const LOOK_BYTES = MIB / 2
/**
 * What may have come on top since the last collection; V8 itself allows 64 MiB. More would spare garbage, a twentieth of the
 * CPU time of one stream. But with 28 MiB a thousand streams that receive in turn make V8 begin full collections, and it
 * does not leave off; and with 24 or 32 MiB glibc gives freed memory back to the system and gets it again, page by page.
 */
const ALLOWED_BYTES = 16 * MIB
/** Arrays of 64 KiB that are made at a look. */
const ARRAYS = 64
const ARRAY_LENGTH = 8000
const MADE_BYTES = ARRAYS * 8 * ARRAY_LENGTH
/** Copied by V8's own code: what `new Array` makes at one place in a program V8 may come to make old. */
const TEMPLATE: unknown[] = new Array(ARRAY_LENGTH).fill(0)
/** As much garbage starts a small collection however large V8 has let young objects grow. What is still there then is in use. */
const ENOUGH_BYTES = 64 * MIB

/**
 * The bytes of buffers lie outside of V8's heap. V8 frees those that nobody has any more in its small collections, which
 * come when young objects fill their part of the heap; whoever only passes buffers on makes hardly any, buffers pile up
 * as external memory, and V8 starts one full collection after the other instead, each of which costs as much
 * as sending several MiB. So where they pile up, there are young objects, made and thrown away. `slab-link.test.ts`
 * counts collections.
 */
class YoungGarbage {
  /** The last one: what nobody could read, a compiler might leave out. */
  array: unknown[] = []
  #passed = 0
  /** Of external memory, the last time and after the last collection. */
  #last = 0
  #low = Number.POSITIVE_INFINITY
  #made = 0

  /** Bytes of a buffer that was received, or is to be sent. */
  count(bytes: number): void {
    this.#passed += bytes
    if (this.#passed < LOOK_BYTES) {
      return
    }
    this.#passed = 0
    const { external_memory: now } = v8.getHeapStatistics()
    const wasCollected = this.#last - now > ALLOWED_BYTES / 4
    this.#last = now
    if (wasCollected || now < this.#low || this.#made > ENOUGH_BYTES) {
      this.#low = now
      this.#made = 0
    }
    if (now - this.#low > ALLOWED_BYTES) {
      this.#made += MADE_BYTES
      for (let i = 0; i < ARRAYS; i++) {
        this.array = TEMPLATE.slice()
      }
    }
  }
}

/** Of all links of the process, as its heap is. */
export const youngGarbage = new YoungGarbage()

/** A socket as a sink that counts what it is given. */
export class BulkSink implements MuxSink {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get writableLength(): number {
    return this.#socket.writableLength
  }

  write(bytes: Uint8Array): void {
    youngGarbage.count(bytes.byteLength)
    this.#socket.write(bytes)
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }
}
