// The libp2p side: a Transport whose connections go through the upgrader as TCP's do.
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Metrics,
  type MultiaddrConnection,
  type OutboundConnectionUpgradeEvents,
  type PrivateKey,
  type Startable,
  serviceCapabilities,
  type Transport,
  transportSymbol
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { setMaxListeners } from 'main-event'
import { NotFoundError } from '../ctl/index.ts'
import { XtpClient, type XtpDialEvents } from './client.ts'
import { clientConfig, type TransportDefinition, type XtpInit } from './definition.ts'
import { MuxedConnection } from './muxed-connection.ts'
import type { ServiceConnection } from './service-connection.ts'
import type { TransportStatus } from './status.ts'

/** libp2p closes its connections within 500 ms of its stop; the service stays for that. */
const DRAIN_MS = 1_000

/** What the transport takes from libp2p. */
export interface XtpComponents {
  logger: ComponentLogger
  metrics?: Metrics
  /** libp2p's own. Needed by transports that secure their connections themselves. */
  privateKey?: PrivateKey
}

export type XtpTransportDialEvents = OutboundConnectionUpgradeEvents | XtpDialEvents

/**
 * A libp2p transport whose network code runs in another process. The service starts with the first
 * dial or listener and ends with `stop()`.
 */
export class XtpTransport implements Transport<XtpTransportDialEvents>, Startable {
  /** For raw connections, without libp2p's upgrader. */
  readonly client: XtpClient

  readonly [transportSymbol] = true as const
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']

  constructor(definition: TransportDefinition, init: XtpInit, components: XtpComponents) {
    this.client = new XtpClient(definition, init, components)
  }

  get [Symbol.toStringTag](): string {
    return this.client.definition.packageName
  }

  /** Emits `service:running`, `service:lost`, `service:failed` and `service:stopped`. */
  get events(): XtpClient {
    return this.client
  }

  start(): void {
    this.client.start()
  }

  async stop(): Promise<void> {
    await this.client.stop({ drainMs: DRAIN_MS })
  }

  /** What the service is doing: pid, uptime, restarts, sandbox level, connections, bytes. */
  status(): TransportStatus {
    return this.client.status()
  }

  /** Counters of the service and its library, as `XtpClient.stats`. */
  async stats(): Promise<Map<string, bigint>> {
    return this.client.stats()
  }

  /**
   * Figures of a connection of this transport by name, such as `rtt_us` and `lost_packets`.
   *
   * @throws NotFoundError where it is over, or of another transport
   */
  async connectionStats(connection: Connection): Promise<Map<string, bigint>> {
    // what libp2p makes of a connection has the same timeline
    const own = this.client.connections.find(({ timeline }) => timeline === connection.timeline)
    if (own === undefined) {
      throw new NotFoundError('no open connection of this transport: it has no figures')
    }
    return this.client.connectionStats(own)
  }

  /** @throws as `XtpClient.dial`, and what the upgrade throws */
  async dial(
    ma: Multiaddr,
    options: DialTransportOptions<XtpTransportDialEvents>
  ): Promise<Connection> {
    const { client } = this
    const { signal, onProgress } = options
    const connection = await client.dial<ServiceConnection>(ma, {
      signal,
      onProgress,
      allowHalfOpen: false,
      inactivityTimeoutMs: client.config.inactivityTimeoutMs
    })
    try {
      return await options.upgrader.upgradeOutbound(connection, {
        ...options,
        ...nativeUpgrade(connection)
      })
    } catch (error) {
      client.countError('upgrade_outbound', error)
      client.log.error('upgrade of the connection to %a failed - %e', ma, error)
      connection.abort(error as Error)
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    const { client } = this
    const shutdown = new AbortController()
    setMaxListeners(Infinity, shutdown.signal)
    return client.createListener<ServiceConnection>({
      allowHalfOpen: false,
      inactivityTimeoutMs: client.config.inactivityTimeoutMs,
      onConnection: async connection => {
        try {
          await upgrader.upgradeInbound(connection, {
            signal: shutdown.signal,
            ...nativeUpgrade(connection)
          })
        } catch (error) {
          client.countError('upgrade_inbound', error)
          client.log.error(
            'upgrade of a connection from %a failed - %e',
            connection.remoteAddr,
            error
          )
          // aborts the connection, too
          throw error
        }
      },
      onClose: async connections => {
        shutdown.abort()
        await client.endConnections(connections, DRAIN_MS)
      }
    })
  }

  listenFilter(multiaddrs: Multiaddr[]): Multiaddr[] {
    return multiaddrs.filter(ma => this.client.definition.matcher.exactMatch(ma))
  }

  dialFilter(multiaddrs: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(multiaddrs)
  }
}

/** What libp2p's upgrader is told of a connection that needs neither encryption nor a muxer. */
function nativeUpgrade(connection: MultiaddrConnection) {
  if (!(connection instanceof MuxedConnection)) {
    return {}
  }
  const { remotePeer, muxerFactory } = connection
  return { skipEncryption: true, skipProtection: true, remotePeer, muxerFactory } as const
}

/**
 * For transport packages: what they put behind the function that users call.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function createTransport(
  definition: TransportDefinition,
  init: XtpInit = {}
): (components: XtpComponents) => XtpTransport {
  // a wrong option is an error where it was written, not where libp2p makes the transport
  clientConfig(init)
  return components => new XtpTransport(definition, init, components)
}
