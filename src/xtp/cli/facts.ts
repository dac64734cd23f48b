// What is read from the machine, unjudged. A recording of it stands for another machine in the tests.
import type { JailFailure } from '../runner/jail-lines.ts'

/** Text of a file, or the errno of the attempt to read it. */
export type FileText = { text: string } | { errno: string }

/** Files of the kernel whose text is judged. */
export const KERNEL_FILES = [
  '/proc/self/status',
  '/proc/self/cgroup',
  '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
  '/proc/sys/kernel/seccomp/actions_avail',
  '/proc/sys/kernel/unprivileged_userns_clone',
  '/proc/sys/net/core/rmem_max',
  '/proc/sys/net/core/wmem_max',
  '/proc/sys/user/max_user_namespaces'
] as const

export type KernelFile = (typeof KERNEL_FILES)[number]

/** The cgroup v2 group of this process. */
export interface CgroupFacts {
  /** Absolute path of its folder. */
  directory: string
  /** Text of `cgroup.controllers`. */
  controllers: FileText
  /** This user may create groups in it and move processes there. */
  writable: boolean
}

/** How the jail behaved when it was started and asked. */
export interface JailFacts {
  /** Absolute path; absent where there is none for this platform. */
  file?: string
  /** Why it could not be asked, and what to do, in the runner's words. Absent on an unsupported Node, too. */
  error?: string
  /** From its `hello`. */
  landlockAbi?: number
  /** What it answered for each level that it was asked for. */
  probes: Partial<Record<'L2' | 'L3' | 'L4', JailFailure | 'ok'>>
}

export interface TransportFacts {
  package: string
  version: string
  directory: string
  addon?: string
  /** Absent: was not started. `reason`: the runner's own words why the level is not higher. */
  started?:
    | { implementation: string; level: 'L0' | 'L2' | 'L3' | 'L4'; reason: string }
    | { error: string; logTail: string[] }
}

export interface MachineFacts {
  /** Version of the package `xtp`. */
  xtp: string
  /** `process.version`. */
  node: string
  /** `process.platform` and `process.arch`. */
  platform: string
  arch: string
  /** Absent on Windows. */
  uid?: number
  /** Who services become where root starts them. */
  serviceUser?: { uid: number; gid: number }
  /** `process.execPath`. */
  execPath: string
  /** `os.release()`. */
  kernel: string
  /** Linux only. */
  files: Partial<Record<KernelFile, FileText>>
  /** Linux with cgroup v2 only. */
  cgroup?: CgroupFacts
  jail: JailFacts
  transports: TransportFacts[]
}
