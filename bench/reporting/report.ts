// Everything that a run found, as one object: what report.json has, and what the other forms are made of.
import { contestants } from '../contestants.ts'
import { type Goal, goals } from '../goals.ts'
import { machine, readReport } from '../harness.ts'
import type { Plan } from '../matrix.ts'
import { references } from '../references.ts'
import { distribution, type Figures, figures, type Sample } from '../summary.ts'
import { type Versions, versions } from './versions.ts'

export interface Trouble {
  title: string
  message: string
}

export interface Crash {
  title: string
  medianMs: number
  p99Ms: number
  lostMedian: number
  bindAttempts: number
  bindSuccesses: number
  goalMs: number
  reached: boolean
  /** Answers per bin of the time line. */
  answers: number[]
}

/** What failover.ts leaves. */
export interface Crashes {
  timeline: { beforeMs: number; binMs: number }
  summary: Crash[]
}

export interface NetworkResult {
  network: string
  contestant: string
  title: string
  upMBps: number[]
  downMBps: number[]
  /** None: nothing came through. */
  cpuSecondsPerGb: number | null
  notes: string
}

/** What networks.ts leaves. */
export interface Networks {
  networks?: Array<{ key: string; name: string }>
  results: NetworkResult[]
  goals?: Array<{ label: string; measured: number; goal: number; reached: boolean }>
}

export interface Distributions {
  kind: string
  idle: number[]
  loaded: number[]
}

export interface Report {
  plan: string
  began: string
  seconds: number
  machine: typeof machine
  versions: Versions
  titles: Record<string, string>
  goals: Goal[]
  figures: Figures
  distributions: Distributions[]
  crashes?: Crashes
  networks?: Networks
  troubles: Trouble[]
  effort: Plan['effort']
}

/** What a run was. */
export interface Extent {
  seconds: number
  withCrashes: boolean
  withNetworks: boolean
}

function networkGoals(networks?: Networks): Goal[] {
  return (networks?.goals ?? []).map(({ label, measured, goal, reached }) => ({
    label,
    measured,
    least: measured,
    most: measured,
    goal: `≥ ${goal}`,
    met: reached
  }))
}

export function makeReport(
  plan: Plan,
  samples: Sample[],
  troubles: Trouble[],
  { seconds, withCrashes, withNetworks }: Extent
): Report {
  const all = figures(samples)
  const networks = withNetworks ? readReport<Networks>('networks') : undefined
  const titles = Object.entries({ ...contestants, ...references }).flatMap(([kind, { title }]) =>
    all[kind] === undefined ? [] : [[kind, title]]
  )
  return {
    plan: plan.name,
    began: new Date(Date.now() - seconds * 1000).toISOString(),
    seconds: Math.round(seconds),
    machine,
    versions: versions(),
    titles: Object.fromEntries(titles),
    goals: [...goals(all), ...networkGoals(networks)],
    figures: all,
    distributions: Object.keys(all)
      .map(kind => ({
        kind,
        idle: distribution(samples, kind, 'echoQuantiles'),
        loaded: distribution(samples, kind, 'loadQuantiles')
      }))
      .filter(({ idle }) => idle.length > 0),
    ...(withCrashes && { crashes: readReport<Crashes>('failover') }),
    ...(networks && { networks }),
    troubles,
    effort: plan.effort
  }
}
