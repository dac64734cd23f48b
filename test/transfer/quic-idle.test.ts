// Many connections of QUIC that are open and idle: what they cost, that they stay and work, and that all of it
// is given back.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Connection } from '@libp2p/interface'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { transportOf } from '../support/nodes.ts'
import { openFds, rss, until } from '../support/processes.ts'
import { addressOf, createQuicNode, ECHO, QUIC4, type QuicNode } from '../support/quic-nodes.ts'
import { measuresMemory } from '../support/sanitized.ts'

const DIALERS = path.resolve(import.meta.dirname, '../fixtures/quic-dialers.ts')
/** Without packets that keep them they would be gone after the first. */
const IDLE_MS = 6000
const SETTINGS = { idle_timeout_ms: IDLE_MS, keep_alive_ms: IDLE_MS / 4 }
const ECHO_BYTES = 300_000
/** Compiled code, garbage that is not found at once: what a leak is goes beyond at the full count. */
const NOISE_BYTES = { service: 4e6, heap: 12e6 }
/** What the service keeps of its first use, such as its buffers. */
const KEPT_BYTES = 20e6

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('idle connections of xtp-quic', () => {
  let listener: QuicNode
  let dialers: ChildProcess | undefined
  const total = counts.idleConnections

  before(async () => {
    listener = await createQuicNode({ listen: [QUIC4], init: { settings: SETTINGS } })
  })
  after(async () => {
    dialers?.kill('SIGKILL')
    await listener?.stop()
  })

  const service = () => transportOf(listener).status().pid as number
  function memory() {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return { service: rss(service()), application: rss(), heap: heapUsed + external }
  }

  async function open() {
    const args = [`${addressOf(listener)}`, `${total}`, JSON.stringify({ settings: SETTINGS })]
    const source = process.execArgv.filter(arg => !arg.startsWith('--test'))
    dialers = spawn(process.execPath, [...source, DIALERS, ...args], {
      stdio: ['pipe', 'pipe', 'inherit']
    })
    const line = await Promise.race([
      once(dialers.stdout as NodeJS.ReadableStream, 'data'),
      once(dialers, 'close').then(([code]) => `the dialers ended with ${code}`)
    ])
    assert.equal(String(line).trim(), 'open')
    await until('all are there', () => listener.getConnections().length === total, 30_000)
    await until('identify is over', () => streams() === 0, 30_000)
  }

  async function close() {
    dialers?.stdin?.end()
    await once(dialers as ChildProcess, 'close')
    await until('the application has none', () => listener.getConnections().length === 0, 30_000)
    await until(
      'the service has none',
      async () => {
        const stats = await transportOf(listener).stats()
        return stats.get('connections') === 0n && stats.get('connection_ids') === 0n
      },
      60_000
    )
  }

  /** Longer than a connection lasts that nobody keeps: all are the same afterwards. */
  async function stayIdle() {
    const opened = new Set(listener.getConnections())
    await new Promise(resolve => setTimeout(resolve, IDLE_MS + 2000))
    assert.equal(opened.size, total)
    assert.ok(listener.getConnections().every(connection => opened.has(connection)))
    assert.equal(listener.getConnections().length, total)
  }

  const streams = () =>
    listener.getConnections().reduce((sum, connection) => sum + connection.streams.length, 0)

  async function echoed(connection: Connection) {
    const stream = await connection.newStream(ECHO)
    const pattern = new Pattern(1)
    const back = receivePattern(stream, pattern, ECHO_BYTES)
    await sendPattern(stream, pattern, ECHO_BYTES)
    await stream.close()
    await back
  }

  it(`${total} at once, longer than their idle time; any of them works; all is given back`, async t => {
    // what is needed once: pools, compiled code
    const fds = [openFds(), openFds(service())]
    const before = memory()
    await open()
    await stayIdle()
    const held = memory()
    const each = (name: keyof typeof held) =>
      `${((held[name] - before[name]) / total / 1024).toFixed(1)} KiB`
    t.diagnostic(
      `a connection takes ${each('service')} in the service, ${each('application')} in the application, ` +
        `${each('heap')} of it JavaScript's`
    )
    for (let i = 0; i < 5; i++) {
      await echoed(listener.getConnections()[Math.floor(Math.random() * total)] as Connection)
    }
    await close()
    const left = memory()
    await open()
    await close()
    const again = memory()
    for (const name of ['service', 'application', 'heap'] as const) {
      const mb = [before, held, left, again].map(at => (at[name] / 1e6).toFixed(1))
      t.diagnostic(
        `${name}: before ${mb[0]} MB, held ${mb[1]}, closed ${mb[2]}, once more ${mb[3]}`
      )
    }
    const cost = { service: held.service - before.service, heap: held.heap - before.heap }
    if (measuresMemory) {
      assert.ok(left.service - before.service < cost.service / 2 + KEPT_BYTES, 'it is kept')
      assert.ok(
        again.service - left.service < cost.service / 2 + NOISE_BYTES.service,
        'the service grows'
      )
      assert.ok(left.heap - before.heap < cost.heap / 2 + NOISE_BYTES.heap, 'the heap keeps them')
      assert.ok(again.heap - left.heap < cost.heap / 2 + NOISE_BYTES.heap, 'the heap grows')
    }
    // of the watchdog, one more may be open for a moment
    await until('descriptors are given back', () =>
      [openFds(), openFds(service())].every((count, i) => count <= (fds[i] as number))
    )
  })
})
