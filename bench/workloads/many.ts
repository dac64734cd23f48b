// The same bytes over many streams of one connection, or over many connections with a stream each:
// in sum, and whether everybody gets a share.
import type { Duplex } from '../contestants/types.ts'
import { rate, Transfer, WRITE_BYTES } from './transfer.ts'
import type { Context, Effort, Metrics, Workload } from './types.ts'
import { type Rates, sizeFor, warmUp } from './warm-up.ts'

/** Connections that are dialled, or streams that are opened, at the same time. */
const PARALLEL = 16

interface Outcome {
  MBps: number
  /** The slowest stream against the mean, when the first one has finished. */
  slowest: number
}

/** Everything is open before the time begins. */
async function transferAll(duplexes: Duplex[], mode: 'U' | 'D', bytes: number): Promise<Outcome> {
  const share = Math.max(WRITE_BYTES, Math.floor(bytes / duplexes.length))
  let slowest = 0
  const begin = performance.now()
  const transfers = duplexes.map(duplex => new Transfer(duplex, mode, share))
  const one = async (transfer: Transfer) => {
    await transfer.done
    if (slowest === 0) {
      const amounts = transfers.map(each => each.bytes)
      const mean = amounts.reduce((sum, n) => sum + n, 0) / amounts.length
      slowest = Math.min(...amounts) / mean
    }
  }
  await Promise.all(transfers.map(one))
  const MBps = rate(share * duplexes.length, begin)
  transfers.forEach(transfer => void transfer.end())
  return { MBps, slowest }
}

/** Makes `count` of something, `PARALLEL` at a time. */
async function inParallel<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = []
  let begun = 0
  const worker = async () => {
    while (begun++ < count) {
      made.push(await make())
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, PARALLEL) }, worker))
  return made
}

async function bothDirections(
  name: string,
  openAll: () => Promise<Duplex[]>,
  rates: Rates,
  effort: Effort
): Promise<Metrics> {
  const up = await transferAll(await openAll(), 'U', sizeFor(rates.up, effort))
  const down = await transferAll(await openAll(), 'D', sizeFor(rates.down, effort))
  return {
    [`${name}.upMBps`]: up.MBps,
    [`${name}.downMBps`]: down.MBps,
    [`${name}.MBps`]: (up.MBps + down.MBps) / 2,
    [`${name}.slowest`]: Math.min(up.slowest, down.slowest)
  }
}

const MOST_STREAMS = 1000

/** Streams of one connection. */
export const streams: Workload = context => overStreams(context, context.effort.streams)
/** More than QUIC allows a peer by default, so that not everybody takes part with the same options. */
export const streams1000: Workload = context => overStreams(context, [1, MOST_STREAMS])

async function overStreams(context: Context, counts: number[]): Promise<Metrics> {
  const { client, effort } = context
  const rates = await warmUp(context)
  const metrics: Metrics = {}
  for (const count of counts) {
    const openAll = () => inParallel(count, () => client.open())
    Object.assign(metrics, await bothDirections(`streams${count}`, openAll, rates, effort))
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
    const made = await inParallel(count, () => client.connect())
    metrics[`${name}.perSecond`] = count / ((performance.now() - begin) / 1000)
    const openAll = () => Promise.all(made.map(connection => connection.open()))
    Object.assign(metrics, await bothDirections(name, openAll, rates, effort))
    metrics[`${name}.rssServiceMb`] = usage.peakRss().rssServiceMb
    await Promise.all(made.map(connection => connection.close()))
  }
  return metrics
}
