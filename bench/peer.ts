// One process of a measurement: `peer.ts server KIND`, or `peer.ts client KIND ADDRESS SERVER_PID WORKLOAD EFFORT`, which
// prints its figures as one line of JSON. EFFORT is JSON, too (workloads/types.ts).

import type { Contestant } from './contestants/types.ts'
import { contestants } from './contestants.ts'
import { echoer } from './workloads/echo.ts'
import { workloads } from './workloads/index.ts'
import { starts } from './workloads/starts.ts'
import type { Effort, Metrics, Workload } from './workloads/types.ts'
import { Usage } from './workloads/usage.ts'
import { answer } from './workloads/wire.ts'

/** Some contestants do not stop, or not soon. */
const STOP_LIMIT_MS = 2000

const [role, kind = '', address = '', serverPid = '0', workload = '', effortText = '{}'] =
  process.argv.slice(2)
const contestant = contestants[kind] as Contestant
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

async function measure(effort: Effort): Promise<Metrics> {
  if (workload === 'starts') {
    return starts(contestant, address, effort.starts)
  }
  const client = await contestant.connect(address)
  const first = await client.open()
  await echoer(first)()
  first.onEnd = undefined
  first.end()
  const { maxStreams } = contestant
  const usage = new Usage(Number(serverPid))
  const metrics = await (workloads[workload] as Workload)({ client, usage, effort, maxStreams })
  say(metrics)
  await Promise.race([client.stop(), new Promise(resolve => setTimeout(resolve, STOP_LIMIT_MS))])
  return metrics
}

if (role === 'server') {
  say(await contestant.serve(answer))
  process.stdin.resume().on('end', () => process.exit(0))
} else {
  const metrics = await measure(JSON.parse(effortText) as Effort)
  if (workload === 'starts') {
    say(metrics)
  }
  process.exit(0)
}
