// One measurement: a server process and a client process, both new.
import { end, firstLine, start } from './harness.ts'
import type { Effort, Metrics } from './workloads/types.ts'

export interface Job {
  kind: string
  workload: string
}

const LIMIT_MS = 120_000

/** @throws Error where a process fails or both take longer than two minutes */
export async function measure({ kind, workload }: Job, effort: Effort): Promise<Metrics> {
  const server = start('peer.ts', ['server', kind])
  const client = start('peer.ts', ['client', kind, workload, JSON.stringify(effort)])
  let late = false
  const timer = setTimeout(() => {
    late = true
    client.kill('SIGKILL')
    server.kill('SIGKILL')
  }, LIMIT_MS)
  try {
    const { address } = await firstLine<{ address: string }>(server)
    client.stdin?.write(`${JSON.stringify({ address, serverPid: server.pid })}\n`)
    return await firstLine<Metrics>(client)
  } catch (error) {
    throw late ? new Error(`not done after ${LIMIT_MS / 1000} s`) : error
  } finally {
    // a client that has failed to start does not wait for an address
    await end(server, client)
    clearTimeout(timer)
  }
}
