// The kept sockets of one incarnation: which of them it has been lent, and which it needs for dialling
// (spec/xtp-service.md, section Lent sockets).
import type { Incarnation, SocketAddress, SocketKeeper } from '../runner/index.ts'

const ANY: Record<4 | 6, string> = { 4: '0.0.0.0', 6: '::' }

/** The socket of a listener, bound. */
export interface KeptSocket {
  id: string
  family: 4 | 6
  ip: string
}

export class LentSockets {
  readonly #keeper: SocketKeeper
  readonly #incarnation: Incarnation
  /** Listening on every address of their family: these can reach whatever is dialled. */
  readonly #reachingAll = new Map<number, 4 | 6>()
  readonly #dialling = new Map<4 | 6, Promise<void>>()

  constructor(keeper: SocketKeeper, incarnation: Incarnation) {
    this.#keeper = keeper
    this.#incarnation = incarnation
  }

  /** @throws as `SocketKeeper.bind` */
  async keep(id: string, address: SocketAddress): Promise<number> {
    const { port } = await this.#keeper.bind(id, address)
    return port
  }

  /** @throws as `SocketKeeper.lend` */
  async lend(id: string): Promise<void> {
    await this.#keeper.lend(this.#incarnation, id)
  }

  /** Before a dial: sees to it that the service has a socket for it. */
  async forDial(family: 4 | 6): Promise<void> {
    if ([...this.#reachingAll.values()].includes(family)) {
      return
    }
    let lent = this.#dialling.get(family)
    if (lent === undefined) {
      lent = this.#lendForDial(family)
      this.#dialling.set(family, lent)
      // the next dial tries again
      lent.catch(() => this.#dialling.delete(family))
    }
    await lent
  }

  onListening(listenerId: number, { family, ip }: KeptSocket): void {
    if (ip === ANY[family]) {
      this.#reachingAll.set(listenerId, family)
    }
  }

  onUnlisten(listenerId: number): void {
    this.#reachingAll.delete(listenerId)
  }

  async #lendForDial(family: 4 | 6): Promise<void> {
    const id = `dial${family}`
    await this.keep(id, { family, ip: ANY[family], port: 0 })
    await this.lend(id)
  }
}
