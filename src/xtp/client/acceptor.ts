// Inbound connections of one incarnation: announcements meet their streams, against the credit of
// their listener.
import type { Clock, Incoming, MuxStream, StreamHeader } from '../ctl/index.ts'
import { STATUS } from '../ctl/index.ts'
import { AcceptCredit, type InboundTaker } from './accept-credit.ts'
import { EarlyStream, InboundHold, type InboundPair } from './inbound.ts'
import type { ServiceConnection } from './service-connection.ts'
import { violation } from './service-link.ts'

/** What the acceptor needs of its session. */
export interface AcceptorHost {
  clock: Clock
  hasConnection(connId: number): boolean
  /** Throws a violation for an address that is none. */
  checkAddress(bytes: Uint8Array): void
  connect(incoming: Incoming, early: EarlyStream, taker: InboundTaker): ServiceConnection
  abortInService(connId: number): void
  /** There are as many connections as may be. */
  isFull(): boolean
  refuse(incoming: Incoming): void
  /** Does nothing once the link is broken. */
  grant(listenerId: number, count: number): void
}

/** What a session needs of its acceptor. */
export interface ConnectionAcceptor {
  /** Before the service is asked to listen: connections may come with its answer. */
  add(listenerId: number, taker: InboundTaker, credit: number): void
  remove(listenerId: number): void
  clear(): void
  /** The service has announced a connection with this id at some time, or may have. */
  couldHaveBeen(connId: number): boolean
  onIncoming(incoming: Incoming): void
  onStream(stream: MuxStream, header: StreamHeader): void
  /** A connection ended that the session does not know. */
  onClosed(connId: number): void
}

export class Acceptor implements ConnectionAcceptor {
  readonly #host: AcceptorHost
  readonly #hold: InboundHold
  readonly #credit: AcceptCredit
  #lastIncoming = 0

  constructor(host: AcceptorHost) {
    this.#host = host
    this.#credit = new AcceptCredit(host.grant)
    this.#hold = new InboundHold(host.clock, (connId, half) => {
      if (half.incoming !== undefined) {
        host.abortInService(connId)
      }
      this.#giveUp(half)
    })
  }

  add(listenerId: number, taker: InboundTaker, credit: number): void {
    this.#credit.add(listenerId, taker, credit)
  }

  remove(listenerId: number): void {
    this.#credit.remove(listenerId)
  }

  clear(): void {
    this.#hold.clear()
    this.#credit.clear()
  }

  couldHaveBeen(connId: number): boolean {
    return connId <= this.#lastIncoming
  }

  onIncoming(incoming: Incoming): void {
    const { connId } = incoming
    if (connId === 0 || connId % 2 !== 0 || this.#host.hasConnection(connId)) {
      violation(`incoming connection ${connId}, which is not a new id of the service`)
    }
    this.#lastIncoming = Math.max(this.#lastIncoming, connId)
    this.#credit.use(incoming)
    this.#host.checkAddress(incoming.localAddr)
    this.#host.checkAddress(incoming.remoteAddr)
    this.#meet(connId, { incoming })
  }

  onStream(stream: MuxStream, { connId, kind }: StreamHeader): void {
    if (connId === 0 || connId % 2 !== 0 || kind !== 0 || this.#host.hasConnection(connId)) {
      violation(`the service opened a stream of kind ${kind} for connection ${connId}`)
    }
    this.#meet(connId, { early: new EarlyStream(stream) })
  }

  onClosed(connId: number): void {
    const half = this.#hold.take(connId)
    if (half !== undefined) {
      this.#giveUp(half)
    }
  }

  #meet(connId: number, half: Partial<InboundPair>): void {
    const pair = this.#hold.add(connId, half)
    if (pair === 'held') {
      return
    }
    if (pair === 'duplicate' || pair === 'full') {
      violation(`inbound connection ${connId}: ${pair}`)
    }
    const { incoming, early } = pair
    const taker = this.#credit.takerOf(incoming.listenerId)
    if (taker === undefined) {
      // unlistened meanwhile
      early.stream.reset(STATUS.CONNECTION_ABORTED)
      return
    }
    if (this.#host.isFull()) {
      early.stream.reset(STATUS.RESOURCE_EXHAUSTED)
      this.#host.refuse(incoming)
      this.#credit.free(incoming.listenerId)
      return
    }
    const connection = this.#host.connect(incoming, early, taker)
    taker
      .onConnection(connection)
      .catch(error => connection.abort(error))
      .finally(() => this.#credit.free(incoming.listenerId))
  }

  #giveUp({ incoming, early }: Partial<InboundPair>): void {
    early?.stream.reset(STATUS.CONNECTION_ABORTED)
    if (incoming !== undefined) {
      this.#credit.free(incoming.listenerId)
    }
  }
}
