// Keeps one service running: starts it when it is first needed, notices every way in which it can
// die, restarts it with growing pauses, and ends it. Time comes from a clock, processes from a runner.
import { raceSignal } from 'race-signal'
import {
  type Clock,
  EXIT_NO_COMMON_PROTOCOL,
  PossibleCompromiseError,
  ServiceStartError,
  UnavailableError,
  type XtpError
} from '../ctl/index.ts'
import type { ExitInfo, Incarnation, ProcessUsage, Runner, StartRequest } from '../runner/index.ts'
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts'
import { deathError, type Ending } from './death.ts'
import type { ClientConfig } from './definition.ts'
import { startHeartbeat } from './heartbeat.ts'
import { type Exceeded, startWatchdog } from './watchdog.ts'

/**
 * `idle`: not needed yet, or given up until it is needed again. `starting`, `running`.
 * `backoff`: pause before a restart. `halted`: it may have been taken over, and is not started again.
 * `stopping`, `stopped`: by `stop()`.
 */
export type SupervisorState =
  | 'idle'
  | 'starting'
  | 'running'
  | 'backoff'
  | 'halted'
  | 'stopping'
  | 'stopped'

/** After its link has ended, a process gets this long to end by itself, so that its exit tells why. */
const EXIT_AFTER_LINK_MS = 250
/** SIGKILL cannot be refused, but a process in the kernel may take its time. */
const KILL_WAIT_MS = 1_500

/** What runs over the links of an incarnation. */
export interface SupervisedSession {
  /** Resolves, with why, when the links cannot be used any more. */
  readonly broken: Promise<Error | undefined>
  start(timeoutMs: number): Promise<unknown>
  /** Gives for how long the service's I/O thread has been busy with a round, or has overslept, in ms. */
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
    | 'startTimeoutMs'
    | 'heartbeatIntervalMs'
    | 'heartbeatTimeoutMs'
    | 'stopTimeoutMs'
    | 'restart'
    | 'standby'
    | 'limits'
  >
  /** Name of the service in errors, such as `xtp-utp`. */
  name: string
  createSession(incarnation: Incarnation): Session
  /** The service is ready. */
  onRunning(session: Session, incarnation: Incarnation): void
  /** The session that was running has failed with this. */
  onLost(error: XtpError): void
  /** It will not be restarted by itself; the next `acquire` tries again, unless it is halted. */
  onGivenUp(error: XtpError): void
  onBreaker?(state: BreakerState): void
  /** A second process is ready to take over. */
  onStandby?(incarnation: Incarnation): void
  /** What a process uses; undefined where nobody tells. Default: nobody. */
  usage?(pid: number): Promise<ProcessUsage | undefined>
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
  #crashes = 0
  #startFailures = 0
  #everRan = false
  #retryAt = 0
  #lastError?: XtpError
  #halted?: XtpError
  readonly #breaker: CircuitBreaker
  #usage?: ProcessUsage
  /** Ready to take over, and what makes the next one. */
  #standby?: Current<Session>
  #standbyEnd?: Promise<void>
  #preparing?: Promise<void>

  constructor(init: SupervisorInit<Session>) {
    this.#init = init
    this.#breaker = new CircuitBreaker(init.config.restart, state => init.onBreaker?.(state))
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

  /** How often a service that had been ready died, and how often one did not become ready. */
  get crashes(): number {
    return this.#crashes
  }

  get startFailures(): number {
    return this.#startFailures
  }

  get breaker(): BreakerState {
    return this.#breaker.state
  }

  get standby(): Incarnation | undefined {
    return this.#standby?.incarnation
  }

  /** What the running process used when it was looked at last. */
  get usage(): ProcessUsage | undefined {
    return this.#state === 'running' ? this.#usage : undefined
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
      this.#halted = undefined
      this.#breaker.proved()
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
      const what = this.#breaker.state === 'open' ? 'crashes again and again' : 'died'
      throw new UnavailableError(
        `the service of ${name} ${what} and is restarted in ${retryAfterMs} ms: try again then`,
        { cause: this.#lastError, details: { retryAfterMs } }
      )
    }
    if (this.#state === 'stopping' || this.#state === 'stopped') {
      throw this.#stoppedError()
    }
    if (this.#state === 'halted') {
      throw this.#halted as XtpError
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
    await this.#preparing
    await this.#standbyEnd
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
        if (
          error instanceof PossibleCompromiseError &&
          this.#init.config.restart.onCompromise === 'stop'
        ) {
          this.#halted = error
          this.#giveUp(error, 'halted')
          return
        }
        const openMs = this.#breaker.crashed(this.#init.clock.now())
        this.#failures += 1
        if (openMs === 0 && this.#standby !== undefined) {
          continue
        }
        await this.#pause(error, openMs)
        this.#breaker.tried()
      }
    }
  }

  // A method, so that the compiler does not believe that the state stays what it was.
  #isActive(): boolean {
    return this.#state !== 'stopping' && this.#state !== 'stopped' && this.#state !== 'halted'
  }

  /** Gives the error that ended it, or nothing where it was stopped. */
  async #runOnce(): Promise<XtpError | undefined> {
    const { config, clock } = this.#init
    const standby = this.#standby
    this.#standby = undefined
    let current: Current<Session>
    try {
      current = standby ?? (await this.#launch())
    } catch (error) {
      this.#startFailures += 1
      return this.#startError(error as Error)
    }
    const { session } = current
    this.#current = current
    const started = standby === undefined ? await this.#whileStarting(current) : undefined
    const outcome = started ?? (await this.#whileRunning(current))
    const { since } = current
    if (this.#state === 'running') {
      // from here on no new work comes in, while the process is seen off
      this.#state = 'backoff'
      this.#retryAt = clock.now() + config.restart.initialDelayMs
    }
    const error = await this.#end(current, outcome, since === undefined)
    this.#current = undefined
    session.fail(error)
    if (since === undefined && outcome.kind !== 'stop') {
      this.#startFailures += 1
    }
    if (since !== undefined) {
      this.#crashes += outcome.kind === 'stop' ? 0 : 1
      this.#lastError = outcome.kind === 'stop' ? this.#lastError : error
      this.#init.onLost(error)
      if (clock.now() - since >= config.restart.resetAfterMs) {
        this.#failures = 0
      }
    }
    return outcome.kind === 'stop' ? undefined : error
  }

  async #launch(): Promise<Current<Session>> {
    const { runner, request } = this.#init
    const incarnation = await runner.start(request)
    const current: Current<Session> = {
      incarnation,
      session: this.#init.createSession(incarnation)
    }
    incarnation.exited.then(exit => {
      current.exit = exit
    })
    return current
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
    const limit = Promise.withResolvers<End>()
    const stopWatchdog = this.#watch(incarnation, exceeded => {
      limit.resolve({ kind: 'limit', exceeded })
    })
    const cancelTrust = clock.setTimer(config.restart.resetAfterMs, () => {
      this.#failures = 0
      this.#breaker.proved()
    })
    this.#ready?.resolve(session)
    this.#ready = undefined
    this.#init.onRunning(session, incarnation)
    this.#keepStandby()
    const outcome = await Promise.race([heartbeat.promise, limit.promise, ...this.#ends(current)])
    stopHeartbeat()
    stopWatchdog()
    cancelTrust()
    return outcome
  }

  #watch({ pid, enforced }: Incarnation, onExceeded: (exceeded: Exceeded) => void): () => void {
    const { clock, config, usage } = this.#init
    this.#usage = undefined
    if (usage === undefined) {
      return () => {}
    }
    return startWatchdog({
      clock,
      limits: config.limits,
      ...(enforced !== undefined && { enforced }),
      usage: () => usage(pid),
      onUsage: used => {
        this.#usage = used
      },
      onExceeded
    })
  }

  // ---- the second process, which waits to take over ----

  #keepStandby(): void {
    if (this.#init.config.standby && this.#standby === undefined) {
      this.#preparing ??= this.#prepareStandby().finally(() => {
        this.#preparing = undefined
      })
    }
  }

  async #prepareStandby(): Promise<void> {
    const { initialDelayMs, maxDelayMs, factor } = this.#init.config.restart
    let delayMs = Math.max(1, initialDelayMs)
    while (this.#state === 'running' && !(await this.#startStandby())) {
      await this.#sleep(delayMs)
      delayMs = Math.min(maxDelayMs, delayMs * factor)
    }
  }

  async #startStandby(): Promise<boolean> {
    let candidate: Current<Session>
    try {
      candidate = await this.#launch()
    } catch (error) {
      this.#lastError = this.#wrapStartError(error as Error)
      return false
    }
    const outcome = await this.#whileStarting(candidate)
    if (outcome !== undefined) {
      await this.#bury(candidate, outcome, true)
      return false
    }
    this.#standby = candidate
    this.#init.onStandby?.(candidate.incarnation)
    this.#standbyEnd = Promise.race(this.#ends(candidate)).then(async end => {
      if (this.#standby === candidate) {
        this.#standby = undefined
        await this.#bury(candidate, end, false)
        if (end.kind !== 'stop') {
          this.#keepStandby()
        }
      }
    })
    return true
  }

  /** Of a process that never had work. */
  async #bury(current: Current<Session>, outcome: End, starting: boolean): Promise<void> {
    const error = await this.#end(current, outcome, starting)
    current.session.fail(error)
    if (outcome.kind !== 'stop') {
      this.#lastError = error
    }
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
    const ending = killed ? outcome : (this.#limitOf(exit) ?? outcome)
    // our own SIGKILL must not read as one of the system's
    const remedy = starting ? runner.diagnose(killed ? {} : exit, logTail) : undefined
    return deathError({ name, pid, ending, exit, killed, logTail, starting, remedy })
  }

  /** An end that the kernel brought about, where it enforces limits. */
  #limitOf({ exceeded }: ExitInfo): Ending | undefined {
    if (exceeded === undefined) {
      return undefined
    }
    const allowed = this.#init.config.limits[exceeded]
    return { kind: 'limit', exceeded: { limit: exceeded, allowed } }
  }

  async #exitWithin(incarnation: Incarnation, ms: number): Promise<void> {
    const late = Promise.withResolvers<void>()
    const cancelTimer = this.#init.clock.setTimer(ms, late.resolve)
    await Promise.race([incarnation.exited, late.promise])
    cancelTimer()
  }

  #startError(error: Error): XtpError {
    const wrapped = this.#wrapStartError(error)
    this.#lastError = wrapped
    this.#rejectReady(wrapped)
    return wrapped
  }

  #wrapStartError(error: Error): ServiceStartError {
    return error instanceof ServiceStartError
      ? error
      : new ServiceStartError(
          `could not start the service of ${this.#init.name}: ${error.message}`,
          { cause: error }
        )
  }

  // ---- between two incarnations ----

  #giveUp(error: XtpError, state: 'idle' | 'halted' = 'idle'): void {
    this.#state = state
    this.#loop = undefined
    this.#rejectReady(error)
    this.#init.onGivenUp(error)
  }

  /** @param openMs - for how long the breaker is open; 0: it is not */
  async #pause(error: XtpError, openMs: number): Promise<void> {
    const { clock, random = Math.random } = this.#init
    const { initialDelayMs, factor, maxDelayMs, jitter } = this.#init.config.restart
    const delay = Math.min(maxDelayMs, initialDelayMs * factor ** (this.#failures - 1))
    const ms = (openMs > 0 ? openMs : delay) * (1 + jitter * (2 * random() - 1))
    this.#state = 'backoff'
    this.#retryAt = clock.now() + ms
    this.#rejectReady(error)
    await this.#sleep(ms)
  }

  /** Ends early with `stop`. */
  async #sleep(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>()
    const cancelTimer = this.#init.clock.setTimer(ms, over.resolve)
    await Promise.race([over.promise, this.#stop.promise])
    cancelTimer()
  }
}

/** Another try would end in the same way. */
function isPermanent({ exitCode, errno }: ServiceStartError): boolean {
  return exitCode === EXIT_NO_COMMON_PROTOCOL || errno === 'ENOENT' || errno === 'EACCES'
}
