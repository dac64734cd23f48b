// One stream of a natively muxed connection: a stream of the data link behind libp2p's Stream.
import type { AbortOptions, MessageStreamEvents, StreamCloseEvent } from '@libp2p/interface'
import { AbstractStream, type AbstractStreamInit, type SendResult } from '@libp2p/utils'
import type { EventHandler } from 'main-event'
import type { Uint8ArrayList } from 'uint8arraylist'
import {
  type Clock,
  ConnectionClosedError,
  type MuxStream,
  type MuxStreamHandler
} from '../ctl/index.ts'
import { KeptBytes } from './kept-bytes.ts'
import { renewIfEmpty } from './young-buffers.ts'

/** A stream that both sides have ended, and whose last bytes nobody reads, is over after this. */
const UNREAD_END_MS = 30_000
/** Whoever negotiates the protocol has read everything by then, and waits for bytes that do not come. */
const NEGOTIATION_MS = 1000
/** Whoever reads a stream listens for one of these. */
const READ_EVENTS = ['message', 'remoteCloseWrite', 'end']
const MAX_CODE = 0xffff_ffff

type ListenerOptions = Parameters<AbstractStream['addEventListener']>[2]

/** What a stream uses of its connection. */
export interface StreamOwner {
  readonly clock: Clock
  /** This side closes the connection: streams that end with it are not cut off. */
  readonly isClosing: boolean
  /** The data link is gone; the connection will say why. */
  isLinkClosed(): boolean
  /** Credit that is kept back on the stream changed by this. */
  onWithheld(change: number): void
  /** The stream is over on the link. */
  onOver(stream: MuxedStream): void
}

export interface MuxedStreamInit extends Omit<AbstractStreamInit, 'id'> {
  owner: StreamOwner
  /** Attaches the stream to the link. */
  open(handler: MuxStreamHandler): MuxStream
}

/**
 * Backpressure is credit: bytes that are not read are not granted again, so that the remote stops at its
 * window; `send` gives false when the service takes no more.
 *
 * `abort(error)` resets the stream with `error.resetCode`, 0 to 2³²−1, or 0 without; after a reset by the remote
 * `resetCode` is what it gave.
 */
export class MuxedStream extends AbstractStream {
  /** Code of the remote's reset, cut to 32 bits. */
  resetCode?: number
  readonly #owner: StreamOwner
  readonly #stream: MuxStream
  #received = 0
  #credited = 0
  #withheld = 0
  #finSent = false
  #finReceived = false
  #finPassed = false
  #negotiationFailed = false
  #isOver = false
  #cancelUnread?: () => void
  readonly #kept = new KeptBytes(this)

  constructor(init: MuxedStreamInit) {
    super({ ...init, id: '' })
    this.#owner = init.owner
    this.#stream = init.open({
      onData: bytes => {
        this.#received += bytes.byteLength
        renewIfEmpty(this, 'readBuffer')
        this.onData(this.#kept.detach(bytes))
        this.#kept.onPut(bytes)
        // bytes that nobody wants any more are credited too: others of the connection need the window
        this.#returnCredit()
      },
      onEnd: () => this.#onFin(),
      onReset: code => this.#onReset(code),
      onDrain: () => {
        this.safeDispatchEvent('drain')
      }
    })
    this.id = String(this.#stream.id)
  }

  override addEventListener<K extends keyof MessageStreamEvents>(
    type: K,
    listener: EventHandler<MessageStreamEvents[K]> | null,
    options?: ListenerOptions
  ): void
  override addEventListener(
    type: string,
    listener: EventHandler<Event>,
    options?: ListenerOptions
  ): void
  override addEventListener(
    type: string,
    listener: EventHandler<Event>,
    options?: ListenerOptions
  ): void {
    super.addEventListener(type, listener, options)
    // the base class listens before there are fields
    if (#finPassed in this && READ_EVENTS.includes(type)) {
      // behind what the base class does
      queueMicrotask(() => this.#passFin())
    }
  }

  /** Credit that is kept back. */
  grantWithheld(): void {
    this.#stream.grantWithheld()
    this.#countWithheld()
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    renewIfEmpty(this, 'writeBuffer')
    return super.send(data)
  }

  /** Ends writing; what was sent before arrives. Reading goes on. */
  override async close(options?: AbortOptions): Promise<void> {
    if (this.writeStatus !== 'writable') {
      return
    }
    // the base class takes what abort() threw away for sent, or waits for a drain that cannot come
    const ended = Promise.withResolvers<void>()
    const onClose = (event: StreamCloseEvent) => {
      if (event.error === undefined && this.#finSent) {
        ended.resolve()
      } else {
        ended.reject(
          event.error ?? new ConnectionClosedError('the stream ended before everything was sent')
        )
      }
    }
    this.addEventListener('close', onClose, { once: true })
    const closing = super.close(options)
    closing.catch(() => {})
    try {
      await Promise.race([ended.promise, closing])
    } catch (error) {
      // where the base class was faster, it has the event that ended its wait
      throw error instanceof Event ? await ended.promise : error
    } finally {
      this.removeEventListener('close', onClose)
      this.#passFin()
    }
  }

  /** For the base class. */
  sendData(data: Uint8ArrayList): SendResult {
    return this.#stream.isOver ? { sentBytes: 0, canSendMore: false } : this.#stream.write(data)
  }

  /** For the base class. */
  async sendCloseWrite(): Promise<void> {
    this.#finSent = true
    this.#stream.end()
    this.#onMaybeOver()
  }

  /** For the base class: what still comes is dropped here, and granted again. */
  async sendCloseRead(): Promise<void> {
    this.#returnCredit()
    this.#passFin()
  }

  /** For the base class. */
  sendReset(error: Error & { resetCode?: unknown }): void {
    const { resetCode: code } = error
    const isCode = Number.isInteger(code) && Number(code) >= 0 && Number(code) <= MAX_CODE
    this.#stream.reset(isCode ? Number(code) : 0)
    this.#onMaybeOver()
  }

  /** Pausing works by credit: what is not read is not granted again. */
  sendPause(): void {}

  sendResume(): void {}

  /** The connection is over. A stream whose end was not seen is cut off, unless this side closed it. */
  override onTransportClosed(error?: Error): void {
    this.#stream.reset(0)
    this.#onMaybeOver()
    const isOpen = this.status === 'open' || this.status === 'closing'
    if (isOpen && error === undefined && !this.#finReceived && !this.#owner.isClosing) {
      this.onRemoteReset()
    } else {
      super.onTransportClosed(error)
    }
  }

  protected override dispatchReadBuffer(): void {
    super.dispatchReadBuffer()
    this.#returnCredit()
    this.#passFin()
  }

  #returnCredit(): void {
    // push() and unshift() put bytes back, so the sum may go down for a while
    const used = this.#received - this.readBuffer.byteLength
    if (used <= this.#credited) {
      return
    }
    const bytes = used - this.#credited
    this.#credited = used
    this.#stream.consumed(bytes)
    if (this.#finReceived) {
      this.#stream.grantWithheld()
    }
    this.#countWithheld()
  }

  #countWithheld(): void {
    const change = this.#stream.withheldCredit - this.#withheld
    if (change !== 0) {
      this.#withheld += change
      this.#owner.onWithheld(change)
    }
  }

  #onFin(): void {
    this.#finReceived = true
    this.grantWithheld()
    this.#onMaybeOver()
    this.#passFin()
  }

  #passFin(): void {
    if (!this.#finReceived || this.#finPassed) {
      return
    }
    const isOpen = this.status === 'open' || this.status === 'closing'
    if (isOpen && this.#holdsFin()) {
      const isNegotiating = this.protocol === '' && this.readBuffer.byteLength === 0
      this.#cancelUnread ??= this.#owner.clock.setTimer(
        isNegotiating ? NEGOTIATION_MS : UNREAD_END_MS,
        () => this.#onUnread(isNegotiating)
      )
      return
    }
    this.#finPassed = true
    this.#cancelUnread?.()
    if (isOpen) {
      this.onRemoteCloseWrite()
      if (this.status === 'open' && this.#stream.isOver) {
        // the service let go of a stream whose other direction this side had not ended
        this.onTransportClosed()
      }
    }
  }

  // The end comes when everything before it has been read: whoever paused would take it for all there is. And it
  // comes to whoever reads the stream: multistream-select has bytes and end of a remote that sends its question
  // with the protocol, and gives back the bytes alone, some time before anybody listens.
  #holdsFin(): boolean {
    if (this.readBuffer.byteLength > 0) {
      return true
    }
    if (this.readStatus === 'closing' || this.readStatus === 'closed') {
      return false
    }
    if (this.protocol === '') {
      return !this.#negotiationFailed
    }
    const isRead = READ_EVENTS.some(type => this.listenerCount(type) > 0)
    return !isRead && this.writeStatus === 'writable'
  }

  /** Nobody has begun to read: a paused reader is waited for, but no reader at all is not. */
  #onUnread(wasNegotiating: boolean): void {
    this.#cancelUnread = undefined
    this.#negotiationFailed = wasNegotiating
    const isUnwanted = this.readStatus === 'readable' && this.listenerCount('message') === 0
    if (!wasNegotiating && isUnwanted && this.writeStatus === 'closed') {
      this.#finPassed = true
      this.onRemoteCloseWrite()
    } else {
      this.#passFin()
    }
  }

  #onReset(code: number): void {
    this.#onMaybeOver()
    if (this.#owner.isLinkClosed()) {
      // the connection ends with the error that says how the service died
      return
    }
    const isOpen = this.status === 'open' || this.status === 'closing'
    if (!isOpen) {
      return
    }
    if (this.#owner.isClosing) {
      super.onTransportClosed()
    } else if (this.#finReceived && this.writeBuffer.byteLength === 0) {
      // everything was received: only the connection is over
      if (this.#finPassed) {
        super.onTransportClosed()
      }
    } else {
      this.resetCode = code
      this.onRemoteReset()
    }
  }

  #onMaybeOver(): void {
    if (this.#stream.isOver && !this.#isOver) {
      this.#isOver = true
      this.#countWithheld()
      this.#owner.onOver(this)
    }
  }
}
