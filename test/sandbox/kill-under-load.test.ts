// Kills of a service under load: the parent lives, its port is never free, what was sent while the
// service was dead is answered, and nothing is left behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { XtpClient } from 'xtp'
import { createClient } from '../support/clients.ts'
import { counts } from '../support/counts.ts'
import { openFds, rss, until } from '../support/processes.ts'

const LOADS = 4
const RESTART = { initialDelayMs: 1, maxDelayMs: 20, budget: 100_000 }

/** Tries to bind the port all the time; tells at its end how often it could, and could not. */
function thief(port: number) {
  const program = `
    import dgram from 'node:dgram'
    let on = true, inUse = 0, bound = 0
    process.stdin.on('data', () => { on = false })
    while (on) {
      await new Promise(resolve => {
        setTimeout(resolve, 1)
      })
      await new Promise(resolve => {
        const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
        socket.once('error', () => { inUse++; socket.close(resolve) })
        socket.bind(${port}, '127.0.0.1', () => { bound++; socket.close(resolve) })
      })
    }
    process.stdin.destroy()
    console.log(JSON.stringify({ inUse, bound }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  let text = ''
  child.stdout.on('data', bytes => {
    text += bytes
  })
  return async (): Promise<{ inUse: number; bound: number }> => {
    child.stdin.write('end')
    await once(child, 'close')
    return JSON.parse(text)
  }
}

describe('kills under load', { timeout: 600_000 }, () => {
  const clients: XtpClient[] = []
  after(() => Promise.all(clients.map(client => client.stop())))

  /** Dials, echoes, and dials again, whatever happens; counts what came back. */
  async function load(address: Multiaddr, state: { on: boolean; echoes: number }) {
    const client = createClient({ restart: RESTART })
    clients.push(client)
    while (state.on) {
      try {
        const connection = await client.dial(address, { signal: AbortSignal.timeout(2_000) })
        connection.addEventListener('message', event => {
          state.echoes += event.data.byteLength
        })
        while (state.on && connection.status === 'open') {
          if (!connection.writableNeedsDrain) {
            connection.send(new Uint8Array(16_384))
          }
          await new Promise(resolve => setTimeout(resolve, 2))
        }
        connection.abort(new Error('over'))
      } catch {
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }
  }

  it(`${counts.loadKills} times, at random moments`, async t => {
    const server = createClient({ restart: RESTART })
    clients.push(server)
    const listener = server.createListener({
      onConnection: connection => {
        connection.addEventListener('message', event => {
          try {
            connection.send(event.data)
          } catch {
            // it ended meanwhile
          }
        })
      }
    })
    await listener.listen('/ip4/127.0.0.1/udp/0/utp')
    const [address] = listener.getAddrs() as [Multiaddr]
    const kept = server.status().sandbox?.level !== 'L0'
    const stopThief = kept ? thief(Number(address.getComponents()[1]?.value)) : undefined
    const state = { on: true, echoes: 0 }
    const loads = Array.from({ length: LOADS }, () => load(address, state))
    await until('the load', () => state.echoes > 1e6, 20_000)
    const fds = openFds()
    const memory = rss()
    const times: number[] = []
    for (let i = 0; i < counts.loadKills; i++) {
      const { pid } = server.status()
      const echoes = state.echoes
      process.kill(pid as number, i % 3 === 2 ? 'SIGSEGV' : 'SIGKILL')
      const start = performance.now()
      await until(
        `echoes after kill ${i}`,
        () =>
          server.status().pid !== pid && server.status().listeners === 1 && state.echoes > echoes,
        20_000
      )
      times.push(performance.now() - start)
      await new Promise(resolve => setTimeout(resolve, Math.random() * 100))
    }
    assert.deepEqual(listener.getAddrs(), [address])
    assert.equal(server.status().crashes, counts.loadKills)
    state.on = false
    await Promise.all(loads)
    if (stopThief !== undefined) {
      const { inUse, bound } = await stopThief()
      t.diagnostic(`${inUse} attempts to take the port, ${bound} successful`)
      assert.equal(bound, 0)
      assert.ok(inUse > 100)
    }
    await until('descriptors are given back', () => openFds() <= fds + 4, 10_000)
    await until('memory is given back', () => rss() < memory + 200e6, 30_000)
    times.sort((a, b) => a - b)
    const median = times[times.length >> 1] as number
    t.diagnostic(`from death to the next echo: median ${median.toFixed(0)} ms`)
  })
})
