// A service that was taken over attacks its parent: a typed error, the link closed, the child killed,
// never a crash, a hang or a growth of the parent.
import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { DirectRunner, isXtpError, type Runner, type XtpClient } from 'xtp'
import { utpClient } from 'xtp-utp'
import { counts } from '../support/counts.ts'
import { isAlive, until } from '../support/processes.ts'

const ENTRY = path.resolve(import.meta.dirname, '../fixtures/hostile-service.ts')
const TARGET = multiaddr('/ip4/127.0.0.1/udp/9/utp')
const FRAMES_PER_PROCESS = 500
const SETTLE_MS = 2000

/** Modes that end in a violation, or in a death; and those that only waste the parent's time. */
const MODES = [
  'silent',
  'garbage',
  'na',
  'control-random',
  'control-events',
  'control-replies',
  'control-requests',
  'control-oversized',
  'control-endless-varint',
  'control-truncated',
  'control-closed',
  'data-random',
  'data-frames',
  'data-version',
  'data-parity',
  'data-reused-id',
  'data-overrun',
  'data-huge-frame',
  'data-window-overflow',
  'data-streams-without-header',
  'data-unannounced-streams',
  'data-closed',
  'log-flood',
  'exit-3',
  'segfault'
]
const RANDOM = [
  'control-random',
  'control-events',
  'control-requests',
  'data-random',
  'data-frames'
]

function hostileRunner(mode: string, seed: number, pids: number[]): Runner {
  const direct = new DirectRunner({
    env: {
      XTP_TEST_HOSTILE: `${mode}:${seed}`,
      XTP_TEST_HOSTILE_FRAMES: String(FRAMES_PER_PROCESS)
    }
  })
  return {
    name: 'hostile',
    async start(request) {
      const incarnation = await direct.start({ ...request, serviceEntry: ENTRY })
      pids.push(incarnation.pid)
      return incarnation
    },
    diagnose: (exit, logTail) => direct.diagnose(exit, logTail),
    close: () => direct.close()
  }
}

async function meet(mode: string, seed: number): Promise<Error> {
  const pids: number[] = []
  const client: XtpClient = utpClient({
    runner: hostileRunner(mode, seed, pids),
    startTimeoutMs: 1000,
    stopTimeoutMs: 200,
    restart: { initialDelayMs: 60_000, maxDelayMs: 60_000 }
  })
  const start = performance.now()
  let error: Error | undefined
  try {
    await client.dial(TARGET, { signal: AbortSignal.timeout(1000 + SETTLE_MS) })
  } catch (caught) {
    error = caught as Error
  }
  assert.ok(error !== undefined, `${mode}: the dial succeeded`)
  assert.ok(isXtpError(error), `${mode}: ${error.name}: ${error.message}`)
  assert.ok(performance.now() - start < 1000 + SETTLE_MS, `${mode}: took too long`)
  const [pid] = pids
  assert.ok(pid !== undefined)
  await until(`${mode}: the child is gone`, () => !isAlive(pid), SETTLE_MS)
  await client.stop()
  return error
}

describe('a hostile service', () => {
  for (const mode of MODES) {
    it(`${mode}: a typed error, and the child is gone`, async () => {
      await meet(mode, 1)
    })
  }

  const rounds = Math.ceil((2 * counts.fuzzFrames) / FRAMES_PER_PROCESS / RANDOM.length)
  it(`${rounds * RANDOM.length * FRAMES_PER_PROCESS} random frames, on both links`, async () => {
    const heap = process.memoryUsage().heapUsed
    for (let seed = 2; seed < 2 + rounds; seed++) {
      await Promise.all(RANDOM.map(mode => meet(mode, seed)))
    }
    const grown = process.memoryUsage().heapUsed - heap
    assert.ok(grown < 100e6, `the parent grew by ${grown} bytes`)
  })
})
