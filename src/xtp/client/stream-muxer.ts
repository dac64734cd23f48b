// libp2p's StreamMuxer over the streams of a natively muxed connection.
import { AbstractStreamMuxer } from '@libp2p/utils'
import { MAX_STREAMS_PER_CONNECTION, type MuxStream, type MuxStreamHandler } from '../ctl/index.ts'
import type { EarlyStream } from './inbound.ts'
import type { MuxedConnection } from './muxed-connection.ts'
import { MuxedStream } from './muxed-stream.ts'

export class NativeStreamMuxer extends AbstractStreamMuxer<MuxedStream> {
  readonly #connection: MuxedConnection

  constructor(connection: MuxedConnection, protocol: string) {
    // libp2p listens for streams in the same turn or a few later: what came before waits
    super(connection, { protocol, name: 'muxer', maxEarlyStreams: MAX_STREAMS_PER_CONNECTION })
    this.#connection = connection
  }

  /** For the base class. */
  onCreateStream(): MuxedStream {
    return this.#create('outbound', handler => this.#connection.openStream(handler))
  }

  /** The remote opened a stream. */
  onStream(stream: MuxStream): void {
    this.onRemoteStream(
      this.#create('inbound', handler => {
        stream.handler = handler
        return stream
      })
    )
  }

  /** The remote opened it before the muxer was there. */
  onEarlyStream(early: EarlyStream): void {
    this.onRemoteStream(this.#create('inbound', handler => early.attach(handler)))
  }

  /** For the base class, which would end streams in order where the connection has failed. */
  override onTransportClosed(error?: Error): void {
    super.onTransportClosed(error ?? this.#connection.failure)
  }

  /** For the base class: nothing comes by the connection itself. */
  onData(): void {}

  #create(
    direction: 'inbound' | 'outbound',
    open: (handler: MuxStreamHandler) => MuxStream
  ): MuxedStream {
    const stream = new MuxedStream({
      ...this.streamOptions,
      direction,
      log: this.#connection.log.newScope(direction),
      owner: this.#connection,
      open
    })
    this.#connection.onStreamCreated(stream)
    return stream
  }
}
