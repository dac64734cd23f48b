// One listening address. It outlives the service: after a restart it listens on the same port again.
import type { Listener, ListenerEvents, Logger } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import {
  type Clock,
  InvalidArgumentError,
  isXtpError,
  STATUS,
  UnavailableError,
  type XtpError
} from '../ctl/index.ts'
import type { SocketKeeper } from '../runner/index.ts'
import type { InboundTaker } from './accept-credit.ts'
import {
  encodeTarget,
  familyOf,
  ipOf,
  listeningAddresses,
  parseMultiaddr,
  resolveTarget,
  type Target,
  targetOf
} from './addresses.ts'
import type { XtpConnection } from './connection.ts'
import type { ClientConfig, TransportDefinition } from './definition.ts'
import type { KeptSocket } from './lent-sockets.ts'
import type { ServiceConnection } from './service-connection.ts'
import type { ServiceSession } from './service-session.ts'

const RELISTEN_FIRST_MS = 50
const RELISTEN_MAX_MS = 2_000

/** Another process may give these up, or the network may come back. */
const RELISTEN_ON = new Set<number>([
  STATUS.ADDRESS_IN_USE,
  STATUS.ADDRESS_NOT_AVAILABLE,
  STATUS.RESOURCE_EXHAUSTED,
  STATUS.UNAVAILABLE,
  STATUS.DEADLINE_EXCEEDED
])

/** `C`: `MuxedConnection` for a native transport. */
export interface ListenerOptions<C extends ServiceConnection = XtpConnection> {
  /**
   * Takes an inbound connection. Until the promise settles the connection counts against
   * `acceptCredit`; a rejection aborts it.
   */
  onConnection(connection: C): Promise<void> | void
  /** As in `XtpConnectionInit`. Default true. */
  allowHalfOpen?: boolean
  /** As in `XtpInit`, for raw connections. Default 0. */
  inactivityTimeoutMs?: number
  /** What is left to do with the open connections when the listener closes. Default: nothing. */
  onClose?(connections: ReadonlySet<C>): Promise<void>
}

/** What a listener needs of its client. */
export interface ListenerHost {
  definition: TransportDefinition
  config: Pick<ClientConfig, 'clock' | 'resolver' | 'relistenTimeoutMs'>
  log: Logger
  acquire(): Promise<ServiceSession>
  newListenerId(): number
  /** For the id of a kept socket. */
  newSocketNumber(): number
  /** Who keeps the sockets; absent where a service makes its own. */
  sockets(): SocketKeeper | undefined
  onClosed(listener: XtpListener): void
}

/**
 * A listener of an XTP transport. `listening` is emitted whenever it begins to listen, so again
 * after each restart of the service; `getAddrs()` is empty in between. `close` is emitted once, when
 * it is closed for good, and `error` before that where it could not come back.
 */
export class XtpListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #host: ListenerHost
  readonly #options: ListenerOptions<ServiceConnection>
  readonly #taker: InboundTaker
  readonly #connections = new Set<ServiceConnection>()
  #id = 0
  /** Of the socket that is kept for it, over all incarnations. */
  #socketId?: string
  #ma?: Multiaddr
  #target?: Target
  #session?: ServiceSession
  #port?: number
  #state: 'new' | 'opening' | 'up' | 'down' | 'closed' = 'new'
  #closing?: Promise<void>
  #cancelRetry?: () => void

  constructor(host: ListenerHost, options: ListenerOptions<ServiceConnection>) {
    super()
    this.#host = host
    this.#options = options
    this.#taker = {
      allowHalfOpen: options.allowHalfOpen ?? true,
      inactivityTimeoutMs: options.inactivityTimeoutMs ?? 0,
      onConnection: connection => this.#onConnection(connection)
    }
  }

  /**
   * Starts to listen, and starts the service where it is not running. Once per listener.
   *
   * @throws AddressInUseError, AddressNotAvailableError, PermissionDeniedError,
   *   InvalidArgumentError, ServiceStartError, …
   */
  async listen(address: Multiaddr | string): Promise<void> {
    const { definition, config } = this.#host
    if (this.#state !== 'new') {
      throw new InvalidArgumentError('this listener was used already: create another one')
    }
    this.#ma = parseMultiaddr(address, definition)
    const target = targetOf(this.#ma, definition)
    this.#state = 'opening'
    try {
      const [resolved] = await resolveTarget(target, config.resolver)
      this.#target = resolved
      await this.#open(await this.#host.acquire())
    } catch (error) {
      if (this.#state === 'opening') {
        this.#state = 'new'
      }
      throw error
    }
  }

  /** It can take connections right now. */
  get isListening(): boolean {
    return this.#state === 'up'
  }

  /** The addresses that others can dial, without a peer id; empty while the service is down. */
  getAddrs(): Multiaddr[] {
    if (this.#state !== 'up' || this.#ma === undefined || this.#port === undefined) {
      return []
    }
    return listeningAddresses(this.#ma, this.#port, this.#host.definition)
  }

  /** For libp2p; there is nothing to add to an address of this transport. */
  updateAnnounceAddrs(): void {}

  /** Stops listening. Resolves when the address is free; never rejects. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  /** The client has a new service. */
  onRunning(session: ServiceSession): void {
    if (this.#state === 'down') {
      const deadline = this.#host.config.clock.now() + this.#host.config.relistenTimeoutMs
      this.#reopen(session, RELISTEN_FIRST_MS, deadline)
    }
  }

  /** The service is gone; it may come back. */
  onLost(): void {
    this.#cancelRetry?.()
    if (this.#state === 'up') {
      this.#state = 'down'
      this.#session = undefined
      this.#host.log('%a is down with the service', this.#ma)
    }
  }

  /** The service does not come back by itself. */
  onGivenUp(error: XtpError): void {
    if (this.#state === 'down') {
      this.#fail(error)
    }
  }

  async #open(session: ServiceSession): Promise<void> {
    const { definition, newListenerId, log } = this.#host
    const target = this.#target as Target
    const id = newListenerId()
    let port: number
    try {
      // the same port as before, also where the system chose it
      const wanted = this.#port ?? target.port
      const kept = await this.#keep(target, wanted)
      const addr = encodeTarget(target, kept?.port ?? wanted, definition)
      const bound = await session.listen(id, addr, this.#taker, kept)
      // what is kept is not the service's to tell
      port = kept?.port ?? targetOf(bound, definition).port
    } catch (error) {
      if (this.#state === 'opening') {
        // nobody will ask for it again
        await this.#release()
      }
      throw withAddress(error as Error, this.#ma as Multiaddr)
    }
    if (this.#isClosed) {
      await session.unlisten(id).catch(() => {})
      await this.#release()
      throw closedError()
    }
    if (session.isBroken) {
      throw new UnavailableError('the service died while it began to listen')
    }
    this.#id = id
    this.#session = session
    this.#port = port
    this.#state = 'up'
    log('listening on %a, port %d', this.#ma, this.#port)
    this.safeDispatchEvent('listening')
  }

  /** Binds the socket that outlives the service, where somebody keeps it. */
  async #keep(target: Target, port: number): Promise<(KeptSocket & { port: number }) | undefined> {
    const keeper = this.#host.sockets()
    if (this.#isClosed) {
      throw closedError()
    }
    if (keeper === undefined) {
      return undefined
    }
    this.#socketId ??= `listen-${this.#host.newSocketNumber()}`
    const socket = { id: this.#socketId, family: familyOf(target), ip: ipOf(target) }
    const bound = await keeper.bind(socket.id, { ...socket, port })
    if (this.#isClosed) {
      await this.#release()
      throw closedError()
    }
    return { ...socket, port: bound.port }
  }

  async #release(): Promise<void> {
    if (this.#socketId !== undefined) {
      await this.#host.sockets()?.release(this.#socketId)
    }
  }

  // A method, so that the compiler does not believe that the state stays what it was.
  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #reopen(session: ServiceSession, delayMs: number, deadline: number): void {
    const { clock }: { clock: Clock } = this.#host.config
    this.#open(session).catch(error => {
      if (this.#state !== 'down' || session.isBroken) {
        // closed, or the next incarnation will try
        return
      }
      this.#host.log.error('could not listen on %a again - %e', this.#ma, error)
      const mayCome = isXtpError(error) && RELISTEN_ON.has(error.status)
      if (!mayCome || clock.now() + delayMs > deadline) {
        this.#fail(error)
        return
      }
      this.#cancelRetry = clock.setTimer(delayMs, () => {
        this.#reopen(session, Math.min(2 * delayMs, RELISTEN_MAX_MS), deadline)
      })
    })
  }

  #fail(error: Error): void {
    this.safeDispatchEvent('error', { detail: error })
    this.close().catch(() => {})
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === 'up' || this.#state === 'down'
    this.#state = 'closed'
    this.#cancelRetry?.()
    const session = this.#session
    this.#session = undefined
    // gone already where the service is
    await session?.unlisten(this.#id).catch(() => {})
    await this.#release()
    await this.#options.onClose?.(this.#connections)
    this.#host.onClosed(this)
    if (wasOpen) {
      this.safeDispatchEvent('close')
    }
  }

  async #onConnection(connection: ServiceConnection): Promise<void> {
    this.#connections.add(connection)
    connection.ended.then(() => this.#connections.delete(connection))
    this.#host.log('inbound connection from %a', connection.remoteAddr)
    await this.#options.onConnection(connection)
  }
}

function closedError(): UnavailableError {
  return new UnavailableError('the listener was closed', { retryable: false })
}

/** By status or errno. */
const REMEDY: Record<number | string, string> = {
  [STATUS.ADDRESS_IN_USE]: 'choose another port, or end the program that holds it',
  [STATUS.ADDRESS_NOT_AVAILABLE]: 'listen on an address of this machine',
  [STATUS.PERMISSION_DENIED]: 'ports below 1024 need a privilege: choose a higher port',
  EMFILE: 'raise the limit on open files with `ulimit -n`'
}

/** Whose message says which of several addresses it was about, and what to do. */
function withAddress(error: Error, ma: Multiaddr): Error {
  if (isXtpError(error) && error.message.startsWith('listen: ')) {
    const remedy = REMEDY[error.status] ?? REMEDY[error.errno ?? '']
    const why = error.message.slice('listen: '.length)
    error.message = `could not listen on ${ma}: ${why}${remedy === undefined ? '' : `; ${remedy}`}`
  }
  return error
}
