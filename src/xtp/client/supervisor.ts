// Keeps one service running: starts it when it is first needed, notices every way in which it can
// die, restarts it with growing pauses, and ends it. Time comes from a clock, processes from a runner.
import { raceSignal } from 'race-signal'
import {
  type Clock,
  EXIT_NO_COMMON_PROTOCOL,
  ServiceStartError,
  UnavailableError,
  type XtpError
} from '../ctl/index.ts'
import type { ExitInfo, Incarnation, Runner, StartRequest } from '../runner/index.ts'
import { deathError, type Ending } from './death.ts'
import type { ClientConfig } from './definition.ts'
import { startHeartbeat } from './heartbeat.ts'

/**
 * `idle`: not needed yet, or given up until it is needed again. `starting`, `running`.
 * `backoff`: pause before a restart. `stopping`, `stopped`: by `stop()`.
 */
export type SupervisorState = 'idle' | 'starting' | 'running' | 'backoff' | 'stopping' | 'stopped'

/** After its link has ended, a process gets this long to end by itself, so that its exit tells why. */
const EXIT_AFTER_LINK_MS = 250
/** SIGKILL cannot be refused, but a process in the kernel may take its time. */
const KILL_WAIT_MS = 1_000

/** What runs over the links of an incarnation. */
export interface SupervisedSession {
  /** Resolves, with why, when the links cannot be used any more. */
  readonly broken: Promise<Error | undefined>
  start(timeoutMs: number): Promise<unknown>
  /** Gives the age of the last round of the service's I/O thread, in ms. */
  ping(timeoutMs: number): Promise<number>
  shutdown(timeoutMs: number): Promise<void>
  fail(error: XtpError): void
}

export interface SupervisorInit<Session> {
  runner: Runner
  request: StartRequest
  clock: Clock
  config: Pick<
    ClientConfig,
    'startTimeoutMs' | 'heartbeatIntervalMs' | 'heartbeatTimeoutMs' | 'stopTimeoutMs' | 'restart'
  >
  /** Name of the service in errors, such as `xtp-utp`. */
  name: string
  createSession(incarnation: Incarnation): Session
  /** The service is ready. */
  onRunning(session: Session, incarnation: Incarnation): void
  /** The session that was running has failed with this. */
  onLost(error: XtpError): void
  /** It will not be restarted by itself; the next `acquire` tries again. */
  onGivenUp(error: XtpError): void
  /** 0 to 1; default `Math.random`. */
  random?(): number
}

type End = Ending | { kind: 'stop' }

interface Current<Session> {
  session: Session
  incarnation: Incarnation
  exit?: ExitInfo
  /** Clock time when it became ready. */
  since?: number
}

export class Supervisor<Session extends SupervisedSession> {
  readonly #init: SupervisorInit<Session>
  #state: SupervisorState = 'idle'
  #current?: Current<Session>
  /** Of those who wait for a service that is starting. */
  #ready?: PromiseWithResolvers<Session>
  #stop = Promise.withResolvers<void>()
  #loop?: Promise<void>
  #stopped?: Promise<void>
  /** Starts and crashes in a row, for the length of the pause. */
  #failures = 0
  #restarts = 0
  #everRan = false
  #retryAt = 0
  #lastError?: XtpError

  constructor(init: SupervisorInit<Session>) {
    this.#init = init
  }

  get state(): SupervisorState {
    return this.#state
  }

  /** The running session. */
  get session(): Session | undefined {
    return this.#state === 'running' ? this.#current?.session : undefined
  }

  get incarnation(): Incarnation | undefined {
    return this.#current?.incarnation
  }

  /** Milliseconds since the service became ready. */
  get uptimeMs(): number {
    const since = this.#current?.since
    return since === undefined ? 0 : this.#init.clock.now() - since
  }

  /** How often the service became ready again after it had died. */
  get restarts(): number {
    return this.#restarts
  }

  get lastError(): XtpError | undefined {
    return this.#lastError
  }

  /** Makes `acquire` possible again after `stop`. Starts no process. */
  start(): void {
    if (this.#state === 'stopped') {
      this.#stop = Promise.withResolvers()
      this.#stopped = undefined
      this.#failures = 0
      this.#everRan = false
      this.#state = 'idle'
    }
  }

  /**
   * The running session; starts the service where it is not running.
   *
   * @throws ServiceStartError, ServiceLostError; UnavailableError during the pause before a restart
   *   (retryable) and after `stop`; the signal's reason
   */
  async acquire(signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted()
    const { name, clock } = this.#init
    if (this.#state === 'running') {
      return (this.#current as Current<Session>).session
    }
    if (this.#state === 'backoff') {
      const retryAfterMs = Math.max(0, Math.round(this.#retryAt - clock.now()))
      throw new UnavailableError(
        `the service of ${name} died and is restarted in ${retryAfterMs} ms: try again then`,
        { cause: this.#lastError, details: { retryAfterMs } }
      )
    }
    if (this.#state === 'stopping' || this.#state === 'stopped') {
      throw this.#stoppedError()
    }
    if (this.#state === 'idle') {
      this.#state = 'starting'
      // a defect of this file, or a runner that does what it must not, is no crash of the application
      this.#loop = this.#run().catch(error => {
        if (this.#isActive()) {
          this.#giveUp(this.#startError(error))
        }
      })
    }
    this.#ready ??= this.#newReady()
    return raceSignal(this.#ready.promise, signal)
  }

  /** Ends the service: Shutdown, then SIGTERM, then SIGKILL. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') {
      return
    }
    this.#stopped ??= this.#stopNow()
    await this.#stopped
  }

  async #stopNow(): Promise<void> {
    this.#state = 'stopping'
    this.#rejectReady(this.#stoppedError())
    this.#stop.resolve()
    await this.#loop
    this.#loop = undefined
    await this.#init.runner.close().catch(() => {})
    this.#state = 'stopped'
  }

  #stoppedError(): UnavailableError {
    return new UnavailableError(`${this.#init.name} is stopped: call start() first`, {
      retryable: false
    })
  }

  #newReady(): PromiseWithResolvers<Session> {
    const ready = Promise.withResolvers<Session>()
    ready.promise.catch(() => {})
    return ready
  }

  #rejectReady(error: XtpError): void {
    this.#ready?.reject(error)
    this.#ready = undefined
  }

  // ---- the loop: one turn per incarnation ----

  async #run(): Promise<void> {
    while (this.#isActive()) {
      this.#state = 'starting'
      const error = await this.#runOnce()
      if (!this.#isActive()) {
        return
      }
      if (error !== undefined) {
        this.#lastError = error
        if (error instanceof ServiceStartError && (!this.#everRan || isPermanent(error))) {
          this.#giveUp(error)
          return
        }
        this.#failures += 1
        await this.#pause(error)
      }
    }
  }

  // A method, so that the compiler does not believe that the state stays what it was.
  #isActive(): boolean {
    return this.#state !== 'stopping' && this.#state !== 'stopped'
  }

  /** Gives the error that ended it, or nothing where it was stopped. */
  async #runOnce(): Promise<XtpError | undefined> {
    const { runner, request, config, clock } = this.#init
    let incarnation: Incarnation
    try {
      incarnation = await runner.start(request)
    } catch (error) {
      return this.#startError(error as Error)
    }
    const session = this.#init.createSession(incarnation)
    const current: Current<Session> = { session, incarnation }
    this.#current = current
    incarnation.exited.then(exit => {
      current.exit = exit
    })

    const outcome = (await this.#whileStarting(current)) ?? (await this.#whileRunning(current))
    const { since } = current
    if (this.#state === 'running') {
      // from here on no new work comes in, while the process is seen off
      this.#state = 'backoff'
      this.#retryAt = clock.now() + config.restart.initialDelayMs
    }
    const error = await this.#end(current, outcome, since === undefined)
    this.#current = undefined
    session.fail(error)
    if (since !== undefined) {
      this.#lastError = outcome.kind === 'stop' ? this.#lastError : error
      this.#init.onLost(error)
      if (clock.now() - since >= config.restart.resetAfterMs) {
        this.#failures = 0
      }
    }
    return outcome.kind === 'stop' ? undefined : error
  }

  /** Nothing, once it is ready. */
  async #whileStarting(current: Current<Session>): Promise<End | undefined> {
    const { config, clock } = this.#init
    const timeout = Promise.withResolvers<End>()
    const cancelTimer = clock.setTimer(config.startTimeoutMs, () => {
      timeout.resolve({ kind: 'timeout', afterMs: config.startTimeoutMs })
    })
    const started = current.session.start(config.startTimeoutMs).then(
      () => undefined,
      (error): End => ({ kind: 'failed', error })
    )
    const outcome = await Promise.race([started, timeout.promise, ...this.#ends(current)])
    cancelTimer()
    return outcome
  }

  async #whileRunning(current: Current<Session>): Promise<End> {
    const { session, incarnation } = current
    if (!this.#isActive()) {
      return { kind: 'stop' }
    }
    current.since = this.#init.clock.now()
    this.#state = 'running'
    if (this.#everRan) {
      this.#restarts += 1
    }
    this.#everRan = true
    const heartbeat = Promise.withResolvers<End>()
    const { clock, config } = this.#init
    const stopHeartbeat = startHeartbeat(clock, config, session, (error, thread) => {
      heartbeat.resolve({ kind: 'heartbeat', error, thread, afterMs: config.heartbeatTimeoutMs })
    })
    this.#ready?.resolve(session)
    this.#ready = undefined
    this.#init.onRunning(session, incarnation)
    const outcome = await Promise.race([heartbeat.promise, ...this.#ends(current)])
    stopHeartbeat()
    return outcome
  }

  #ends({ session, incarnation }: Current<Session>): Array<Promise<End>> {
    return [
      this.#stop.promise.then((): End => ({ kind: 'stop' })),
      incarnation.exited.then((): End => ({ kind: 'exit' })),
      session.broken.then((error): End => ({ kind: 'broken', error }))
    ]
  }

  // ---- the end of an incarnation ----

  /** Sees to it that the process is gone, and gives the error for everything that was on it. */
  async #end(current: Current<Session>, outcome: End, starting: boolean): Promise<XtpError> {
    const { session, incarnation } = current
    const { stopTimeoutMs } = this.#init.config
    if (outcome.kind === 'stop') {
      if (!starting) {
        session.shutdown(stopTimeoutMs).catch(() => {})
        await this.#exitWithin(incarnation, stopTimeoutMs)
      }
      if (current.exit === undefined) {
        incarnation.kill('SIGTERM')
        await this.#exitWithin(incarnation, stopTimeoutMs)
      }
    } else if (
      outcome.kind === 'failed' ||
      (outcome.kind === 'broken' && (starting || outcome.error === undefined))
    ) {
      // it is ending by itself, most likely: its exit code says more than a SIGKILL of ours
      await this.#exitWithin(incarnation, EXIT_AFTER_LINK_MS)
    }
    const killed = current.exit === undefined
    if (killed) {
      incarnation.kill('SIGKILL')
      await this.#exitWithin(incarnation, KILL_WAIT_MS)
    }
    if (outcome.kind === 'stop') {
      return this.#stoppedError()
    }
    const { name, runner } = this.#init
    const { logTail, pid } = incarnation
    const exit = current.exit ?? {}
    const remedy = starting ? runner.diagnose(exit, logTail) : undefined
    return deathError({ name, pid, ending: outcome, exit, killed, logTail, starting, remedy })
  }

  async #exitWithin(incarnation: Incarnation, ms: number): Promise<void> {
    const late = Promise.withResolvers<void>()
    const cancelTimer = this.#init.clock.setTimer(ms, late.resolve)
    await Promise.race([incarnation.exited, late.promise])
    cancelTimer()
  }

  #startError(error: Error): XtpError {
    const wrapped =
      error instanceof ServiceStartError
        ? error
        : new ServiceStartError(
            `could not start the service of ${this.#init.name}: ${error.message}`,
            {
              cause: error
            }
          )
    this.#lastError = wrapped
    this.#rejectReady(wrapped)
    return wrapped
  }

  // ---- between two incarnations ----

  #giveUp(error: XtpError): void {
    this.#state = 'idle'
    this.#loop = undefined
    this.#rejectReady(error)
    this.#init.onGivenUp(error)
  }

  async #pause(error: XtpError): Promise<void> {
    const { clock, random = Math.random } = this.#init
    const { initialDelayMs, factor, maxDelayMs, jitter } = this.#init.config.restart
    const delay = Math.min(maxDelayMs, initialDelayMs * factor ** (this.#failures - 1))
    const ms = delay * (1 + jitter * (2 * random() - 1))
    this.#state = 'backoff'
    this.#retryAt = clock.now() + ms
    this.#rejectReady(error)
    const over = Promise.withResolvers<void>()
    const cancelTimer = clock.setTimer(ms, over.resolve)
    await Promise.race([over.promise, this.#stop.promise])
    cancelTimer()
  }
}

/** Another try would end in the same way. */
function isPermanent({ exitCode, errno }: ServiceStartError): boolean {
  return exitCode === EXIT_NO_COMMON_PROTOCOL || errno === 'ENOENT' || errno === 'EACCES'
}
