// What is sent over a connection whose noise handshake is done: messages of 64 KiB, encrypted when the connection takes them.
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import { raceSignal } from 'race-signal'
import { Uint8ArrayList } from 'uint8arraylist'
import { KeptBytes } from '../client/kept-bytes.ts'
import { renewIfEmpty } from '../client/young-buffers.ts'
import { ConnectionClosedError, ProtocolViolationError } from '../ctl/index.ts'
import { MessageBuffers } from './message-buffers.ts'
import { MAX_MESSAGE_BYTES, MessageReader, TAG_BYTES } from './message-reader.ts'

const MAX_PLAINTEXT_BYTES = MAX_MESSAGE_BYTES - TAG_BYTES
/** A connection that takes less than such a message gets it nevertheless. */
const MIN_PLAINTEXT_BYTES = 1_024
/** Of each message: its length and its tag. */
const OVERHEAD_BYTES = 2 + TAG_BYTES

/** The two cipher states that a handshake ends with: each call is one message, in order. */
export interface NoiseSession {
  encrypt(plaintext: Uint8ArrayList): Uint8Array | Uint8ArrayList
  /** @throws where the message is not the next one that the remote encrypted */
  decrypt(ciphertext: Uint8Array): Uint8Array | Uint8ArrayList
}

/** A connection that tells, before there is something to send, how much of it would wait: XtpConnection. */
interface Telling {
  /** Bytes that it takes now. Where 0, `drain` follows. */
  room?(): number
}

/** Counts messages. */
export interface NoiseCounters {
  encryptedPackets: { increment(): void }
  decryptedPackets: { increment(): void }
  decryptErrors: { increment(): void }
}

const buffers = new MessageBuffers()

/**
 * `send` gives false where the connection takes no more; what it has not taken is encrypted when it does.
 */
export class NoiseStream extends AbstractMessageStream {
  readonly #stream: MessageStream & Telling
  readonly #session: NoiseSession
  readonly #counters?: NoiseCounters
  readonly #reader = new MessageReader(buffers)
  readonly #kept = new KeptBytes(this)

  /** @param stream - whose handshake is done; it belongs to this one from now on */
  constructor(stream: MessageStream, session: NoiseSession, counters?: NoiseCounters) {
    const { log, inactivityTimeout, maxReadBufferLength, direction } = stream
    super({ log, inactivityTimeout, maxReadBufferLength, direction })
    this.#stream = stream
    this.#session = session
    if (counters !== undefined) {
      this.#counters = counters
    }
    stream.addEventListener('message', ({ data }) => this.#onMessage(data))
    stream.addEventListener('drain', () => this.#onDrain())
    stream.addEventListener('remoteCloseWrite', () => this.onRemoteCloseWrite())
    stream.addEventListener('close', ({ error, local }) => this.#onClose(error, local))
    if (stream.status !== 'open') {
      queueMicrotask(() => this.#onClose())
    }
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    renewIfEmpty(this, 'writeBuffer')
    return super.send(data)
  }

  /** For the base class. No message is longer than what the connection takes: what is left of one would stay in memory, whole. */
  sendData(data: Uint8ArrayList): SendResult {
    const length = data.byteLength
    let sentBytes = 0
    let canSendMore = true
    while (sentBytes < length && canSendMore) {
      const room = this.#stream.room?.() ?? Number.POSITIVE_INFINITY
      if (room === 0) {
        return { sentBytes, canSendMore: false }
      }
      const most = Math.max(MIN_PLAINTEXT_BYTES, room - OVERHEAD_BYTES)
      const end = Math.min(length, sentBytes + MAX_PLAINTEXT_BYTES, sentBytes + most)
      canSendMore = this.#stream.send(this.#encrypt(data.sublist(sentBytes, end)))
      sentBytes = end
    }
    return { sentBytes, canSendMore }
  }

  /**
   * Sends what is queued, then ends the connection.
   *
   * @throws the signal's reason, and the error that ended the connection
   */
  async close(options: AbortOptions = {}): Promise<void> {
    if (this.writeStatus === 'writable') {
      this.writeStatus = 'closing'
    }
    // who comes second waits, too: it would end the connection before everything has left
    await this.#sent(options.signal)
    await this.#stream.close(options)
  }

  /** For the base class. */
  sendReset(error: Error): void {
    this.#stream.abort(error)
  }

  /** For the base class. */
  sendPause(): void {
    this.#stream.pause()
  }

  /** For the base class. */
  sendResume(): void {
    this.#stream.resume()
  }

  #encrypt(plaintext: Uint8ArrayList): Uint8ArrayList {
    const ciphertext = this.#session.encrypt(plaintext)
    this.#counters?.encryptedPackets.increment()
    const { byteLength } = ciphertext
    return new Uint8ArrayList(Uint8Array.of(byteLength >> 8, byteLength), ciphertext)
  }

  #decrypt(message: Uint8Array): Uint8Array | Uint8ArrayList {
    try {
      const plaintext = this.#session.decrypt(message)
      this.#counters?.decryptedPackets.increment()
      return plaintext
    } catch (error) {
      this.#counters?.decryptErrors.increment()
      throw new ProtocolViolationError(
        'noise: a message that the remote has not encrypted, or not as the next one',
        { cause: error }
      )
    }
  }

  // All messages of what came at once are one event.
  #onMessage(data: Uint8Array | Uint8ArrayList): void {
    const plaintext = new Uint8ArrayList()
    const onMessage = (message: Uint8Array) => plaintext.append(this.#decrypt(message))
    let violation: Error | undefined
    try {
      for (const part of data instanceof Uint8Array ? [data] : data) {
        this.#reader.push(part, onMessage)
      }
    } catch (error) {
      violation = error as Error
    }
    this.#deliver(plaintext)
    if (violation !== undefined) {
      this.abort(violation)
    }
  }

  #deliver(plaintext: Uint8ArrayList): void {
    if (plaintext.byteLength === 0) {
      return
    }
    renewIfEmpty(this, 'readBuffer')
    if (this.#kept.isKept) {
      const bytes = plaintext.subarray()
      this.onData(bytes)
      this.#kept.onPut(bytes)
    } else {
      this.onData(plaintext)
    }
  }

  // What waits goes first: only then others may send more.
  #onDrain(): void {
    if (!this.writableNeedsDrain) {
      return
    }
    this.writableNeedsDrain = false
    try {
      this.processSendQueue()
    } catch (error) {
      // it has aborted this already
      this.log('what waited could not be sent - %e', error)
    }
    if (!this.writableNeedsDrain && this.status === 'open') {
      this.safeDispatchEvent('drain')
    }
  }

  /** Nothing waits any more, or it is over already. */
  async #sent(signal?: AbortSignal): Promise<void> {
    if (this.writeBuffer.byteLength === 0 || this.status !== 'open') {
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // abort() says idle, too, and closes then
    const onIdle = () => queueMicrotask(resolve)
    const onClose = ({ error }: { error?: Error }) =>
      reject(error ?? new ConnectionClosedError('the connection is over: not all was sent'))
    this.addEventListener('idle', onIdle, { once: true })
    this.addEventListener('close', onClose, { once: true })
    try {
      await raceSignal(promise, signal)
    } finally {
      this.removeEventListener('idle', onIdle)
      this.removeEventListener('close', onClose)
    }
  }

  #onClose(error?: Error, isLocal?: boolean): void {
    if (error === undefined && this.#stream.readBufferLength > 0) {
      // this one has paused, and reads it later
      this.#stream.addEventListener('end', () => this.#onClose(), { once: true })
      return
    }
    this.#reader.stop()
    if (error === undefined) {
      this.onTransportClosed()
    } else if (isLocal) {
      this.abort(error)
    } else {
      this.onRemoteReset()
    }
  }
}
