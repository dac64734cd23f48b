// One process of a measurement: `peer.ts server KIND` says its address, and `peer.ts client KIND WORKLOAD EFFORT` waits to
// hear it on stdin, and says its figures; a `traced-client` also says when a transfer begins and ends. Lines and EFFORT
// (workloads/types.ts) are JSON.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Contestant } from './contestants/types.ts'
import { contestants } from './contestants.ts'
import { echoer } from './workloads/echo.ts'
import { workloads } from './workloads/index.ts'
import { starts } from './workloads/starts.ts'
import type { Effort, Workload } from './workloads/types.ts'
import { Usage } from './workloads/usage.ts'
import { answer } from './workloads/wire.ts'

/** Some contestants do not stop, or not soon. */
const STOP_LIMIT_MS = 2000

const [role, kind = '', workload = '', effortText = '{}'] = process.argv.slice(2)
const contestant = contestants[kind] as Contestant
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)

/** Where the server is. */
interface Target {
  address: string
  serverPid: number
}

async function measure({ address, serverPid }: Target, effort: Effort): Promise<void> {
  if (workload === 'starts') {
    say(await starts(contestant, address, effort.starts))
    return
  }
  const client = await contestant.connect(address)
  const first = await client.open()
  await echoer(first)()
  first.onEnd = undefined
  first.end()
  const { maxStreams } = contestant
  const usage = new Usage(serverPid, role === 'traced-client' ? say : undefined)
  say(await (workloads[workload] as Workload)({ client, usage, effort, maxStreams }))
  await Promise.race([client.stop(), new Promise(resolve => setTimeout(resolve, STOP_LIMIT_MS))])
}

if (role === 'server') {
  say(await contestant.serve(answer))
  process.stdin.resume().on('end', () => process.exit(0))
} else {
  const [line] = await once(createInterface({ input: process.stdin }), 'line')
  await measure(JSON.parse(line) as Target, JSON.parse(effortText) as Effort)
  process.exit(0)
}
