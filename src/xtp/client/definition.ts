// What a transport package tells the client about its transport, and what a user may set.
import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import { type Clock, InvalidArgumentError, UnsupportedError } from '../ctl/index.ts'
import {
  nodeClock,
  type Resolver,
  type Runner,
  type SandboxOptions,
  SandboxRunner,
  systemResolver
} from '../runner/index.ts'
import { type Limits, type LimitsInit, limitsConfig } from './limits.ts'

export type PortProtocol = 'udp' | 'tcp'

/** One transport, as its package (such as `xtp-utp`) describes it. */
export interface TransportDefinition {
  /** Short name: logs are `xtp:<name>`, metrics `libp2p_xtp_<name>_…`. */
  name: string
  /** Also the tag of the libp2p transport: two of the same package cannot be in one node. */
  packageName: string
  /** Whose port its addresses have: `/udp/<port>` or `/tcp/<port>`. Default `udp`. */
  portProtocol?: PortProtocol
  /** Multicodec of the last component of its addresses, such as 302. */
  multiaddrCode: number
  /** That component as text, such as `/utp`; empty where it is the port's. */
  suffix: string
  /** Matches what can be dialled and listened on, with an optional `/p2p/…` at the end. */
  matcher: MultiaddrMatcher
  /**
   * The service itself secures and multiplexes connections (capabilities NATIVE_SECURITY and NATIVE_MUX):
   * they are `MuxedConnection`s. A service of the other kind is refused. Default false.
   */
  native?: boolean
  /** Settings of the addon that follow from `limits`, beside those of the user. Default none. */
  limitSettings?(limits: Limits, settings: Record<string, number>): Record<string, number>
  /** Absolute path of the bundled service program. */
  serviceEntry: string
}

export interface RestartPolicy {
  /** Pause before the first restart, in ms. Default 100. */
  initialDelayMs: number
  /** Longest pause, in ms. Default 10,000. */
  maxDelayMs: number
  /** Each further pause is this much longer. Default 2. */
  factor: number
  /** Random share of the pause, 0 to 1, so that many nodes do not restart as one. Default 0.2. */
  jitter: number
  /**
   * A service that ran this long, in ms, starts over with the first pause, a whole budget and a closed
   * breaker. Default 10,000.
   */
  resetAfterMs: number
  /** Crashes within `budgetWindowMs` that are restarted; with the next one the breaker opens. Default 5. */
  budget: number
  /** Default 180,000. */
  budgetWindowMs: number
  /**
   * How long an open breaker lets the service alone, in ms, before one trial start; after each trial
   * that fails twice as long, up to ten minutes. Default 30,000.
   */
  breakerOpenMs: number
  /**
   * What follows when the sandbox killed the service for a forbidden system call (SIGSYS): it may have
   * been taken over. `stop`, the default: nothing is started until `stop()` and `start()`. `restart`: as
   * after any crash.
   */
  onCompromise: 'stop' | 'restart'
}

/** Options of a transport. All times are milliseconds. */
export interface XtpInit {
  /** From the start of the process until it must be ready. Default 10,000. */
  startTimeoutMs?: number
  /** Pause between two heartbeats. Default 5,000. */
  heartbeatIntervalMs?: number
  /** A heartbeat without an answer for this long means a hung service: it is killed. Default 10,000. */
  heartbeatTimeoutMs?: number
  /** Time for each step of stopping the service: Shutdown, SIGTERM, SIGKILL. Default 2,000. */
  stopTimeoutMs?: number
  /** Longest time for a dial, apart from the caller's signal. Default 10,000. */
  dialTimeoutMs?: number
  /** Longest time for `connection.close()` without a signal; then it aborts. Default 10,000. */
  closeTimeoutMs?: number
  /** How long a listener tries to get its port back after a restart. Default 60,000. */
  relistenTimeoutMs?: number
  /** Restarts after a crash. */
  restart?: Partial<RestartPolicy>
  /**
   * Keep a second service process ready, locked in, without sockets: it takes over within milliseconds
   * when the first dies, for the memory of one more process. Default false.
   */
  standby?: boolean
  /** What the service and its connections may use. */
  limits?: LimitsInit
  /** Inbound connections of one listener that may wait for their upgrade. Default 128. */
  acceptCredit?: number
  /**
   * A libp2p connection without a byte in either direction for this long is aborted, as TCP's are.
   * Default 120,000; 0 switches it off.
   */
  inactivityTimeoutMs?: number
  /**
   * Settings of the service's addon by name; see the transport package. All have `udp_buffer_bytes`: receive and send
   * buffer of each socket, 4096 to 2³⁰, as far as the system allows; default 4 MiB.
   */
  settings?: Record<string, number>
  /** The box around the service. Default: the strongest that works here. */
  sandbox?: SandboxOptions
  /** How the service is started, for tests. Default: as `sandbox` says. */
  runner?: Runner
  /** Default: the system's resolver. */
  resolver?: Resolver
  /** Time, for tests. Default: the real one. */
  clock?: Clock
}

/** `XtpInit` with every default filled in. */
export type ClientConfig = Required<Omit<XtpInit, 'restart' | 'limits'>> & {
  restart: RestartPolicy
  limits: Limits
}

const DEFAULT_TIMES_MS = {
  startTimeoutMs: 10_000,
  heartbeatIntervalMs: 5_000,
  heartbeatTimeoutMs: 10_000,
  stopTimeoutMs: 2_000,
  dialTimeoutMs: 10_000,
  closeTimeoutMs: 10_000,
  relistenTimeoutMs: 60_000
}

/** Also of the sockets that outlive a service, which has to leave them as they are. */
const UDP_BUFFER_SETTING = 'udp_buffer_bytes'

const DEFAULT_INACTIVITY_TIMEOUT_MS = 120_000

const DEFAULT_RESTART: RestartPolicy = {
  initialDelayMs: 100,
  maxDelayMs: 10_000,
  factor: 2,
  jitter: 0.2,
  resetAfterMs: 10_000,
  budget: 5,
  budgetWindowMs: 180_000,
  breakerOpenMs: 30_000,
  onCompromise: 'stop'
}

const DEFAULT_ACCEPT_CREDIT = 128
const MAX_ACCEPT_CREDIT = 65_536
/** The largest delay of a Node timer; a longer one fires at once. */
const MAX_TIME_MS = 2 ** 31 - 1

function checkNumber(name: string, value: number, min: number, max: number): void {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new InvalidArgumentError(`${name} must be a number from ${min} to ${max}, not ${value}`)
  }
}

/**
 * Fills in the defaults.
 *
 * @throws InvalidArgumentError that names the option; UnsupportedError before Node 22
 */
export function clientConfig(init: XtpInit): ClientConfig {
  // what runs before Node 22 at all would fail later with something that nobody understands
  if (Promise.withResolvers === undefined) {
    throw new UnsupportedError(`XTP needs Node 22 or later, this is ${process.version}`)
  }
  const config: ClientConfig = {
    ...DEFAULT_TIMES_MS,
    acceptCredit: DEFAULT_ACCEPT_CREDIT,
    inactivityTimeoutMs: DEFAULT_INACTIVITY_TIMEOUT_MS,
    standby: false,
    settings: {},
    resolver: systemResolver,
    clock: nodeClock,
    sandbox: {},
    ...withoutUndefined(init),
    // checks the options of the sandbox, too
    runner:
      init.runner ??
      new SandboxRunner({
        sandbox: init.sandbox,
        limits: limitsConfig(init.limits),
        udpBufferBytes: init.settings?.[UDP_BUFFER_SETTING]
      }),
    restart: { ...DEFAULT_RESTART, ...withoutUndefined(init.restart ?? {}) },
    limits: limitsConfig(init.limits)
  }
  for (const name of Object.keys(DEFAULT_TIMES_MS) as Array<keyof typeof DEFAULT_TIMES_MS>) {
    checkNumber(name, config[name], 1, MAX_TIME_MS)
  }
  checkNumber('acceptCredit', config.acceptCredit, 1, MAX_ACCEPT_CREDIT)
  checkNumber('inactivityTimeoutMs', config.inactivityTimeoutMs, 0, MAX_TIME_MS)
  const { restart, settings } = config
  checkNumber('restart.initialDelayMs', restart.initialDelayMs, 0, MAX_TIME_MS)
  checkNumber('restart.maxDelayMs', restart.maxDelayMs, restart.initialDelayMs, MAX_TIME_MS)
  checkNumber('restart.factor', restart.factor, 1, 100)
  checkNumber('restart.jitter', restart.jitter, 0, 1)
  checkNumber('restart.resetAfterMs', restart.resetAfterMs, 0, MAX_TIME_MS)
  checkNumber('restart.budget', restart.budget, 0, Number.MAX_SAFE_INTEGER)
  checkNumber('restart.budgetWindowMs', restart.budgetWindowMs, 1, MAX_TIME_MS)
  checkNumber('restart.breakerOpenMs', restart.breakerOpenMs, 1, MAX_TIME_MS)
  if (restart.onCompromise !== 'stop' && restart.onCompromise !== 'restart') {
    throw new InvalidArgumentError(
      `restart.onCompromise must be stop or restart, not ${restart.onCompromise}`
    )
  }
  for (const [name, value] of Object.entries(settings)) {
    checkNumber(`settings.${name}`, value, -Number.MAX_VALUE, Number.MAX_VALUE)
  }
  return config
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
