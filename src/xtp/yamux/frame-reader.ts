// Takes the bytes of a yamux connection apart: headers, and payloads as they come.
import { ProtocolViolationError } from '../ctl/index.ts'
import { MUX_HEADER_BYTES, MUX_TYPE, MUX_VERSION } from '../ctl/mux/frame.ts'

export interface FrameHandler {
  /** `type` is one that exists. Of DATA, `length` bytes of payload follow. */
  onFrame(type: number, flags: number, streamId: number, length: number): void
  /** A view of what `push` was given: bytes of the latest DATA frame. */
  onPayload(bytes: Uint8Array, isLast: boolean): void
}

export class FrameReader {
  readonly #handler: FrameHandler
  readonly #header = new Uint8Array(MUX_HEADER_BYTES)
  readonly #view = new DataView(this.#header.buffer)
  #headerFilled = 0
  #payloadLeft = 0
  #isStopped = false

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** Nothing more is handled, not even of the bytes that are being handled. */
  stop(): void {
    this.#isStopped = true
  }

  /** @throws ProtocolViolationError for a header that none can be, and what the handler throws */
  push(bytes: Uint8Array): void {
    const end = bytes.byteLength
    let at = 0
    while (at < end && !this.#isStopped) {
      if (this.#payloadLeft > 0) {
        const count = Math.min(this.#payloadLeft, end - at)
        const payload = count === end ? bytes : bytes.subarray(at, at + count)
        this.#payloadLeft -= count
        at += count
        this.#handler.onPayload(payload, this.#payloadLeft === 0)
      } else {
        const count = Math.min(MUX_HEADER_BYTES - this.#headerFilled, end - at)
        this.#header.set(bytes.subarray(at, at + count), this.#headerFilled)
        this.#headerFilled += count
        at += count
        if (this.#headerFilled === MUX_HEADER_BYTES) {
          this.#headerFilled = 0
          this.#onHeader()
        }
      }
    }
  }

  #onHeader(): void {
    const view = this.#view
    const version = view.getUint8(0)
    const type = view.getUint8(1)
    const streamId = view.getUint32(4)
    const length = view.getUint32(8)
    if (version !== MUX_VERSION) {
      throw new ProtocolViolationError(`yamux: frame of version ${version}`)
    }
    if (type > MUX_TYPE.GO_AWAY) {
      throw new ProtocolViolationError(`yamux: frame of type ${type}`)
    }
    const isOfConnection = type >= MUX_TYPE.PING
    if (isOfConnection !== (streamId === 0)) {
      throw new ProtocolViolationError(`yamux: frame of type ${type} for stream ${streamId}`)
    }
    if (type === MUX_TYPE.DATA) {
      this.#payloadLeft = length
    }
    this.#handler.onFrame(type, view.getUint16(2), streamId, length)
  }
}
