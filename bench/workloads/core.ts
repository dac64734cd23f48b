// One stream: up, down, both at once, round trips idle and under load; then streams and connections one
// after the other.
import { echoer, latency } from './echo.ts'
import { Transfer } from './transfer.ts'
import type { Context, Metrics } from './types.ts'
import { sizeFor, warmUp } from './warm-up.ts'

/** Of the trips that are not counted. */
const ECHO_WARM_UP = 300
/** More than any contestant moves in the time of the trips under load. */
const ENDLESS_BYTES = 2 ** 40

async function oneWay({ client, usage }: Context, mode: 'U' | 'D', bytes: number) {
  const duplex = await client.open()
  let seconds = 0
  const { all: cpu } = await usage.cpuPerGb(bytes, async () => {
    const begin = performance.now()
    const transfer = new Transfer(duplex, mode, bytes)
    await transfer.done
    seconds = (performance.now() - begin) / 1000
    transfer.end()
  })
  return { rate: bytes / seconds / 1e6, cpu }
}

async function bothWays(context: Context, up: number, down: number): Promise<Metrics> {
  const { client, usage } = context
  const duplexes = [await client.open(), await client.open()] as const
  let seconds = 0
  const { all: bothCpu } = await usage.cpuPerGb(up + down, async () => {
    const begin = performance.now()
    const transfers = [new Transfer(duplexes[0], 'U', up), new Transfer(duplexes[1], 'D', down)]
    await Promise.all(transfers.map(({ done }) => done))
    seconds = (performance.now() - begin) / 1000
    transfers.forEach(transfer => void transfer.end())
  })
  return { bothMBps: (up + down) / seconds / 1e6, bothCpu }
}

async function echoes({ client, effort }: Context): Promise<Metrics> {
  const trip = echoer(await client.open())
  await latency(trip, ECHO_WARM_UP, effort.echoMs)
  const idle = await latency(trip, effort.echoTrips, effort.echoMs)
  const load = new Transfer(await client.open(), 'U', ENDLESS_BYTES)
  const loaded = await latency(trip, effort.echoTrips, effort.echoMs)
  load.end()
  return {
    echoP50us: idle.p50us,
    echoP99us: idle.p99us,
    echoP999us: idle.p999us,
    echoQuantiles: idle.quantiles,
    loadP50us: loaded.p50us,
    loadP99us: loaded.p99us,
    loadP999us: loaded.p999us,
    loadQuantiles: loaded.quantiles
  }
}

/** How often per second something works that ends with an echo. */
async function perSecond(limitMs: number, once: () => Promise<void>): Promise<number> {
  let count = 0
  const begin = performance.now()
  do {
    await once()
    count++
  } while (performance.now() - begin < limitMs)
  return count / ((performance.now() - begin) / 1000)
}

async function opens({ client, effort }: Context): Promise<Metrics> {
  const streamsPerSecond = await perSecond(effort.openMs, async () => {
    const duplex = await client.open()
    await echoer(duplex)()
    duplex.onEnd = undefined
    duplex.end()
  })
  const connectionsPerSecond = await perSecond(effort.openMs, async () => {
    const connection = await client.connect()
    const duplex = await connection.open()
    await echoer(duplex)()
    duplex.onEnd = undefined
    await connection.close()
  })
  return { streamsPerSecond, connectionsPerSecond }
}

export async function core(context: Context): Promise<Metrics> {
  const { usage, effort } = context
  const rates = await warmUp(context)
  const upBytes = sizeFor(rates.up, effort)
  const downBytes = sizeFor(rates.down, effort)
  const up = await oneWay(context, 'U', upBytes)
  const down = await oneWay(context, 'D', downBytes)
  // half of each, as both share the machine
  const both = await bothWays(context, upBytes / 2, downBytes / 2)
  const latencies = await echoes(context)
  return {
    upMBps: up.rate,
    downMBps: down.rate,
    MBps: (up.rate + down.rate) / 2,
    upCpu: up.cpu,
    downCpu: down.cpu,
    cpu: (up.cpu + down.cpu) / 2,
    ...both,
    ...latencies,
    ...usage.peakRss(),
    ...(await opens(context))
  }
}
