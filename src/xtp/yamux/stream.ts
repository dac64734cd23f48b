// One stream of a yamux connection: windows both ways, half-close, reset, and its turns at the connection.
import type { AbortOptions, StreamCloseEvent } from '@libp2p/interface'
import { AbstractStream, type AbstractStreamInit, type SendResult } from '@libp2p/utils'
import { raceSignal } from 'race-signal'
import type { Uint8ArrayList } from 'uint8arraylist'
import { KeptBytes } from '../client/kept-bytes.ts'
import { renewIfEmpty } from '../client/young-buffers.ts'
import {
  ConnectionClosedError,
  INITIAL_WINDOW_BYTES,
  ProtocolViolationError
} from '../ctl/index.ts'
import { MUX_FLAG, MUX_HEADER_BYTES, MUX_TYPE } from '../ctl/mux/frame.ts'
import type { FrameBatch } from './frame-batch.ts'

const { WINDOW_UPDATE } = MUX_TYPE
const { ACK, FIN, RST, SYN } = MUX_FLAG

/** Of one frame: with its header it is one message of noise, without a short one that follows. */
const MAX_PAYLOAD_BYTES = 65_519 - MUX_HEADER_BYTES
/** What a stream may send in its turn, where others wait for theirs and where none does. */
const TURN_BYTES = MAX_PAYLOAD_BYTES
const TURN_ALONE_BYTES = 262_144
const MAX_CREDIT_BYTES = 0xffff_ffff
/** A window that is half used in less than so many round trips holds its sender up. */
const ROUND_TRIPS_PER_WINDOW = 4

/** What a stream uses of its muxer. */
export interface StreamOwner {
  readonly batch: FrameBatch
  /** The connection takes no more now. */
  isFull(): boolean
  /** Other streams wait for their turn. */
  isAwaited(): boolean
  /** Has `stream.drain()` called when there is room, in turn; who has used a whole one goes to the end. */
  wait(stream: YamuxStream, hadTurn: boolean): void
  /** Milliseconds; undefined until it has been measured. */
  roundTripMs(): number | undefined
  /** Gives bytes, at most `wanted`, by which a receive window may grow. */
  growWindow(wanted: number): number
}

export interface YamuxStreamInit extends Omit<AbstractStreamInit, 'id'> {
  streamId: number
  owner: StreamOwner
}

/**
 * `send` gives false where the remote's window is closed, where the connection takes no more, and where others wait that have
 * sent less. Bytes that are not read are not granted again, so that the remote stops at its window.
 */
export class YamuxStream extends AbstractStream {
  readonly streamId: number
  readonly #owner: StreamOwner
  #sendCredit = INITIAL_WINDOW_BYTES
  /** A write fell short for want of credit. */
  #needsCredit = false
  #turnLeft = TURN_ALONE_BYTES
  #closing = Promise.resolve()
  /** FIN is sent. */
  #hasEnded = false
  /** What the remote may still send; and that, were everything read. */
  #receiveCredit = INITIAL_WINDOW_BYTES
  #window = INITIAL_WINDOW_BYTES
  #received = 0
  #granted = 0
  #grantedAt = performance.now()
  readonly #kept = new KeptBytes(this)

  constructor(init: YamuxStreamInit) {
    super({ ...init, id: String(init.streamId), maxMessageSize: TURN_ALONE_BYTES })
    this.streamId = init.streamId
    this.#owner = init.owner
    this.#owner.batch.frame(
      WINDOW_UPDATE,
      init.direction === 'inbound' ? ACK : SYN,
      this.streamId,
      0
    )
  }

  /** Bytes by which the receive window has grown. */
  get grownBytes(): number {
    return this.#window - INITIAL_WINDOW_BYTES
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    renewIfEmpty(this, 'writeBuffer')
    return super.send(data)
  }

  /** For the base class. */
  sendData(data: Uint8ArrayList): SendResult {
    const length = data.byteLength
    let sentBytes = 0
    while (sentBytes < length && this.#maySend()) {
      const count = Math.min(
        length - sentBytes,
        this.#sendCredit,
        this.#turnLeft,
        MAX_PAYLOAD_BYTES
      )
      const payload = count === length ? data : data.sublist(sentBytes, sentBytes + count)
      this.#owner.batch.data(this.streamId, payload)
      this.#sendCredit -= count
      this.#turnLeft -= count
      sentBytes += count
    }
    const isLast =
      this.writeStatus === 'closing' && this.writeBuffer.byteLength === 0 && sentBytes === length
    // its end needs neither credit nor a turn
    const canSendMore = isLast || this.#maySend()
    if (!canSendMore) {
      this.#needsCredit = this.#sendCredit === 0
      if (!this.#needsCredit) {
        this.#owner.wait(this, this.#turnLeft === 0)
      }
    }
    return { sentBytes, canSendMore }
  }

  /** Settles when the end is sent; rejects where the stream is over before. Who comes second only waits for the first. */
  override async close(options?: AbortOptions): Promise<void> {
    if (this.writeStatus === 'writable') {
      const closed = this.#closeOnce(options)
      this.#closing = closed.catch(() => {})
      await closed
    } else {
      await raceSignal(this.#closing, options?.signal)
    }
  }

  async #closeOnce(options?: AbortOptions): Promise<void> {
    if (this.writeBuffer.byteLength === 0) {
      this.writableNeedsDrain = false
    }
    // the base class misses the end of a stream that still has bytes to send, and waits for ever
    const over = Promise.withResolvers<never>()
    const onClose = ({ error }: StreamCloseEvent) => {
      if (!this.#hasEnded) {
        over.reject(error ?? new ConnectionClosedError('the stream is over: not all was sent'))
      }
    }
    this.addEventListener('close', onClose, { once: true })
    await Promise.race([super.close(options), over.promise])
  }

  /** For the base class. */
  async sendCloseWrite(): Promise<void> {
    this.#hasEnded = true
    this.#owner.batch.frame(WINDOW_UPDATE, FIN, this.streamId, 0)
  }

  /** For the base class: yamux has no way to say it. */
  async sendCloseRead(): Promise<void> {}

  /** For the base class. */
  sendReset(): void {
    this.#owner.batch.frame(WINDOW_UPDATE, RST, this.streamId, 0)
  }

  /** The connection is over. To a stream that has got everything, and has nothing left to send, it does not matter how. */
  override onTransportClosed(error?: Error): void {
    const isComplete = this.remoteWriteStatus === 'closed' && this.writeBuffer.byteLength === 0
    super.onTransportClosed(isComplete ? undefined : error)
  }

  /** Pausing works by credit: what is not read is not granted again. */
  sendPause(): void {}

  sendResume(): void {}

  /** For the base class, which wakes all streams: they are woken in turn instead. */
  override onMuxerDrain(): void {}

  /** It may write now, if it still waits. */
  drain(): void {
    // one that the connection cut short goes on with what is left of it
    if (!this.#owner.isAwaited()) {
      this.#turnLeft = TURN_ALONE_BYTES
    } else if (this.#turnLeft === 0 || this.#turnLeft > TURN_BYTES) {
      this.#turnLeft = TURN_BYTES
    }
    this.safeDispatchEvent('drain')
    // a microtask later, as the base class does it, those that are woken behind it may have filled the connection
    this.processSendQueue()
  }

  /**
   * A DATA frame begins.
   *
   * @throws ProtocolViolationError where the remote may not send it
   */
  accept(length: number): void {
    const hasEnded = this.remoteWriteStatus === 'closed'
    if (length > this.#receiveCredit || (hasEnded && length > 0)) {
      throw new ProtocolViolationError(
        `yamux: ${length} bytes on stream ${this.streamId} beyond its window or after its end`
      )
    }
    this.#receiveCredit -= length
  }

  /** Bytes of a frame that was accepted. */
  deliver(bytes: Uint8Array): void {
    this.#received += bytes.byteLength
    renewIfEmpty(this, 'readBuffer')
    this.onData(this.#kept.detach(bytes))
    this.#kept.onPut(bytes)
    // what nobody wants any more is granted as well: the remote's end is behind it
    this.#grant()
  }

  /** @throws ProtocolViolationError where the credit would not fit its 32 bits */
  addCredit(bytes: number): void {
    this.#sendCredit += bytes
    if (this.#sendCredit > MAX_CREDIT_BYTES) {
      throw new ProtocolViolationError(
        `yamux: the credit of stream ${this.streamId} exceeds ${MAX_CREDIT_BYTES} bytes`
      )
    }
    if (!this.#needsCredit || bytes === 0) {
      return
    }
    this.#needsCredit = false
    if (this.#owner.isFull() || this.#owner.isAwaited()) {
      this.#owner.wait(this, this.#turnLeft === 0)
    } else {
      this.drain()
    }
  }

  protected override dispatchReadBuffer(): void {
    super.dispatchReadBuffer()
    this.#grant()
  }

  #maySend(): boolean {
    return this.#sendCredit > 0 && this.#turnLeft > 0 && !this.#owner.isFull()
  }

  #grant(): void {
    // push() and unshift() put bytes back, so the sum may go down for a while
    const bytes = this.#received - this.readBuffer.byteLength - this.#granted
    const isOpen = this.status === 'open' || this.status === 'closing'
    if (bytes * 2 < this.#window || this.remoteWriteStatus === 'closed' || !isOpen) {
      return
    }
    this.#granted += bytes
    const growth = this.#growth()
    this.#window += growth
    this.#receiveCredit += bytes + growth
    this.#owner.batch.frame(WINDOW_UPDATE, 0, this.streamId, bytes + growth)
  }

  #growth(): number {
    const before = this.#grantedAt
    this.#grantedAt = performance.now()
    const roundTripMs = this.#owner.roundTripMs()
    if (
      roundTripMs === undefined ||
      this.#grantedAt - before > roundTripMs * ROUND_TRIPS_PER_WINDOW
    ) {
      return 0
    }
    // a reader that pauses then must not overflow its buffer
    const most = this.maxReadBufferLength - this.#window
    return this.#owner.growWindow(Math.max(0, Math.min(this.#window, most)))
  }
}
