// How a service process starts is behind this interface: spawned directly, or by the sandboxing
// launcher. The client knows nothing else about processes.
import type { MuxSink } from '../ctl/index.ts'

/** Strength of the sandbox around a service, as reported to the application. */
export type SandboxLevel = 'L0' | 'L2' | 'L3' | 'L4'

export interface SandboxReport {
  level: SandboxLevel
  /** Why it is not stronger, and what to do about it, for people. */
  reason: string
  /** Version of the kernel's Landlock, from level L2; 0: the kernel has none. */
  landlockAbi?: number
}

/** What a process may use; 0: no limit of ours. */
export interface ProcessLimits {
  memoryBytes: number
  /** Processors, such as 0.5. */
  cpu: number
  openFiles: number
  /** Processes and threads together. */
  processes: number
}

/** What a link tells its user. No call comes after `onEnd`. */
export interface LinkHandler {
  onData(bytes: Uint8Array): void
  /** The sink has room again. */
  onDrain(): void
  /** The other end closed it, or it broke. Called once. */
  onEnd(error?: Error): void
}

/** One duplex byte stream to the service. Reads begin with `attach`. */
export interface ByteLink {
  readonly sink: MuxSink
  /** Once per link, before anything else. */
  attach(handler: LinkHandler): void
  /** Stops reading for a while; absent where the link cannot. */
  pause?(): void
  resume?(): void
  /** Drops what is queued and closes. `onEnd` follows unless it was called before. */
  destroy(): void
}

export interface ExitInfo {
  /** Exit code, where the process ended by itself. */
  exitCode?: number
  /** Name of the signal that ended it, such as `SIGKILL`. */
  signal?: string
  /** The most memory that was resident, in bytes, where the launcher tells. */
  maxRssBytes?: number
  /** CPU time that it took, user and system, in ms, where the launcher tells. */
  cpuMs?: number
  /** What it ran against, where the kernel enforces limits (`Incarnation.enforced`). */
  exceeded?: EnforcedLimit
}

/** Limits that a group of cgroup v2 enforces, and tells when a process ran against them. */
export type EnforcedLimit = 'memoryBytes' | 'processes'

/** One running process. */
export interface Incarnation {
  readonly pid: number
  readonly sandbox: SandboxReport
  readonly control: ByteLink
  readonly data: ByteLink
  /** Settles when the process is gone and both links have ended. Never rejects. */
  readonly exited: Promise<ExitInfo>
  /** The last lines of stdout and stderr, at most 20. */
  readonly logTail: readonly string[]
  /**
   * Limits that the kernel enforces, processor time among them, and that which the process ran against: it was refused a
   * thread, or ended for its memory. Absent where the kernel does not enforce them as a whole (below L4).
   */
  readonly enforced?: { exceeded(): EnforcedLimit | undefined }
  /** Does nothing when the process is gone. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
  /**
   * Looks from outside, once the service says that it is locked in, whether it is; absent where there
   * is nothing to look at. Resolves also where nothing can be seen.
   *
   * @throws ServiceStartError where it is not
   */
  verify?(): Promise<void>
}

/** Where a kept UDP socket is bound to. */
export interface SocketAddress {
  family: 4 | 6
  /** An IP literal; a link-local IPv6 one with `%` and its zone. */
  ip: string
  /** 0: the system chooses. */
  port: number
}

/**
 * Keeps bound UDP sockets over any number of service processes, and lends them to these. An id is 1 to
 * 23 of `a-z 0-9 -`; a service gives `dial4` and `dial6` a meaning of their own
 * (spec/xtp-service.md, section Lent sockets).
 */
export interface SocketKeeper {
  /**
   * Binds a socket. Does nothing where the id is bound to that address already; binds it again after
   * the keeper itself died. Gives the true port.
   *
   * @throws AddressInUseError, AddressNotAvailableError, PermissionDeniedError,
   *   ResourceExhaustedError, AlreadyExistsError (the id has another address); UnavailableError where
   *   the keeper is gone, and comes back with the next process
   */
  bind(id: string, address: SocketAddress): Promise<{ port: number }>
  /**
   * Lends it to a process; it can use it when this resolves.
   *
   * @throws NotFoundError (no such socket), UnavailableError (the process or the keeper is gone)
   */
  lend(incarnation: Incarnation, id: string): Promise<void>
  /** Closes it here. Resolves also where it is not bound. Never rejects. */
  release(id: string): Promise<void>
}

export interface StartRequest {
  /** Absolute path of the service program: one bundled JavaScript file. */
  serviceEntry: string
  /** Called for each line that the process writes to stdout or stderr, control characters removed. */
  onLog(line: string, source: LogSource): void
  /** Start in this sandbox instead of the runner's own; of a jail's runner, for tests. Default: its own. */
  level?: SandboxLevel
}

/** Where a line of a process came from; `log` where the two are one. */
export type LogSource = 'stdout' | 'stderr' | 'log'

export interface Runner {
  /** Short name for logs, such as `direct`. */
  readonly name: string
  /**
   * Starts one process. It has said nothing yet when this resolves.
   *
   * @throws ServiceStartError with the remedy
   */
  start(request: StartRequest): Promise<Incarnation>
  /** Absent where a service binds its own sockets; may appear with the first start. */
  readonly sockets?: SocketKeeper
  /** What to do about a process that ended before it was ready, or undefined. */
  diagnose(exit: ExitInfo, logTail: readonly string[]): string | undefined
  /** Gives up what the runner itself holds. Processes have been stopped before. */
  close(): Promise<void>
}
