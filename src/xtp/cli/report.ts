// What `xtp doctor` found out, as `--json` prints it. Fields are only ever added within a schema.

/** `unknown`: it could not be told, or does not concern this machine; `value` says which. */
export type State = 'ok' | 'missing' | 'unknown'

/** Names of the checks, in the order in which they are shown. */
export type CheckId =
  | 'node'
  | 'platform'
  | 'kernel'
  | 'user-namespaces'
  | 'landlock'
  | 'seccomp'
  | 'no-new-privs'
  | 'cgroup'
  | 'socket-buffers'
  | 'udp-offload'
  | 'jail'

/** One thing of the machine that XTP needs or can use. */
export interface Check {
  id: CheckId
  /** The same for people. */
  title: string
  state: State
  /** What was found, in one line. */
  value: string
  /** What to do to get it. Absent where there is nothing to do. */
  remedy?: string
}

/** A level of the sandbox that the jail was asked to try. */
export interface LevelResult {
  level: 'L2' | 'L3' | 'L4'
  state: State
  /** The step of the jail at which it failed (spec/xtp-jail.md, `probed`). */
  step?: string
  /** POSIX name of the error of that step. */
  errno?: string
  /** Why, and what to do about it. */
  reason?: string
}

/** A transport package that can be resolved from the current directory. */
export interface TransportResult {
  /** Name of the package, such as `xtp-utp`. */
  package: string
  /** Of the package. */
  version: string
  /** Absolute path of the package. */
  directory: string
  /** `ok`: its service was started in a process of its own, loaded the addon, and answered Hello. */
  state: State
  /** Absolute path of the addon for this platform, where there is one. */
  addon?: string
  /** What the service says of itself: package, addon and library, Node. */
  implementation?: string
  /** In which sandbox the service answered. */
  level?: 'L0' | 'L2' | 'L3' | 'L4'
  /** Why the state is not `ok`, in one line. */
  error?: string
  remedy?: string
}

/** Result of `xtp doctor`; `--json` prints exactly this. */
export interface DoctorReport {
  /** Of this object: 1. */
  schema: 1
  /** Version of the package `xtp`. */
  xtp: string
  /** Every check once, in the order of `CheckId`. */
  checks: Check[]
  /** L2, L3, L4 on Linux; empty where the platform has no sandbox. */
  levels: LevelResult[]
  /** Transport packages that were found; those that are not installed are left out. */
  transports: TransportResult[]
  sandbox: {
    /** The level that services get here by default; absent on a Node that is not supported. */
    level?: 'L0' | 'L2' | 'L3' | 'L4'
    /** Why it is not stronger, or why there is none. */
    reason: string
    /** The next level, which is not reached. */
    next?: 'L2' | 'L3' | 'L4'
  }
  /**
   * True: Node is supported, no service that was tried failed, and the level is L2 or more or the platform has
   * none to offer. The exit code is 0 then, otherwise 1.
   */
  ok: boolean
}
