// The kinds of charts that the plots are made of, as Vega-Lite specifications.
import type { TopLevelSpec } from 'vega-lite'
import { contestants } from '../contestants.ts'

export const WIDTH = 640

export type Row = Record<string, string | number>

/** Those that are drawn as lines, each with one colour in all plots. */
const COLOURS: Record<string, string> = {
  quic: '#4c78a8',
  'quic-1452': '#72b7b2',
  utp: '#f58518',
  'utp-libp2p': '#ffbf79',
  'tcp-noise': '#e45756',
  'tcp-xtp': '#ff9d98',
  'ws-noise': '#b279a2',
  quinn: '#54a24b',
  'utp-raw': '#eeca3b',
  'utp-native-raw': '#9d755d'
}

export const isDrawn = (kind: string) => kind in COLOURS

/** For rows whose `title` is a contestant's. */
export function colourOf(rows: Row[]) {
  const known = Object.entries(COLOURS).map(([kind, colour]) => [
    contestants[kind]?.title as string,
    colour
  ])
  const used = known.filter(([title]) => rows.some(row => row.title === title))
  return {
    field: 'title',
    type: 'nominal' as const,
    title: null,
    scale: {
      domain: used.map(([title]) => title as string),
      range: used.map(([, c]) => c as string)
    },
    legend: { orient: 'bottom' as const, columns: 2, labelLimit: 600 }
  }
}

/** Bars of medians with the range of the rounds, in groups of one or more. */
export function bars(rows: Row[], value: string, colour?: string): TopLevelSpec {
  const y = { field: 'title', type: 'nominal' as const, sort: null, title: null }
  const group = colour && {
    color: { field: colour, type: 'nominal' as const, title: null, sort: null },
    yOffset: { field: colour, sort: null }
  }
  return {
    width: WIDTH - 240,
    height: { step: colour ? 11 : 20 },
    data: { values: rows },
    encoding: { y: { ...y, axis: { labelLimit: 600 } }, ...group },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: { x: { field: 'value', type: 'quantitative', title: value } }
      },
      // least and most of the rounds
      {
        mark: { type: 'rule', strokeWidth: 1.5, color: '#222' },
        encoding: {
          x: { field: 'least', type: 'quantitative' },
          x2: { field: 'most' },
          color: { value: '#222' }
        }
      }
    ]
  }
}

/** Points on a logarithmic scale, the largest first. */
export function points(rows: Row[], value: string): TopLevelSpec {
  return {
    width: WIDTH - 240,
    height: { step: 20 },
    data: { values: rows },
    mark: { type: 'point', filled: true, size: 70 },
    encoding: {
      y: { field: 'title', type: 'nominal', sort: '-x', title: null, axis: { labelLimit: 600 } },
      x: { field: 'value', type: 'quantitative', title: value, scale: { type: 'log' } }
    }
  }
}

/** A line for each contestant over a few steps. */
export function lines(rows: Row[], x: string, y: string, height = 240): TopLevelSpec {
  return {
    width: WIDTH - 60,
    height,
    data: { values: rows },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'x', type: 'ordinal', title: x, axis: { labelAngle: 0 }, sort: null },
      y: { field: 'value', type: 'quantitative', title: y },
      color: colourOf(rows)
    }
  }
}
