// Level L4: limits that the kernel enforces. For a system that delegates a group of cgroup v2 to this process;
// `node scripts/machine.mjs` makes one.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { XtpClient, XtpError } from 'xtp'
import type { Outcome } from '../fixtures/level-run.ts'
import { type AttackPackage, attackPackage } from '../support/attack-package.ts'
import { BOMBS } from '../support/bombs.ts'
import { tier } from '../support/counts.ts'
import { enemyClient } from '../support/enemy.ts'
import { until } from '../support/processes.ts'
import { type Channel, WIRES, type Wire } from '../support/wires.ts'
import { cgroupFolder } from './cgroups.ts'
import { open } from './jails.ts'
import { cannotRun } from './must-work.ts'

const PROGRAM = path.resolve(import.meta.dirname, '../fixtures/level-run.ts')
const NOBODY = 65_534
const MIB = 2 ** 20
const [first] = WIRES as [Wire, ...Wire[]]
const wires = tier === 'short' ? [first] : WIRES

const folder = cgroupFolder()
if (folder === undefined && process.env.XTP_TEST_CGROUP === '1') {
  throw new Error('XTP_TEST_CGROUP=1, but no group is delegated to this process')
}
const groups = () => (folder ? fs.readdirSync(folder).filter(name => name.startsWith('xtp-')) : [])
/** The group of a process, as this one sees it. */
const groupOf = (pid: number | undefined) => {
  const [, group] = /^0::(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? []
  return path.join(folder as string, path.basename(group as string))
}
const limit = (group: string, file: string) =>
  fs.readFileSync(path.join(group, file), 'utf8').trim()

function level(wire: Wire, sandbox: object, uid?: number, group?: string): Outcome {
  const enter = group === undefined ? '' : `echo $$ > ${group}/cgroup.procs && `
  const { stdout, stderr, status } = spawnSync(
    'sh',
    [
      '-c',
      `${enter}exec "$@"`,
      'sh',
      process.execPath,
      PROGRAM,
      wire.name,
      JSON.stringify(sandbox)
    ],
    { encoding: 'utf8', timeout: 120_000, ...(uid !== undefined && { uid, gid: uid }) }
  )
  assert.equal(status, 0, `${stderr}\n${stdout}`)
  return JSON.parse(stdout)
}

function assertLocked({ error, ...outcome }: Outcome): void {
  assert.equal(error, undefined)
  assert.equal(outcome.sandbox?.level, 'L4', outcome.sandbox?.reason)
  assert.equal(outcome.noNewPrivs, '1')
  assert.equal(outcome.seccomp, '2')
  assert.ok((outcome.filters as number) >= 2, `${outcome.filters} filters`)
  assert.equal(outcome.uid, NOBODY)
}

/** Its files that the owner of a delegated group has. */
function give(to: number): void {
  for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']) {
    fs.chownSync(path.join(folder as string, name), to, to)
  }
}

describe('L4', { skip: folder ? false : 'no group of cgroup v2 is delegated here' }, () => {
  const enemies = new Map<Wire, AttackPackage>()

  before(async () => {
    for (const wire of wires) {
      enemies.set(wire, await attackPackage(wire))
    }
  })
  after(() => {
    for (const enemy of enemies.values()) {
      enemy.remove()
    }
    assert.deepEqual(groups(), [], 'no group outlives its service')
  })

  it('of the launcher alone: the service is in its group, which is the root of what it sees', async () => {
    const prefix = path.join(folder as string, `xtp-test-${process.pid}-`)
    const own = [`${prefix}0`, `${prefix}1`]
    for (const group of own) {
      fs.mkdirSync(group)
    }
    try {
      const jail = open({ args: ['--cgroup', prefix] })
      await jail.ask('probe L4', /^probed L4 ok$/)
      const { pid } = await jail.startEcho(1, 'L4')
      const members = limit(`${prefix}1`, 'cgroup.procs').split('\n')
      assert.ok(members.includes(String(pid)))
      const groupOfJail = fs.readFileSync(`/proc/${jail.pid}/cgroup`, 'utf8')
      assert.notEqual(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'), groupOfJail)
      jail.send('kill 1 9')
      assert.equal(await jail.exitOf(1), 'signal 9')
    } finally {
      for (const group of own) {
        fs.rmdirSync(group)
      }
    }
  })

  for (const wire of wires) {
    it(`is what ${wire.name} gets by default`, () => assertLocked(level(wire, {})))
  }

  it('is that of an ordinary user to whom the group was delegated', (t: TestContext) => {
    if (process.getuid?.() !== 0) {
      cannotRun(t, 'only root can become another user')
      return
    }
    give(NOBODY)
    try {
      assertLocked(level(first, { require: 'L4' }, NOBODY))
    } finally {
      give(0)
    }
    assert.equal(level(first, {}, NOBODY).sandbox?.level, 'L3', 'without, there is L3')
  })

  it('is had where the controllers are left to the program to pass on (DelegateSubgroup)', () => {
    const unit = path.join(folder as string, `unit-${process.pid}`)
    const main = path.join(unit, 'main')
    fs.mkdirSync(main, { recursive: true })
    try {
      assert.equal(limit(unit, 'cgroup.subtree_control'), '')
      assertLocked(level(first, {}, undefined, main))
      assert.match(limit(unit, 'cgroup.subtree_control'), /memory pids/)
    } finally {
      fs.rmdirSync(main)
      fs.rmdirSync(unit)
    }
  })

  /** A client of a service that does `bomb` when it listens, once. */
  async function withBomb(
    wire: Wire,
    bomb: (typeof BOMBS)[number] | undefined,
    limits: object,
    use: (client: XtpClient, inbound: Promise<Channel>, address: Multiaddr) => Promise<void>
  ): Promise<void> {
    const enemy = enemies.get(wire) as AttackPackage
    enemy.arm(bomb !== undefined)
    const client = enemyClient(
      wire,
      enemy.entry,
      {
        limits,
        ...(bomb !== undefined && { settings: { test_bomb: BOMBS.indexOf(bomb) } }),
        restart: { initialDelayMs: 1 },
        heartbeatIntervalMs: 60_000
      },
      () => {}
    )
    try {
      const inbound = Promise.withResolvers<Channel>()
      const listener = await wire.listen(client, inbound.resolve)
      enemy.arm(false)
      await use(client, inbound.promise, listener.getAddrs()[0] as Multiaddr)
    } finally {
      await client.stop()
    }
    assert.deepEqual(groups(), [], 'its group is gone')
  }

  /** The error of the service’s end, after which another one is there. */
  async function lost(client: XtpClient): Promise<XtpError> {
    const event = await new Promise<CustomEvent<XtpError>>(resolve =>
      client.addEventListener('service:lost', resolve, { once: true })
    )
    await until('it listens again', () => client.status().listeners === 1, 30_000)
    return event.detail
  }

  for (const wire of wires) {
    describe(wire.name, () => {
      it('gives each service a group of its own with the limits, which goes when it goes', async () => {
        const limits = { memoryBytes: 512 * MIB, processes: 40, cpu: 1.5 }
        await withBomb(wire, undefined, limits, async client => {
          const { pid, sandbox } = client.status()
          assert.equal(sandbox?.level, 'L4')
          const group = groupOf(pid)
          assert.deepEqual(groups(), [path.basename(group)])
          assert.equal(limit(group, 'memory.max'), String(512 * MIB))
          assert.equal(limit(group, 'memory.swap.max'), '0')
          assert.equal(limit(group, 'pids.max'), '40')
          assert.equal(limit(group, 'cpu.max'), '150000 100000')
          const gone = lost(client)
          process.kill(pid as number, 'SIGKILL')
          const error = await gone
          assert.equal(error.code, 'ERR_XTP_SERVICE_LOST', 'a signal is no limit')
          const next = groupOf(client.status().pid)
          assert.notEqual(next, group)
          assert.deepEqual(groups(), [path.basename(next)])
        })
      })

      for (const bomb of ['memory', 'threads'] as const) {
        const name = bomb === 'memory' ? 'memoryBytes' : 'processes'
        it(`tells by name that the kernel enforced limits.${name}`, async () => {
          const limits = { memoryBytes: 192 * MIB, processes: 48 }
          await withBomb(wire, bomb, limits, async client => {
            const error = await lost(client)
            assert.equal(error.code, 'ERR_XTP_LIMIT_EXCEEDED', error.message)
            assert.equal(error.details?.limit, name)
            assert.equal(error.details?.allowed, limits[name])
            assert.equal(error.details?.value, undefined, 'it is no measurement of ours')
          })
        })
      }

      it('gives no more processor time than allowed, and goes on', async () => {
        await withBomb(wire, 'burn', { cpu: 0.5 }, async (client, inbound, address) => {
          const group = groupOf(client.status().pid)
          const stat = (key: string) =>
            Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(limit(group, 'cpu.stat'))?.[1])
          await until('it is throttled', () => stat('nr_throttled') > 0, 30_000)
          const begin = { us: stat('usage_usec'), at: performance.now() }
          await new Promise(resolve => setTimeout(resolve, 3_000))
          const share = (stat('usage_usec') - begin.us) / 1000 / (performance.now() - begin.at)
          assert.ok(share < 0.6, `${share} processors`)
          const { connection, stream } = await wire.dial(client, address)
          stream.send(new Uint8Array(1))
          await inbound
          connection.abort(new Error('enough'))
          assert.equal(groupOf(client.status().pid), group, 'it is the same service')
        })
      })
    })
  }

  it('leaves empty groups where the application was killed, and the next client removes them', async () => {
    const child = spawn(process.execPath, [PROGRAM, first.name, '{}', 'stay'], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    await once(child.stdout, 'data')
    const [left] = groups()
    assert.ok(left)
    child.kill('SIGKILL')
    await once(child, 'close')
    await until(
      'its service is gone',
      () => limit(path.join(folder as string, left), 'cgroup.procs') === '',
      30_000
    )
    assertLocked(level(first, {}))
  })
})
