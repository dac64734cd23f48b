// What must hold: ratios and differences within one run, so that the machine cancels out.
import type { Figure, Figures } from './summary.ts'

interface Side {
  kind: string
  metric: string
}

interface Rule {
  label: string
  a: Side
  /** Without one: `a` itself. */
  b?: Side
  /** a / b, the default, or a − b. */
  compare?: 'ratio' | 'difference'
  atLeast?: number
  atMost?: number
  unit?: string
}

export interface Goal {
  label: string
  measured: number
  /** Of the rounds that both have. */
  least: number
  most: number
  goal: string
  /** Absent: a yardstick, which nobody has to meet. */
  met?: boolean
}

const rule = (
  label: string,
  [kindA, kindB]: [string, string],
  metric: string,
  bounds: Pick<Rule, 'atLeast' | 'atMost' | 'compare' | 'unit'>
): Rule => ({
  label,
  a: { kind: kindA, metric },
  b: { kind: kindB, metric },
  ...bounds
})

const QUIC_TCP: [string, string] = ['quic', 'tcp-noise']
const AT_1452: [string, string] = ['quic-1452', 'tcp-noise']

/** Of many against one, within a contestant. */
const many = (
  kind: string,
  title: string,
  what: string,
  count: number,
  bounds: Pick<Rule, 'atLeast'>
): Rule => ({
  label: `${title}: ${count.toLocaleString('en')} ${what} : one, throughput`,
  a: { kind, metric: `${what}${count}.MBps` },
  b: { kind, metric: `${what}1.MBps` },
  ...bounds
})

const slowest = (kind: string, title: string, bounds: Pick<Rule, 'atLeast'>): Rule => ({
  label: `${title}: slowest of 16 streams : mean`,
  a: { kind, metric: 'streams16.slowest' },
  ...bounds
})

const RULES: Rule[] = [
  rule('quic : tcp, up', QUIC_TCP, 'upMBps', { atLeast: 3 }),
  rule('quic : tcp, down', QUIC_TCP, 'downMBps', { atLeast: 3 }),
  rule('quic at 1452 bytes : tcp, up', AT_1452, 'upMBps', { atLeast: 2.2 }),
  rule('quic at 1452 bytes : tcp, down', AT_1452, 'downMBps', { atLeast: 2.2 }),
  rule('quic : tcp, CPU per GB', QUIC_TCP, 'cpu', { atMost: 0.4 }),
  rule('quic at 1452 bytes : tcp, CPU per GB', AT_1452, 'cpu', { atMost: 0.5 }),
  rule('quic : libp2p-quic, up', ['quic', 'quinn'], 'upMBps', { atLeast: 10 }),
  rule('quic : libp2p-quic, down', ['quic', 'quinn'], 'downMBps', { atLeast: 10 }),
  rule('quic : ngtcp2 in C++', ['quic', 'native-ngtcp2'], 'MBps', { atLeast: 0.5 }),
  rule('quic at 1452 bytes : ngtcp2 in C++ at 1452', ['quic-1452', 'native-ngtcp2-1452'], 'MBps', {
    atLeast: 0.5
  }),
  rule('quic : tcp, echo p50', QUIC_TCP, 'echoP50us', { atMost: 1 }),
  rule('quic : tcp, connections/s', QUIC_TCP, 'connectionsPerSecond', { atLeast: 1 }),
  rule('utp : tcp, up', ['utp', 'tcp-noise'], 'upMBps', { atLeast: 0.9 }),
  rule('utp : tcp, down', ['utp', 'tcp-noise'], 'downMBps', { atLeast: 0.9 }),
  rule('utp : tcp, both with xtp’s noise and yamux', ['utp', 'tcp-xtp'], 'MBps', { atLeast: 0.9 }),
  rule('utp : tcp, both with libp2p’s noise and yamux', ['utp-libp2p', 'tcp-noise'], 'MBps', {
    atLeast: 0.9
  }),
  rule('raw uTP : utp-native, up', ['utp-raw', 'utp-native-raw'], 'upMBps', { atLeast: 3 }),
  rule('raw uTP : utp-native, down', ['utp-raw', 'utp-native-raw'], 'downMBps', { atLeast: 3 }),
  rule('raw UDT : libudt in C++', ['udt-raw', 'native-libudt'], 'MBps', { atLeast: 0.7 }),
  ...(['quic', 'utp'] as const).flatMap(name => [
    rule(`${name}: own process : application’s`, [name, `${name}-inside`], 'MBps', {
      atLeast: 0.85
    }),
    rule(`${name}: own process − application’s, echo p50`, [name, `${name}-inside`], 'echoP50us', {
      compare: 'difference',
      atMost: 60,
      unit: ' µs'
    }),
    rule(`${name}: L3 : L0, CPU per GB`, [`${name}@L3`, `${name}@L0`], 'cpu', { atMost: 1.05 }),
    rule(`${name}: L3 − L0, start to first echo`, [`${name}@L3`, `${name}@L0`], 'startMs', {
      compare: 'difference',
      atMost: 15,
      unit: ' ms'
    })
  ]),
  ...(['streams', 'connections'] as const).flatMap(what => [
    many(what === 'streams' ? 'quic-1024-streams' : 'quic', 'quic', what, 1000, { atLeast: 0.8 }),
    many('utp', 'utp', what, 1000, { atLeast: 0.8 }),
    many('utp-libp2p', 'utp with libp2p’s', what, 1000, {}),
    many('tcp-noise', 'tcp with libp2p’s', what, 1000, {}),
    many('tcp-xtp', 'tcp with xtp’s', what, 1000, {})
  ]),
  slowest('quic', 'quic', { atLeast: 0.5 }),
  slowest('utp', 'utp', { atLeast: 0.5 }),
  slowest('utp-libp2p', 'utp with libp2p’s', {}),
  slowest('tcp-noise', 'tcp with libp2p’s', {}),
  slowest('tcp-xtp', 'tcp with xtp’s', {})
]

/** Those of which both sides were measured. */
export function goals(figures: Figures): Goal[] {
  return RULES.flatMap(({ label, a, b, compare = 'ratio', atLeast, atMost, unit = '' }) => {
    const left = figures[a.kind]?.[a.metric]
    const right = b && figures[b.kind]?.[b.metric]
    if (left === undefined || (b !== undefined && right === undefined)) {
      return []
    }
    const against = (x: number, y: number) => (compare === 'ratio' ? x / y : x - y)
    const measured = right === undefined ? left.median : against(left.median, right.median)
    const each =
      right === undefined ? left.samples : pairs(left, right).map(([x, y]) => against(x, y))
    return [
      {
        label,
        measured,
        least: Math.min(...each),
        most: Math.max(...each),
        goal: boundOf({ atLeast, atMost, unit }),
        ...(atLeast !== undefined && { met: measured >= atLeast }),
        ...(atMost !== undefined && { met: measured <= atMost })
      }
    ]
  })
}

const boundOf = ({ atLeast, atMost, unit }: Pick<Rule, 'atLeast' | 'atMost' | 'unit'>) =>
  atLeast !== undefined ? `≥ ${atLeast}${unit}` : atMost !== undefined ? `≤ ${atMost}${unit}` : ''

const pairs = (a: Figure, b: Figure): Array<[number, number]> =>
  a.samples.slice(0, b.samples.length).map((x, i) => [x, b.samples[i] as number])
