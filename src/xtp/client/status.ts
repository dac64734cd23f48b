import type { XtpError } from '../ctl/index.ts'
import type { SandboxReport } from '../runner/index.ts'
import type { BreakerState } from './circuit-breaker.ts'
import type { SupervisorState } from './supervisor.ts'

/** A snapshot for people, dashboards and tests. */
export interface TransportStatus {
  state: SupervisorState
  /** Of the service process, while there is one. */
  pid?: number
  /** Milliseconds since the service became ready; 0 while it is not. */
  uptimeMs: number
  /** How often it became ready again after it had died. */
  restarts: number
  /** How often it died after it had been ready, and how often it did not become ready. */
  crashes: number
  startFailures: number
  /** Whether crashes are restarted as usual. */
  breaker: BreakerState
  /** Of the process that waits to take over, with `standby: true`. */
  standbyPid?: number
  /** Resident memory and processor time of the service, where the system tells. */
  rssBytes?: number
  cpuMs?: number
  /** While there is a process. */
  sandbox?: SandboxReport
  /** Open connections, inbound and outbound. */
  connections: number
  listeners: number
  /** From the service's data link, all incarnations together, framing included. */
  bytesIn: number
  bytesOut: number
  /** The last error of the service itself, such as a crash. */
  lastError?: XtpError
}
