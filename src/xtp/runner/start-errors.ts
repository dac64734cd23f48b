// Why a process could not be started, or ended before it was ready, and what to do about it.
import { ServiceStartError } from '../ctl/index.ts'
import type { ExitInfo } from './runner.ts'

const SPAWN_REMEDY: Record<string, string> = {
  ENOENT:
    'it is not there (any more): was Node updated, or the package xtp, while this process ran?',
  EACCES: 'this user may not execute it: check its mode bits and the mount options',
  EAGAIN: 'the limit on processes is reached: raise `ulimit -u` or pids.max of the cgroup',
  ENOMEM: 'the system is out of memory',
  EMFILE: 'too many open files in this process: raise `ulimit -n`',
  ENFILE: 'too many open files in the system: raise fs.file-max'
}

/** A failed `spawn` of `program`. */
export function spawnError(program: string, cause: NodeJS.ErrnoException): ServiceStartError {
  const code = cause.code ?? 'unknown error'
  const remedy = SPAWN_REMEDY[code] ?? cause.message
  return new ServiceStartError(`could not start the service with ${program}: ${code}, ${remedy}`, {
    errno: cause.code,
    cause
  })
}

/** What to do about a service that ended before it was ready, or undefined. */
export function exitRemedy(
  { exitCode, signal }: ExitInfo,
  logTail: readonly string[]
): string | undefined {
  if (exitCode === 78) {
    return 'the service and this client speak different versions of xtp-ctl: install matching versions of xtp and of the transport package'
  }
  if (exitCode === 69) {
    return 'the addon of the service could not be loaded or started: see its last lines'
  }
  if (exitCode === 71) {
    return 'it could not lock itself in: see its last lines'
  }
  if (logTail.some(line => line.includes('Cannot find module'))) {
    return 'the bundled file of the service is missing: reinstall the transport package, or run its build'
  }
  if (signal === 'SIGSYS') {
    return 'it made a system call that its sandbox forbids: a defect, or an attacker inside'
  }
  if (signal === 'SIGILL' || signal === 'SIGBUS') {
    return 'the addon does not fit this processor or system: build it from source'
  }
  if (signal === 'SIGKILL') {
    return 'it was killed from outside: the system may be out of memory'
  }
  return undefined
}
