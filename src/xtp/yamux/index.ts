/**
 * @packageDocumentation
 *
 * A muxer for js-libp2p that gives every stream its turn. On the wire it is
 * {@link https://github.com/hashicorp/yamux/blob/master/spec.md | yamux}, so that the other end may be any libp2p; it goes
 * over any transport, with or without XTP.
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
import { type MessageStream, type StreamMuxerFactory, serviceCapabilities } from '@libp2p/interface'
import { InvalidArgumentError } from '../ctl/index.ts'
import { YAMUX_PROTOCOL, type YamuxInit, YamuxMuxer } from './muxer.ts'

export type { YamuxInit } from './muxer.ts'

const MAX_TIMER_MS = 2_147_483_647

class Yamux implements StreamMuxerFactory<YamuxMuxer> {
  readonly protocol = YAMUX_PROTOCOL
  readonly [Symbol.toStringTag] = 'xtp/yamux'
  readonly [serviceCapabilities] = ['@libp2p/stream-multiplexing']
  readonly #init: YamuxInit

  constructor(init: YamuxInit) {
    this.#init = init
  }

  createStreamMuxer(connection: MessageStream): YamuxMuxer {
    return new YamuxMuxer(connection, this.#init)
  }
}

/**
 * The muxer for libp2p's `streamMuxers`.
 *
 * Streams that have more to send than the connection takes are served in turn, 64 KiB each; one that has sent nothing since
 * goes first. A stream's receive window is 256 KiB and grows where it holds its sender up, to `maxReadBufferLength` (of
 * `streamOptions`, default 4 MiB) at most, all those of a connection together by 64 MiB: so a reader may pause for as long as it
 * likes, where `maxReadBufferLength` is no less than the 256 KiB with which yamux begins.
 *
 * @throws InvalidArgumentError that names the option
 */
export function yamux(init: YamuxInit = {}): () => StreamMuxerFactory {
  const { keepAliveMs, maxInboundStreams, maxOutboundStreams, maxEarlyStreams } = init
  const most = {
    keepAliveMs: [keepAliveMs, MAX_TIMER_MS],
    maxInboundStreams: [maxInboundStreams, Number.MAX_SAFE_INTEGER],
    maxOutboundStreams: [maxOutboundStreams, Number.MAX_SAFE_INTEGER],
    maxEarlyStreams: [maxEarlyStreams, Number.MAX_SAFE_INTEGER]
  } as const
  for (const [name, [value, limit]] of Object.entries(most)) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= limit)) {
      throw new InvalidArgumentError(`${name} is ${value}: an integer from 0 to ${limit} is needed`)
    }
  }
  return () => new Yamux(init)
}
