// One stream of the data link: credit both ways, half-close, reset.
import { ConnectionClosedError } from '../errors.ts'
import { INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES } from '../limits.ts'
import type { ByteList } from './byte-list.ts'
import { MUX_FLAG, MUX_TYPE } from './frame.ts'
import type { StreamHeaderReader } from './stream-header.ts'
import type { MuxWriter } from './writer.ts'

/**
 * What happens on a stream. Calls come from inside `Mux.receive`, `onSinkDrain` and `close`; they may
 * use any stream of the mux, and must not throw.
 */
export interface MuxStreamHandler {
  /** A view of the chunk that was given to `Mux.receive`; owed to `consumed` sooner or later. */
  onData(bytes: Uint8Array): void
  /** The remote sends no more. */
  onEnd(): void
  /** The remote reset the stream, or the link closed (SERVICE_LOST). The last call for a stream. */
  onReset(code: number): void
  /** After a write that gave `canSendMore: false`: there is room again. */
  onDrain(): void
}

export interface MuxWriteResult {
  /** Less than was given where credit or room ran out; then `canSendMore` is false. */
  sentBytes: number
  /** False: wait for `onDrain`. */
  canSendMore: boolean
}

/** What a stream uses of its mux. */
export interface StreamLink {
  readonly writer: MuxWriter
  /** Receive window of a stream that opens now. */
  newWindow(): number
  /** Largest payload of one frame, so that no stream keeps the sink to itself. */
  readonly maxPayload: number
  /** The sink holds as much as it should. */
  isFull(): boolean
  /** Has `stream.drain()` called when the sink has room, in turn; who had a turn goes to the end. */
  waitForSink(stream: MuxStream, hadTurn: boolean): void
  forget(stream: MuxStream): void
}

export const NO_HANDLER: MuxStreamHandler = {
  onData() {},
  onEnd() {},
  onReset() {},
  onDrain() {}
}

export class MuxStream {
  readonly id: number
  handler: MuxStreamHandler
  /** @internal Collects the header of a stream that the remote opened; null once it is there. */
  opening: StreamHeaderReader | null
  #link: StreamLink
  #connId = 0
  #dead = false
  #ended = false
  #remoteEnded = false
  /** A write fell short, and onDrain is owed. */
  #blocked = false
  #sendCredit = INITIAL_WINDOW_BYTES
  #receiveCredit = INITIAL_WINDOW_BYTES
  /** What `#receiveCredit` is while nothing is kept. */
  #window = INITIAL_WINDOW_BYTES
  /** Delivered and not yet consumed; consumed and not yet granted again. */
  #unread = 0
  #ungranted = 0

  /** @internal Use `Mux.open`. */
  constructor(
    link: StreamLink,
    id: number,
    handler: MuxStreamHandler,
    opening: StreamHeaderReader | null
  ) {
    this.#link = link
    this.id = id
    this.handler = handler
    this.opening = opening
  }

  /** The transport connection that this stream carries. */
  get connId(): number {
    return this.#connId
  }

  /** Both directions have ended, or it was reset by either side. */
  get isOver(): boolean {
    return this.#dead
  }

  /** Bytes that the remote takes before it must grant more. */
  get bufferedCredit(): number {
    return this.#sendCredit
  }

  /**
   * Sends at most what credit and the sink allow; nothing is queued here. The bytes belong to the sink
   * afterwards: do not change them.
   *
   * @throws ConnectionClosedError after `end`, after a reset of either side, and after the link closed
   */
  write(data: Uint8Array | ByteList): MuxWriteResult {
    if (this.#dead || this.#ended) {
      throw new ConnectionClosedError(
        `cannot write to stream ${this.id}: it ${this.#ended ? 'was ended' : 'is over'}`
      )
    }
    const link = this.#link
    const length = data.byteLength
    let sent = 0
    while (sent < length && this.#sendCredit > 0 && !link.isFull()) {
      const count = Math.min(length - sent, this.#sendCredit, link.maxPayload)
      link.writer.data(this.id, count === length ? data : slice(data, sent, sent + count))
      this.#sendCredit -= count
      sent += count
    }
    const canSendMore = this.#sendCredit > 0 && !link.isFull()
    if (!canSendMore) this.#block(sent > 0)
    return { sentBytes: sent, canSendMore }
  }

  /** Half-close: no more data from this end. Does nothing when the stream is over. */
  end(): void {
    if (this.#dead || this.#ended) return
    this.#ended = true
    this.#blocked = false
    this.#link.writer.frame(MUX_TYPE.WINDOW_UPDATE, MUX_FLAG.FIN, this.id, 0)
    if (this.#remoteEnded) this.#die()
  }

  /** Ends both directions now; `onReset` is not called. Does nothing when the stream is over. */
  reset(code: number): void {
    if (this.#dead) return
    this.#link.writer.frame(MUX_TYPE.WINDOW_UPDATE, MUX_FLAG.RST, this.id, code)
    this.#die()
  }

  /** The reader took `bytes` of what `onData` delivered: the remote may send as many again. */
  consumed(bytes: number): void {
    if (this.#dead) return
    // Never more than was delivered: that would let the remote send beyond the window.
    const count = Math.min(bytes, this.#unread)
    this.#unread -= count
    this.#ungranted += count
    // Behind the remote's end credit is of use to `grantWithheld` only.
    if (this.#remoteEnded || this.#ungranted * 2 < this.#window) return
    this.grantWithheld()
  }

  /** Bytes that were consumed and are kept back, so that credit goes out in few frames. */
  get withheldCredit(): number {
    return this.#dead ? 0 : this.#ungranted
  }

  /**
   * Grants what is kept back now, also behind the remote's end: for streams that share a window of their
   * connection, which stands still where many keep something back.
   */
  grantWithheld(): void {
    if (this.#dead || this.#ungranted === 0) return
    const bytes = this.#ungranted
    this.#ungranted = 0
    this.#grant(bytes, 0)
  }

  // ---- called by Mux ----

  /** @internal Announces a stream of this end, or accepts one of the remote. */
  begin(connId: number, flags: number): void {
    this.#connId = connId
    this.#window = this.#link.newWindow()
    this.#grant(this.#window - INITIAL_WINDOW_BYTES, flags)
  }

  /** @internal */
  sendHeader(bytes: Uint8Array): void {
    this.#link.writer.data(this.id, bytes)
    this.#sendCredit -= bytes.byteLength
  }

  /** @internal Room for a frame of `length` bytes; false: the remote may not send it. */
  accept(length: number): boolean {
    if (this.#remoteEnded || length > this.#receiveCredit) return false
    this.#receiveCredit -= length
    return true
  }

  /** @internal */
  deliver(bytes: Uint8Array): void {
    if (this.#dead) return
    this.#unread += bytes.byteLength
    this.handler.onData(bytes)
  }

  /** @internal Bytes of the header: nobody else will consume them. */
  skip(bytes: number): void {
    this.#unread += bytes
    this.consumed(bytes)
  }

  /** @internal False: the credit would not fit its 31 bits. */
  addCredit(bytes: number): boolean {
    if (this.#sendCredit + bytes > MAX_WINDOW_BYTES) return false
    this.#sendCredit += bytes
    if (!this.#blocked || bytes === 0) return true
    if (this.#link.isFull()) this.#link.waitForSink(this, true)
    else this.drain()
    return true
  }

  /** @internal The sink has room, or credit has come. */
  drain(): void {
    if (!this.#blocked || this.#sendCredit === 0) return
    this.#blocked = false
    this.handler.onDrain()
  }

  /** @internal */
  remoteEnd(): void {
    if (this.#dead || this.#remoteEnded) return
    this.#remoteEnded = true
    if (this.#ended) this.#die()
    this.handler.onEnd()
  }

  /** @internal The link is over; the caller tells the handler. */
  kill(): void {
    this.#dead = true
    this.#blocked = false
  }

  /** @internal */
  remoteReset(code: number): void {
    if (this.#dead) return
    this.#die()
    this.handler.onReset(code)
  }

  #block(hadTurn: boolean): void {
    this.#blocked = true
    if (this.#sendCredit > 0) this.#link.waitForSink(this, hadTurn)
  }

  #die(): void {
    this.kill()
    this.#link.forget(this)
  }

  #grant(bytes: number, flags: number): void {
    this.#receiveCredit += bytes
    this.#link.writer.frame(MUX_TYPE.WINDOW_UPDATE, flags, this.id, bytes)
  }
}

function slice(data: Uint8Array | ByteList, begin: number, end: number): Uint8Array | ByteList {
  return data instanceof Uint8Array ? data.subarray(begin, end) : data.sublist(begin, end)
}
