/** Exit codes of a service, from sysexits(3); the supervisor reads them back into errors. */
export const EXIT = {
  /** Shutdown was asked for, or the parent's end of a link was closed. */
  OK: 0,
  /** The addon could not be loaded or started. */
  UNAVAILABLE: 69,
  /** A defect of the service itself. */
  SOFTWARE: 70,
  /** The sandbox could not be closed. */
  LOCKDOWN: 71,
  /** The parent broke the protocol. */
  PROTOCOL: 76,
  /** No common protocol, or not started by an XTP client. */
  CONFIG: 78
} as const
