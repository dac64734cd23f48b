// The tables of a report, in Markdown.
import { table } from '../harness.ts'
import { references } from '../references.ts'
import type { Figure } from '../summary.ts'
import type { Report } from './report.ts'

/** With as many digits as a reader can use. */
export function short(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

/** The median and, where there were repeats, the range. */
export function withSpread(figure?: Figure): string {
  if (figure === undefined) {
    return ''
  }
  const range = `${short(figure.least)}–${short(figure.most)}`
  return figure.samples.length > 1 ? `${short(figure.median)} (${range})` : short(figure.median)
}

export interface Table {
  title: string
  head: string[]
  rows: string[][]
}

export const markdown = ({ head, rows }: Table) => table(head, rows)

type Column = [title: string, ...metrics: string[]]

const isReference = (kind: string) => kind in references

/** A row for each contestant, or reference, that has any of it. */
function byContestant(
  report: Report,
  title: string,
  columns: Column[],
  takes = (kind: string) => !isReference(kind)
): Table {
  const rows = Object.entries(report.figures).flatMap(([kind, metrics]) => {
    if (!takes(kind)) {
      return []
    }
    const cells = columns.map(([, ...names]) =>
      names
        .map(name => withSpread(metrics[name]))
        .filter(text => text !== '')
        .join(' / ')
    )
    return cells.every(cell => cell === '') ? [] : [[report.titles[kind] ?? kind, ...cells]]
  })
  return { title, head: ['', ...columns.map(([name]) => name)], rows }
}

export function goalTable({ goals }: Report): Table {
  return {
    title: 'Goals',
    head: ['', 'measured', 'each round', 'goal', ''],
    rows: goals.map(({ label, measured, least, most, goal, met }) => [
      label,
      short(measured),
      `${short(least)}–${short(most)}`,
      goal,
      met === undefined ? 'yardstick' : met ? 'met' : '**missed**'
    ])
  }
}

function crashTable({ crashes }: Report): Table {
  return {
    title: 'From SIGKILL to serving again, under 2,000 datagrams per second',
    head: [
      '',
      'silent, ms, median / p99',
      'goal',
      'datagrams lost',
      'attempts to take the port, successful'
    ],
    rows: (crashes?.summary ?? []).map(crash => [
      crash.title,
      `${short(crash.medianMs)} / ${short(crash.p99Ms)}`,
      `${crash.goalMs}: ${crash.reached ? 'met' : '**missed**'}`,
      String(crash.lostMedian),
      `${crash.bindAttempts}, ${crash.bindSuccesses}`
    ])
  }
}

function networkTable({ networks }: Report): Table {
  const range = (list: number[]) => list.map(short).join(' ')
  return {
    title: 'Emulated networks',
    head: ['network', '', 'MB/s up', 'MB/s down', 'CPU s/GB', 'notes'],
    rows: (networks?.results ?? []).map(result => [
      networkName(networks, result.network),
      result.title,
      range(result.upMBps),
      range(result.downMBps),
      result.cpuSecondsPerGb === null ? '' : short(result.cpuSecondsPerGb),
      result.notes
    ])
  }
}

export function networkName(networks: Report['networks'], key: string): string {
  return networks?.networks?.find(network => network.key === key)?.name ?? key
}

const scale = (what: string, counts: number[], ...parts: string[]): Column[] =>
  counts.map(count => [
    `${count.toLocaleString('en')}`,
    ...parts.map(part => `${what}${count}.${part}`)
  ])

export function tables(report: Report): Table[] {
  const all = [
    goalTable(report),
    byContestant(report, 'One stream, 64 KiB writes', [
      ['MB/s up', 'upMBps'],
      ['MB/s down', 'downMBps'],
      ['MB/s both at once', 'bothMBps'],
      ['CPU s/GB, all processes', 'cpu']
    ]),
    byContestant(report, 'Round trips of one byte, µs: p50 / p99 / p99.9', [
      ['idle', 'echoP50us', 'echoP99us', 'echoP999us'],
      ['under load', 'loadP50us', 'loadP99us', 'loadP999us']
    ]),
    byContestant(report, 'Opening, one after the other', [
      ['streams/s', 'streamsPerSecond'],
      ['connections/s', 'connectionsPerSecond'],
      ['start to first echo, ms', 'startMs'],
      ['the first one of a process, ms', 'firstStartMs']
    ]),
    byContestant(report, 'Peak RSS, MB', [
      ['application', 'rssParentMb'],
      ['service', 'rssServiceMb'],
      ['launcher and init', 'rssJailMb']
    ]),
    byContestant(report, 'Writes of other sizes, MB/s up / down', [
      ['1 KiB', 'write1024.upMBps', 'write1024.downMBps'],
      ['16 KiB', 'write16384.upMBps', 'write16384.downMBps'],
      ['64 KiB', 'write65536.upMBps', 'write65536.downMBps'],
      ['1 MiB', 'write1048576.upMBps', 'write1048576.downMBps']
    ]),
    byContestant(
      report,
      'Streams of one connection, MB/s in sum, up / down',
      scale('streams', [1, 16, 256, 1000], 'upMBps', 'downMBps')
    ),
    byContestant(report, 'CPU s/GB with so many streams: all processes / the applications alone', [
      ...scale('streams', [1, 16, 256, 1000], 'cpu', 'applicationCpu')
    ]),
    byContestant(
      report,
      'CPU s/GB with so many connections: all processes / the applications alone',
      [...scale('connections', [1, 50, 100, 1000], 'cpu', 'applicationCpu')]
    ),
    byContestant(report, 'Slowest stream against the mean', [
      ...scale('streams', [16, 256, 1000], 'slowest')
    ]),
    byContestant(
      report,
      'Connections with a stream each, MB/s in sum, up / down',
      scale('connections', [1, 50, 100, 1000], 'upMBps', 'downMBps')
    ),
    byContestant(
      report,
      'The physical limits, in C++',
      [
        ['MB/s', 'MBps'],
        ['CPU s/GB, all processes', 'cpu']
      ],
      isReference
    ),
    crashTable(report),
    networkTable(report)
  ]
  return all.filter(({ rows }) => rows.length > 0).map(withoutEmptyColumns)
}

function withoutEmptyColumns({ title, head, rows }: Table): Table {
  const kept = head.map((_, i) => i === 0 || rows.some(row => row[i] !== ''))
  const keep = (cells: string[]) => cells.filter((_, i) => kept[i])
  return { title, head: keep(head), rows: rows.map(keep) }
}
