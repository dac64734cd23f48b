// One incarnation of a service, from Hello to its end: dials, listeners, connections. When it is
// gone, everything on it fails with the error that says how.
import type { CounterGroup, Logger, MessageStreamDirection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { raceSignal } from 'race-signal'
import {
  type Closed,
  type Connected,
  ConnectionTimedOutError,
  DeadlineExceededError,
  type EventBody,
  errorFromStatus,
  type Hello,
  type Incoming,
  type MuxStream,
  type MuxStreamHandler,
  type Refused,
  type ReplyBody,
  type RequestBody,
  type RequestOptions,
  ResourceExhaustedError,
  ServiceStartError,
  STATUS,
  type Status,
  UnavailableError,
  type XtpError
} from '../ctl/index.ts'
import { cleanText, type Incarnation, type SandboxLevel } from '../runner/index.ts'
import type { InboundTaker } from './accept-credit.ts'
import { Acceptor, type ConnectionAcceptor } from './acceptor.ts'
import { addressFromService, peerIdOf } from './addresses.ts'
import { XtpConnection, type XtpConnectionInit } from './connection.ts'
import type { ClientConfig, TransportDefinition } from './definition.ts'
import { MAX_HELD } from './inbound.ts'
import type { KeptSocket, LentSockets } from './lent-sockets.ts'
import { MuxedAcceptor } from './muxed-acceptor.ts'
import { MuxedConnection } from './muxed-connection.ts'
import type { ServiceConnection } from './service-connection.ts'
import { ServiceLink, violation } from './service-link.ts'
import { ThrottledLink } from './throttled-link.ts'
import type { TlsIdentity } from './tls-identity.ts'
import { VERSION } from './version.ts'

const MAX_CONN_ID = 0xffffffff
/** spec/xtp-service.md, section Start. */
const LENT_SOCKETS_FD = 5

/** Capabilities of a service that secures and multiplexes: 4 NATIVE_MUX, 8 NATIVE_SECURITY. */
const NATIVE = 4 | 8

export interface ServiceSessionInit {
  definition: TransportDefinition
  config: ClientConfig
  incarnation: Pick<Incarnation, 'control' | 'data' | 'sandbox' | 'verify'>
  /** Signs the TLS key of a native transport; others get nothing signed. */
  identity?: TlsIdentity
  /** Where the service's sockets are; absent: it makes its own. */
  sockets?: LentSockets
  /** An inbound peer did not become a connection. */
  onRefused(remoteAddr: Multiaddr, error: XtpError): void
  /** Of connections, and of the service itself. */
  connectionLog: Logger
  serviceLog: Logger
  metrics?: CounterGroup
}

/** What a connection is like, besides its addresses. */
export type ConnectionOptions = Pick<XtpConnectionInit, 'allowHalfOpen' | 'inactivityTimeoutMs'>

export interface DialOptions extends ConnectionOptions {
  /** What was asked for: the connection's `remoteAddr`. */
  remoteAddr: Multiaddr
  /** Of the address that is dialled. */
  family: 4 | 6
  signal?: AbortSignal
}

export class ServiceSession {
  /** Resolves once, with why, when a link ended or the service broke the protocol. */
  readonly broken: Promise<Error | undefined>
  readonly connections = new Map<number, ServiceConnection>()
  readonly #init: ServiceSessionInit
  readonly #link: ServiceLink
  readonly #acceptor: ConnectionAcceptor
  /** The same one, where the transport is native. */
  readonly #muxedAcceptor?: MuxedAcceptor
  /** Dials under way, and those that ended before their own continuation ran. */
  readonly #dialling = new Map<number, Closed | undefined>()
  readonly #lost = Promise.withResolvers<XtpError>()
  #isBroken = false
  #nextConnId = 1
  #lastListenerId = 0
  #nonce = 0n

  constructor(init: ServiceSessionInit) {
    this.#init = init
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    this.broken = promise
    this.#muxedAcceptor = init.definition.native ? this.#createMuxedAcceptor() : undefined
    this.#acceptor = this.#muxedAcceptor ?? this.#createAcceptor()
    const { bytesPerSecond } = init.config.limits
    this.#link = new ServiceLink({
      control: init.incarnation.control,
      data:
        bytesPerSecond > 0
          ? new ThrottledLink(init.incarnation.data, init.config.clock, bytesPerSecond)
          : init.incarnation.data,
      clock: init.config.clock,
      onEvent: body => this.#onEvent(body),
      onStream: (stream, header) => this.#acceptor.onStream(stream, header),
      // of a native transport they are counted per connection
      expectedStreams: () =>
        init.definition.native ? Number.POSITIVE_INFINITY : this.connections.size + MAX_HELD,
      onSign: init.identity && (sign => (init.identity as TlsIdentity).sign(sign)),
      onLateReply: (request, reply) => this.#onLateReply(request, reply),
      onBroken: error => {
        this.#isBroken = true
        resolve(error)
      }
    })
  }

  /** Nothing new can be done on it. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** No further connection is allowed. */
  get isFull(): boolean {
    const { connections } = this.#init.config.limits
    return connections > 0 && this.connections.size >= connections
  }

  get bytesIn(): number {
    return this.#link.mux.bytesIn
  }

  get bytesOut(): number {
    return this.#link.mux.bytesOut
  }

  /**
   * Says Hello and waits until the service is ready.
   *
   * @throws ServiceStartError where the service is of another kind; what it answers otherwise
   */
  async start(timeoutMs: number): Promise<Hello> {
    const { definition, config } = this.#init
    const settings = {
      ...config.settings,
      ...definition.limitSettings?.(config.limits, config.settings),
      ...this.#sandboxSettings()
    }
    const options = Object.entries(settings).map(([key, value]) => ({ key, value: String(value) }))
    const reply = await this.#request(
      {
        hello: {
          implementation: `xtp/${VERSION}`,
          features: [],
          options,
          transports: [],
          pid: 0
        }
      },
      { timeoutMs }
    )
    const lost = this.#lost.promise.then(error => Promise.reject(error))
    await Promise.race([this.#link.negotiated, lost])
    const hello = reply.hello as Hello
    const isOurs = hello.transports.some(
      ({ name, protocols, capabilities }) =>
        name === definition.name &&
        protocols.includes(definition.multiaddrCode) &&
        // a service does not decide whether the client encrypts
        (capabilities & NATIVE) === (definition.native ? NATIVE : 0)
    )
    if (!isOurs) {
      throw new ServiceStartError(
        `${definition.serviceEntry} is no service for ${definition.suffix}: reinstall ${definition.packageName}`
      )
    }
    await Promise.race([this.#checkSandbox(hello), lost])
    return hello
  }

  #sandboxSettings(): Record<string, number> {
    const { config, incarnation, sockets } = this.#init
    const level = levelNumber(incarnation.sandbox.level)
    return {
      ...(level > 0 && { sandbox_level: level, sandbox_strict: config.sandbox.strict ? 1 : 0 }),
      ...(sockets !== undefined && { socket_fd: LENT_SOCKETS_FD })
    }
  }

  /** @throws ServiceStartError where it is not locked in as the one that was started */
  async #checkSandbox(hello: Hello): Promise<void> {
    const { definition, incarnation } = this.#init
    const wanted = levelNumber(incarnation.sandbox.level)
    const reached = Number(hello.options.find(({ key }) => key === 'sandbox_level')?.value ?? 0)
    // NaN is less, too
    if (!(reached >= wanted)) {
      throw new ServiceStartError(
        `the service of ${definition.packageName} was started at sandbox level L${wanted} and says that it reached L${reached}: ` +
          'it is not used; install matching versions of xtp and of the transport package'
      )
    }
    await incarnation.verify?.()
  }

  /**
   * Exactly `timeoutMs`: of a service that hangs no better answer is to be expected a little later.
   *
   * @returns milliseconds for which the service's I/O thread has been busy with a round, or has overslept
   */
  async ping(timeoutMs: number): Promise<number> {
    const late = new AbortController()
    const cancelTimer = this.#init.config.clock.setTimer(timeoutMs, () => {
      late.abort(new DeadlineExceededError(`ping: no answer in ${timeoutMs} ms`))
    })
    this.#nonce += 1n
    try {
      const body = { ping: { nonce: this.#nonce, ioAgeMs: 0 } }
      const { ping } = await this.#request(body, { timeoutMs, signal: late.signal })
      return ping?.ioAgeMs ?? 0
    } finally {
      cancelTimer()
    }
  }

  /** Counters of the service itself, such as the sockets that its library holds, or of a connection. */
  async stats(connId = 0): Promise<Map<string, bigint>> {
    const { statsResult } = await this.#request({ stats: { connId } })
    return new Map(statsResult?.stats.map(({ key, value }) => [key, value]))
  }

  /** Asks the process to end. */
  async shutdown(timeoutMs: number): Promise<void> {
    await this.#request({ shutdown: {} }, { timeoutMs })
  }

  /** @throws what the service answers, the signal's reason, ServiceLostError */
  async dial(addr: Uint8Array, options: DialOptions): Promise<ServiceConnection> {
    const { signal, remoteAddr, family } = options
    const timeoutMs = this.#init.config.dialTimeoutMs
    await this.#unlessLost(this.#init.sockets?.forDial(family), signal)
    const connId = this.#nextConnId
    if (connId > MAX_CONN_ID) {
      throw new UnavailableError('the service has used all its connection ids: restart it')
    }
    this.#nextConnId += 2
    this.#dialling.set(connId, undefined)
    let closed: Closed | undefined
    let reply: ReplyBody
    try {
      reply = await this.#request({ dial: { connId, addr } }, { timeoutMs, signal })
    } catch (error) {
      // the deadline of the request is that of the connection, whichever of the two noticed it
      throw error instanceof DeadlineExceededError
        ? new ConnectionTimedOutError(
            `could not dial ${remoteAddr}: no answer within ${timeoutMs} ms; it may be down, or a firewall drops UDP`
          )
        : error
    } finally {
      closed = this.#dialling.get(connId)
      this.#dialling.delete(connId)
    }
    if (closed?.status !== undefined) {
      throw errorFromStatus(closed.status, `dial ${remoteAddr}`)
    }
    if (signal?.aborted || this.#isBroken) {
      this.#closeInService(connId, STATUS.CONNECTION_ABORTED)
      signal?.throwIfAborted()
      throw await this.#lost.promise
    }
    // #onEvent and the reply were checked for what they may be; an address may still be nonsense
    const { localAddr: local, remoteCertificate } = reply.connected as Connected
    const localAddr = this.#checked(() => addressFromService(local, this.#init.definition))
    if (this.#muxedAcceptor !== undefined) {
      const addrs = { remoteAddr, localAddr }
      const connection = this.#connectMuxed(connId, 'outbound', addrs, remoteCertificate)
      this.#muxedAcceptor.handOver(connection)
      await connection.identify(peerIdOf(remoteAddr), signal)
      return connection
    }
    return this.#connect(connId, 'outbound', remoteAddr, localAddr, options, handler =>
      this.#link.mux.open({ connId, kind: 0 }, handler)
    )
  }

  /**
   * Opens a listener; gives the address with its true port.
   *
   * @param kept - with sockets that are lent: the listener's own, already kept
   * @throws AddressInUseError, AddressNotAvailableError, PermissionDeniedError, …
   */
  async listen(
    listenerId: number,
    addr: Uint8Array,
    taker: InboundTaker,
    kept?: KeptSocket
  ): Promise<Multiaddr> {
    const { config, sockets, definition } = this.#init
    const { acceptCredit } = config
    if (kept !== undefined) {
      await this.#unlessLost(sockets?.lend(kept.id))
    }
    this.#lastListenerId = Math.max(this.#lastListenerId, listenerId)
    this.#acceptor.add(listenerId, taker, acceptCredit)
    try {
      const reply = await this.#request({ listen: { listenerId, addr, accept: acceptCredit } })
      const bound = this.#checked(() =>
        addressFromService(reply.listening?.addr as Uint8Array, definition)
      )
      if (kept !== undefined) {
        sockets?.onListening(listenerId, kept)
      }
      return bound
    } catch (error) {
      this.#acceptor.remove(listenerId)
      throw error
    }
  }

  async unlisten(listenerId: number): Promise<void> {
    this.#acceptor.remove(listenerId)
    this.#init.sockets?.onUnlisten(listenerId)
    await this.#request({ unlisten: { listenerId } })
  }

  /** The end: everything that still waits gets `error`. Called once the process is known to be dead. */
  fail(error: XtpError): void {
    this.#isBroken = true
    this.#lost.resolve(error)
    this.#acceptor.clear()
    this.#link.close(error)
    for (const connection of this.connections.values()) {
      connection.onLost(error)
    }
    this.connections.clear()
  }

  // ---- requests ----

  /** What the keeper of the sockets does; a loss is told by whoever knows how the process ended. */
  async #unlessLost(work: Promise<void> | undefined, signal?: AbortSignal): Promise<void> {
    if (work === undefined) {
      return
    }
    try {
      await raceSignal(work, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!this.#isBroken) {
        throw error
      }
      throw await raceSignal(this.#lost.promise, signal)
    }
  }

  /** As the control session does it, but a loss is told by whoever knows how the process ended. */
  async #request(body: RequestBody, options: RequestOptions = {}): Promise<ReplyBody> {
    if (!this.#isBroken) {
      try {
        return await this.#link.control.request(body, options)
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!this.#isBroken) {
          throw error
        }
      }
    }
    throw await raceSignal(this.#lost.promise, options.signal)
  }

  /** For what is checked outside of the link's own call: a violation there breaks it all the same. */
  #checked<T>(check: () => T): T {
    try {
      return check()
    } catch (error) {
      this.#link.break(error as Error)
      throw error
    }
  }

  /** With a code: aborts. */
  #closeInService(connId: number, code?: number): void {
    const close = { connId, abort: code !== undefined, code: code ?? 0 }
    // it may have ended meanwhile; and a service that does not answer fails its heartbeat
    this.#request({ close }).catch(() => {})
  }

  #onLateReply(request: RequestBody, reply: ReplyBody): void {
    if (reply.connected !== undefined) {
      this.#closeInService(reply.connected.connId, STATUS.CONNECTION_ABORTED)
    }
    if ('listen' in request && reply.listening !== undefined) {
      this.unlisten(request.listen.listenerId).catch(() => {})
    }
  }

  // ---- events ----

  #onEvent(body: EventBody): void {
    if ('incoming' in body) {
      this.#acceptor.onIncoming(body.incoming)
    } else if ('refused' in body) {
      this.#onRefused(body.refused)
    } else if ('closed' in body) {
      this.#onClosed(body.closed)
    } else if ('log' in body) {
      const { level, scope, message } = body.log
      const { serviceLog } = this.#init
      const log = level <= 1 ? serviceLog.error : level === 2 ? serviceLog : serviceLog.trace
      log('%s: %s', cleanText(scope), cleanText(message))
    }
  }

  #onRefused({ listenerId, remoteAddr, status }: Refused): void {
    if (listenerId > this.#lastListenerId) {
      violation(`a peer refused on listener ${listenerId}, which never was`)
    }
    const from = addressFromService(remoteAddr, this.#init.definition)
    this.#init.onRefused(from, errorFromStatus(status as Status, `handshake with ${from}`))
  }

  #onClosed(closed: Closed): void {
    const { connId } = closed
    const couldHaveBeen =
      connId % 2 === 1 ? connId < this.#nextConnId : this.#acceptor.couldHaveBeen(connId)
    if (!couldHaveBeen) {
      violation(`connection ${connId} closed, which never was`)
    }
    const connection = this.connections.get(connId)
    if (connection !== undefined) {
      this.connections.delete(connId)
      connection.onClosed(closed.status)
    } else if (this.#dialling.has(connId)) {
      this.#dialling.set(connId, closed)
    } else {
      this.#acceptor.onClosed(connId)
    }
  }

  // ---- connections ----

  #createAcceptor(): Acceptor {
    const { definition, config } = this.#init
    return new Acceptor({
      clock: config.clock,
      hasConnection: connId => this.connections.has(connId),
      checkAddress: bytes => addressFromService(bytes, definition),
      connect: ({ connId, localAddr, remoteAddr }, early, taker) =>
        this.#connect(
          connId,
          'inbound',
          addressFromService(remoteAddr, definition),
          addressFromService(localAddr, definition),
          taker,
          handler => early.attach(handler)
        ),
      abortInService: connId => {
        this.#init.serviceLog.error('connection %d has no stream: given up', connId)
        this.#closeInService(connId, STATUS.CONNECTION_ABORTED)
      },
      isFull: () => this.isFull,
      refuse: incoming => this.#refuse(incoming),
      grant: (listenerId, count) => this.#grant(listenerId, count)
    })
  }

  #refuse({ connId, remoteAddr }: Incoming): void {
    const { config, definition, onRefused } = this.#init
    this.#init.serviceLog.error(
      'connection %d refused: %d are open, which is limits.connections',
      connId,
      this.connections.size
    )
    this.#closeInService(connId, STATUS.CONNECTION_ABORTED)
    onRefused(
      addressFromService(remoteAddr, definition),
      new ResourceExhaustedError('as many connections are open as limits.connections allows', {
        details: { limit: 'connections', allowed: config.limits.connections }
      })
    )
  }

  #grant(listenerId: number, count: number): void {
    if (!this.#isBroken) {
      this.#link.control.event({ accept: { listenerId, count } })
    }
  }

  #createMuxedAcceptor(): MuxedAcceptor {
    const { definition, config } = this.#init
    return new MuxedAcceptor({
      clock: config.clock,
      connection: connId => this.connections.get(connId) as MuxedConnection | undefined,
      isDialling: connId => (connId < this.#nextConnId ? this.#dialling.has(connId) : undefined),
      checkAddress: bytes => addressFromService(bytes, definition),
      connect: ({ connId, localAddr, remoteAddr, remoteCertificate }) => {
        const addrs = {
          remoteAddr: addressFromService(remoteAddr, definition),
          localAddr: addressFromService(localAddr, definition)
        }
        return this.#connectMuxed(connId, 'inbound', addrs, remoteCertificate)
      },
      abortInService: connId => this.#closeInService(connId, STATUS.CONNECTION_ABORTED),
      isFull: () => this.isFull,
      refuse: incoming => this.#refuse(incoming),
      onUnidentified: ({ remoteAddr }, error) => this.#init.onRefused(remoteAddr, error),
      grant: (listenerId, count) => this.#grant(listenerId, count)
    })
  }

  #connectMuxed(
    connId: number,
    direction: MessageStreamDirection,
    addrs: { remoteAddr: Multiaddr; localAddr: Multiaddr },
    certificate: Uint8Array = new Uint8Array(0)
  ): MuxedConnection {
    const { config, connectionLog, definition, metrics } = this.#init
    const { mux } = this.#link
    const connection = new MuxedConnection({
      ...addrs,
      connId,
      direction,
      certificate,
      muxerProtocol: definition.suffix,
      log: connectionLog,
      clock: config.clock,
      closeTimeoutMs: config.closeTimeoutMs,
      maxStreams: config.limits.streams,
      openStream: handler => mux.open({ connId, kind: 1 }, handler),
      isLinkClosed: () => mux.isClosed,
      requestClose: async (abort, code) => {
        if (!abort) {
          // or it would overtake what the streams still have on the way to the service
          await mux.barrier()
        }
        this.#closeInService(connId, abort ? code : undefined)
      },
      metrics,
      metricPrefix: `${direction}_`
    })
    this.connections.set(connId, connection)
    return connection
  }

  #connect(
    connId: number,
    direction: MessageStreamDirection,
    remoteAddr: Multiaddr,
    localAddr: Multiaddr,
    { allowHalfOpen, inactivityTimeoutMs }: ConnectionOptions,
    open: (handler: MuxStreamHandler) => MuxStream
  ): XtpConnection {
    const { config, connectionLog, metrics } = this.#init
    const connection = new XtpConnection({
      connId,
      open,
      direction,
      remoteAddr,
      localAddr,
      allowHalfOpen,
      inactivityTimeoutMs,
      log: connectionLog,
      clock: config.clock,
      closeTimeoutMs: config.closeTimeoutMs,
      metrics,
      metricPrefix: `${direction}_`,
      requestClose: () => this.#closeInService(connId),
      // a microtask later it is known whether the link is dead or the service only says so
      onLinkGone: () =>
        queueMicrotask(() => {
          if (!this.#isBroken) {
            connection.onLost(errorFromStatus({ code: STATUS.CONNECTION_RESET }))
          }
        })
    })
    this.connections.set(connId, connection)
    return connection
  }
}

function levelNumber(level: SandboxLevel): number {
  return Number(level.slice(1))
}
