// Emulated paths between network namespaces: services in their sandbox work there, as the kernel's TCP does, the path
// does what it was told, and nothing is left of it.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { describe, it } from 'node:test'
import { processes, tree, until } from '../support/processes.ts'

const root = path.resolve(import.meta.dirname, '../..')
// the one of the native tests
process.env.XTP_PATH_EMULATOR = path.join(root, 'build/native/bench/networks/path_emulator')
const { Emulator } = await import('../../bench/networks/emulator.ts')
const { measure } = await import('../../bench/networks/measure.ts')

/** Why none can be made here. */
function missing(): string | false {
  const program = process.env.XTP_PATH_EMULATOR as string
  const { status, stderr, error } = spawnSync(program, [], { input: '', encoding: 'utf8' })
  if (error !== undefined) {
    throw error
  }
  return status !== 0 && stderr
}

describe('emulated paths', { skip: missing() }, () => {
  it('carry uTP, QUIC and TCP at once, lose packets, and keep to the queue', async () => {
    const queueKb = 64
    const measured = await measure(
      {
        name: 'a bottleneck',
        options: { 'delay-ms': 5, loss: 0.01, 'rate-mbit': 50, 'queue-kb': queueKb }
      },
      ['libp2p-xtp-utp', 'libp2p-xtp-quic', 'libp2p-tcp'],
      'down',
      { settleSeconds: 0, seconds: 2 },
      { congestion: 'cubic' }
    )
    for (const { error, mbPerSecond } of measured.flows) {
      assert.equal(error, undefined)
      assert.ok(mbPerSecond > 0)
    }
    const { counters } = measured
    assert.ok(counters !== undefined && counters.packets > 100)
    assert.ok(counters.lost > 0 && counters.lost < counters.packets / 10, `${counters.lost} lost`)
    assert.ok(counters.maxQueueBytes > 1500 && counters.maxQueueBytes <= queueKb * 1024)
  })

  it('delay packets by what they were told', async () => {
    const emulator = await Emulator.open({ 'delay-ms': 40 })
    try {
      // nobody listens there: the refusal is back after a round trip
      const script = `
        const begin = performance.now()
        require('node:net').connect(9, '10.99.0.1').on('error', ({ code }) => {
          console.log(JSON.stringify({ code, ms: performance.now() - begin }))
        })`
      const { code, ms } = await emulator
        .startProgram(1, process.execPath, ['-e', script])
        .next<{ code: string; ms: number }>()
      assert.equal(code, 'ECONNREFUSED')
      assert.ok(ms >= 80, `${ms} ms`)
    } finally {
      await emulator.end()
    }
  })

  it('are gone, and everything on them, when whoever made them is killed', async () => {
    const args = ['bench/networks.ts', '--on', 'wan', '--only', 'libp2p-xtp-quic']
    const bench = spawn(process.execPath, args, { cwd: root, stdio: 'ignore' })
    const services = () =>
      tree(bench.pid).filter(pid =>
        processes().some(info => info.pid === pid && info.command.includes('xtp-quic/dist'))
      )
    await until('two services', () => services().length >= 2, 20_000)
    const all = tree(bench.pid)
    bench.kill('SIGKILL')
    await once(bench, 'exit')
    await until('the end of all', () => !processes().some(({ pid }) => all.includes(pid)))
  })

  it('refuse options that make no sense', async () => {
    await assert.rejects(Emulator.open({ loss: 2 }), /no network can be emulated/)
    await assert.rejects(Emulator.open({ congestion: 'nosuch' }), /no network can be emulated/)
  })
})
