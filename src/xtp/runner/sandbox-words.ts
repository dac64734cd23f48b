// A step of the sandbox that the kernel refused, in words, with what to do about it.
import fs from 'node:fs'
import type { JailFailure } from './jail-lines.ts'
import type { SandboxLevel } from './runner.ts'

/** What the words depend on. */
export interface SandboxFacts {
  execPath: string
  user?: { uid: number; gid: number }
  /** Value of a file in /proc/sys, undefined where it is not there. Default: this machine's. */
  sysctl?(name: string): number | undefined
}

/** Another try may go well: nothing is wrong with the machine. */
const PASSING = new Set(['EAGAIN', 'ENOMEM', 'ENFILE', 'EMFILE', 'EINTR', 'ECANCELED'])

export function isPassing({ errno }: JailFailure): boolean {
  return PASSING.has(errno)
}

function readSysctl(name: string): number | undefined {
  try {
    return Number(fs.readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8'))
  } catch {
    return undefined
  }
}

/** Steps of making the namespaces and what is in them; see spec/xtp-jail.md, section Levels. */
export const NAMESPACE_STEPS = new Set([
  'namespaces',
  'uid_map',
  'gid_map',
  'setgroups',
  'mount_private',
  'open_tree',
  'mount_setattr',
  'tmpfs',
  'pivot_root',
  'make',
  'move_mount',
  'remount',
  'empty',
  'sethostname'
])

function namespaceText({ step, errno }: JailFailure, facts: SandboxFacts): string {
  const sysctl = facts.sysctl ?? readSysctl
  if (errno === 'ENOSYS' && step === 'mount_setattr') {
    return 'it needs Linux 5.12 or later'
  }
  if (sysctl('user.max_user_namespaces') === 0) {
    return 'user namespaces are switched off; as root (in a container: of its host): sysctl -w user.max_user_namespaces=15000'
  }
  const isRoot = facts.user !== undefined
  if (!isRoot && sysctl('kernel.unprivileged_userns_clone') === 0) {
    return 'user namespaces are for root alone here; as root: sysctl -w kernel.unprivileged_userns_clone=1'
  }
  if (!isRoot && sysctl('kernel.apparmor_restrict_unprivileged_userns') === 1) {
    return 'AppArmor forbids user namespaces; as root: an AppArmor profile with `userns,` for xtp-jail, or, for every program, sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
  }
  if (errno === 'ENOSPC') {
    return 'the limit on user namespaces is reached: sysctl -w user.max_user_namespaces=15000, or leave fewer nested containers'
  }
  return 'namespaces are forbidden, by a container or a security module: in a container allow unshare, clone and mount in its seccomp profile'
}

function whoText({ user }: SandboxFacts): string {
  return user === undefined ? 'this user' : `user ${user.uid}, which the service becomes,`
}

function reasonOf(level: SandboxLevel, failure: JailFailure, facts: SandboxFacts): string {
  const { step, errno } = failure
  // L2 has no namespaces; its setgroups is that of the user
  if (level !== 'L2' && NAMESPACE_STEPS.has(step)) {
    return namespaceText(failure, facts)
  }
  if (step === 'execve') {
    return errno === 'ENOENT'
      ? `${facts.execPath} or a library of it cannot be found in the sandbox: use a Node that is installed in one place`
      : `${whoText(facts)} may not execute ${facts.execPath}: make it and the folders above readable for everybody (chmod o+rx), or install Node where it is`
  }
  if (step.startsWith('cgroup')) {
    return 'it needs a cgroup v2 folder that is delegated to this user, with the controllers memory and pids: with systemd, `systemd-run --user --scope PROGRAM`, or Delegate=yes and DelegateSubgroup=main (systemd 254 or later) in its unit'
  }
  if (step.startsWith('landlock')) {
    return 'the kernel refused Landlock: is a security module or a container in the way?'
  }
  if (step === 'prefilter' || step === 'no_new_privs') {
    return 'the kernel has no seccomp filters: it must be built with CONFIG_SECCOMP_FILTER'
  }
  if (step === 'setuid' || step === 'setgid' || step === 'setgroups' || step === 'capset') {
    return `root here may not become user ${facts.user?.uid}: a container without CAP_SETUID and CAP_SETGID, most likely`
  }
  return 'the kernel refused it'
}

/** Such as `L3 does not work here: user namespaces are switched off; … (namespaces: ENOSPC)`. */
export function failureText(
  level: SandboxLevel,
  failure: JailFailure,
  facts: SandboxFacts
): string {
  return levelsText([level], failureReason(level, failure, facts))
}

/** What failureText says of that level. */
export function failureReason(
  level: SandboxLevel,
  failure: JailFailure,
  facts: SandboxFacts
): string {
  return `${reasonOf(level, failure, facts)} (${failure.step}: ${failure.errno})`
}

/** Such as `L4 and L3 do not work here: …`. */
export function levelsText(levels: SandboxLevel[], reason: string): string {
  return `${levels.join(' and ')} ${levels.length === 1 ? 'does' : 'do'} not work here: ${reason}`
}
