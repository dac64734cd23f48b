// From the repeats to one figure with its spread, and the comparison of two.
import { median } from './harness.ts'
import type { Metrics } from './workloads/types.ts'

export interface Figure {
  median: number
  least: number
  most: number
  /** In the order of the rounds. */
  samples: number[]
}

/** By contestant, then by metric. */
export type Figures = Record<string, Record<string, Figure>>

export interface Sample {
  kind: string
  workload: string
  round: number
  metrics: Metrics
}

export function figure(samples: number[]): Figure {
  return {
    median: samples.length % 2 === 1 ? median(samples) : mean(middle(samples)),
    least: Math.min(...samples),
    most: Math.max(...samples),
    samples
  }
}

const middle = (numbers: number[]) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted.slice(sorted.length / 2 - 1, sorted.length / 2 + 1)
}
const mean = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length

export function figures(samples: Sample[]): Figures {
  const found: Record<string, Record<string, number[]>> = {}
  for (const { kind, metrics } of samples) {
    const own = (found[kind] ??= {})
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === 'number') {
        ;(own[name] ??= []).push(value)
      }
    }
  }
  return Object.fromEntries(
    Object.entries(found).map(([kind, metrics]) => [
      kind,
      Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, figure(values)]))
    ])
  )
}

/** Element-wise medians of the lists of that name. */
export function distribution(samples: Sample[], kind: string, metric: string): number[] {
  const lists = samples.flatMap(sample => {
    const list = sample.kind === kind ? sample.metrics[metric] : undefined
    return Array.isArray(list) ? [list] : []
  })
  return (lists[0] ?? []).map((_, i) => figure(lists.map(list => list[i] as number)).median)
}
