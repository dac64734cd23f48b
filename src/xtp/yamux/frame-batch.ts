// Puts frames together that are sent in one turn of the event loop: whoever encrypts cuts them into as few messages as there
// can be, and they leave in one system call.
import { Uint8ArrayList } from 'uint8arraylist'
import { MUX_HEADER_BYTES, MUX_TYPE, writeMuxHeader } from '../ctl/mux/frame.ts'

/** So much does not wait for more. */
const MAX_BYTES = 262_144

export class FrameBatch {
  readonly #send: (frames: Uint8ArrayList) => void
  readonly #onSent: () => void
  #frames = new Uint8ArrayList()
  #isScheduled = false
  #isOver = false

  /** @param onSent - everything that was written in one turn was sent */
  constructor(send: (frames: Uint8ArrayList) => void, onSent: () => void) {
    this.#send = send
    this.#onSent = onSent
  }

  /** A frame without payload. */
  frame(type: number, flags: number, streamId: number, length: number): void {
    if (this.#isOver) {
      return
    }
    if (this.#frames.byteLength === 0) {
      // not the list that has waited for them: see young-buffers.ts
      this.#frames = new Uint8ArrayList()
    }
    const header = new Uint8Array(MUX_HEADER_BYTES)
    writeMuxHeader(header, 0, type, flags, streamId, length)
    this.#frames.append(header)
    this.#schedule()
  }

  /** A DATA frame; the bytes must not change any more. */
  data(streamId: number, payload: Uint8ArrayList): void {
    if (this.#isOver) {
      return
    }
    this.frame(MUX_TYPE.DATA, 0, streamId, payload.byteLength)
    this.#frames.appendAll([...payload])
    if (this.#frames.byteLength >= MAX_BYTES) {
      this.flush()
    }
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#frames.byteLength > 0) {
      const frames = this.#frames
      this.#frames = new Uint8ArrayList()
      this.#send(frames)
    }
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#isOver = true
    this.#frames = new Uint8ArrayList()
  }

  #schedule(): void {
    if (this.#isScheduled) {
      return
    }
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.flush()
      this.#onSent()
    })
  }
}
