// Connections of one incarnation whose streams are multiplexed by the service: streams find their connection,
// those that came before it are held, bounded in number and time; inbound connections are handed over when
// they have proved who they are.
import type { Clock, Incoming, MuxStream, StreamHeader } from '../ctl/index.ts'
import { PeerCertificateError, STATUS } from '../ctl/index.ts'
import { AcceptCredit, type InboundTaker } from './accept-credit.ts'
import type { ConnectionAcceptor } from './acceptor.ts'
import { EarlyStream, HOLD_MS, MAX_HELD } from './inbound.ts'
import type { MuxedConnection } from './muxed-connection.ts'
import { violation } from './service-link.ts'

/** What the acceptor needs of its session. */
export interface MuxedAcceptorHost {
  clock: Clock
  connection(connId: number): MuxedConnection | undefined
  /** A dial with this id is under way; false: over, failed, or connected; undefined: never made. */
  isDialling(connId: number): boolean | undefined
  /** Throws a violation for an address that is none. */
  checkAddress(bytes: Uint8Array): void
  connect(incoming: Incoming): MuxedConnection
  abortInService(connId: number): void
  /** No connection more: the application's limit. */
  isFull(): boolean
  /** Ends one for that reason. */
  refuse(incoming: Incoming): void
  /** The peer has not proved who it is. */
  onUnidentified(connection: MuxedConnection, error: PeerCertificateError): void
  grant(listenerId: number, count: number): void
}

interface Held {
  streams: EarlyStream[]
  cancelTimer(): void
}

export class MuxedAcceptor implements ConnectionAcceptor {
  readonly #host: MuxedAcceptorHost
  readonly #credit: AcceptCredit
  readonly #held = new Map<number, Held>()
  #heldStreams = 0
  #lastIncoming = 0

  constructor(host: MuxedAcceptorHost) {
    this.#host = host
    this.#credit = new AcceptCredit(host.grant)
  }

  add(listenerId: number, taker: InboundTaker, credit: number): void {
    this.#credit.add(listenerId, taker, credit)
  }

  remove(listenerId: number): void {
    this.#credit.remove(listenerId)
  }

  clear(): void {
    for (const connId of [...this.#held.keys()]) {
      this.#take(connId)
    }
    this.#credit.clear()
  }

  couldHaveBeen(connId: number): boolean {
    return connId <= this.#lastIncoming
  }

  onIncoming(incoming: Incoming): void {
    const { connId, listenerId } = incoming
    // ids count upwards, or a stream could not be told from one of a connection that is over
    if (connId === 0 || connId % 2 !== 0 || connId <= this.#lastIncoming) {
      violation(`incoming connection ${connId}, which is not a new id of the service`)
    }
    this.#lastIncoming = connId
    this.#credit.use(incoming)
    this.#host.checkAddress(incoming.localAddr)
    this.#host.checkAddress(incoming.remoteAddr)
    const taker = this.#credit.takerOf(listenerId)
    if (taker === undefined) {
      // unlistened meanwhile
      this.#host.abortInService(connId)
      this.#drop(connId)
      return
    }
    if (this.#host.isFull()) {
      this.#host.refuse(incoming)
      this.#drop(connId)
      this.#credit.free(listenerId)
      return
    }
    const connection = this.#host.connect(incoming)
    this.handOver(connection)
    connection
      .identify()
      .then(() => taker.onConnection(connection))
      .catch(error => {
        connection.abort(error)
        if (error instanceof PeerCertificateError) {
          this.#host.onUnidentified(connection, error)
        }
      })
      .finally(() => this.#credit.free(listenerId))
  }

  onStream(stream: MuxStream, { connId, kind }: StreamHeader): void {
    if (kind !== 1 || connId === 0) {
      violation(`the service opened a stream of kind ${kind} for connection ${connId}`)
    }
    const connection = this.#host.connection(connId)
    if (connection !== undefined) {
      connection.onStream(stream)
    } else if (this.#isExpected(connId)) {
      this.#hold(connId, stream)
    } else {
      stream.reset(STATUS.NOT_FOUND)
    }
  }

  onClosed(connId: number): void {
    this.#drop(connId)
  }

  /** Gives a new connection the streams that came before it. */
  handOver(connection: MuxedConnection): void {
    for (const early of this.#take(connection.connId)) {
      connection.onStream(early)
    }
  }

  #isExpected(connId: number): boolean {
    if (connId % 2 === 0) {
      return connId > this.#lastIncoming
    }
    return (
      this.#host.isDialling(connId) ??
      violation(`the service opened a stream for connection ${connId}, which was never dialled`)
    )
  }

  #hold(connId: number, stream: MuxStream): void {
    if (this.#heldStreams >= MAX_HELD) {
      // peers open them, faster than the service's other link tells of the connections: no fault of the service
      stream.reset(STATUS.RESOURCE_EXHAUSTED)
      return
    }
    let held = this.#held.get(connId)
    if (held === undefined) {
      const cancelTimer = this.#host.clock.setTimer(HOLD_MS, () => this.#drop(connId))
      held = { streams: [], cancelTimer }
      this.#held.set(connId, held)
    }
    this.#heldStreams += 1
    held.streams.push(new EarlyStream(stream))
  }

  #take(connId: number): EarlyStream[] {
    const held = this.#held.get(connId)
    if (held === undefined) {
      return []
    }
    held.cancelTimer()
    this.#held.delete(connId)
    this.#heldStreams -= held.streams.length
    return held.streams
  }

  #drop(connId: number): void {
    for (const { stream } of this.#take(connId)) {
      stream.reset(STATUS.NOT_FOUND)
    }
  }
}
