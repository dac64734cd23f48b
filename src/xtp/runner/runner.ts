// How a service process starts is behind this interface: spawned directly today, by a sandboxing
// launcher later. The client knows nothing else about processes.
import type { MuxSink } from '../ctl/index.ts'

/** Strength of the sandbox around a service, as reported to the application. */
export type SandboxLevel = 'L0' | 'L2' | 'L3' | 'L4'

export interface SandboxReport {
  level: SandboxLevel
  /** Why it is not stronger, for people. */
  reason: string
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
  /** Drops what is queued and closes. `onEnd` follows unless it was called before. */
  destroy(): void
}

export interface ExitInfo {
  /** Exit code, where the process ended by itself. */
  exitCode?: number
  /** Name of the signal that ended it, such as `SIGKILL`. */
  signal?: string
}

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
  /** Does nothing when the process is gone. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface StartRequest {
  /** Absolute path of the service program: one bundled JavaScript file. */
  serviceEntry: string
  /** Called for each line that the process writes to stdout or stderr, control characters removed. */
  onLog(line: string, source: 'stdout' | 'stderr'): void
}

export interface Runner {
  /** Short name for logs, such as `direct`. */
  readonly name: string
  /**
   * Starts one process. It has said nothing yet when this resolves.
   *
   * @throws ServiceStartError with the remedy
   */
  start(request: StartRequest): Promise<Incarnation>
  /** What to do about a process that ended before it was ready, or undefined. */
  diagnose(exit: ExitInfo, logTail: readonly string[]): string | undefined
  /** Gives up what the runner itself holds. Processes have been stopped before. */
  close(): Promise<void>
}
