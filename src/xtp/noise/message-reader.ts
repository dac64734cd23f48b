// Takes the bytes of a noise connection apart: messages, each behind its length.
import { ProtocolViolationError } from '../ctl/index.ts'
import type { MessageBuffers } from './message-buffers.ts'

/** Of one message, the tag included; the Noise Protocol Framework, section 3. */
export const MAX_MESSAGE_BYTES = 65_535
/** Of ChaCha20-Poly1305. */
export const TAG_BYTES = 16

type OnMessage = (ciphertext: Uint8Array) => void

export class MessageReader {
  readonly #buffers: MessageBuffers
  /** First byte of a length whose second has not come; -1: none. */
  #lengthHigh = -1
  /** Bytes of the message that is being received; 0: its length has not come. */
  #length = 0
  /** Of which these have come, in `#partial`. */
  #filled = 0
  #partial?: Uint8Array

  constructor(buffers: MessageBuffers) {
    this.#buffers = buffers
  }

  /**
   * @param onMessage - with a view that is valid until it returns
   * @throws ProtocolViolationError for a length that no message has, and what `onMessage` throws
   */
  push(bytes: Uint8Array, onMessage: OnMessage): void {
    const end = bytes.byteLength
    let at = 0
    while (at < end) {
      if (this.#length === 0) {
        at = this.#readLength(bytes, at)
      } else if (this.#filled === 0 && end - at >= this.#length) {
        const whole = bytes.subarray(at, at + this.#length)
        at += this.#length
        this.#length = 0
        onMessage(whole)
      } else {
        at = this.#collect(bytes, at, onMessage)
      }
    }
  }

  /** Lets go of what it holds; nothing may be pushed any more. */
  stop(): void {
    if (this.#partial !== undefined) {
      this.#buffers.give(this.#partial)
      this.#partial = undefined
    }
  }

  #readLength(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] as number
    if (this.#lengthHigh < 0) {
      this.#lengthHigh = byte
      return at + 1
    }
    this.#length = this.#lengthHigh * 256 + byte
    this.#lengthHigh = -1
    if (this.#length < TAG_BYTES) {
      throw new ProtocolViolationError(
        `noise: a message of ${this.#length} bytes, where its tag alone has ${TAG_BYTES}`
      )
    }
    return at + 1
  }

  // A copy, so that a few bytes do not keep in memory all that came with them.
  #collect(bytes: Uint8Array, at: number, onMessage: OnMessage): number {
    this.#partial ??= this.#buffers.take(this.#length)
    const count = Math.min(bytes.byteLength - at, this.#length - this.#filled)
    this.#partial.set(bytes.subarray(at, at + count), this.#filled)
    this.#filled += count
    if (this.#filled === this.#length) {
      const buffer = this.#partial
      const whole = buffer.subarray(0, this.#length)
      this.#partial = undefined
      this.#length = this.#filled = 0
      try {
        onMessage(whole)
      } finally {
        this.#buffers.give(buffer)
      }
    }
    return at + count
  }
}
