// Inbound connections of one incarnation: announcements meet their streams, against the credit of
// their listener.
import type { Clock, Incoming, MuxStream, StreamHeader } from '../ctl/index.ts'
import { STATUS } from '../ctl/index.ts'
import type { XtpConnection } from './connection.ts'
import { EarlyStream, InboundHold, type InboundPair } from './inbound.ts'
import { violation } from './service-link.ts'

/** Who takes the inbound connections of one listener. */
export interface InboundTaker {
  allowHalfOpen: boolean
  /** 0: none. */
  inactivityTimeoutMs: number
  /** Called once per connection; its place is free again when the promise settles. */
  onConnection(connection: XtpConnection): Promise<void>
}

interface Listening {
  taker: InboundTaker
  /** Inbound connections that the service may still announce. */
  credit: number
  /** Places that became free and have not been granted yet. */
  owed: number
}

/** What the acceptor needs of its session. */
export interface AcceptorHost {
  clock: Clock
  hasConnection(connId: number): boolean
  /** Throws a violation for an address that is none. */
  checkAddress(bytes: Uint8Array): void
  connect(incoming: Incoming, early: EarlyStream, taker: InboundTaker): XtpConnection
  abortInService(connId: number): void
  /** There are as many connections as may be. */
  isFull(): boolean
  refuse(connId: number): void
  /** Does nothing once the link is broken. */
  grant(listenerId: number, count: number): void
}

export class Acceptor {
  readonly #host: AcceptorHost
  readonly #hold: InboundHold
  readonly #listening = new Map<number, Listening>()
  #lastIncoming = 0
  #lastListener = 0

  constructor(host: AcceptorHost) {
    this.#host = host
    this.#hold = new InboundHold(host.clock, (connId, half) => {
      if (half.incoming !== undefined) {
        host.abortInService(connId)
      }
      this.#giveUp(half)
    })
  }

  /** Before the service is asked to listen: connections may come with its answer. */
  add(listenerId: number, taker: InboundTaker, credit: number): void {
    this.#lastListener = Math.max(this.#lastListener, listenerId)
    this.#listening.set(listenerId, { taker, credit, owed: 0 })
  }

  remove(listenerId: number): void {
    this.#listening.delete(listenerId)
  }

  clear(): void {
    this.#hold.clear()
    this.#listening.clear()
  }

  /** The service has announced a connection with this id at some time, or may have. */
  couldHaveBeen(connId: number): boolean {
    return connId <= this.#lastIncoming
  }

  onIncoming(incoming: Incoming): void {
    const { connId, listenerId } = incoming
    if (connId === 0 || connId % 2 !== 0 || this.#host.hasConnection(connId)) {
      violation(`incoming connection ${connId}, which is not a new id of the service`)
    }
    this.#lastIncoming = Math.max(this.#lastIncoming, connId)
    const listening = this.#listening.get(listenerId)
    if (listening !== undefined) {
      if (listening.credit === 0) {
        violation(`incoming connection ${connId} without credit of listener ${listenerId}`)
      }
      listening.credit -= 1
    } else if (listenerId === 0 || listenerId > this.#lastListener) {
      violation(`incoming connection ${connId} on listener ${listenerId}, which never was`)
    }
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

  /** A connection ended that was not complete. */
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
    const listening = this.#listening.get(incoming.listenerId)
    if (listening === undefined) {
      // unlistened meanwhile
      early.stream.reset(STATUS.CONNECTION_ABORTED)
      return
    }
    if (this.#host.isFull()) {
      early.stream.reset(STATUS.RESOURCE_EXHAUSTED)
      this.#host.refuse(connId)
      this.#free(incoming.listenerId)
      return
    }
    const connection = this.#host.connect(incoming, early, listening.taker)
    listening.taker
      .onConnection(connection)
      .catch(error => connection.abort(error))
      .finally(() => this.#free(incoming.listenerId))
  }

  #giveUp({ incoming, early }: Partial<InboundPair>): void {
    early?.stream.reset(STATUS.CONNECTION_ABORTED)
    if (incoming !== undefined) {
      this.#free(incoming.listenerId)
    }
  }

  #free(listenerId: number): void {
    const listening = this.#listening.get(listenerId)
    if (listening === undefined) {
      return
    }
    listening.owed += 1
    if (listening.owed > 1) {
      return
    }
    // what becomes free in one go is granted in one message
    queueMicrotask(() => {
      if (this.#listening.get(listenerId) === listening) {
        const count = listening.owed
        listening.owed = 0
        listening.credit += count
        this.#host.grant(listenerId, count)
      }
    })
  }
}
