// The streams of one connection: who they are, and whose turn it is to send.
import {
  type AbortOptions,
  type CreateStreamOptions,
  type MessageStream,
  MuxerClosedError,
  type StreamMuxerOptions,
  type StreamOptions,
  TooManyOutboundProtocolStreamsError
} from '@libp2p/interface'
import { AbstractStreamMuxer } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { InternalError, ProtocolViolationError, ResourceExhaustedError } from '../ctl/index.ts'
import { MUX_FLAG, MUX_GO_AWAY, MUX_HEADER_BYTES, MUX_TYPE } from '../ctl/mux/frame.ts'
import { SinkQueue } from '../ctl/mux/sink-queue.ts'
import { FrameBatch } from './frame-batch.ts'
import { FrameReader } from './frame-reader.ts'
import { RoundTrip } from './round-trip.ts'
import { type StreamOwner, YamuxStream } from './stream.ts'

const { DATA, WINDOW_UPDATE, PING, GO_AWAY } = MUX_TYPE
const { SYN, ACK, FIN, RST } = MUX_FLAG

export const YAMUX_PROTOCOL = '/yamux/1.0.0'
const DEFAULT_MAX_STREAMS = 1_000
const MAX_STREAM_ID = 0xffff_ffff
/** By which the receive windows of a connection's streams grow, all together. */
const MAX_GROWTH_BYTES = 67_108_864
/** Of answers that wait for a remote that has asked for them and does not read. */
const MAX_UNREAD_REPLY_BYTES = 1_048_576

export interface YamuxInit extends Omit<StreamMuxerOptions, 'maxMessageSize'> {
  /**
   * Milliseconds between PINGs, which keep a connection open that carries nothing else, 0 to 2³¹−1. Default 30,000; 0: none.
   */
  keepAliveMs?: number
}

type Direction = 'inbound' | 'outbound'

export class YamuxMuxer extends AbstractStreamMuxer<YamuxStream> {
  /** As in ids: the remote opens streams whose id has this as its lowest bit. */
  readonly #remoteParity: number
  readonly #mostStreams: Record<Direction, number>
  readonly #open: Record<Direction, number> = { inbound: 0, outbound: 0 }
  readonly #byId = new Map<number, YamuxStream>()
  readonly #batch: FrameBatch
  readonly #reader: FrameReader
  /** Streams that have more to send. */
  readonly #queue: SinkQueue<YamuxStream>
  readonly #owner: StreamOwner
  readonly #roundTrip: RoundTrip
  #connectionIsOver = false
  #nextId: number
  #growthLeft = MAX_GROWTH_BYTES
  /** Of answers since the connection last had room. */
  #unreadReplyBytes = 0
  /** Whose payload is being received; none where it is skipped. */
  #receiver?: YamuxStream
  #endsReceiver = false

  constructor(connection: MessageStream, init: YamuxInit) {
    super(connection, { ...init, protocol: YAMUX_PROTOCOL, name: 'yamux' })
    const isClient = connection.direction === 'outbound'
    this.#nextId = isClient ? 1 : 2
    this.#remoteParity = isClient ? 0 : 1
    this.#mostStreams = {
      inbound: init.maxInboundStreams ?? DEFAULT_MAX_STREAMS,
      outbound: init.maxOutboundStreams ?? DEFAULT_MAX_STREAMS
    }
    const isFull = () => connection.writableNeedsDrain
    const batch = new FrameBatch(
      frames => this.#sendFrames(frames),
      () => this.#queue.wakeSafely()
    )
    this.#batch = batch
    this.#reader = new FrameReader({
      onFrame: (type, flags, id, length) => this.#onFrame(type, flags, id, length),
      onPayload: (bytes, isLast) => this.#onPayload(bytes, isLast)
    })
    this.#queue = new SinkQueue<YamuxStream>(isFull, error => this.#fail(error))
    this.#roundTrip = new RoundTrip(value => batch.frame(PING, SYN, 0, value), init.keepAliveMs)
    this.#owner = {
      batch,
      isFull,
      isAwaited: () => this.#queue.size > 0,
      wait: (stream, hadTurn) => this.#queue.add(stream, hadTurn),
      roundTripMs: () => this.#roundTrip.measure(),
      growWindow: wanted => {
        const bytes = Math.min(wanted, this.#growthLeft)
        this.#growthLeft -= bytes
        return bytes
      }
    }
    connection.addEventListener('drain', () => {
      this.#unreadReplyBytes = 0
      this.#queue.wakeSafely()
    })
    connection.addEventListener('close', ({ error }) => {
      this.#connectionIsOver = true
      this.onTransportClosed(error)
    })
  }

  /**
   * For the base class.
   *
   * @throws MuxerClosedError, TooManyOutboundProtocolStreamsError beyond `maxOutboundStreams`, and ResourceExhaustedError where
   *   all ids have been used
   */
  onCreateStream(options: CreateStreamOptions = {}): YamuxStream {
    if (this.status !== 'open') {
      throw new MuxerClosedError('the connection is closed, or is closing')
    }
    if (this.#open.outbound >= this.#mostStreams.outbound) {
      throw new TooManyOutboundProtocolStreamsError(
        `${this.#open.outbound} outbound streams are open: maxOutboundStreams allows no more`
      )
    }
    if (this.#nextId > MAX_STREAM_ID) {
      throw new ResourceExhaustedError('all stream ids of this connection are used: dial again')
    }
    const id = this.#nextId
    this.#nextId += 2
    return this.#create(id, 'outbound', options)
  }

  /** For the base class: bytes of the connection. */
  onData(data: Uint8Array | Uint8ArrayList): void {
    if (data instanceof Uint8Array) {
      this.#reader.push(data)
    } else {
      for (const part of data) {
        this.#reader.push(part)
      }
    }
  }

  /** Ends all streams in order, what was sent on them first, and tells the remote. */
  override async close(options?: AbortOptions): Promise<void> {
    if (this.status !== 'open') {
      return
    }
    try {
      await super.close(options)
      // the ends of the remote's streams are still heard
      this.#leave(MUX_GO_AWAY.NORMAL)
    } finally {
      this.#roundTrip.stop()
    }
  }

  /** Resets all streams, and tells the remote. */
  override abort(error: Error): void {
    if (this.status === 'closed') {
      return
    }
    super.abort(error)
    const isViolation = error instanceof ProtocolViolationError
    this.#leave(isViolation ? MUX_GO_AWAY.PROTOCOL_ERROR : MUX_GO_AWAY.INTERNAL_ERROR)
    this.#stop()
  }

  override onTransportClosed(error?: Error): void {
    // the base class tells that the connection is over, and not why: the listener here follows, and does
    if (this.maConn.status !== 'open' && !this.#connectionIsOver) {
      return
    }
    super.onTransportClosed(error)
    this.#stop()
  }

  #create(streamId: number, direction: Direction, options: StreamOptions = {}): YamuxStream {
    const { inactivityTimeout, maxReadBufferLength, maxWriteBufferLength } = options
    const stream = new YamuxStream({
      ...this.streamOptions,
      ...(inactivityTimeout !== undefined && { inactivityTimeout }),
      ...(maxReadBufferLength !== undefined && { maxReadBufferLength }),
      ...(maxWriteBufferLength !== undefined && { maxWriteBufferLength }),
      streamId,
      direction,
      log: this.log.newScope(`${direction}:${streamId}`),
      owner: this.#owner
    })
    this.#byId.set(streamId, stream)
    this.#open[direction]++
    const forget = () => {
      this.#byId.delete(streamId)
      this.#open[direction]--
      this.#queue.delete(stream)
      this.#growthLeft += stream.grownBytes
    }
    stream.addEventListener('close', forget, { once: true })
    return stream
  }

  #sendFrames(frames: Uint8ArrayList): void {
    try {
      this.maConn.send(frames)
    } catch (error) {
      // it is being closed: `onTransportClosed` or `abort` is about to follow
      this.log('%d bytes could not be sent - %e', frames.byteLength, error)
    }
  }

  #leave(reason: number): void {
    this.#batch.frame(GO_AWAY, 0, 0, reason)
    this.#batch.flush()
    this.#batch.end()
  }

  #stop(): void {
    this.#batch.end()
    this.#reader.stop()
    this.#queue.clear()
    this.#roundTrip.stop()
  }

  #fail(error: unknown): void {
    const reason = error instanceof Error ? error : new InternalError(String(error))
    this.abort(reason)
    this.maConn.abort(reason)
  }

  // A remote that has answers sent, and reads none, would fill the memory.
  #countReply(): void {
    if (this.#owner.isFull()) {
      this.#unreadReplyBytes += MUX_HEADER_BYTES
    }
    if (this.#unreadReplyBytes > MAX_UNREAD_REPLY_BYTES) {
      throw new ProtocolViolationError('yamux: the remote has answers sent and does not read them')
    }
  }

  #onFrame(type: number, flags: number, id: number, length: number): void {
    if (type === PING) {
      this.#onPing(flags, length)
    } else if (type === GO_AWAY) {
      this.#onGoAway(length)
    } else {
      this.#onStreamFrame(type, flags, id, length)
    }
  }

  #onStreamFrame(type: number, flags: number, id: number, length: number): void {
    if ((flags & SYN) !== 0) {
      this.#onSyn(id)
    }
    // none where it was reset here, and the remote does not know yet
    const stream = this.#byId.get(id)
    const isEnd = (flags & FIN) !== 0
    this.#receiver = stream
    this.#endsReceiver = isEnd
    if ((flags & RST) !== 0) {
      this.#receiver = undefined
      stream?.onRemoteReset()
    } else if (type === WINDOW_UPDATE) {
      stream?.addCredit(length)
    } else {
      stream?.accept(length)
    }
    const hasPayload = type === DATA && length > 0
    if (isEnd && !hasPayload) {
      stream?.onRemoteCloseWrite()
    }
  }

  #onPayload(bytes: Uint8Array, isLast: boolean): void {
    const stream = this.#receiver
    stream?.deliver(bytes)
    if (isLast && this.#endsReceiver) {
      stream?.onRemoteCloseWrite()
    }
  }

  #onSyn(id: number): void {
    if (id % 2 !== this.#remoteParity || this.#byId.has(id)) {
      throw new ProtocolViolationError(`yamux: stream ${id} cannot be opened by the remote`)
    }
    this.#countReply()
    if (this.status !== 'open' || this.#open.inbound >= this.#mostStreams.inbound) {
      this.log('%d inbound streams are open: stream %d is reset', this.#open.inbound, id)
      this.#batch.frame(WINDOW_UPDATE, RST, id, 0)
    } else {
      this.onRemoteStream(this.#create(id, 'inbound'))
    }
  }

  #onPing(flags: number, value: number): void {
    if ((flags & SYN) !== 0) {
      this.#countReply()
      this.#batch.frame(PING, ACK, 0, value)
    } else {
      this.#roundTrip.onAnswer(value)
    }
  }

  #onGoAway(reason: number): void {
    if (reason === MUX_GO_AWAY.NORMAL) {
      this.onTransportClosed()
    } else {
      const what = reason === MUX_GO_AWAY.PROTOCOL_ERROR ? 'a protocol error' : 'an internal error'
      this.abort(new InternalError(`yamux: the remote ended the connection for ${what}`))
    }
  }
}
