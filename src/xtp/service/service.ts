// The child: one control session on fd 3, one addon on fd 4, and an end that always comes.
import {
  AlreadyExistsError,
  type Clock,
  type Connected,
  ControlSession,
  type Dial,
  type EventBody,
  type Hello,
  InvalidArgumentError,
  type Listen,
  type Listening,
  MAX_FRAME_BYTES,
  MAX_REQUESTS,
  NotFoundError,
  ProtocolViolationError,
  type ReplyBody,
  type RequestBody,
  type RequestContext,
  ResourceExhaustedError,
  type Signed,
  STATUS,
  UnavailableError,
  UnsupportedError,
  XtpError
} from '../ctl/index.ts'
import type { AddressForm } from './addresses.ts'
import type { Binding } from './binding.ts'
import { ControlLink } from './control-link.ts'
import { EXIT } from './exit-codes.ts'
import { NativeBackend } from './native-backend.ts'

export interface ServiceDefinition extends AddressForm {
  /** Name of the transport, such as `utp`. */
  name: string
  /** Package and version, such as `xtp-utp/0.1.0`. */
  implementation: string
  capabilities: number
  /** Loads the addon. Called when the client has said Hello; may throw, with a remedy. */
  loadBinding(): Binding
}

/** Where the service's links are, and what its end is. */
export interface ServiceInit {
  /** Default 3. */
  controlFd?: number
  /** Default 4. */
  dataFd?: number
  /** Default `process.exit`. */
  onExit?(code: number): void
}

const CONTROL_FD = 3
const DATA_FD = 4
/** spec/xtp-jail.md, section Links. */
const LOCK_FD = 6
/** The level from which on the launcher has a file tree to take away. */
const FIRST_LEVEL_WITH_TREE = 3
const DEFAULT_DIAL_TIMEOUT_MS = 30_000
/** Events that nothing depends on, Log and Refused, are dropped while the parent does not take what is queued. */
const MAX_QUEUED_LOG_BYTES = 1 << 20
/** A parent that takes nothing at all any more. */
const MAX_QUEUED_BYTES = 64 << 20
const MAX_CONNECTIONS = 65_536
const MAX_LISTENERS = 1_024

/** Bits of Transport.capabilities (spec/xtp-ctl.proto). */
export const CAPABILITY = {
  DIAL: 1,
  LISTEN: 2,
  NATIVE_MUX: 4,
  NATIVE_SECURITY: 8,
  HALF_CLOSE: 16,
  DATAGRAM: 32
} as const

const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  }
}

export class Service {
  readonly #definition: ServiceDefinition
  readonly #link: ControlLink
  readonly #session: ControlSession
  #backend?: NativeBackend
  readonly #listeners = new Set<number>()
  readonly #dataFd: number
  readonly #onExit: (code: number) => void
  #lastConnId = 0
  #draining = false
  #exiting = false

  constructor(definition: ServiceDefinition, init: ServiceInit = {}) {
    const { controlFd = CONTROL_FD, dataFd = DATA_FD, onExit = process.exit } = init
    this.#definition = definition
    this.#dataFd = dataFd
    this.#onExit = onExit
    this.#session = new ControlSession({
      role: 'service',
      clock: systemClock,
      send: bytes => this.#send(bytes),
      onRequest: (body, ctx) => this.#onRequest(body, ctx),
      onEvent: body => this.#onEvent(body),
      queuedBytes: () => this.#link.queuedBytes
    })
    this.#link = new ControlLink({
      fd: controlFd,
      onBytes: bytes => this.#onBytes(bytes),
      onEnd: () => this.exit(EXIT.OK),
      onMismatch: error => {
        console.error(`control link: ${error.message}`)
        this.exit(EXIT.CONFIG)
      }
    })
  }

  /** Ends the process: the addon's thread first, then what the control link still has to send. */
  exit(code: number): void {
    if (this.#exiting) {
      return
    }
    this.#exiting = true
    this.#backend?.stop()
    // a parent that reads nothing must not keep the child alive
    setTimeout(() => this.#onExit(code), 500).unref()
    this.#link.flush(() => this.#onExit(code))
  }

  #send(bytes: Uint8Array): void {
    this.#link.send(bytes)
    if (this.#link.queuedBytes > MAX_QUEUED_BYTES) {
      console.error('control link: the client does not read')
      this.exit(EXIT.PROTOCOL)
    }
  }

  #onBytes(bytes: Uint8Array): void {
    try {
      this.#session.receive(bytes)
    } catch (error) {
      console.error(`control link: ${(error as Error).message}`)
      this.exit(error instanceof ProtocolViolationError ? EXIT.PROTOCOL : EXIT.SOFTWARE)
    }
  }

  async #onRequest(body: RequestBody, ctx: RequestContext): Promise<ReplyBody> {
    if ('hello' in body) {
      return this.#hello(body.hello)
    }
    if ('ping' in body) {
      return { ping: { nonce: body.ping.nonce, ioAgeMs: this.#backend?.ioAgeMs ?? 0 } }
    }
    if ('shutdown' in body) {
      // the reply leaves before the process ends: exit() flushes
      setImmediate(() => this.exit(EXIT.OK))
      return {}
    }
    const backend = this.#backend
    if (backend === undefined) {
      throw new UnavailableError('the service has not started')
    }
    if ('listen' in body) {
      return { listening: await this.#listen(backend, body.listen, ctx.signal) }
    }
    if ('unlisten' in body) {
      await this.#unlisten(backend, body.unlisten.listenerId)
      return {}
    }
    if ('dial' in body) {
      return { connected: await this.#dial(backend, body.dial, ctx) }
    }
    if ('close' in body) {
      await backend.close(body.close.connId, body.close.abort, body.close.code)
      return {}
    }
    if ('stats' in body) {
      return { statsResult: await backend.stats(body.stats.connId) }
    }
    if ('drain' in body) {
      this.#draining = true
      await Promise.all([...this.#listeners].map(id => this.#unlisten(backend, id)))
      return {}
    }
    throw new UnsupportedError('the service does not know this request')
  }

  async #listen(backend: NativeBackend, listen: Listen, signal: AbortSignal): Promise<Listening> {
    this.#refuseWhileDraining()
    const { listenerId, addr, accept } = listen
    if (listenerId === 0) {
      throw new InvalidArgumentError('listener id 0 is not allowed')
    }
    if (this.#listeners.has(listenerId)) {
      throw new AlreadyExistsError(`listener ${listenerId} exists`)
    }
    if (this.#listeners.size >= MAX_LISTENERS) {
      throw new ResourceExhaustedError(`there are ${MAX_LISTENERS} listeners: close one first`)
    }
    this.#listeners.add(listenerId)
    try {
      const listening = await backend.listen(listenerId, addr, accept)
      if (signal.aborted) {
        await this.#unlisten(backend, listenerId)
      }
      return listening
    } catch (error) {
      this.#listeners.delete(listenerId)
      throw error
    }
  }

  async #unlisten(backend: NativeBackend, listenerId: number): Promise<void> {
    if (!this.#listeners.delete(listenerId)) {
      throw new NotFoundError(`there is no listener ${listenerId}`)
    }
    await backend.unlisten(listenerId)
  }

  #dial(backend: NativeBackend, dial: Dial, ctx: RequestContext): Promise<Connected> {
    this.#refuseWhileDraining()
    const { connId, addr } = dial
    if (connId % 2 !== 1 || connId <= this.#lastConnId) {
      throw new InvalidArgumentError(
        `connection id ${connId} is not odd and larger than all before`
      )
    }
    this.#lastConnId = connId
    return backend.dial(connId, addr, ctx.deadlineMs ?? DEFAULT_DIAL_TIMEOUT_MS, ctx.signal)
  }

  #refuseWhileDraining(): void {
    if (this.#draining) {
      throw new UnavailableError('the service is draining: use its successor')
    }
  }

  async #hello({ options }: Hello): Promise<ReplyBody> {
    const { name, implementation, portProtocol, suffix, suffixCode, capabilities } =
      this.#definition
    const settings = new Map(options.map(({ key, value }) => [key, Number(value)]))
    let code: number = EXIT.UNAVAILABLE
    let reached: Hello['options']
    try {
      this.#backend = new NativeBackend({
        binding: this.#definition.loadBinding(),
        portProtocol,
        suffix,
        suffixCode,
        onEvent: event => this.#emit(event),
        onLinkLost: error => this.#onDataLinkLost(error)
      })
      code = EXIT.LOCKDOWN
      reached = this.#lockdown(this.#backend, settings)
      code = EXIT.UNAVAILABLE
      this.#backend.start(this.#dataFd, Object.fromEntries(settings))
      if ((capabilities & CAPABILITY.NATIVE_SECURITY) !== 0) {
        await this.#backend.certify(spki => this.#sign(spki))
      }
    } catch (error) {
      // the reply tells the client why; the exit code tells whoever sees only the process
      console.error((error as Error).message)
      setImmediate(() => this.exit(code))
      throw error instanceof XtpError
        ? error
        : new UnsupportedError((error as Error).message, { cause: error })
    }
    return {
      hello: {
        implementation: `${implementation} (${this.#backend.version}, node ${process.version})`,
        features: [],
        options: reached,
        limits: {
          maxFrameBytes: MAX_FRAME_BYTES,
          maxConnections: MAX_CONNECTIONS,
          maxListeners: MAX_LISTENERS,
          maxRequests: MAX_REQUESTS
        },
        transports: [{ name, protocols: [suffixCode], capabilities }],
        pid: process.pid
      }
    }
  }

  /** Purpose 1: a TLS certificate. */
  async #sign(spki: Uint8Array): Promise<Signed> {
    const { signed } = await this.#session.request({ sign: { purpose: 1, spki } })
    return signed as Signed
  }

  /** Takes what concerns the sandbox out of the settings; gives what was reached. */
  #lockdown(backend: NativeBackend, settings: Map<string, number>): Hello['options'] {
    const level = settings.get('sandbox_level') ?? 0
    const strict = settings.get('sandbox_strict') === 1
    settings.delete('sandbox_level')
    settings.delete('sandbox_strict')
    if (level === 0) {
      settings.set('die_with_parent', 1)
      return [{ key: 'sandbox_level', value: '0' }]
    }
    // node makes these streams at their first use, and looks at their descriptors then
    void [process.stdout, process.stderr]
    const lockFd = level >= FIRST_LEVEL_WITH_TREE ? LOCK_FD : -1
    const { landlockAbi } = backend.lockdown({ strict, lockFd })
    return [
      { key: 'sandbox_level', value: String(level) },
      { key: 'landlock_abi', value: String(landlockAbi) }
    ]
  }

  #onEvent(event: EventBody): void {
    if ('accept' in event && this.#listeners.has(event.accept.listenerId)) {
      this.#backend?.accept(event.accept.listenerId, event.accept.count)
    }
  }

  #emit(event: EventBody): void {
    if (('log' in event || 'refused' in event) && this.#link.queuedBytes > MAX_QUEUED_LOG_BYTES) {
      return
    }
    if (this.#session.state !== 'closed') {
      this.#session.event(event)
    }
  }

  #onDataLinkLost(error?: XtpError): void {
    if (error === undefined) {
      this.exit(EXIT.OK)
      return
    }
    console.error(`data link: ${error.message}`)
    this.exit(error.status === STATUS.UNSUPPORTED ? EXIT.CONFIG : EXIT.PROTOCOL)
  }
}
