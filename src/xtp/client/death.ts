// The error that tells how a service process ended, and what to do about it.
import {
  LimitExceededError,
  PossibleCompromiseError,
  ServiceLostError,
  ServiceStartError,
  type XtpError
} from '../ctl/index.ts'
import type { ExitInfo } from '../runner/index.ts'
import type { HungThread } from './heartbeat.ts'
import type { Exceeded } from './watchdog.ts'

/** How an incarnation came to its end. */
export type Ending =
  /** Its Hello was answered with an error. */
  | { kind: 'failed'; error: Error }
  /** A link ended, or the service broke the protocol. */
  | { kind: 'broken'; error?: Error }
  | { kind: 'exit' }
  | { kind: 'timeout'; afterMs: number }
  | { kind: 'heartbeat'; error: Error; thread: HungThread; afterMs: number }
  | { kind: 'limit'; exceeded: Exceeded }

export interface Death {
  /** Package of the service. */
  name: string
  pid: number
  ending: Ending
  exit: ExitInfo
  /** The signal was sent by this side, and explains nothing. */
  killed: boolean
  logTail: readonly string[]
  /** It had not been ready. */
  starting: boolean
  /** What the runner knows to do about it. */
  remedy?: string
}

export function deathError(death: Death): XtpError {
  const { name, pid, ending, exit, killed, logTail, starting, remedy } = death
  const how = killed ? undefined : exitText(exit)
  const last = logTail.at(-1)
  const message = [
    `the service of ${name} (pid ${pid}) ${endingText(ending, killed)}`,
    how === undefined ? '' : ` (${how})`,
    remedy === undefined ? '' : `: ${remedy}`,
    last === undefined ? '' : `; its last line: ${last}`
  ].join('')
  const options = {
    exitCode: exit.exitCode,
    signal: exit.signal,
    logTail: [...logTail],
    ...('error' in ending && { cause: ending.error }),
    ...(ending.kind === 'heartbeat' && { details: { thread: ending.thread } }),
    ...(ending.kind === 'limit' && { details: { ...ending.exceeded } })
  }
  if (exit.signal === 'SIGSYS' && !killed) {
    return new PossibleCompromiseError(
      `${message}: it made a system call that the sandbox forbids, which is a defect of it or an attacker inside`,
      options
    )
  }
  if (ending.kind === 'limit' && !starting) {
    return new LimitExceededError(
      `${message}. Its connections are closed; it is restarted`,
      options
    )
  }
  return starting
    ? new ServiceStartError(message, options)
    : new ServiceLostError(`${message}. Its connections are closed; it is restarted`, options)
}

function endingText(ending: Ending, killed: boolean): string {
  switch (ending.kind) {
    case 'failed':
      return `said: ${ending.error.message}`
    case 'broken':
      if (ending.error !== undefined) {
        return `broke the protocol: ${ending.error.message}`
      }
      return killed ? 'closed its link' : 'ended'
    case 'exit':
      return 'ended'
    case 'timeout':
      return `was not ready within ${ending.afterMs} ms`
    case 'limit': {
      const { limit, value, allowed } = ending.exceeded
      if (value === undefined) {
        return `wanted more than limits.${limit} allows (${allowed}), and the kernel did not let it`
      }
      return `used more than limits.${limit} allows: ${round(value)} of ${allowed}`
    }
    case 'heartbeat':
      return ending.thread === 'io'
        ? `hangs: ${ending.error.message}`
        : `did not answer its heartbeat within ${ending.afterMs} ms`
  }
}

function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toFixed(2))
}

function exitText({ exitCode, signal }: ExitInfo): string | undefined {
  if (signal !== undefined) {
    return signal
  }
  return exitCode === undefined ? undefined : `exit code ${exitCode}`
}
