// Where messages are put together that do not come in one piece.
import { MAX_MESSAGE_BYTES } from './message-reader.ts'

/** With so few, a buffer of its own is no burden for V8. */
const SMALL_BYTES = 4_096
/** 16 MiB. */
const MAX_FREE = 256

/**
 * Of a thousand connections nearly each has a message under way. A new buffer for each message would live for as long as that is, and
 * become old for V8, which frees what is old in full collections only: so the same ones are used again. They hold ciphertext.
 */
export class MessageBuffers {
  readonly #free: Uint8Array[] = []

  /** Of at least so many bytes, with anything in them. */
  take(bytes: number): Uint8Array {
    if (bytes <= SMALL_BYTES) {
      return new Uint8Array(bytes)
    }
    return this.#free.pop() ?? new Uint8Array(MAX_MESSAGE_BYTES)
  }

  /** What was taken, and is not used any more. */
  give(buffer: Uint8Array): void {
    if (buffer.byteLength > SMALL_BYTES && this.#free.length < MAX_FREE) {
      this.#free.push(buffer)
    }
  }
}
