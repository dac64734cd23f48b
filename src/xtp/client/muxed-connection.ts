// A connection that its service has secured and multiplexes: control messages and streams of the data link
// behind libp2p's MultiaddrConnection. It carries no bytes of its own.
import type {
  AbortOptions,
  CounterGroup,
  Logger,
  MessageStreamDirection,
  PeerId,
  StreamMuxerFactory
} from '@libp2p/interface'
import { UnexpectedPeerError } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { raceSignal } from 'race-signal'
import {
  type Clock,
  ConnectionClosedError,
  DeadlineExceededError,
  errorFromStatus,
  MAX_STREAMS_PER_CONNECTION,
  MAX_WITHHELD_CREDIT_BYTES,
  type MuxStream,
  type MuxStreamHandler,
  PeerCertificateError,
  ResourceExhaustedError,
  STATUS,
  type Status,
  UnsupportedError
} from '../ctl/index.ts'
import { EarlyStream } from './inbound.ts'
import type { MuxedStream, StreamOwner } from './muxed-stream.ts'
import type { ServiceConnection } from './service-connection.ts'
import { NativeStreamMuxer } from './stream-muxer.ts'
import { verifyPeerCertificate } from './tls-certificate.ts'

/** What the streams still get comes on another link than Closed, and soon. */
const STREAMS_END_MS = 2_000

export interface MuxedConnectionInit {
  /** Id of the connection on its link. */
  connId: number
  direction: MessageStreamDirection
  remoteAddr: Multiaddr
  localAddr: Multiaddr
  /** DER, as the service reports it. */
  certificate: Uint8Array
  /** Name of the muxer for libp2p, such as `/quic-v1`. */
  muxerProtocol: string
  log: Logger
  clock: Clock
  closeTimeoutMs: number
  /** `limits.streams`. */
  maxStreams: number
  /** Opens a stream of the data link for a stream of this connection. */
  openStream(handler: MuxStreamHandler): MuxStream
  isLinkClosed(): boolean
  /** Asks the service to end the connection. */
  requestClose(abort: boolean, code: number): void
  metrics?: CounterGroup
  metricPrefix?: string
}

/**
 * A natively muxed connection of an XTP transport. The `error` of its `close` event is typed, as that of an
 * `XtpConnection`; without an error, either side ended in order.
 */
export class MuxedConnection
  extends AbstractMultiaddrConnection
  implements ServiceConnection, StreamOwner
{
  readonly localAddr: Multiaddr
  readonly connId: number
  readonly clock: Clock
  /** Gives the upgrader a muxer; one per connection. */
  readonly muxerFactory: StreamMuxerFactory
  /** Why it ended, where that was not in order. */
  failure?: Error
  readonly #init: MuxedConnectionInit
  readonly #over = Promise.withResolvers<void>()
  /** Those that are not over on the link. */
  readonly #streams = new Set<MuxedStream>()
  #early: EarlyStream[] = []
  #muxer?: NativeStreamMuxer
  #remotePeer?: PeerId
  readonly #open = { inbound: 0, outbound: 0 }
  #withheld = 0
  #isClosing = false
  /** The service knows nothing of it any more. */
  #isGone = false
  #closedInOrder = false
  #cancelEnd?: () => void

  constructor(init: MuxedConnectionInit) {
    super(init)
    this.#init = init
    this.connId = init.connId
    this.localAddr = init.localAddr
    this.clock = init.clock
    this.#over.promise.catch(() => {})
    this.muxerFactory = {
      protocol: init.muxerProtocol,
      createStreamMuxer: () => this.#createMuxer()
    }
  }

  get #maxInbound(): number {
    return Math.min(this.#init.maxStreams || MAX_STREAMS_PER_CONNECTION, MAX_STREAMS_PER_CONNECTION)
  }

  get ended(): Promise<void> {
    return this.#over.promise.catch(() => {})
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  /**
   * Who the remote is. Known after `identify`.
   *
   * @throws PeerCertificateError before
   */
  get remotePeer(): PeerId {
    if (this.#remotePeer === undefined) {
      throw new PeerCertificateError('the certificate of the peer has not been verified')
    }
    return this.#remotePeer
  }

  /**
   * Verifies the peer's certificate; before that nobody may have the connection. A peer that cannot prove who it
   * is, or is not the one that was expected, is aborted.
   *
   * @throws PeerCertificateError, UnexpectedPeerError, the signal's reason, and the error that ended the
   *   connection meanwhile
   */
  async identify(expected?: string, signal?: AbortSignal): Promise<void> {
    try {
      const peer = await raceSignal(verifyPeerCertificate(this.#init.certificate), signal)
      if (expected !== undefined && peer.toString() !== expected) {
        throw new UnexpectedPeerError(
          `${this.remoteAddr} was dialled and ${peer} answered: check the peer id of the address`
        )
      }
      if (this.status !== 'open') {
        throw this.failure ?? new ConnectionClosedError('the remote closed the connection at once')
      }
      this.#remotePeer = peer
    } catch (error) {
      this.abort(error as Error)
      throw error
    }
  }

  // ---- streams ----

  /** For the muxer. */
  openStream(handler: MuxStreamHandler): MuxStream {
    const { maxStreams } = this.#init
    if (this.status !== 'open' || this.#closedInOrder) {
      throw new ConnectionClosedError('no stream can be opened: the connection is closed')
    }
    if (maxStreams > 0 && this.#open.outbound >= maxStreams) {
      throw new ResourceExhaustedError(
        `${maxStreams} outbound streams of the connection to ${this.remoteAddr} are open, which is limits.streams: close one first, or raise it`,
        { details: { limit: 'streams', allowed: maxStreams } }
      )
    }
    const stream = this.#init.openStream(handler)
    this.#open.outbound += 1
    return stream
  }

  /** For the muxer. */
  onStreamCreated(stream: MuxedStream): void {
    this.#streams.add(stream)
  }

  /** The remote opened a stream. */
  onStream(stream: MuxStream | EarlyStream): void {
    const link = stream instanceof EarlyStream ? stream.stream : stream
    if (this.status !== 'open') {
      link.reset(STATUS.NOT_FOUND)
    } else if (this.#open.inbound >= this.#maxInbound) {
      link.reset(STATUS.RESOURCE_EXHAUSTED)
    } else {
      this.#open.inbound += 1
      if (this.#muxer === undefined) {
        this.#early.push(stream instanceof EarlyStream ? stream : new EarlyStream(stream))
      } else if (stream instanceof EarlyStream) {
        this.#muxer.onEarlyStream(stream)
      } else {
        this.#muxer.onStream(stream)
      }
    }
  }

  /** A stream says how much more (or less) credit it keeps back. */
  onWithheld(change: number): void {
    this.#withheld += change
    if (this.#withheld >= MAX_WITHHELD_CREDIT_BYTES) {
      for (const stream of this.#streams) {
        stream.grantWithheld()
      }
    }
  }

  /** A stream is over on the link. */
  onOver(stream: MuxedStream): void {
    this.#streams.delete(stream)
    this.#open[stream.direction] -= 1
    this.#maybeEnd()
  }

  isLinkClosed(): boolean {
    return this.#init.isLinkClosed()
  }

  #createMuxer(): NativeStreamMuxer {
    if (this.#muxer !== undefined) {
      throw new UnsupportedError('the connection has its muxer already')
    }
    this.#muxer = new NativeStreamMuxer(this, this.#init.muxerProtocol)
    for (const early of this.#early.splice(0)) {
      this.#muxer.onEarlyStream(early)
    }
    return this.#muxer
  }

  // ---- the end ----

  /**
   * Has the service send what the streams still hold, then ends the connection. Without a signal,
   * `closeTimeoutMs` is the limit, after which the connection is aborted.
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
      await super.close(options)
    } finally {
      cancelTimer()
    }
  }

  /** For the base class: bytes travel on streams. */
  sendData(): SendResult {
    throw new UnsupportedError('this connection has streams of its own: open one to send bytes')
  }

  /** For the base class. */
  async sendClose(options?: AbortOptions): Promise<void> {
    this.#isClosing = true
    this.#dropEarly()
    this.#init.requestClose(false, 0)
    await raceSignal(this.#over.promise, options?.signal)
  }

  /** For the base class. */
  sendReset(error: Error): void {
    this.failure ??= error
    this.#dropEarly()
    if (!this.#isGone) {
      const isRefused = error instanceof PeerCertificateError
      this.#init.requestClose(true, isRefused ? STATUS.PEER_CERTIFICATE : STATUS.CONNECTION_ABORTED)
    }
    this.#over.reject(error)
  }

  sendPause(): void {}

  sendResume(): void {}

  /** The service says that the connection is over. */
  onClosed(status: Status | undefined): void {
    this.#isGone = true
    const code = status?.code ?? STATUS.CONNECTION_CLOSED
    if (code !== STATUS.OK && code !== STATUS.CONNECTION_CLOSED) {
      this.onLost(errorFromStatus(status as Status, `connection to ${this.remoteAddr}`))
      return
    }
    this.#closedInOrder = true
    this.#over.resolve()
    // the last bytes of the streams, and their ends, may still be on their way: they take another link
    this.#cancelEnd = this.#init.clock.setTimer(STREAMS_END_MS, () => this.#end())
    this.#maybeEnd()
  }

  /** The connection is over abruptly, by no wish of this side. */
  onLost(error: Error): void {
    this.#isGone = true
    this.failure ??= error
    this.#over.reject(error)
    if (this.status === 'open' || this.status === 'closing') {
      this.abort(error)
    }
  }

  #maybeEnd(): void {
    if (this.#closedInOrder && this.#streams.size === 0) {
      this.#end()
    }
  }

  #end(): void {
    this.#cancelEnd?.()
    this.#dropEarly()
    if (this.status === 'open') {
      this.onTransportClosed()
    }
  }

  #dropEarly(): void {
    for (const { stream } of this.#early.splice(0)) {
      stream.reset(STATUS.CONNECTION_CLOSED)
    }
  }
}
