// Services that hang, crash, or use up everything: each is a typed event, and the transport works again.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { XtpClient, XtpError, XtpInit } from 'xtp'
import { type AttackPackage, attackPackage } from '../support/attack-package.ts'
import { BOMBS } from '../support/bombs.ts'
import { enemyClient, type Said } from '../support/enemy.ts'
import { openFds, rss, until } from '../support/processes.ts'
import { type Channel, WIRES, type Wire } from '../support/wires.ts'
import { cannotRun } from './must-work.ts'

const MIB = 2 ** 20

/** Stops one thread as a debugger does, until its process is gone. */
function stopThread(pid: number, name: string): void {
  const tid = fs
    .readdirSync(`/proc/${pid}/task`)
    .find(task => fs.readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim() === name)
  const program = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
    if libc.ptrace(request, ${tid}, None, None) != 0:
        raise OSError(ctypes.get_errno(), 'ptrace')
while True:
    try:
        os.waitpid(${tid}, 0x40000000)  # __WALL; its end is reported as well
    except ChildProcessError:
        break
`
  spawn('/usr/bin/python3', ['-c', program], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** For the tests of one suite. */
function fixture(wire: Wire) {
  let enemy: AttackPackage
  let dialer: XtpClient

  before(async () => {
    enemy = await attackPackage(wire)
    dialer = await wire.createClient()
    // its service starts now, so that no test counts what that opens
    await wire.listen(dialer)
  })
  after(async () => {
    await dialer.stop()
    enemy.remove()
  })

  const armed = (plan: Record<string, number>, init: XtpInit = {}, onSaid?: (said: Said) => void) =>
    enemyClient(
      wire,
      enemy.entry,
      {
        settings: plan,
        restart: { initialDelayMs: 1, onCompromise: 'restart' },
        heartbeatIntervalMs: 60_000,
        ...init
      },
      onSaid ?? (() => {})
    )

  /** Somebody new is served. */
  async function works(address: Multiaddr | undefined, inbound: Promise<Channel>) {
    const { connection, stream } = await wire.dial(dialer, address as Multiaddr)
    stream.send(new Uint8Array(1))
    await inbound
    connection.abort(new Error('enough'))
  }

  /** A first start that fails: its error, and that the same client works once the cause is gone. */
  async function failToStart(client: XtpClient, mend: () => void): Promise<XtpError> {
    try {
      const inbound = Promise.withResolvers<Channel>()
      let failed: XtpError | undefined
      await wire.listen(client).catch(error => {
        failed = error
      })
      assert.ok(failed, 'it started')
      mend()
      const listener = await wire.listen(client, inbound.resolve)
      await works(listener.getAddrs()[0], inbound.promise)
      return failed
    } finally {
      await client.stop()
    }
  }

  /** Lets it happen, gives the error, and sees to it that the same port serves again. */
  async function explode(plan: Record<string, number>, init: XtpInit = {}): Promise<XtpError> {
    enemy.arm(true)
    const client = armed(plan, init)
    try {
      const lost = Promise.withResolvers<XtpError>()
      client.addEventListener('service:lost', ({ detail }) => lost.resolve(detail))
      const inbound = Promise.withResolvers<Channel>()
      const listener = await wire.listen(client, inbound.resolve)
      const [address] = listener.getAddrs()
      enemy.arm(false)
      const error = await lost.promise
      await until('it listens again', () => client.status().listeners === 1, 10_000)
      assert.deepEqual(listener.getAddrs(), [address])
      await works(address, inbound.promise)
      return error
    } finally {
      await client.stop()
    }
  }

  return { armed, failToStart, explode, works, enemy: () => enemy }
}

// they wait, most of the time
describe('a service', { timeout: 120_000, concurrency: WIRES.length }, () => {
  for (const wire of WIRES) {
    describe(`of ${wire.name} that`, { concurrency: 1 }, () => {
      const { armed, enemy, explode, failToStart } = fixture(wire)

      test('hangs: its heartbeat finds it', async () => {
        const error = await explode(
          { test_bomb: BOMBS.indexOf('spin') },
          { heartbeatIntervalMs: 100, heartbeatTimeoutMs: 500 }
        )
        assert.equal(error.code, 'ERR_XTP_SERVICE_LOST')
        assert.deepEqual(error.details, { thread: 'js' })
      })

      test('has a thread for input and output that hangs: told apart from hung JavaScript', async t => {
        if (process.getuid?.() !== 0) {
          cannotRun(t, 'only root may stop one thread of another process')
          return
        }
        const client = await wire.createClient({
          restart: { initialDelayMs: 1 },
          heartbeatIntervalMs: 200,
          heartbeatTimeoutMs: 1_500
        })
        try {
          const lost = Promise.withResolvers<XtpError>()
          client.addEventListener('service:lost', ({ detail }) => lost.resolve(detail))
          await wire.listen(client)
          stopThread(client.status().pid as number, 'xtp-io')
          const error = await lost.promise
          assert.equal(error.code, 'ERR_XTP_SERVICE_LOST')
          assert.deepEqual(error.details, { thread: 'io' })
          await until('it listens again', () => client.status().listeners === 1, 10_000)
        } finally {
          await client.stop()
        }
      })

      for (const kind of ['segv', 'abort'] as const) {
        test(`crashes (${kind})`, async () => {
          const error = await explode({ test_bomb: BOMBS.indexOf(kind) })
          assert.equal(error.code, 'ERR_XTP_SERVICE_LOST')
          const { signal } = error as unknown as { signal: string }
          assert.equal(signal, kind === 'segv' ? 'SIGSEGV' : 'SIGABRT')
        })
      }

      for (const [what, plan] of [
        ['native memory', { test_bomb: BOMBS.indexOf('memory') }],
        ['memory of JavaScript', { test_js_memory: 1 }]
      ] as const) {
        test(`uses up ${what}`, async () => {
          const error = await explode(plan, { limits: { memoryBytes: 256 * MIB } })
          // the watch is there first, or the allocator at the hard limit behind it
          const codes = ['ERR_XTP_LIMIT_EXCEEDED', 'ERR_XTP_SERVICE_LOST']
          assert.ok(codes.includes(error.code), error.message)
          if (error.code === 'ERR_XTP_LIMIT_EXCEEDED') {
            assert.equal(error.details?.limit, 'memoryBytes')
            assert.equal(error.details?.allowed, 256 * MIB)
          } else {
            assert.equal((error as unknown as { signal: string }).signal, 'SIGABRT')
          }
        })
      }

      test('starts threads without end', async () => {
        const plan = { test_bomb: BOMBS.indexOf('threads') }
        const error = await explode(plan, { limits: { processes: 48 } })
        assert.equal(error.code, 'ERR_XTP_LIMIT_EXCEEDED', error.message)
        assert.equal(error.details?.limit, 'processes')
        assert.equal(error.details?.allowed, 48)
      })

      for (const [level, exitCode] of [
        ['L0', 2],
        ['L2', 1],
        ['L3', 1]
      ] as const) {
        test(`starts processes: it ${level === 'L0' ? 'can' : 'cannot'} (${level})`, async t => {
          const bomb = { test_bomb: BOMBS.indexOf('fork') }
          let error: XtpError
          try {
            error = await explode(bomb, { sandbox: { level } })
          } catch (reason) {
            if ((reason as XtpError).code !== 'ERR_XTP_SANDBOX_UNAVAILABLE') {
              throw reason
            }
            cannotRun(t, (reason as Error).message)
            return
          }
          assert.equal(error.code, 'ERR_XTP_SERVICE_LOST')
          assert.equal((error as unknown as { exitCode: number }).exitCode, exitCode)
        })
      }

      test('never answers: the time for its start is over', async () => {
        enemy().arm(true)
        const client = armed({ test_hang_at_start: 1 }, { startTimeoutMs: 1_500 })
        const error = await failToStart(client, () => enemy().arm(false))
        assert.equal(error.code, 'ERR_XTP_SERVICE_START_FAILED')
        assert.match(error.message, /1500 ms/)
        assert.doesNotMatch(error.message, /from outside|out of memory/)
      })

      test('cannot load its addon: the error says so, and its log says why', async () => {
        enemy().breakAddon(true)
        const client = armed({})
        const error = await failToStart(client, () => enemy().breakAddon(false))
        assert.equal(error.code, 'ERR_XTP_SERVICE_START_FAILED')
        assert.match(error.message, /addon/)
        assert.match(error.message, /transport\.node/)
      })
    })
  }
})

for (const wire of WIRES) {
  // alone: it looks at this process
  describe(`a service of ${wire.name} that`, { timeout: 120_000 }, () => {
    const { armed, enemy, explode, works } = fixture(wire)

    test('uses up its descriptors: this process has all of its own, and the next service works', async () => {
      enemy().arm(true)
      const over = Promise.withResolvers<void>()
      const client = armed(
        { test_bomb: BOMBS.indexOf('descriptors') },
        { limits: { openFiles: 128 }, dialTimeoutMs: 1_000 },
        said => said.over && over.resolve()
      )
      try {
        const inbound = Promise.withResolvers<Channel>()
        const listener = await wire.listen(client, inbound.resolve)
        const before = openFds()
        await over.promise
        const { pid, sandbox } = client.status()
        assert.ok(openFds(pid) >= (sandbox?.level === 'L0' ? 1000 : 128), `${openFds(pid)} open`)
        // a socket lent to it now cannot arrive
        const failed = await wire.listen(client).then(
          () => undefined,
          error => error as XtpError
        )
        assert.equal(failed?.code, 'ERR_XTP_RESOURCE_EXHAUSTED')
        enemy().arm(false)
        process.kill(pid as number, 'SIGKILL')
        await until(
          'it listens again',
          () => client.status().listeners === 1 && client.status().pid !== pid,
          10_000
        )
        await works(listener.getAddrs()[0], inbound.promise)
        await until('descriptors are given back', () => openFds() <= before)
      } finally {
        await client.stop()
      }
    })

    test('floods its log: the memory of this process stays what it was', async () => {
      const before = rss()
      const error = await explode(
        { test_flood_log: 1 },
        { heartbeatIntervalMs: 200, heartbeatTimeoutMs: 600 }
      )
      assert.equal(error.code, 'ERR_XTP_SERVICE_LOST')
      assert.ok(rss() < before + 200 * MIB, `${before} → ${rss()}`)
    })
  })
}
