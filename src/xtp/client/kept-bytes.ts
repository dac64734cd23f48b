// What a stream keeps for a reader that has paused, or is not there yet, as bytes and not as what they came in.
import type { MessageStreamReadStatus } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Views of bytes cost two hundred bytes each, so that a remote that sends single bytes would fill the memory with them. */
const MAX_PIECES = 1_024

/** An AbstractMessageStream of `@libp2p/utils`. */
interface Reading {
  readonly readStatus: MessageStreamReadStatus
  listenerCount(type: 'message'): number
}

/** Of one stream. */
export class KeptBytes {
  readonly #stream: Reading
  /** Of the end of the read buffer, since the last were joined. */
  #pieces = 0
  #bytes = 0

  constructor(stream: Reading) {
    this.#stream = stream
  }

  /** What is put into the read buffer now stays there. */
  get isKept(): boolean {
    return this.#stream.readStatus === 'paused' || this.#stream.listenerCount('message') === 0
  }

  /** What to put into the read buffer in place of `bytes`: a few that are kept must not keep all that came with them. */
  detach(bytes: Uint8Array): Uint8Array {
    const isSmall = bytes.byteLength < bytes.buffer.byteLength / 2
    return this.isKept && isSmall ? new Uint8Array(bytes) : bytes
  }

  /** After `bytes` were put into the read buffer: joins the pieces at its end, where they have become many. */
  onPut(bytes: Uint8Array): void {
    const { readBuffer } = this.#stream as unknown as { readBuffer: Uint8ArrayList }
    if (readBuffer.byteLength === 0) {
      this.#pieces = this.#bytes = 0
      return
    }
    this.#pieces++
    this.#bytes += bytes.byteLength
    if (this.#pieces < MAX_PIECES) {
      return
    }
    const begin = Math.max(0, readBuffer.byteLength - this.#bytes)
    const whole = readBuffer.subarray(begin)
    const list = readBuffer.sublist(0, begin)
    list.append(whole)
    ;(this.#stream as unknown as { readBuffer: Uint8ArrayList }).readBuffer = list
    this.#pieces = this.#bytes = 0
  }
}
