// What a connection has taken from libp2p and its link has no room for yet.
import type { Uint8ArrayList } from 'uint8arraylist'
import { DEFAULT_WINDOW_BYTES, type MuxStream } from '../ctl/index.ts'

/**
 * A muxer wakes all of its streams whenever its connection has room again: a thousand streams, each of which writes little,
 * would do nothing else. So a connection to which the service has opened a wide window takes as much beyond it, and has
 * room again when that has left.
 */
export class Backlog {
  readonly #parts: Uint8ArrayList[] = []
  #byteLength = 0
  #allowed = 0

  get byteLength(): number {
    return this.#byteLength
  }

  /** More is not to be taken. */
  get isFull(): boolean {
    return this.#byteLength >= this.#allowed
  }

  push(part: Uint8ArrayList): void {
    this.#parts.push(part)
    this.#byteLength += part.byteLength
  }

  /**
   * Writes what `stream`, which has room, takes.
   *
   * @returns bytes
   */
  flush(stream: MuxStream): number {
    // of the usual window no more than half comes back at once
    this.#allowed = Math.max(this.#allowed, stream.bufferedCredit - DEFAULT_WINDOW_BYTES / 2)
    let sent = 0
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const { sentBytes } = stream.write(part)
      sent += sentBytes
      if (sentBytes < part.byteLength) {
        part.consume(sentBytes)
        break
      }
      this.#parts.shift()
    }
    this.#byteLength -= sent
    return sent
  }

  clear(): void {
    this.#parts.length = 0
    this.#byteLength = 0
  }
}
