// Accept credit of the listeners of one incarnation: what each may still announce, and what is owed to it.
import type { Incoming } from '../ctl/index.ts'
import type { ServiceConnection } from './service-connection.ts'
import { violation } from './service-link.ts'

/** Who takes the inbound connections of one listener. */
export interface InboundTaker {
  allowHalfOpen: boolean
  /** 0: none. */
  inactivityTimeoutMs: number
  /** Called once per connection; its place is free again when the promise settles. */
  onConnection(connection: ServiceConnection): Promise<void>
}

interface Listening {
  taker: InboundTaker
  /** Inbound connections that the service may still announce. */
  credit: number
  /** Places that became free and have not been granted yet. */
  owed: number
}

export class AcceptCredit {
  readonly #grant: (listenerId: number, count: number) => void
  readonly #listening = new Map<number, Listening>()
  #lastListener = 0

  constructor(grant: (listenerId: number, count: number) => void) {
    this.#grant = grant
  }

  add(listenerId: number, taker: InboundTaker, credit: number): void {
    this.#lastListener = Math.max(this.#lastListener, listenerId)
    this.#listening.set(listenerId, { taker, credit, owed: 0 })
  }

  remove(listenerId: number): void {
    this.#listening.delete(listenerId)
  }

  clear(): void {
    this.#listening.clear()
  }

  /** Undefined once it was removed. */
  takerOf(listenerId: number): InboundTaker | undefined {
    return this.#listening.get(listenerId)?.taker
  }

  /** An announcement uses a place; throws a violation where there is none. */
  use({ connId, listenerId }: Incoming): void {
    const listening = this.#listening.get(listenerId)
    if (listening !== undefined) {
      if (listening.credit === 0) {
        violation(`incoming connection ${connId} without credit of listener ${listenerId}`)
      }
      listening.credit -= 1
    } else if (listenerId === 0 || listenerId > this.#lastListener) {
      violation(`incoming connection ${connId} on listener ${listenerId}, which never was`)
    }
  }

  /** A place is free again. */
  free(listenerId: number): void {
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
        this.#grant(listenerId, count)
      }
    })
  }
}
