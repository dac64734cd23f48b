// From nothing to the first echo, each time with a client and a service of its own.
import type { Contestant } from '../contestants/types.ts'
import { median } from '../harness.ts'
import { echoer } from './echo.ts'
import type { Metrics } from './types.ts'

export async function starts(
  contestant: Contestant,
  address: string,
  count: number
): Promise<Metrics> {
  const times: number[] = []
  // the first one of a process also compiles the client's own code
  for (let i = 0; i <= count; i++) {
    const begin = performance.now()
    const client = await contestant.connect(address)
    await echoer(await client.open())()
    times.push(performance.now() - begin)
    await client.stop()
  }
  return { firstStartMs: times[0] as number, startMs: median(times.slice(1)) }
}
