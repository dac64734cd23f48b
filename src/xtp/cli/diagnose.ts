// From facts to the report: the levels, the transports, and which sandbox services get here.
import { isLinux, NAMESPACE_STEPS, nodeIsSupported, probed, runChecks } from './checks.ts'
import type { MachineFacts, TransportFacts } from './facts.ts'
import type { DoctorReport, LevelResult, TransportResult } from './report.ts'

const LEVELS = ['L2', 'L3', 'L4'] as const
const ALL_LEVELS = ['L0', ...LEVELS] as const

function levelRemedy(step: string, errno: string | undefined): string | undefined {
  if (errno === 'ENOSYS') {
    return 'The kernel is too old for this level: see kernel.'
  }
  if (NAMESPACE_STEPS.test(step)) {
    return 'See user namespaces.'
  }
  if (step === 'execve') {
    return 'The user of the services may not execute Node: install it where every user can, not below /root.'
  }
  if (step.startsWith('cgroup')) {
    return 'See cgroup v2 delegation.'
  }
  if (/^(landlock|prefilter|no_new_privs|capset|setgroups|setuid|setgid)/.test(step)) {
    return 'A container or service manager forbids it: allow it in its seccomp profile.'
  }
  return undefined
}

function levels(facts: MachineFacts): LevelResult[] {
  return LEVELS.map(level => {
    const [first, errno] = probed(facts, level) ?? []
    if (first === undefined) {
      return { level, state: 'unknown' }
    }
    return first === 'ok'
      ? { level, state: 'ok' }
      : { level, state: 'missing', step: first, errno, remedy: levelRemedy(first, errno) }
  })
}

function transport(facts: MachineFacts, found: TransportFacts): TransportResult {
  const { started, ...about } = found
  if (started === undefined) {
    return { ...about, state: 'unknown', error: 'not tried: this Node is not supported' }
  }
  if ('implementation' in started) {
    const { implementation, level } = started
    return { ...about, implementation, level, state: 'ok' }
  }
  const last = started.logTail.at(-1)
  return {
    ...about,
    state: 'missing',
    error: `${started.error}${last === undefined ? '' : `; its last line: ${last}`}`,
    remedy:
      found.addon === undefined
        ? `There is no addon for ${facts.platform}-${facts.arch}: reinstall ${found.package}, or build it from the repository.`
        : `Reinstall ${found.package} and xtp in the same version; DEBUG=xtp:* shows its lines.`
  }
}

/** Of the services that answered, the one in the weakest sandbox. */
function weakestService({ transports }: MachineFacts) {
  const answered = transports.flatMap(({ started }) =>
    started !== undefined && 'level' in started ? [started] : []
  )
  return answered.toSorted((a, b) => a.level.localeCompare(b.level))[0]
}

function sandbox(facts: MachineFacts, results: LevelResult[]): DoctorReport['sandbox'] {
  if (!nodeIsSupported(facts)) {
    return { reason: `XTP does not run on Node ${facts.node}` }
  }
  if (!isLinux(facts)) {
    return { level: 'L0', reason: `there is no sandbox for ${facts.platform}` }
  }
  const reached = results.findLast(({ state }) => state === 'ok')
  const real = weakestService(facts)
  if (real !== undefined && real.level !== reached?.level) {
    // what a service got is worth more than what the jail could do
    const { level, reason } = real
    return { level, reason, next: LEVELS[ALL_LEVELS.indexOf(level)] }
  }
  const next = results[reached === undefined ? 0 : results.indexOf(reached) + 1]
  if (next === undefined) {
    return { level: reached?.level, reason: 'it is the strongest level' }
  }
  const why =
    next.step === undefined
      ? 'xtp-jail did not run'
      : `${next.level} fails at ${next.step}${next.errno === undefined ? '' : ` (${next.errno})`}`
  return { level: reached?.level, reason: why, next: next.level }
}

/** Judges the facts. Pure: the same facts give the same report. */
export function diagnose(facts: MachineFacts): DoctorReport {
  const results = isLinux(facts) ? levels(facts) : []
  const transports = facts.transports.map(found => transport(facts, found))
  const used = sandbox(facts, results)
  return {
    schema: 1,
    xtp: facts.xtp,
    checks: runChecks(facts),
    levels: results,
    transports,
    sandbox: used,
    ok:
      used.level !== undefined &&
      (used.level !== 'L0' || !isLinux(facts)) &&
      transports.every(({ state }) => state === 'ok')
  }
}
