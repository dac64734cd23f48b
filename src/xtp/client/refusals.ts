// Peers that were refused, told to the application: peers make as many as they like, so not all of them.
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock, XtpError } from '../ctl/index.ts'

/** Told per second, and at once after a quiet second. */
const PER_SECOND = 10

/** A peer that connected and did not become a connection. */
export interface RefusedPeer {
  /** Where it seemed to come from. A peer that fails early need not have proved its address. */
  remoteAddr: Multiaddr
  /** Why: `code`, and for a certificate `reason`, say it to programs. */
  error: XtpError
  /** How many were refused and not told since the last event. */
  missed: number
}

export class Refusals {
  readonly #clock: Clock
  readonly #tell: (peer: RefusedPeer) => void
  #left = PER_SECOND
  #since: number
  #missed = 0

  constructor(clock: Clock, tell: (peer: RefusedPeer) => void) {
    this.#clock = clock
    this.#tell = tell
    this.#since = clock.now()
  }

  add(remoteAddr: Multiaddr, error: XtpError): void {
    const now = this.#clock.now()
    if (now - this.#since >= 1_000) {
      this.#since = now
      this.#left = PER_SECOND
    }
    if (this.#left === 0) {
      this.#missed += 1
      return
    }
    this.#left -= 1
    const missed = this.#missed
    this.#missed = 0
    this.#tell({ remoteAddr, error, missed })
  }
}
