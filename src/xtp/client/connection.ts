// One transport connection: a stream of the data link behind libp2p's MultiaddrConnection.
import type { AbortOptions, CounterGroup, Logger, MessageStreamDirection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { pEvent } from 'p-event'
import { raceSignal } from 'race-signal'
import type { Uint8ArrayList } from 'uint8arraylist'
import {
  type Clock,
  ConnectionClosedError,
  ConnectionResetError,
  ConnectionTimedOutError,
  DeadlineExceededError,
  errorFromStatus,
  type MuxStream,
  type MuxStreamHandler,
  STATUS,
  type Status,
  UnsupportedError
} from '../ctl/index.ts'
import { Backlog } from './backlog.ts'
import { KeptBytes } from './kept-bytes.ts'
import { renewIfEmpty } from './young-buffers.ts'

const NOTHING = new Uint8Array(0)
/** A peer that does not end its side after our FIN is not waited for any longer than this. */
const CLOSE_REQUEST_AFTER_MS = 250

export interface XtpConnectionInit {
  /** Id of the connection on its link. */
  connId: number
  /** Attaches the connection to its stream. */
  open(handler: MuxStreamHandler): MuxStream
  direction: MessageStreamDirection
  remoteAddr: Multiaddr
  localAddr: Multiaddr
  log: Logger
  clock: Clock
  /**
   * True: the remote's FIN ends reading only, and `closeWrite` ends writing only. False, as libp2p
   * wants it and as its TCP does it: the remote's FIN ends the connection.
   */
  allowHalfOpen: boolean
  closeTimeoutMs: number
  /** Abort when no byte came or went for this long; 0: never. */
  inactivityTimeoutMs: number
  /** Asks the service to end the connection without the remote's FIN. */
  requestClose(): void
  /** The stream ended with its link, or the service says so. `onLost` follows. */
  onLinkGone(): void
  metrics?: CounterGroup
  metricPrefix?: string
}

/**
 * A connection of an XTP transport. Beyond libp2p's `MultiaddrConnection` it has `localAddr` and,
 * where it was made with `allowHalfOpen: true`, `closeWrite()`.
 *
 * The `error` of its `close` event is typed: `ServiceLostError`, `ConnectionResetError`,
 * `ConnectionTimedOutError`, … Without an error, both sides ended in order.
 */
export class XtpConnection extends AbstractMultiaddrConnection {
  readonly localAddr: Multiaddr
  readonly connId: number
  readonly #init: XtpConnectionInit
  readonly #stream: MuxStream
  readonly #backlog = new Backlog()
  #onFlushed?: () => void
  /** Settles when the service has nothing more to do with it; rejects with the typed error. */
  readonly #over = Promise.withResolvers<void>()
  readonly #failed = new Promise<never>((_resolve, reject) => this.#over.promise.catch(reject))
  #received = 0
  #sent = 0
  #cancelIdleTimer?: () => void
  #credited = 0
  /** The stream is gone: reset by either side, or its link is dead. */
  #streamGone = false
  /** What still comes is not delivered any more. */
  #discarding = false
  #finSent = false
  #finReceived = false
  #finPassed = false
  #overInOrder = false
  readonly #kept = new KeptBytes(this)

  constructor(init: XtpConnectionInit) {
    super(init)
    this.#init = init
    this.connId = init.connId
    this.localAddr = init.localAddr
    this.#failed.catch(() => {})
    this.#stream = init.open({
      onData: bytes => {
        this.#received += bytes.byteLength
        if (!this.#discarding) {
          renewIfEmpty(this, 'readBuffer')
          this.onData(this.#kept.detach(bytes))
          this.#kept.onPut(bytes)
        }
        // bytes that nobody wants any more are credited too: the remote's FIN is behind them
        this.#returnCredit()
      },
      onEnd: () => {
        this.#finReceived = true
        this.#passFin()
      },
      onReset: code => this.#onReset(code),
      onDrain: () => this.#onRoom()
    })
    if (init.inactivityTimeoutMs > 0) {
      this.#watchActivity(-1)
      this.addEventListener('close', () => this.#cancelIdleTimer?.())
    }
  }

  /** Resolves when the connection is over in the service as well, in whatever way. */
  get ended(): Promise<void> {
    return this.#over.promise.catch(() => {})
  }

  /** Bytes taken from the link so far. */
  get bytesReceived(): number {
    return this.#received
  }

  /** Bytes that were sent and are not on the link yet. */
  override get writeBufferLength(): number {
    return super.writeBufferLength + this.#backlog.byteLength
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    renewIfEmpty(this, 'writeBuffer')
    return super.send(data)
  }

  /**
   * Sends what is queued, then FIN; resolves when the remote has everything. Reading goes on until
   * the remote does the same, which shows as `remoteCloseWrite`.
   *
   * @throws UnsupportedError without `allowHalfOpen`, the signal's reason, and the error that ended
   *   the connection
   */
  async closeWrite(options: AbortOptions = {}): Promise<void> {
    if (!this.#init.allowHalfOpen) {
      throw new UnsupportedError(
        'libp2p connections have no half-close: close a stream of the connection instead, or make the connection with allowHalfOpen: true'
      )
    }
    if (this.writeStatus !== 'writable') {
      return
    }
    this.writeStatus = 'closing'
    await this.#typed(async () => {
      if (this.sendingData || this.writeBuffer.byteLength > 0) {
        await pEvent(this, 'idle', { ...options, rejectionEvents: ['close'] })
      }
      await this.#flushed(options.signal)
    })
    this.#sendFin()
    this.writeStatus = 'closed'
    if (this.#finPassed) {
      this.remoteWriteStatus = 'closed'
      this.#maybeClosed()
    }
  }

  /**
   * Sends what is queued, then FIN, and waits until the service has ended the connection. Without a
   * signal, `closeTimeoutMs` is the limit, after which the connection is aborted.
   *
   * @throws the signal's reason, and the error that ended the connection
   */
  override async close(options: AbortOptions = {}): Promise<void> {
    if (this.status !== 'open') {
      return
    }
    const { clock, closeTimeoutMs } = this.#init
    const late = () => {
      this.abort(
        new DeadlineExceededError(
          `the connection to ${this.remoteAddr} did not close within ${closeTimeoutMs} ms and was aborted: pass a signal to close() to allow more`
        )
      )
    }
    const cancelTimer =
      options.signal == null ? clock.setTimer(closeTimeoutMs, late) : () => undefined
    try {
      await this.#typed(() => super.close(options))
    } finally {
      cancelTimer()
    }
  }

  /**
   * For who has work to do before each `send`, as an encrypter has.
   *
   * @returns bytes that would not have to wait here; 0: none, and `drain` follows
   */
  room(): number {
    if (this.writeStatus !== 'writable' || this.#streamGone) {
      // send() says what is wrong
      return Number.POSITIVE_INFINITY
    }
    if (!this.writableNeedsDrain) {
      this.writableNeedsDrain =
        this.#backlog.byteLength > 0 || !this.#stream.write(NOTHING).canSendMore
    }
    return this.writableNeedsDrain ? 0 : this.#stream.bufferedCredit
  }

  /** For the base class. Takes everything; what the link has no room for waits. */
  sendData(data: Uint8ArrayList): SendResult {
    if (this.#streamGone) {
      return { sentBytes: 0, canSendMore: false }
    }
    const length = data.byteLength
    if (this.#backlog.byteLength > 0) {
      this.#backlog.push(data)
      return { sentBytes: length, canSendMore: !this.#backlog.isFull }
    }
    const { sentBytes, canSendMore } = this.#stream.write(data)
    this.#sent += sentBytes
    if (sentBytes < length) {
      this.#backlog.push(data.sublist(sentBytes))
    }
    return { sentBytes: length, canSendMore: canSendMore || !this.#backlog.isFull }
  }

  /** For the base class. */
  async sendClose(options?: AbortOptions): Promise<void> {
    await this.#flushed(options?.signal)
    this.#sendFin()
    // a socket would be destroyed now; a muxer that has closed takes further frames for an error
    this.#discarding = !this.#init.allowHalfOpen
    const cancelTimer = this.#init.clock.setTimer(CLOSE_REQUEST_AFTER_MS, () => {
      this.#init.requestClose()
    })
    try {
      await raceSignal(this.#over.promise, options?.signal)
    } finally {
      cancelTimer()
    }
    // the service is done with it: what it could not deliver for want of a reader is not wanted
    if (!this.#finReceived) {
      this.#dropStream(STATUS.CONNECTION_CLOSED)
    }
  }

  /** For the base class. */
  sendReset(error: Error): void {
    this.#dropStream(STATUS.CONNECTION_ABORTED)
    this.#over.reject(error)
  }

  /** Pausing works by credit: what is not read is not granted again. */
  sendPause(): void {}

  sendResume(): void {}

  /** The service says that the connection is over. */
  onClosed(status: Status | undefined): void {
    const code = status?.code ?? STATUS.CONNECTION_CLOSED
    if (code !== STATUS.OK && code !== STATUS.CONNECTION_CLOSED) {
      this.onLost(errorFromStatus(status as Status, `connection to ${this.remoteAddr}`))
      return
    }
    // the last bytes and the FIN may still be on their way: they take another link
    this.#overInOrder = true
    this.#over.resolve()
    this.#maybeClosed()
  }

  /** The connection is over abruptly, by no wish of this side. */
  onLost(error: Error): void {
    this.#over.reject(error)
    if (this.status === 'open' || this.status === 'closing') {
      this.abort(error)
    }
    this.#dropStream(STATUS.CONNECTION_ABORTED)
  }

  protected override dispatchReadBuffer(): void {
    super.dispatchReadBuffer()
    this.#returnCredit()
    this.#passFin()
  }

  #returnCredit(): void {
    // push() and unshift() put bytes back, so the sum may go down for a while
    const used = this.#received - this.readBuffer.byteLength
    if (used > this.#credited && !this.#streamGone) {
      const bytes = used - this.#credited
      this.#credited = used
      this.#stream.consumed(bytes)
    }
  }

  // As with a socket, the end comes when everything before it has been read.
  #passFin(): void {
    if (!this.#finReceived || this.#finPassed || this.readBuffer.byteLength > 0) {
      return
    }
    this.#finPassed = true
    if (!this.#init.allowHalfOpen) {
      this.#sendFin()
      this.onTransportClosed()
    } else if (this.writeStatus === 'closed') {
      // not onRemoteCloseWrite: it would call this the end, which only the service knows
      this.remoteWriteStatus = 'closed'
      this.safeDispatchEvent('remoteCloseWrite')
      this.maybeDispatchEnd()
      this.#maybeClosed()
    } else {
      this.onRemoteCloseWrite()
      this.#maybeClosed()
    }
  }

  // What waits goes first: whoever is told to write before it has left only makes it longer, and a muxer tells each of its
  // streams, every time.
  #onRoom(): void {
    this.#sent += this.#backlog.flush(this.#stream)
    if (this.#backlog.byteLength > 0) {
      return
    }
    this.#onFlushed?.()
    if (this.writableNeedsDrain) {
      this.safeDispatchEvent('drain')
    }
  }

  /** Nothing waits any more, because it was sent or will never be. */
  async #flushed(signal?: AbortSignal): Promise<void> {
    if (this.#backlog.byteLength > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onFlushed = resolve
      await raceSignal(promise, signal)
    }
  }

  #dropBacklog(): void {
    this.#backlog.clear()
    this.#onFlushed?.()
  }

  #maybeClosed(): void {
    if (!this.#overInOrder || this.status === 'closed') {
      return
    }
    // close() has asked for it and reads no more; otherwise the data comes first
    if (this.status === 'closing' || this.#finPassed || this.#streamGone) {
      this.#sendFin()
      this.onTransportClosed()
    }
  }

  #sendFin(): void {
    if (!this.#finSent && !this.#streamGone) {
      this.#finSent = true
      this.#dropBacklog()
      this.#stream.end()
    }
  }

  // One timer per connection and timeout, not per byte: so it ends after one to two times the timeout.
  #watchActivity(before: number): void {
    const { clock, inactivityTimeoutMs } = this.#init
    const now = this.#received + this.#sent
    if (now === before) {
      this.abort(
        new ConnectionTimedOutError(
          `no byte to or from ${this.remoteAddr} for ${inactivityTimeoutMs} ms: the connection was aborted`
        )
      )
      return
    }
    this.#cancelIdleTimer = clock.setTimer(inactivityTimeoutMs, () => this.#watchActivity(now))
  }

  #dropStream(code: number): void {
    if (!this.#streamGone) {
      this.#streamGone = true
      this.#dropBacklog()
      this.#stream.reset(code)
    }
  }

  #onReset(code: number): void {
    this.#streamGone = true
    this.#dropBacklog()
    if (code === STATUS.SERVICE_LOST) {
      // the session knows how the service died, and calls onLost with that
      this.#init.onLinkGone()
      return
    }
    if (code === STATUS.CONNECTION_CLOSED && this.status === 'closing') {
      // the service lets go of the stream because it was asked to; Closed follows
      this.#finReceived = true
      return
    }
    const context = `connection to ${this.remoteAddr}`
    const known = code !== STATUS.OK && code !== STATUS.CONNECTION_CLOSED
    this.onLost(known ? errorFromStatus({ code }, context) : new ConnectionResetError())
  }

  // The base class rejects with the event that ended its wait; and abort() lets it believe that all
  // was sent, or wait for a drain that cannot come.
  async #typed(action: () => Promise<void>): Promise<void> {
    const done = action()
    done.catch(() => {})
    try {
      await Promise.race([done, this.#failed])
    } catch (error) {
      throw error instanceof Event
        ? new ConnectionClosedError('the remote closed the connection before everything was sent')
        : error
    }
  }
}
