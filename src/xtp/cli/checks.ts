// Judges the machine, one function for each check: facts in, a check out. Nothing is read here.
import { JAIL_PROTOCOL_VERSION } from '../runner/jail-lines.ts'
import { NAMESPACE_STEPS } from '../runner/sandbox-words.ts'
import type { FileText, KernelFile, MachineFacts } from './facts.ts'
import type { Check, CheckId } from './report.ts'

const MIN_NODE_MAJOR = 22
/** Where every call that the jail needs exists; L3 needs mount_setattr besides. */
const MIN_KERNEL = [5, 10] as const
const L3_KERNEL = [5, 12] as const
const GSO_KERNEL = [4, 18] as const
const GRO_KERNEL = [5, 0] as const
const WANTED_BUFFER_BYTES = 4 << 20
const MIB = 2 ** 20
const JAIL_ARCHITECTURES = ['x64', 'arm64']

export const isLinux = ({ platform }: MachineFacts) => platform === 'linux'

export function nodeIsSupported({ node }: MachineFacts): boolean {
  return Number(/^v(\d+)\./.exec(node)?.[1]) >= MIN_NODE_MAJOR
}

/** Text of a kernel file; an errno where it could not be read. */
function read(facts: MachineFacts, file: KernelFile): FileText {
  return facts.files[file] ?? { errno: 'ENOENT' }
}

/** The number in a kernel file, the errno where it cannot be read. */
export function number(facts: MachineFacts, file: KernelFile): number | string {
  const content = read(facts, file)
  return 'errno' in content ? content.errno : Number(content.text)
}

/** Value of a line of /proc/self/status. */
function statusField(facts: MachineFacts, name: string): string | undefined {
  const content = read(facts, '/proc/self/status')
  return 'errno' in content
    ? undefined
    : new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(content.text)?.[1]
}

function kernelAtLeast({ kernel }: MachineFacts, [major, minor]: readonly [number, number]) {
  const [, has, hasMinor] = /^(\d+)\.(\d+)/.exec(kernel) ?? []
  return Number(has) > major || (Number(has) === major && Number(hasMinor) >= minor)
}

/** Ubuntu's switch: namespaces can be made, and nothing can be done in them. */
function appArmorRestricts(facts: MachineFacts): boolean {
  return (
    facts.uid !== 0 && number(facts, '/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === 1
  )
}

type Found = Omit<Check, 'id' | 'title'>
const NOT_LINUX: Found = { state: 'unknown', value: 'does not concern this platform' }

function node(facts: MachineFacts): Found {
  return nodeIsSupported(facts)
    ? { state: 'ok', value: facts.node }
    : {
        state: 'missing',
        value: `${facts.node} is too old`,
        remedy: `Install Node ${MIN_NODE_MAJOR} or newer.`
      }
}

function platform(facts: MachineFacts): Found {
  const value = `${facts.platform}-${facts.arch}`
  if (!isLinux(facts)) {
    return { state: 'missing', value: `${value}: XTP has a sandbox on Linux only` }
  }
  return JAIL_ARCHITECTURES.includes(facts.arch)
    ? { state: 'ok', value }
    : {
        state: 'missing',
        value: `${value}: the sandbox is for ${JAIL_ARCHITECTURES.join(' and ')}`
      }
}

function kernel(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return { ...NOT_LINUX, value: facts.kernel }
  }
  if (!kernelAtLeast(facts, MIN_KERNEL)) {
    return {
      state: 'missing',
      value: `${facts.kernel} is too old for the sandbox`,
      remedy: `Use Linux ${MIN_KERNEL.join('.')} or newer; for L3 ${L3_KERNEL.join('.')}.`
    }
  }
  return kernelAtLeast(facts, L3_KERNEL)
    ? { state: 'ok', value: facts.kernel }
    : { state: 'ok', value: `${facts.kernel}: L2; L3 needs ${L3_KERNEL.join('.')}` }
}

/** What to do so that this user may create user namespaces; undefined where nothing forbids it. */
function userNamespacesRemedy(facts: MachineFacts): string | undefined {
  if (number(facts, '/proc/sys/user/max_user_namespaces') === 0) {
    return 'As root: sysctl -w user.max_user_namespaces=15000 (in a container: on its host).'
  }
  if (facts.uid !== 0 && number(facts, '/proc/sys/kernel/unprivileged_userns_clone') === 0) {
    return 'As root: sysctl -w kernel.unprivileged_userns_clone=1.'
  }
  if (appArmorRestricts(facts)) {
    return (
      'As root: an AppArmor profile with `userns,` for the xtp-jail file, or, for every program, ' +
      'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0.'
    )
  }
  return undefined
}

function userNamespaces(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const max = number(facts, '/proc/sys/user/max_user_namespaces')
  const clone = number(facts, '/proc/sys/kernel/unprivileged_userns_clone')
  const value = [
    typeof max === 'number' ? `max_user_namespaces ${max}` : `limit cannot be read (${max})`,
    ...(typeof clone === 'number' ? [`unprivileged_userns_clone ${clone}`] : []),
    ...(appArmorRestricts(facts) ? ['restricted by AppArmor'] : [])
  ].join(', ')
  const answer = facts.jail.probes.L3
  if (answer === 'ok') {
    return { state: 'ok', value: `${value}; they work` }
  }
  const remedy = userNamespacesRemedy(facts)
  if (remedy !== undefined) {
    return { state: 'missing', value, remedy }
  }
  if (answer !== undefined && NAMESPACE_STEPS.has(answer.step)) {
    return {
      state: 'missing',
      value: `${value}; forbidden all the same (${answer.step} ${answer.errno})`,
      remedy:
        'A container or service manager forbids them: allow unshare and clone of user namespaces in its ' +
        'seccomp profile (Docker: --security-opt seccomp=PROFILE; systemd: RestrictNamespaces=no).'
    }
  }
  return { state: 'unknown', value: `${value}; nobody tried` }
}

function landlock(facts: MachineFacts): Found {
  const abi = facts.jail.landlockAbi
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  if (abi === undefined) {
    return { state: 'unknown', value: 'the jail tells it, and did not run' }
  }
  return abi === 0
    ? {
        state: 'missing',
        value: 'not in this kernel',
        remedy: 'Use Linux 5.13 or newer with landlock in the list of the boot parameter lsm=.'
      }
    : { state: 'ok', value: `ABI ${abi}` }
}

function seccomp(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const actions = read(facts, '/proc/sys/kernel/seccomp/actions_avail')
  if ('text' in actions) {
    const missing = ['kill_process', 'errno'].filter(
      name => !actions.text.trim().split(/\s+/).includes(name)
    )
    return missing.length === 0
      ? { state: 'ok', value: actions.text.trim() }
      : { state: 'missing', value: `without ${missing.join(', ')}`, remedy: 'Use a newer kernel.' }
  }
  if (facts.jail.probes.L2 === 'ok') {
    return { state: 'ok', value: 'works: the jail used it' }
  }
  return statusField(facts, 'Pid') !== undefined && statusField(facts, 'Seccomp') === undefined
    ? {
        state: 'missing',
        value: 'not in this kernel',
        remedy: 'Use a kernel with CONFIG_SECCOMP_FILTER.'
      }
    : { state: 'unknown', value: `cannot be read (${actions.errno})` }
}

function noNewPrivs(facts: MachineFacts): Found {
  const value = statusField(facts, 'NoNewPrivs')
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  if (value === undefined) {
    return { state: 'unknown', value: '/proc/self/status does not tell' }
  }
  return { state: 'ok', value: value === '1' ? 'set already in this process' : 'available' }
}

function cgroup(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const group = facts.cgroup
  const remedy =
    'For L4, start the application in a delegated group: systemd-run --user --scope PROGRAM, or ' +
    'Delegate=yes and DelegateSubgroup=main (systemd 254 or later) in its unit.'
  if (group === undefined) {
    return 'errno' in read(facts, '/proc/self/cgroup')
      ? { state: 'unknown', value: '/proc/self/cgroup cannot be read' }
      : { state: 'missing', value: 'no cgroup v2 group', remedy }
  }
  const { controllers } = group
  const names = 'text' in controllers ? controllers.text.trim().split(/\s+/) : []
  const lacking = ['memory', 'pids', 'cpu'].filter(name => !names.includes(name))
  const value = [
    `controllers ${names.join(' ') || 'none'}`,
    group.writable ? 'groups can be made' : 'groups cannot be made',
    `in ${group.directory}`
  ].join(', ')
  return group.writable && lacking.length === 0
    ? { state: 'ok', value }
    : { state: 'missing', value, remedy }
}

function socketBuffers(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const limits = {
    rmem: number(facts, '/proc/sys/net/core/rmem_max'),
    wmem: number(facts, '/proc/sys/net/core/wmem_max')
  }
  const entries = Object.entries(limits)
  const value = entries
    .map(([name, n]) =>
      typeof n === 'number'
        ? `${name}_max ${+(n / MIB).toFixed(2)} MiB`
        : `${name}_max cannot be read (${n})`
    )
    .join(', ')
  const small = entries.filter(([, n]) => typeof n === 'number' && n < WANTED_BUFFER_BYTES)
  if (small.length > 0) {
    const settings = small.map(([name]) => `net.core.${name}_max=${WANTED_BUFFER_BYTES}`)
    return {
      state: 'missing',
      value: `${value}; ${WANTED_BUFFER_BYTES / MIB} MiB are wanted`,
      remedy: `As root: sysctl -w ${settings.join(' ')}, and the same in /etc/sysctl.d.`
    }
  }
  return { state: entries.every(([, n]) => typeof n === 'number') ? 'ok' : 'unknown', value }
}

function udpOffload(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const gso = kernelAtLeast(facts, GSO_KERNEL)
  const gro = kernelAtLeast(facts, GRO_KERNEL)
  const value = `GSO ${gso ? 'yes' : 'no'}, GRO ${gro ? 'yes' : 'no'}, by the kernel's version`
  return gso && gro
    ? { state: 'ok', value }
    : { state: 'missing', value, remedy: `Use Linux ${GRO_KERNEL.join('.')} or newer.` }
}

function jail(facts: MachineFacts): Found {
  if (!isLinux(facts)) {
    return NOT_LINUX
  }
  const { file, landlockAbi, error } = facts.jail
  if (landlockAbi !== undefined) {
    return { state: 'ok', value: `protocol version ${JAIL_PROTOCOL_VERSION}, ${file}` }
  }
  return error === undefined
    ? { state: 'unknown', value: 'not tried: this Node is not supported' }
    : { state: 'missing', value: error }
}

const CHECKS: ReadonlyArray<[CheckId, string, (facts: MachineFacts) => Found]> = [
  ['node', 'Node.js', node],
  ['platform', 'platform', platform],
  ['kernel', 'kernel', kernel],
  ['user-namespaces', 'user namespaces', userNamespaces],
  ['landlock', 'Landlock', landlock],
  ['seccomp', 'seccomp', seccomp],
  ['no-new-privs', 'no_new_privs', noNewPrivs],
  ['cgroup', 'cgroup v2 delegation', cgroup],
  ['socket-buffers', 'UDP socket buffers', socketBuffers],
  ['udp-offload', 'UDP GSO and GRO', udpOffload],
  ['jail', 'xtp-jail', jail]
]

/** Every check, in the order in which it is shown. */
export function runChecks(facts: MachineFacts): Check[] {
  return CHECKS.map(([id, title, check]) => ({ id, title, ...check(facts) }))
}
