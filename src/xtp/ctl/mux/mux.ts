// The data link: yamux frames, without I/O. The hot path of the parent: nothing is allocated per frame
// received but the view of its payload, payloads are never copied, and a stream costs the same whether
// there is one or ten thousand.
import {
  InternalError,
  InvalidArgumentError,
  ProtocolViolationError,
  ResourceExhaustedError,
  UnavailableError
} from '../errors.ts'
import {
  DEFAULT_WINDOW_BYTES,
  INITIAL_WINDOW_BYTES,
  MAX_DATA_FRAME_BYTES,
  MAX_STREAMS,
  MAX_UNREAD_REPLY_BYTES,
  MAX_WINDOW_BYTES,
  WINDOW_BUDGET_BYTES
} from '../limits.ts'
import type { StreamHeader } from '../proto/xtp-ctl.js'
import { STATUS } from '../status.ts'
import { MUX_FLAG, MUX_GO_AWAY, MUX_HEADER_BYTES, MUX_TYPE, MUX_VERSION } from './frame.ts'
import { SinkQueue } from './sink-queue.ts'
import { MuxStream, type MuxStreamHandler, NO_HANDLER, type StreamLink } from './stream.ts'
import { encodeStreamHeader, StreamHeaderReader } from './stream-header.ts'
import { type MuxSink, MuxWriter } from './writer.ts'

export type { MuxSink } from './writer.ts'

const { DATA, WINDOW_UPDATE, PING, GO_AWAY } = MUX_TYPE
const { SYN, ACK, FIN, RST } = MUX_FLAG

export interface MuxInit {
  /** The client opens odd stream ids, the server even ones. */
  role: 'client' | 'server'
  sink: MuxSink
  /** Bytes that a remote may send before they are consumed, per stream. Default 1 MiB, at least 256 KiB. */
  receiveWindow?: number
  /**
   * Bytes in the sink from which on writers must wait. Default 2 MiB: with less, the service idles
   * between two wake-ups of this thread, and a muxer of libp2p wakes all its streams for the room of a few. Not less than
   * the sink's own high-water mark, or it reports no drain.
   */
  maxQueuedBytes?: number
  /** Streams that the remote may have open; further ones are reset. Default 65,536. */
  maxStreams?: number
  /** The remote opened a stream. Set `stream.handler` inside the call; else the stream is reset. */
  onStream(stream: MuxStream, header: StreamHeader): void
  /** The link is over, for whatever reason. Called once, after all streams were reset. */
  onClose?(err?: Error): void
}

export class Mux {
  #init: MuxInit
  #writer: MuxWriter
  #link: StreamLink
  #maxStreams: number
  #streams = new Map<number, MuxStream>()
  /** Streams that wait for the sink. */
  #queue: SinkQueue<MuxStream>
  #closed = false
  #nextId: number
  /** Lowest bit of the ids that the remote opens, the highest it has opened, how many are open. */
  #remoteParity: number
  #highestRemoteId = 0
  #remoteStreams = 0
  #bytesIn = 0
  /** By the value of their PING. */
  readonly #barriers = new Map<number, () => void>()
  #nextBarrier = 0

  // The frame being received: a header that came in pieces, then what is left of a payload. No stream:
  // the payload is skipped.
  #header = new Uint8Array(MUX_HEADER_BYTES)
  #headerFilled = 0
  #left = 0
  #current: MuxStream | null = null
  #currentFlags = 0

  constructor(init: MuxInit) {
    const {
      receiveWindow = DEFAULT_WINDOW_BYTES,
      maxQueuedBytes = 2_097_152,
      maxStreams = MAX_STREAMS
    } = init
    if (!(receiveWindow >= INITIAL_WINDOW_BYTES && receiveWindow <= MAX_WINDOW_BYTES)) {
      throw new InvalidArgumentError(
        `receiveWindow is ${receiveWindow}: allowed are ${INITIAL_WINDOW_BYTES} to ${MAX_WINDOW_BYTES}`
      )
    }
    if (!(maxQueuedBytes >= 1)) {
      throw new InvalidArgumentError(`maxQueuedBytes is ${maxQueuedBytes}: at least 1 is needed`)
    }
    this.#init = init
    this.#maxStreams = maxStreams
    this.#nextId = init.role === 'client' ? 1 : 2
    this.#remoteParity = init.role === 'client' ? 0 : 1
    const writer = new MuxWriter(init.sink, () => this.#queue.wakeSafely())
    this.#writer = writer
    this.#link = {
      writer,
      // the stream itself is among them
      newWindow: () =>
        this.#streams.size * receiveWindow <= WINDOW_BUDGET_BYTES
          ? receiveWindow
          : INITIAL_WINDOW_BYTES,
      maxPayload: Math.min(maxQueuedBytes, MAX_DATA_FRAME_BYTES),
      isFull: () => writer.queuedBytes >= maxQueuedBytes,
      waitForSink: (stream, hadTurn) => this.#queue.add(stream, hadTurn),
      forget: stream => this.#forget(stream)
    }
    this.#queue = new SinkQueue(
      () => this.#closed || this.#link.isFull(),
      err => this.#fail(err)
    )
  }

  /** Nothing can be sent or received any more; streams that hear of a reset now hear it from this end. */
  get isClosed(): boolean {
    return this.#closed
  }

  get streamCount(): number {
    return this.#streams.size
  }

  /** Bytes of the link that came in, frame headers included. */
  get bytesIn(): number {
    return this.#bytesIn
  }

  /** Bytes of the link that were written, frame headers included. */
  get bytesOut(): number {
    return this.#writer.bytesOut
  }

  /**
   * Takes bytes of the link in. Handlers get views of `chunk`: it must not be reused.
   *
   * @throws ProtocolViolationError after the mux was closed with it. Nothing is processed afterwards,
   * in this chunk or in later ones.
   */
  receive(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#bytesIn += chunk.byteLength
    try {
      this.#parse(chunk)
    } catch (err) {
      this.#fail(err)
      throw err
    }
  }

  /**
   * Opens a stream; its header goes out at once, and data may follow without waiting.
   *
   * @throws UnavailableError where the mux is closed; InvalidArgumentError for conn_id 0;
   * ResourceExhaustedError where all 2^31 ids have been used
   */
  open(header: Partial<StreamHeader>, handler: MuxStreamHandler): MuxStream {
    if (this.#closed) throw new UnavailableError('cannot open a stream: the data link is closed')
    const bytes = encodeStreamHeader(header)
    const id = this.#nextId
    if (id > 0xffff_ffff) {
      throw new ResourceExhaustedError('all stream ids of this link are used: start a new link')
    }
    this.#nextId += 2
    const stream = new MuxStream(this.#link, id, handler, null)
    this.#streams.set(id, stream)
    stream.begin(header.connId ?? 0, SYN)
    stream.sendHeader(bytes)
    return stream
  }

  /**
   * Resolves when the remote has processed all that was sent before, or the link is closed: what is then said
   * on another link does not overtake it.
   */
  barrier(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const value = this.#nextBarrier
    this.#nextBarrier = (value + 1) >>> 0
    this.#barriers.set(value, resolve)
    this.#writer.frame(PING, SYN, 0, value)
    return promise
  }

  /** The sink has room again: waiting streams get their turn, in the order in which they came. */
  onSinkDrain(): void {
    this.#queue.wake()
  }

  /**
   * Ends the link: every stream is reset with SERVICE_LOST. Says so to the remote where that can still
   * be of use (no error, or a violation). Later calls do nothing.
   */
  close(err?: Error): void {
    if (err == null) this.#close(undefined, MUX_GO_AWAY.NORMAL)
    else this.#close(err, err instanceof ProtocolViolationError ? MUX_GO_AWAY.PROTOCOL_ERROR : null)
  }

  #close(err: Error | undefined, goAway: number | null): void {
    if (this.#closed) return
    this.#closed = true
    if (goAway != null) this.#writer.frame(GO_AWAY, 0, 0, goAway)
    this.#writer.flush()
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    this.#queue.clear()
    this.#current = null
    for (const resolve of this.#barriers.values()) resolve()
    this.#barriers.clear()
    for (const stream of streams) stream.kill()
    let failure: { err: unknown } | undefined
    for (const stream of streams) {
      try {
        stream.handler.onReset(STATUS.SERVICE_LOST)
      } catch (err) {
        failure ??= { err } // the others must hear of it too
      }
    }
    this.#init.onClose?.(err)
    if (failure != null) throw failure.err
  }

  /** Closes because of an error that is being reported already. */
  #fail(err: unknown): void {
    try {
      this.close(err instanceof Error ? err : new InternalError(String(err)))
    } catch {
      // What a handler throws on top of it must not hide the cause.
    }
  }

  #forget(stream: MuxStream): void {
    this.#queue.delete(stream)
    if (this.#streams.delete(stream.id) && stream.id % 2 === this.#remoteParity) {
      this.#remoteStreams--
    }
  }

  // ---- receiving ----

  #parse(chunk: Uint8Array): void {
    const end = chunk.byteLength
    let pos = 0
    while (pos < end && !this.#closed) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, end - pos)
        const whole = count === end
        this.#left -= count
        const stream = this.#current
        if (stream !== null) this.#deliver(stream, whole ? chunk : chunk.subarray(pos, pos + count))
        pos += count
        if (this.#left === 0) this.#endOfData()
      } else if (this.#headerFilled === 0 && end - pos >= MUX_HEADER_BYTES) {
        this.#onHeader(chunk, pos)
        pos += MUX_HEADER_BYTES
      } else {
        const count = Math.min(MUX_HEADER_BYTES - this.#headerFilled, end - pos)
        this.#header.set(chunk.subarray(pos, pos + count), this.#headerFilled)
        this.#headerFilled += count
        pos += count
        if (this.#headerFilled < MUX_HEADER_BYTES) return
        this.#headerFilled = 0
        this.#onHeader(this.#header, 0)
      }
    }
  }

  #onHeader(h: Uint8Array, at: number): void {
    const type = h[at + 1] as number
    const flags = h[at + 3] as number
    const id = uint32(h, at + 4)
    const length = uint32(h, at + 8)
    if (h[at] !== MUX_VERSION) throw new ProtocolViolationError(`mux frame of version ${h[at]}`)
    if (type === DATA) this.#onData(flags, id, length)
    else if (type === WINDOW_UPDATE) this.#onWindowUpdate(flags, id, length)
    else if (type !== PING && type !== GO_AWAY) {
      throw new ProtocolViolationError(`mux frame of type ${type}`)
    } else if (id !== 0) {
      throw new ProtocolViolationError(`ping or go-away on stream ${id}`)
    } else if (type === PING) this.#onPing(flags, length)
    else this.#onGoAway(length)
  }

  #onData(flags: number, id: number, length: number): void {
    if (length > MAX_DATA_FRAME_BYTES) {
      throw new ProtocolViolationError(`data frame of ${length} bytes on stream ${id}`)
    }
    let stream = this.#streamOf(flags, id)
    if (stream !== null && (flags & RST) !== 0) {
      stream.remoteReset(STATUS.OK)
      stream = null
    }
    if (stream !== null && length > 0 && !stream.accept(length)) {
      throw new ProtocolViolationError(
        `${length} bytes on stream ${id} after its end or beyond its credit`
      )
    }
    this.#left = length
    this.#current = stream
    this.#currentFlags = flags
    if (length === 0) this.#endOfData()
  }

  #endOfData(): void {
    const stream = this.#current
    this.#current = null
    if (stream !== null && (this.#currentFlags & FIN) !== 0) this.#onFin(stream)
  }

  #onWindowUpdate(flags: number, id: number, length: number): void {
    const stream = this.#streamOf(flags, id)
    if (stream === null) return
    if ((flags & RST) !== 0) {
      stream.remoteReset(length)
      return
    }
    if (!stream.addCredit(length)) {
      throw new ProtocolViolationError(`credit of stream ${id} exceeds ${MAX_WINDOW_BYTES}`)
    }
    if ((flags & FIN) !== 0) this.#onFin(stream)
  }

  #onFin(stream: MuxStream): void {
    if (stream.opening === null) {
      stream.remoteEnd()
      return
    }
    // Nobody to give it to.
    this.#guardReplies()
    stream.reset(STATUS.PROTOCOL_VIOLATION)
  }

  #onPing(flags: number, value: number): void {
    if ((flags & SYN) !== 0) {
      this.#answer(PING, ACK, 0, value)
    } else if ((flags & ACK) !== 0) {
      this.#barriers.get(value)?.()
      this.#barriers.delete(value)
    }
  }

  #onGoAway(reason: number): void {
    const what = reason === MUX_GO_AWAY.PROTOCOL_ERROR ? 'a protocol error' : 'an internal error'
    const err =
      reason === MUX_GO_AWAY.NORMAL
        ? undefined
        : new InternalError(`the other end closed the data link: it reports ${what}`)
    this.#close(err, null)
  }

  /** The stream of a frame; null where its remainder is of no interest any more. */
  #streamOf(flags: number, id: number): MuxStream | null {
    if ((flags & SYN) !== 0) return this.#onSyn(flags, id)
    const stream = this.#streams.get(id)
    if (stream !== undefined) return stream
    // Ours and theirs may have crossed, if there was such a stream once.
    const remote = id % 2 === this.#remoteParity
    if (id === 0 || (remote ? id > this.#highestRemoteId : id >= this.#nextId)) {
      throw new ProtocolViolationError(`frame for stream ${id}, which was never opened`)
    }
    return null
  }

  #onSyn(flags: number, id: number): MuxStream | null {
    if (id % 2 !== this.#remoteParity || id <= this.#highestRemoteId) {
      throw new ProtocolViolationError(`stream ${id} cannot be opened by this end or now`)
    }
    this.#highestRemoteId = id
    if ((flags & RST) !== 0) return null
    if (this.#remoteStreams >= this.#maxStreams) {
      this.#answer(WINDOW_UPDATE, RST, id, STATUS.RESOURCE_EXHAUSTED)
      return null
    }
    const stream = new MuxStream(this.#link, id, NO_HANDLER, new StreamHeaderReader())
    this.#streams.set(id, stream)
    this.#remoteStreams++
    return stream
  }

  #deliver(stream: MuxStream, bytes: Uint8Array): void {
    if (stream.opening === null) stream.deliver(bytes)
    else this.#onHeaderBytes(stream, stream.opening, bytes)
  }

  #onHeaderBytes(stream: MuxStream, reader: StreamHeaderReader, bytes: Uint8Array): void {
    const used = reader.push(bytes)
    const header = reader.header
    if (header == null) return
    stream.opening = null
    this.#guardReplies()
    stream.begin(header.connId, ACK)
    stream.skip(reader.byteLength)
    this.#init.onStream(stream, header)
    // Nothing of this happens where the callback has reset the stream.
    if (stream.handler === NO_HANDLER) stream.reset(STATUS.NOT_FOUND)
    else if (used < bytes.byteLength) stream.deliver(bytes.subarray(used))
  }

  #answer(type: number, flags: number, id: number, length: number): void {
    this.#guardReplies()
    this.#writer.frame(type, flags, id, length)
  }

  // A remote that makes this end write, and never reads, would fill the memory.
  #guardReplies(): void {
    const queued = this.#writer.queuedBytes
    if (queued > MAX_UNREAD_REPLY_BYTES) {
      throw new ProtocolViolationError(`asked for an answer while ${queued} bytes are unread`)
    }
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}
