// From facts to the report: the levels, the transports, and which sandbox services get here.
import { failureText } from '../runner/sandbox-words.ts'
import { isLinux, nodeIsSupported, number, runChecks } from './checks.ts'
import type { KernelFile, MachineFacts, TransportFacts } from './facts.ts'
import type { DoctorReport, LevelResult, TransportResult } from './report.ts'

const LEVELS = ['L2', 'L3', 'L4'] as const
const ALL_LEVELS = ['L0', ...LEVELS] as const

function levels(facts: MachineFacts): LevelResult[] {
  const about = {
    execPath: facts.execPath,
    user: facts.serviceUser,
    sysctl(name: string) {
      const value = number(facts, `/proc/sys/${name.replaceAll('.', '/')}` as KernelFile)
      return typeof value === 'number' ? value : undefined
    }
  }
  return LEVELS.map(level => {
    const answer = facts.jail.probes[level]
    if (answer === undefined || answer === 'ok') {
      return { level, state: answer ?? 'unknown' }
    }
    return { level, state: 'missing', ...answer, reason: failureText(level, answer, about) }
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
  // what a service got is worth more than what the jail could do
  const { level, reason } = weakestService(facts) ?? expected(facts, results)
  return { level, reason, next: LEVELS[ALL_LEVELS.indexOf(level)] }
}

/** What the runner would choose: the strongest level that works, L4 only when asked for. */
function expected(facts: MachineFacts, results: LevelResult[]) {
  const below = results.filter(({ level }) => level !== 'L4')
  const reached = below.findLast(({ state }) => state === 'ok')
  const why = below.flatMap(({ reason }) => (reason === undefined ? [] : [reason])).at(-1)
  return {
    level: reached?.level ?? ('L0' as const),
    reason: why ?? facts.jail.error ?? 'the strongest that needs no cgroup'
  }
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
