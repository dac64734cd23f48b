// The same bytes over many streams of one connection, or over many connections with a stream each:
// in sum, and whether everybody gets a share.
import type { Connection, Duplex } from '../contestants/types.ts'
import { KIB, rate, Transfer, WRITE_BYTES } from './transfer.ts'
import type { Context, Metrics } from './types.ts'
import type { CpuPerGb, Usage } from './usage.ts'
import { type Rates, sizeFor, warmUp } from './warm-up.ts'

/** Streams that are opened at the same time. */
const PARALLEL = 16
/** Of each stream and direction before anything is measured, as the one has had its warm-up. */
const WARM_UP_BYTES = 128 * KIB

interface Outcome {
  MBps: number
  cpu: CpuPerGb
  /** The slowest stream against the mean, when the first one has finished. */
  slowest: number
}

/** Everything is open before the time begins. */
async function transferAll(
  duplexes: Duplex[],
  mode: 'U' | 'D',
  bytes: number,
  usage: Usage
): Promise<Outcome> {
  const share = Math.max(WRITE_BYTES, Math.floor(bytes / duplexes.length))
  const total = share * duplexes.length
  const transfers: Transfer[] = []
  let slowest = 0
  let MBps = 0
  const one = async (transfer: Transfer) => {
    await transfer.done
    if (slowest === 0) {
      const amounts = transfers.map(each => each.bytes)
      const mean = amounts.reduce((sum, n) => sum + n, 0) / amounts.length
      slowest = Math.min(...amounts) / mean
    }
  }
  const cpu = await usage.cpuPerGb(total, async () => {
    const begin = performance.now()
    transfers.push(...duplexes.map(duplex => new Transfer(duplex, mode, share)))
    await Promise.all(transfers.map(one))
    MBps = rate(total, begin)
  })
  transfers.forEach(transfer => void transfer.end())
  return { MBps, cpu, slowest }
}

async function openStreams(count: number, open: () => Promise<Duplex>): Promise<Duplex[]> {
  const made: Duplex[] = []
  let begun = 0
  const worker = async () => {
    while (begun++ < count) {
      made.push(await open())
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, PARALLEL) }, worker))
  return made
}

async function bothDirections(
  name: string,
  openAll: () => Promise<Duplex[]>,
  rates: Rates,
  { effort, usage }: Context
): Promise<Metrics> {
  for (const mode of ['U', 'D'] as const) {
    const duplexes = await openAll()
    await transferAll(duplexes, mode, duplexes.length * WARM_UP_BYTES, usage)
  }
  const up = await transferAll(
    await openAll(),
    'U',
    sizeFor(rates.up, effort, effort.manyMs),
    usage
  )
  const down = await transferAll(
    await openAll(),
    'D',
    sizeFor(rates.down, effort, effort.manyMs),
    usage
  )
  return {
    [`${name}.cpu`]: (up.cpu.all + down.cpu.all) / 2,
    [`${name}.applicationCpu`]: (up.cpu.applications + down.cpu.applications) / 2,
    [`${name}.upMBps`]: up.MBps,
    [`${name}.downMBps`]: down.MBps,
    [`${name}.MBps`]: (up.MBps + down.MBps) / 2,
    [`${name}.slowest`]: Math.min(up.slowest, down.slowest)
  }
}

/** Streams of one connection, as many as the contestant allows. */
export async function streams(context: Context): Promise<Metrics> {
  const { client, effort, maxStreams = Number.POSITIVE_INFINITY } = context
  const rates = await warmUp(context)
  const metrics: Metrics = {}
  for (const count of effort.streams.filter(each => each <= maxStreams)) {
    const openAll = () => openStreams(count, client.open)
    Object.assign(metrics, await bothDirections(`streams${count}`, openAll, rates, context))
  }
  return metrics
}

export async function connections(context: Context): Promise<Metrics> {
  const { client, effort, usage } = context
  const rates = await warmUp(context)
  const metrics: Metrics = {}
  for (const count of effort.connections) {
    const name = `connections${count}`
    const begin = performance.now()
    const made: Connection[] = []
    // one after the other: libp2p joins dials to one peer that are under way
    while (made.length < count) {
      made.push(await client.connect())
    }
    metrics[`${name}.perSecond`] = count / ((performance.now() - begin) / 1000)
    const openAll = () => Promise.all(made.map(connection => connection.open()))
    Object.assign(metrics, await bothDirections(name, openAll, rates, context))
    metrics[`${name}.rssServiceMb`] = usage.peakRss().rssServiceMb
    await Promise.all(made.map(connection => connection.close()))
  }
  return metrics
}
