// The plots of a report, as Vega-Lite specifications.
import type { TopLevelSpec } from 'vega-lite'
import { LEVELS } from '../contestants.ts'
import { QUANTILES } from '../workloads/echo.ts'
import { WRITE_SIZES } from '../workloads/sizes.ts'
import { bars, colourOf, isDrawn, lines, points, type Row, WIDTH } from './charts.ts'
import type { Report } from './report.ts'
import { networkName } from './tables.ts'

export interface Plot {
  title: string
  /** What to see, for people. */
  caption: string
  spec: TopLevelSpec
}

/** The title of a row, above it. */
const ABOVE = {
  labelAngle: 0,
  labelOrient: 'top' as const,
  labelAnchor: 'start' as const
}

const title = (report: Report, kind: string) => report.titles[kind] ?? kind

/** A row for each contestant and metric that there is. */
function rowsOf(report: Report, metrics: Record<string, string>, kinds?: string[]): Row[] {
  return (kinds ?? Object.keys(report.figures)).flatMap(kind =>
    Object.entries(metrics).flatMap(([metric, label]) => {
      const found = report.figures[kind]?.[metric]
      return found === undefined
        ? []
        : [
            {
              title: title(report, kind),
              what: label,
              value: found.median,
              least: found.least,
              most: found.most
            }
          ]
    })
  )
}

const hasLevel = (kind: string) => kind.includes('@')
const isNative = (kind: string) => kind.startsWith('native-')
const contestantsOf = (report: Report) =>
  Object.keys(report.figures).filter(kind => !hasLevel(kind) && !isNative(kind))

function throughput(report: Report): Plot {
  const metrics = { upMBps: 'up', downMBps: 'down' }
  return {
    title: 'Throughput of one stream',
    caption: '64 KiB writes, loopback, server and client in two processes. Longer is better.',
    spec: bars(rowsOf(report, metrics, contestantsOf(report)), 'MB/s', 'what')
  }
}

function references(report: Report): Plot {
  const kinds = ['quic', 'quic-1452', 'utp-raw', 'udt-raw', 'tcp-raw']
  const native = Object.keys(report.figures).filter(isNative)
  return {
    title: 'Against the physical limits',
    caption:
      'The same libraries, sockets and memory in C++ programs. Logarithmic; further right is better.',
    spec: points(rowsOf(report, { MBps: '' }, [...native, ...kinds]), 'MB/s')
  }
}

function cpu(report: Report): Plot {
  return {
    title: 'CPU per GB',
    caption: 'Of all processes of both sides, services and launchers included. Shorter is better.',
    spec: bars(rowsOf(report, { cpu: '' }, contestantsOf(report)), 'CPU seconds per GB')
  }
}

function latency(report: Report, which: 'idle' | 'loaded'): Plot {
  const rows = report.distributions
    .filter(({ kind }) => isDrawn(kind))
    .flatMap(({ kind, [which]: quantiles }) =>
      quantiles.map((us, i) => ({ title: title(report, kind), us, share: QUANTILES[i] as number }))
    )
  return {
    title: which === 'idle' ? 'Round trips, idle' : 'Round trips, under load',
    caption:
      which === 'idle'
        ? 'One byte there and back, one after the other. Further left and steeper is better.'
        : 'The same, beside an upload on another stream of the connection. Further left is better.',
    spec: {
      width: WIDTH - 60,
      height: 280,
      data: { values: rows },
      mark: { type: 'line', interpolate: 'step-after', clip: true },
      encoding: {
        x: { field: 'us', type: 'quantitative', title: 'µs', scale: { type: 'log' } },
        y: {
          field: 'share',
          type: 'quantitative',
          title: 'share that is at least as fast',
          axis: { format: '%' }
        },
        color: colourOf(rows),
        order: { field: 'share' }
      }
    }
  }
}

/** One line per contestant over metrics that differ by a number. */
function scaling(report: Report, names: Array<[metric: string, x: string]>): Row[] {
  return Object.keys(report.figures).flatMap(kind =>
    names.flatMap(([metric, x]) => {
      const found = report.figures[kind]?.[metric]
      return found === undefined ? [] : [{ title: title(report, kind), x, value: found.median }]
    })
  )
}

const counted = (what: string, counts: number[]) =>
  counts.map((n): [string, string] => [`${what}${n}.MBps`, n.toLocaleString('en')])

function writes(report: Report): Plot {
  const names = WRITE_SIZES.map((n): [string, string] => [
    `write${n}.upMBps`,
    n < 2 ** 20 ? `${n / 1024} KiB` : `${n / 2 ** 20} MiB`
  ])
  return {
    title: 'Size of a write',
    caption: 'Upload over one stream.',
    spec: lines(scaling(report, names), 'bytes per write', 'MB/s')
  }
}

function streams(report: Report): Plot {
  const raised = title(report, 'quic-1024-streams')
  const rows = scaling(report, counted('streams', [1, 16, 256, 1000])).flatMap(row =>
    row.title !== raised
      ? [row]
      : row.x === '1,000'
        ? [{ ...row, title: title(report, 'quic') }]
        : []
  )
  return {
    title: 'Streams of one connection',
    caption:
      'Sum of all streams, mean of up and down. By default QUIC allows a peer 256; for 1,000 the limit is raised.',
    spec: lines(rows, 'streams', 'MB/s')
  }
}

function connections(report: Report): Plot {
  const rows = scaling(report, counted('connections', [1, 50, 100, 1000]))
  return {
    title: 'Connections with a stream each',
    caption: 'Sum of all connections, mean of up and down.',
    spec: lines(rows, 'connections', 'MB/s')
  }
}

function isolation(report: Report): Plot {
  const kinds = ['quic', 'utp'].flatMap(name => [
    `${name}-inside`,
    ...LEVELS.map(level => `${name}@${level}`)
  ])
  return {
    title: 'The price of isolation',
    caption:
      'The same client, protocol and addon: in the application’s own process, in another one (L0), and in a sandbox (L2, L3).',
    spec: bars(rowsOf(report, { upMBps: 'up', downMBps: 'down' }, kinds), 'MB/s', 'what')
  }
}

function isolationEcho(report: Report): Plot {
  const kinds = ['quic', 'utp'].flatMap(name => [
    `${name}-inside`,
    ...LEVELS.map(level => `${name}@${level}`)
  ])
  return {
    title: 'The price of isolation in latency',
    caption: 'Median round trip of one byte. Shorter is better.',
    spec: bars(rowsOf(report, { echoP50us: '' }, kinds), 'µs')
  }
}

function crashes({ crashes: found }: Report): Plot {
  const { beforeMs = 0, binMs = 1 } = found?.timeline ?? {}
  const rows = (found?.summary ?? []).flatMap(crash =>
    crash.answers.map((answers, i) => ({
      title: crash.title,
      ms: i * binMs - beforeMs,
      answers: answers / binMs
    }))
  )
  return {
    title: 'A crash',
    caption:
      'Answers of a listener whose service is killed at 0 ms, under 2,000 datagrams per second, mean of all kills. From L2 on the port stays bound: what came meanwhile is answered late.',
    spec: {
      data: { values: rows },
      width: WIDTH - 60,
      height: 90,
      mark: { type: 'area', interpolate: 'step-after', line: true, opacity: 0.4 },
      encoding: {
        x: {
          field: 'ms',
          type: 'quantitative',
          title: 'ms after SIGKILL',
          scale: { nice: false }
        },
        y: { field: 'answers', type: 'quantitative', title: 'answers/ms' },
        row: {
          field: 'title',
          type: 'nominal',
          title: null,
          sort: null,
          header: ABOVE
        }
      }
    }
  }
}

function networks(report: Report): Plot {
  const rows = (report.networks?.results ?? []).map(
    ({ network, title: name, upMBps, downMBps }) => {
      const all = [...upMBps, ...downMBps]
      return {
        network: networkName(report.networks, network),
        title: name,
        value: all.reduce((sum, n) => sum + n, 0) / all.length
      }
    }
  )
  return {
    title: 'Emulated networks',
    caption: 'Mean of up and down. Each network has its own scale.',
    spec: {
      data: { values: rows },
      facet: {
        row: {
          field: 'network',
          type: 'nominal',
          title: null,
          sort: null,
          header: ABOVE
        }
      },
      spec: {
        width: WIDTH - 240,
        height: { step: 16 },
        mark: 'bar',
        encoding: {
          y: {
            field: 'title',
            type: 'nominal',
            title: null,
            sort: null,
            axis: { labelLimit: 600 }
          },
          x: { field: 'value', type: 'quantitative', title: 'MB/s' }
        }
      },
      resolve: { scale: { x: 'independent', y: 'independent' } }
    } as TopLevelSpec
  }
}

/** Those for which the run has figures. */
export function plots(report: Report): Plot[] {
  return [
    throughput(report),
    cpu(report),
    latency(report, 'idle'),
    latency(report, 'loaded'),
    writes(report),
    streams(report),
    connections(report),
    isolation(report),
    isolationEcho(report),
    crashes(report),
    networks(report),
    references(report)
  ].filter(({ spec }) => (spec.data as { values: Row[] }).values.length > 0)
}
