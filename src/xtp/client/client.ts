// Raw connections over a service: what the libp2p transport is made of, usable without libp2p.
import type { ComponentLogger, Logger, Metrics, PrivateKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { CustomProgressEvent, type ProgressEvent, type ProgressOptions } from 'progress-events'
import { raceSignal } from 'race-signal'
import {
  ConnectionAbortedError,
  InvalidArgumentError,
  isXtpError,
  LimitExceededError,
  NotFoundError,
  PossibleCompromiseError,
  ResourceExhaustedError,
  UnavailableError,
  type XtpError
} from '../ctl/index.ts'
import { type Incarnation, processUsage } from '../runner/index.ts'
import { encodeTarget, familyOf, parseMultiaddr, resolveTarget, targetOf } from './addresses.ts'
import type { BreakerState } from './circuit-breaker.ts'
import type { XtpConnection } from './connection.ts'
import {
  type ClientConfig,
  clientConfig,
  type TransportDefinition,
  type XtpInit
} from './definition.ts'
import { LentSockets } from './lent-sockets.ts'
import { type ListenerOptions, XtpListener } from './listener.ts'
import { silentLogger } from './log.ts'
import { type TransportMetrics, transportMetrics } from './metrics.ts'
import { Refusals, type RefusedPeer } from './refusals.ts'
import type { ServiceConnection } from './service-connection.ts'
import { ServiceSession } from './service-session.ts'
import type { TransportStatus } from './status.ts'
import { Supervisor } from './supervisor.ts'
import { TlsIdentity } from './tls-identity.ts'

/** A connection that is closed because everything stops gets this long to do it in order. */
const STOP_CLOSE_MS = 500

/** What an application may hear about the service process. */
export interface XtpClientEvents {
  /** The service is ready, for the first time or again. */
  'service:running': CustomEvent<{ pid: number; restarts: number }>
  /** It died, or was killed because it hung or broke the protocol; it will be restarted. */
  'service:lost': CustomEvent<XtpError>
  /** It could not be started and is not tried again before it is needed. */
  'service:failed': CustomEvent<XtpError>
  /** It was ended by `stop()`. */
  'service:stopped': CustomEvent<void>
  /** It used more than `limits` allow, and was killed; `service:lost` follows. */
  'service:limit': CustomEvent<LimitExceededError>
  /** It made a forbidden system call, and was killed; `restart.onCompromise` says what follows. */
  'service:compromised': CustomEvent<PossibleCompromiseError>
  /** Restarts are suspended (`open`), tried once (`half-open`), or as usual again (`closed`). */
  'service:breaker': CustomEvent<{ state: BreakerState }>
  /**
   * An inbound peer did not become a connection: its handshake failed, its certificate does not prove who it is, or
   * there are as many connections as `limits` allow. At most 10 per second are told.
   */
  'peer:refused': CustomEvent<RefusedPeer>
  /** With `standby: true`: a second process is ready to take over. */
  'service:standby': CustomEvent<{ pid: number }>
}

/** Progress of a dial, in this order. */
export type XtpDialEvents =
  | ProgressEvent<'xtp:resolve', Multiaddr>
  | ProgressEvent<'xtp:service-start'>
  | ProgressEvent<'xtp:open-connection', Multiaddr>
  | ProgressEvent<'xtp:connected', Multiaddr>

export interface XtpDialOptions extends ProgressOptions<XtpDialEvents> {
  /** Ends the dial, at once and whatever it waits for, with the signal's reason. */
  signal?: AbortSignal
  /** As in `XtpConnectionInit`. Default true. */
  allowHalfOpen?: boolean
  /** As in `XtpInit`, for raw connections. Default 0. */
  inactivityTimeoutMs?: number
}

export interface XtpClientComponents {
  /** Default: no logs. */
  logger?: ComponentLogger
  metrics?: Metrics
  /** Identity of this host. Needed by transports that secure their connections themselves. */
  privateKey?: PrivateKey
}

/**
 * Dials and listens through a service that it starts when it is first needed, and restarts when it
 * dies. Connections are raw, without encryption and multiplexing (`XtpConnection`), or, where the transport
 * does both itself, `MuxedConnection`s.
 */
export class XtpClient extends TypedEventEmitter<XtpClientEvents> {
  readonly definition: TransportDefinition
  readonly config: ClientConfig
  readonly metrics?: TransportMetrics
  readonly log: Logger
  readonly #listenerLog: Logger
  readonly #connectionLog: Logger
  readonly #serviceLog: Logger
  readonly #supervisor: Supervisor<ServiceSession>
  readonly #listeners = new Set<XtpListener>()
  readonly #dials = new Set<AbortController>()
  readonly #identity?: TlsIdentity
  readonly #refusals: Refusals
  #session?: ServiceSession
  #accepting = true
  #stopping?: Promise<void>
  #nextListenerId = 1
  #nextSocketNumber = 1
  #sandboxLogged = false
  #bytesIn = 0
  #bytesOut = 0

  /** @throws InvalidArgumentError that names the option */
  constructor(
    definition: TransportDefinition,
    init: XtpInit = {},
    components: XtpClientComponents = {}
  ) {
    super()
    const { logger = silentLogger, metrics, privateKey } = components
    const scope = `xtp:${definition.name}`
    this.definition = definition
    this.config = clientConfig(init)
    if (definition.native) {
      if (privateKey === undefined) {
        throw new InvalidArgumentError(
          `${definition.packageName} secures its connections itself: it needs the component privateKey`
        )
      }
      this.#identity = new TlsIdentity(privateKey)
    }
    this.log = logger.forComponent(scope)
    this.#listenerLog = logger.forComponent(`${scope}:listener`)
    this.#connectionLog = logger.forComponent(`${scope}:connection`)
    this.#serviceLog = logger.forComponent(`${scope}:service`)
    this.metrics = transportMetrics(metrics, definition.name, () => this.status())
    this.#refusals = new Refusals(this.config.clock, peer => {
      this.#listenerLog('refused %a, %d before it - %e', peer.remoteAddr, peer.missed, peer.error)
      this.safeDispatchEvent('peer:refused', { detail: peer })
    })
    this.#supervisor = new Supervisor({
      runner: this.config.runner,
      request: {
        serviceEntry: definition.serviceEntry,
        onLog: (line, source) => this.#serviceLog('%s: %s', source, line)
      },
      clock: this.config.clock,
      config: this.config,
      name: definition.packageName,
      createSession: incarnation => this.#createSession(incarnation),
      onRunning: (session, incarnation) => this.#onRunning(session, incarnation),
      onLost: error => this.#onLost(error),
      onGivenUp: error => this.#onGivenUp(error),
      onBreaker: state => this.#onBreaker(state),
      onStandby: ({ pid }) => this.safeDispatchEvent('service:standby', { detail: { pid } }),
      // a runner of a test has no processes
      usage: this.config.runner === init.runner ? undefined : processUsage
    })
  }

  /** Allows work again after `stop()`. The service starts with the first dial or listener. */
  start(): void {
    if (this.#stopping === undefined) {
      this.#supervisor.start()
      this.#accepting = true
    }
  }

  /**
   * Closes listeners and connections and ends the service. Pending dials fail. Resolves when the
   * process is gone; never rejects.
   *
   * @param options.drainMs - how long the owners of connections have for closing them themselves
   */
  async stop(options: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.drainMs ?? 0).finally(() => {
      this.#stopping = undefined
    })
    await this.#stopping
  }

  /**
   * Opens a connection: a `MuxedConnection` where the transport is native.
   *
   * @throws the signal's reason; InvalidArgumentError, NotFoundError (of the name),
   *   ConnectionRefusedError, ConnectionTimedOutError, NetworkUnreachableError; ServiceStartError,
   *   ServiceLostError, UnavailableError
   */
  async dial<C extends ServiceConnection = XtpConnection>(
    address: Multiaddr | string,
    options: XtpDialOptions = {}
  ): Promise<C> {
    const controller = new AbortController()
    const abort = () => controller.abort(options.signal?.reason)
    options.signal?.throwIfAborted()
    options.signal?.addEventListener('abort', abort)
    this.#dials.add(controller)
    try {
      const connection = await this.#dial(address, options, controller.signal)
      this.metrics?.events.increment({ connect: true })
      return connection as C
    } catch (error) {
      const { aborted } = controller.signal
      this.metrics?.events.increment({ [aborted ? 'abort' : 'error']: true })
      if (!aborted) {
        this.countError('dial', error)
        this.log.error('dial %s failed - %e', address, error)
      }
      throw error
    } finally {
      this.#dials.delete(controller)
      options.signal?.removeEventListener('abort', abort)
    }
  }

  /** Creates a listener; `listen` on it starts it. One per address. */
  createListener<C extends ServiceConnection = XtpConnection>(
    options: ListenerOptions<C>
  ): XtpListener {
    const listener = new XtpListener(
      {
        definition: this.definition,
        config: this.config,
        log: this.#listenerLog,
        acquire: () => this.#acquire(),
        newListenerId: () => this.#nextListenerId++,
        newSocketNumber: () => this.#nextSocketNumber++,
        sockets: () => this.config.runner.sockets,
        onClosed: closed => this.#listeners.delete(closed)
      },
      options as ListenerOptions<ServiceConnection>
    )
    this.#listeners.add(listener)
    return listener
  }

  /** What the service is doing right now. */
  status(): TransportStatus {
    const supervisor = this.#supervisor
    const { pid, sandbox } = supervisor.incarnation ?? {}
    return {
      state: supervisor.state,
      pid,
      uptimeMs: supervisor.uptimeMs,
      restarts: supervisor.restarts,
      crashes: supervisor.crashes,
      startFailures: supervisor.startFailures,
      breaker: supervisor.breaker,
      standbyPid: supervisor.standby?.pid,
      rssBytes: supervisor.usage?.rssBytes,
      cpuMs: supervisor.usage?.cpuMs,
      sandbox,
      connections: this.#session?.connections.size ?? 0,
      listeners: [...this.#listeners].filter(listener => listener.isListening).length,
      bytesIn: this.#bytesIn + (this.#session?.bytesIn ?? 0),
      bytesOut: this.#bytesOut + (this.#session?.bytesOut ?? 0),
      lastError: supervisor.lastError
    }
  }

  /**
   * Counters of the service and its library by name, such as `libutp_sockets`; for people and tests. Starts
   * no service.
   *
   * @throws UnavailableError while it is not running; ServiceLostError
   */
  async stats(): Promise<Map<string, bigint>> {
    if (this.#session === undefined) {
      throw new UnavailableError('the service is not running: it has no counters')
    }
    return this.#session.stats()
  }

  /**
   * Figures of one connection by name, such as its round-trip time and what was lost.
   *
   * @throws NotFoundError where it is over; UnavailableError, ServiceLostError
   */
  async connectionStats(connection: ServiceConnection): Promise<Map<string, bigint>> {
    if (this.#session?.connections.get(connection.connId) !== connection) {
      throw new NotFoundError('the connection is over: it has no figures any more')
    }
    return this.#session.stats(connection.connId)
  }

  /** Connections that are open. */
  get connections(): ServiceConnection[] {
    return [...(this.#session?.connections.values() ?? [])]
  }

  /**
   * Waits until the connections have ended, then closes those that have not, and aborts what cannot
   * be closed.
   */
  async endConnections(connections: Iterable<ServiceConnection>, drainMs: number): Promise<void> {
    const all = [...connections]
    if (all.length === 0) {
      return
    }
    if (drainMs > 0) {
      const late = Promise.withResolvers<void>()
      const cancelTimer = this.config.clock.setTimer(drainMs, late.resolve)
      await Promise.race([Promise.all(all.map(({ ended }) => ended)), late.promise])
      cancelTimer()
    }
    await Promise.all(all.map(connection => this.#endConnection(connection)))
  }

  /** For metrics. */
  countError(what: string, error: unknown): void {
    const code = isXtpError(error) ? error.code : ((error as Error)?.name ?? 'Error')
    this.metrics?.errors.increment({ [`${what} ${code}`]: true })
  }

  // ---- dialling ----

  async #dial(
    address: Multiaddr | string,
    { onProgress, allowHalfOpen = true, inactivityTimeoutMs = 0 }: XtpDialOptions,
    signal: AbortSignal
  ): Promise<ServiceConnection> {
    const { definition, config } = this
    const remoteAddr = parseMultiaddr(address, definition)
    const target = targetOf(remoteAddr, definition)
    if (target.port === 0) {
      throw new InvalidArgumentError(`${remoteAddr} has port 0: nothing can be dialled there`)
    }
    onProgress?.(new CustomProgressEvent('xtp:resolve', remoteAddr))
    const targets = await resolveTarget(target, config.resolver, signal)
    if (this.#supervisor.state !== 'running') {
      onProgress?.(new CustomProgressEvent('xtp:service-start'))
    }
    const session = await this.#acquire(signal)
    if (session.isFull) {
      throw new ResourceExhaustedError(
        `${session.connections.size} connections are open, which is limits.connections: close one first, or raise it`,
        { details: { limit: 'connections', allowed: config.limits.connections } }
      )
    }
    onProgress?.(new CustomProgressEvent('xtp:open-connection', remoteAddr))
    const errors: unknown[] = []
    for (const target of targets) {
      try {
        const addr = encodeTarget(target, target.port, definition)
        const connection = await session.dial(addr, {
          remoteAddr,
          family: familyOf(target),
          allowHalfOpen,
          inactivityTimeoutMs,
          signal
        })
        this.log('connected to %a', remoteAddr)
        onProgress?.(new CustomProgressEvent('xtp:connected', remoteAddr))
        return connection
      } catch (error) {
        signal.throwIfAborted()
        errors.push(withAddress(error as Error, remoteAddr))
      }
    }
    throw errors.length === 1
      ? errors[0]
      : new AggregateError(errors, `no address of ${target.host} could be dialled`)
  }

  async #acquire(signal?: AbortSignal): Promise<ServiceSession> {
    if (!this.#accepting) {
      throw this.#stoppedError()
    }
    return this.#supervisor.acquire(signal)
  }

  // ---- the service ----

  #createSession(incarnation: Incarnation): ServiceSession {
    this.log('%s runner started pid %d', this.config.runner.name, incarnation.pid)
    // a runner may have sockets only once it has started something
    const { sockets } = this.config.runner
    return new ServiceSession({
      definition: this.definition,
      config: this.config,
      incarnation,
      identity: this.#identity,
      sockets: sockets && new LentSockets(sockets, incarnation),
      onRefused: (remoteAddr, error) => {
        this.countError('inbound', error)
        this.#refusals.add(remoteAddr, error)
      },
      connectionLog: this.#connectionLog,
      serviceLog: this.#serviceLog,
      metrics: this.metrics?.events
    })
  }

  #onRunning(session: ServiceSession, { pid, sandbox }: Incarnation): void {
    const { restarts } = this.#supervisor
    this.#session = session
    this.log('the service is ready, pid %d, sandbox %s, restarts %d', pid, sandbox.level, restarts)
    if (!this.#sandboxLogged) {
      this.#sandboxLogged = true
      const { level, reason, landlockAbi } = sandbox
      const landlock = landlockAbi === undefined ? '' : `, Landlock version ${landlockAbi}`
      this.log('sandbox %s: %s%s', level, reason, landlock)
    }
    this.metrics?.service.increment({ start: true })
    this.safeDispatchEvent('service:running', { detail: { pid, restarts } })
    for (const listener of this.#listeners) {
      listener.onRunning(session)
    }
  }

  #onLost(error: XtpError): void {
    this.#bytesIn += this.#session?.bytesIn ?? 0
    this.#bytesOut += this.#session?.bytesOut ?? 0
    this.#session = undefined
    for (const listener of this.#listeners) {
      listener.onLost()
    }
    if (this.#accepting) {
      this.log.error('%e', error)
      this.countError('service', error)
      this.metrics?.service.increment({ lost: true })
      if (error instanceof LimitExceededError) {
        this.metrics?.service.increment({ limit: true })
        this.safeDispatchEvent('service:limit', { detail: error })
      } else if (error instanceof PossibleCompromiseError) {
        this.metrics?.service.increment({ compromised: true })
        this.safeDispatchEvent('service:compromised', { detail: error })
      }
      this.safeDispatchEvent('service:lost', { detail: error })
    } else {
      this.log('the service has stopped')
      this.safeDispatchEvent('service:stopped')
    }
  }

  #onBreaker(state: BreakerState): void {
    this.log('restarts of the service: the breaker is %s', state)
    this.safeDispatchEvent('service:breaker', { detail: { state } })
  }

  #onGivenUp(error: XtpError): void {
    this.log.error('the service could not be started - %e', error)
    this.countError('service', error)
    this.metrics?.service.increment({ given_up: true })
    for (const listener of this.#listeners) {
      listener.onGivenUp(error)
    }
    this.safeDispatchEvent('service:failed', { detail: error })
  }

  // ---- the end ----

  async #stop(drainMs: number): Promise<void> {
    this.#accepting = false
    for (const dial of this.#dials) {
      dial.abort(this.#stoppedError())
    }
    await Promise.all([...this.#listeners].map(listener => listener.close()))
    await this.endConnections(this.#session?.connections.values() ?? [], drainMs)
    await this.#supervisor.stop()
  }

  async #endConnection(connection: ServiceConnection): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    const cancelTimer = this.config.clock.setTimer(STOP_CLOSE_MS, () => {
      controller.abort(new ConnectionAbortedError('the connection did not close in time'))
    })
    try {
      await connection.close({ signal })
      await raceSignal(connection.ended, signal)
    } catch (error) {
      connection.abort(error as Error)
    } finally {
      cancelTimer()
    }
  }

  #stoppedError(): UnavailableError {
    return new UnavailableError(`${this.definition.packageName} is stopped: call start() first`, {
      retryable: false
    })
  }
}

/** Whose message says which dial it was about. */
function withAddress(error: Error, ma: Multiaddr): Error {
  if (isXtpError(error) && error.message.startsWith('dial: ')) {
    error.message = `could not dial ${ma}: ${error.message.slice('dial: '.length)}`
  }
  return error
}
