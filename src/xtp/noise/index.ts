/**
 * @packageDocumentation
 *
 * {@link https://github.com/libp2p/specs/blob/master/noise/README.md | noise} for js-libp2p. The handshake, its keys and the
 * counters of messages are those of `@chainsafe/libp2p-noise`; the messages after it take less time and memory. It goes over any transport, with or
 * without XTP, and the other end may be any libp2p.
 *
 * @example
 *
 * ```TypeScript
 * import { createLibp2p } from 'libp2p'
 * import { noise } from 'xtp/noise'
 * import { yamux } from 'xtp/yamux'
 * import { utp } from 'xtp-utp'
 *
 * const node = await createLibp2p({
 *   transports: [utp()],
 *   connectionEncrypters: [noise()],
 *   streamMuxers: [yamux()]
 * })
 * ```
 */
import {
  noise as libp2pNoise,
  type NoiseComponents,
  type NoiseExtensions,
  type NoiseInit
} from '@chainsafe/libp2p-noise'
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import {
  type ConnectionEncrypter,
  InvalidCryptoExchangeError,
  type Logger,
  type MessageStream,
  type PrivateKey,
  type PublicKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  serviceCapabilities
} from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { type LengthPrefixedStream, lpStream } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { noiseCrypto } from './aead.ts'
import { MAX_MESSAGE_BYTES } from './message-reader.ts'
import { type NoiseCounters, type NoiseSession, NoiseStream } from './stream.ts'

export type { NoiseInit } from '@chainsafe/libp2p-noise'

interface Handshake extends NoiseSession {
  payload: {
    identityKey: Uint8Array
    extensions?: NoiseExtensions & { streamMuxers?: string[] }
  }
}

type PerformHandshake = (
  connection: LengthPrefixedStream,
  privateKey: PrivateKey,
  log: Logger,
  remoteIdentityKey: PublicKey | undefined,
  options: SecureConnectionOptions | undefined
) => Promise<Handshake>

/** What `@chainsafe/libp2p-noise` has, and its declarations keep to themselves. */
interface Handshaker extends ConnectionEncrypter<NoiseExtensions> {
  performHandshakeInitiator?: PerformHandshake
  performHandshakeResponder?: PerformHandshake
  metrics?: NoiseCounters
}

/** Of handshake messages: two bytes, the higher one first. */
const LENGTHS = {
  lengthEncoder: (bytes: number) => Uint8Array.of(bytes >> 8, bytes),
  lengthDecoder(data: Uint8ArrayList) {
    if (data.byteLength < 2) {
      throw new RangeError('the length is not whole')
    }
    return data.getUint16(0)
  },
  maxDataLength: MAX_MESSAGE_BYTES
}

class Noise implements ConnectionEncrypter<NoiseExtensions> {
  readonly protocol = '/noise'
  readonly [Symbol.toStringTag] = 'xtp/noise'
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #components: NoiseComponents
  readonly #log: Logger
  readonly #handshaker: Handshaker

  constructor(components: NoiseComponents, init: NoiseInit) {
    this.#components = components
    this.#log = components.logger.forComponent('xtp:noise')
    this.#handshaker = libp2pNoise({ crypto: noiseCrypto, ...init })(components) as Handshaker
  }

  /** As initiator. Rejects with what `@chainsafe/libp2p-noise` says about the remote, and with the signal's reason. */
  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection<NoiseExtensions>> {
    const perform = this.#handshaker.performHandshakeInitiator
    return perform === undefined
      ? this.#handshaker.secureOutbound(connection, options)
      : this.#secure(connection, perform, options)
  }

  /** As responder; as `secureOutbound`. */
  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection<NoiseExtensions>> {
    const perform = this.#handshaker.performHandshakeResponder
    return perform === undefined
      ? this.#handshaker.secureInbound(connection, options)
      : this.#secure(connection, perform, options)
  }

  async #secure(
    connection: MessageStream,
    perform: PerformHandshake,
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection<NoiseExtensions>> {
    const log = connection.log?.newScope('noise') ?? this.#log
    const messages = lpStream(connection, LENGTHS)
    const { privateKey } = this.#components
    const handshake = await perform.call(
      this.#handshaker,
      messages,
      privateKey,
      log,
      options?.remotePeer?.publicKey,
      options
    )
    const { identityKey, extensions } = handshake.payload
    const streamMuxer =
      options?.skipStreamMuxerNegotiation === true
        ? undefined
        : this.#earlyMuxer(extensions?.streamMuxers)
    return {
      connection: new NoiseStream(messages.unwrap(), handshake, this.#handshaker.metrics),
      remotePeer: peerIdFromPublicKey(publicKeyFromProtobuf(identityKey)),
      ...(extensions !== undefined && { remoteExtensions: extensions }),
      ...(streamMuxer !== undefined && { streamMuxer })
    }
  }

  /** The remote's favourite of those that both have; undefined where it names none. */
  #earlyMuxer(protocols: string[] = []): StreamMuxerFactory | undefined {
    const own = this.#components.upgrader.getStreamMuxers()
    const common = protocols.find(protocol => own.has(protocol))
    if (common === undefined && protocols.length > 0) {
      throw new InvalidCryptoExchangeError(
        `the remote has no muxer that this node has: ${protocols.join(', ')}`
      )
    }
    return common === undefined ? undefined : own.get(common)
  }
}

/**
 * The encrypter for libp2p's `connectionEncrypters`, with the options of `@chainsafe/libp2p-noise`.
 *
 * Messages are encrypted when the connection takes them, are put together where they come in pieces without keeping what
 * came with them, and are encrypted by OpenSSL where Node has ChaCha20-Poly1305.
 */
export function noise(
  init: NoiseInit = {}
): (components: NoiseComponents) => ConnectionEncrypter<NoiseExtensions> {
  return components => new Noise(components, init)
}
