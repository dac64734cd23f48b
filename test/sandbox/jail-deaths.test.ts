// The deaths of the launcher, of the init of its namespaces and of the application, at random moments
// and in any order.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts, tier } from '../support/counts.ts'
import { abandoned, children, isAlive, processes, tree, until } from '../support/processes.ts'
import { type Channel, WIRES, type Wire } from '../support/wires.ts'
import { cannotRun } from './must-work.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const jails = (pid?: number) => children(pid).filter(({ command }) => command.includes('xtp-jail'))

/** What an application does (test/fixtures/application.ts), and for how long it is worth to look. */
const PHASES = [
  ['start', 150],
  ['listen', 20],
  ['transfer', 50],
  ['restart', 200],
  ['standby', 20],
  ['stop', 60]
] as const

const temporaryFolders = () =>
  fs.readdirSync(os.tmpdir()).filter(name => name.startsWith('xtp-jail'))

function orders<T>(all: readonly T[]): T[][] {
  return all.length === 0
    ? [[]]
    : all.flatMap(first => orders(all.filter(x => x !== first)).map(rest => [first, ...rest]))
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH')
  }
}

/** Inodes of the sockets that a process holds. */
function socketsOf(pid: number): string[] {
  const dir = `/proc/${pid}/fd`
  const linkOf = (fd: string) => {
    try {
      return fs.readlinkSync(path.join(dir, fd))
    } catch {
      // closed meanwhile, as the one that lists this process' own is
      return ''
    }
  }
  try {
    const links = fs.readdirSync(dir).map(linkOf)
    return links.flatMap(link => link.match(/^socket:\[(\d+)\]$/)?.[1] ?? [])
  } catch {
    return []
  }
}

/** A child between fork and exec still has the stderr that the application has from here. */
const INHERITED = new Set(socketsOf(process.pid))

/** Inodes of all unix sockets. */
const unixSockets = () =>
  new Set(
    fs
      .readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map(line => line.split(/\s+/)[6] ?? '')
  )

/** An application to be killed, and all that it was seen to start and to open. */
class Application {
  readonly #child: ChildProcess
  readonly #service: number | undefined
  readonly #seen = new Set<number>()
  readonly #sockets = new Set<string>()

  private constructor(child: ChildProcess, service: number | undefined) {
    this.#child = child
    this.#service = service
  }

  static async start(wire: Wire, phase: string): Promise<Application> {
    const conditions = process.execArgv.filter(arg => !arg.startsWith('--test'))
    const program = path.resolve(import.meta.dirname, '../fixtures/application.ts')
    const child = spawn(process.execPath, [...conditions, program, wire.name, phase], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const ended = once(child, 'close').then(([code, signal]) => {
      throw new Error(`${phase}: the application ended by itself (${code ?? signal})`)
    })
    // its end is what the tests are about once it has spoken
    ended.catch(() => {})
    const [line] = await Promise.race([once(child.stdout, 'data'), ended])
    return new Application(child, JSON.parse(String(line)).service)
  }

  /** Looks until then, and once at least. */
  async watch(ms: number): Promise<void> {
    const end = performance.now() + ms
    do {
      for (const pid of tree(this.#child.pid)) {
        this.#seen.add(pid)
        for (const inode of pid === this.#child.pid ? [] : socketsOf(pid)) {
          if (!INHERITED.has(inode)) {
            this.#sockets.add(inode)
          }
        }
      }
      await new Promise(resolve => setTimeout(resolve, Math.min(5, ms)))
    } while (performance.now() < end)
  }

  member(name: 'parent' | 'jail' | 'init' | 'service'): number | undefined {
    const jail = jails(this.#child.pid)[0]?.pid
    const above = processes().find(({ pid }) => pid === this.#service)?.parent
    const init = above === jail ? undefined : above
    return { parent: this.#child.pid, jail, init, service: this.#service }[name]
  }

  kill(): void {
    assert.ok(this.#child.kill('SIGKILL'), 'the application ended by itself')
  }

  /** Within a second of now. */
  async nothingIsLeft(what: string): Promise<void> {
    await until(`${what}: all are gone`, () => ![...this.#seen].some(isAlive), 1_000)
    await until(
      `${what}: no socket is left`,
      () => {
        const open = unixSockets()
        return ![...this.#sockets].some(inode => open.has(inode))
      },
      1_000
    )
    // nor what it started when nobody looked
    await until(`${what}: no orphan is left`, () => abandoned(ROOT).length === 0, 1_000)
  }
}

for (const wire of WIRES) {
  /** The launcher is the same for all services: in short, it dies less often for the second one. */
  const rounds = (count: number) =>
    wire === WIRES[0] || tier === 'full' ? count : Math.ceil(count / 4)

  describe(`with ${wire.name}, the death`, { timeout: 1_800_000 }, () => {
    it('of the launcher: the service is gone, and another one listens on the same port', async t => {
      const server = await wire.createClient({
        restart: { initialDelayMs: 10, maxDelayMs: 100, budget: 1000 }
      })
      const client = await wire.createClient()
      try {
        let inbound: (channel: Channel) => void = () => {}
        const listener = await wire.listen(server, channel => inbound(channel))
        const [address] = listener.getAddrs()
        if (server.status().sandbox?.level === 'L0') {
          cannotRun(t, 'there is no launcher at L0')
          return
        }
        for (let round = 0; round < rounds(counts.kills); round++) {
          const { pid } = server.status()
          // the client has one, too
          const jail = jails().find(jail => tree(jail.pid).includes(pid as number))
          process.kill(jail?.pid as number, 'SIGKILL')
          await until('the service is gone', () => !isAlive(pid as number))
          await until(
            'it listens again',
            () => server.status().pid !== pid && server.status().listeners === 1,
            10_000
          )
          assert.deepEqual(listener.getAddrs(), [address])
          const accepted = new Promise<Channel>(resolve => {
            inbound = resolve
          })
          const out = await wire.dial(client, address as Multiaddr)
          const pattern = new Pattern(round)
          const sent = sendPattern(out.stream, pattern, 100_000)
          const { stream } = await accepted
          await Promise.all([sent, receivePattern(stream, pattern, 100_000)])
          await out.connection.close()
        }
      } finally {
        await client.stop()
        await server.stop()
      }
      assert.deepEqual(jails(), [])
    })

    it('of the init of its namespaces: the service is gone, and another one listens', async t => {
      const server = await wire.createClient({
        restart: { initialDelayMs: 10, maxDelayMs: 100, budget: 1000 }
      })
      try {
        const listener = await wire.listen(server)
        const addresses = listener.getAddrs()
        if (!['L3', 'L4'].includes(server.status().sandbox?.level ?? '')) {
          cannotRun(t, 'there is no init below L3')
          return
        }
        for (let round = 0; round < rounds(counts.kills); round++) {
          const service = server.status().pid as number
          const [jail] = jails()
          const init = processes().find(({ pid }) => pid === service)?.parent as number
          assert.notEqual(init, jail?.pid)
          process.kill(init, 'SIGKILL')
          await until('the service is gone', () => !isAlive(service))
          await until(
            'it listens again',
            () => server.status().pid !== service && server.status().listeners === 1,
            10_000
          )
          assert.deepEqual(listener.getAddrs(), addresses)
          assert.equal(jails()[0]?.pid, jail?.pid)
        }
      } finally {
        await server.stop()
      }
    })

    for (const [phase, longestMs] of PHASES) {
      it(`of the application, at any moment of: ${phase}`, async () => {
        const folders = temporaryFolders()
        for (let round = 0; round < rounds(2 * counts.kills); round++) {
          const app = await Application.start(wire, phase)
          await app.watch(Math.random() * longestMs)
          // without one more look: what it starts right now counts as well
          app.kill()
          await app.nothingIsLeft(`${phase}, round ${round}`)
        }
        assert.deepEqual(temporaryFolders(), folders)
      })
    }

    for (const stopped of ['jail', 'init', 'service'] as const) {
      it(`of the application, its ${stopped} stopped before`, async t => {
        const app = await Application.start(wire, 'listen')
        await app.watch(0)
        const pid = app.member(stopped)
        if (pid === undefined) {
          app.kill()
          cannotRun(t, `there is no ${stopped} here`)
          return
        }
        process.kill(pid, 'SIGSTOP')
        app.kill()
        await app.nothingIsLeft(`${stopped} stopped`)
      })
    }

    it('of all four, in any order, with any one of them stopped first', async t => {
      const members = ['parent', 'jail', 'init', 'service'] as const
      const cases = orders(members)
        .flatMap(order => [undefined, ...members].map(stopped => ({ order, stopped })))
        .map(entry => ({ entry, at: Math.random() }))
        .sort((a, b) => a.at - b.at)
        .slice(0, rounds(counts.deathOrders))
      for (const { order, stopped } of cases.map(({ entry }) => entry)) {
        const app = await Application.start(wire, 'listen')
        await app.watch(0)
        if (app.member('init') === undefined) {
          app.kill()
          cannotRun(t, 'there is no init below L3')
          return
        }
        const pids = new Map(members.map(name => [name, app.member(name) as number]))
        if (stopped !== undefined) {
          signal(pids.get(stopped) as number, 'SIGSTOP')
        }
        for (const name of order) {
          signal(pids.get(name) as number, 'SIGKILL')
          await app.watch(Math.random() * 20)
        }
        await app.nothingIsLeft(`${order.join(', ')}; stopped: ${stopped ?? 'nobody'}`)
      }
    })
  })
}
