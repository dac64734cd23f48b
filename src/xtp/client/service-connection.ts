// What a session needs of a connection, whether libp2p secures and multiplexes it or the service does.
import type { MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Status } from '../ctl/index.ts'

export interface ServiceConnection extends MultiaddrConnection {
  /** Id of the connection on its link. */
  readonly connId: number
  readonly localAddr: Multiaddr
  /** Resolves when the connection is over in the service as well, in whatever way. */
  readonly ended: Promise<void>
  /** The service says that the connection is over. */
  onClosed(status: Status | undefined): void
  /** The connection is over abruptly, by no wish of this side. */
  onLost(error: Error): void
}
