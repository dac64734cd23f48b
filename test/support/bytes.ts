// Bytes that can be checked at the other end without being kept, and flow control for senders.
import type { MessageStream, StreamMessageEvent } from '@libp2p/interface'

const BLOCK_BYTES = 1 << 20

/** A deterministic byte source: `at(offset, length)` is the same in every process. */
export class Pattern {
  readonly #block = new Uint8Array(BLOCK_BYTES + 65536)

  constructor(seed: number) {
    let state = seed | 1
    for (let i = 0; i < BLOCK_BYTES; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      this.#block[i] = state >>> 24
    }
    // wraps, so that a slice never has to be stitched
    this.#block.copyWithin(BLOCK_BYTES, 0, 65536)
  }

  /** At most 65,536 bytes. Neighbouring blocks differ by the block's number, so that none can be lost or swapped. */
  at(offset: number, length: number): Uint8Array {
    const start = offset % BLOCK_BYTES
    const bytes = this.#block.slice(start, start + length)
    const first = Math.floor(offset / 4096)
    for (let n = first; n * 4096 < offset + length; n++) {
      const position = n * 4096 - offset
      if (position >= 0) {
        bytes[position] = n
      }
      if (position + 1 >= 0 && position + 1 < length) {
        bytes[position + 1] = n >>> 8
      }
    }
    return bytes
  }
}

/** Compares what arrives with a pattern. */
export class Checker {
  readonly #pattern: Pattern
  received = 0

  constructor(pattern: Pattern) {
    this.#pattern = pattern
  }

  /** @throws Error that names the first wrong byte */
  push(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const n = Math.min(65536, bytes.length - done)
      const expected = this.#pattern.at(this.received, n)
      const part = bytes.subarray(done, done + n)
      if (Buffer.compare(expected, part) !== 0) {
        const at = expected.findIndex((byte, i) => byte !== part[i])
        throw new Error(`byte ${this.received + at} is ${part[at]} instead of ${expected[at]}`)
      }
      this.received += n
      done += n
    }
  }
}

/** Resolves when the stream takes more; rejects when it ends first. */
export function drained(stream: MessageStream): Promise<void> {
  if (!stream.writableNeedsDrain) {
    return Promise.resolve()
  }
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      stream.removeEventListener('close', onClose)
      resolve()
    }
    const onClose = (event: Event & { error?: Error }) => {
      stream.removeEventListener('drain', onDrain)
      reject(event.error ?? new Error('the stream was closed'))
    }
    stream.addEventListener('drain', onDrain, { once: true })
    stream.addEventListener('close', onClose as (event: Event) => void, { once: true })
  })
}

/** Sends `total` bytes of a pattern with backpressure. */
export async function sendPattern(
  stream: MessageStream,
  pattern: Pattern,
  total: number,
  onSent?: (sent: number) => void
): Promise<void> {
  for (let sent = 0; sent < total; ) {
    const n = Math.min(65536, total - sent)
    const more = stream.send(pattern.at(sent, n))
    sent += n
    onSent?.(sent)
    if (!more) {
      await drained(stream)
    }
  }
}

/** Resolves when `total` bytes of the pattern have arrived; rejects on a wrong byte or an early end. */
export function receivePattern(
  stream: MessageStream,
  pattern: Pattern,
  total: number,
  onReceived?: (received: number) => void
): Promise<void> {
  const checker = new Checker(pattern)
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', (event: StreamMessageEvent) => {
      try {
        for (const bytes of event.data instanceof Uint8Array ? [event.data] : event.data) {
          checker.push(bytes)
        }
        onReceived?.(checker.received)
        if (checker.received === total) {
          resolve()
        } else if (checker.received > total) {
          throw new Error(`${checker.received} bytes arrived instead of ${total}`)
        }
      } catch (error) {
        reject(error as Error)
      }
    })
    stream.addEventListener('close', event =>
      reject(event.error ?? new Error(`closed after ${checker.received} of ${total} bytes`))
    )
  })
}

/** Every byte until the end of the stream. */
export function receiveAll(stream: MessageStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', event => {
      parts.push(...(event.data instanceof Uint8Array ? [event.data.slice()] : event.data))
    })
    const done = () => resolve(Buffer.concat(parts))
    stream.addEventListener('remoteCloseWrite', done)
    stream.addEventListener('close', event => (event.error ? reject(event.error) : done()))
  })
}
