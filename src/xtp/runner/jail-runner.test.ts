// With the real launcher. Where a level does not work, its tests are skipped with the reason; in CI
// (XTP_SANDBOX_MUST_WORK=1) they fail.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, it, type TestContext } from 'node:test'
import { findJail } from './jail-binary.ts'
import { JailHost, type JailHostInit } from './jail-host.ts'
import { JailRunner } from './jail-runner.ts'
import type { Incarnation, SandboxLevel } from './runner.ts'
import { EchoClient, placeEchoService } from './testing/echo-service.ts'

const LEVELS: SandboxLevel[] = ['L0', 'L2', 'L3']
const JAIL = findJail()
const ENTRY = placeEchoService()
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined

const runners: JailRunner[] = []
const lines: string[] = []
afterEach(async () => {
  lines.length = 0
  for (const runner of runners.splice(0)) {
    await runner.close()
  }
})

/** A runner, or nothing where the test is skipped. */
async function open(
  t: TestContext,
  level: SandboxLevel,
  init: Partial<JailHostInit> = {}
): Promise<{ runner: JailRunner; host: JailHost } | undefined> {
  if ('missing' in JAIL) {
    return cannot(t, JAIL.missing)
  }
  const host = new JailHost({ file: JAIL.file, user: USER, ...init })
  const runner = new JailRunner(host, { level, reason: 'the test says so' })
  runners.push(runner)
  const failure = await (await host.open(ENTRY, line => lines.push(line))).probe(level)
  return failure === undefined
    ? { runner, host }
    : cannot(t, `${level}: ${failure.step} ${failure.errno}`)
}

function cannot(t: TestContext, why: string): undefined {
  assert.notEqual(process.env.XTP_SANDBOX_MUST_WORK, '1', why)
  t.diagnostic(`skipped: ${why}`)
  t.skip(why)
  return undefined
}

async function start(runner: JailRunner, level?: SandboxLevel): Promise<EchoClient> {
  const incarnation = await runner.start({
    serviceEntry: ENTRY,
    onLog: (line, source) => lines.push(`${source}: ${line}`),
    ...(level !== undefined && { level })
  })
  const client = new EchoClient(incarnation)
  await client.ready()
  return client
}

/** A signal of the kernel's takes its time. */
async function gone(pid: number): Promise<void> {
  const end = performance.now() + 2_000
  while (isAlive(pid)) {
    assert.ok(performance.now() < end, `process ${pid} lives`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < end, what)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Nobody else can bind it. */
async function isTaken(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  const outcome = once(socket, 'listening').then(
    () => false,
    error => error.code === 'EADDRINUSE'
  )
  socket.bind(port, '127.0.0.1')
  const taken = await outcome
  socket.close()
  return taken
}

describe('a jailed service', () => {
  for (const level of LEVELS) {
    it(`${level}: has its links and log, and its end is told exactly`, async t => {
      const opened = await open(t, level, { env: { ADDED: 'yes' } })
      if (opened === undefined) return
      const client = await start(opened.runner)
      const { incarnation } = client
      assert.equal(incarnation.sandbox.level, level)
      assert.equal(typeof incarnation.sandbox.landlockAbi, 'number')
      assert.ok(isAlive(incarnation.pid))
      const long = 'x'.repeat(1_000_000)
      assert.equal(await client.echo(long), long)
      assert.equal(await client.order('say hello'), 'said')
      await until('the log arrives', () => lines.length === 2)
      assert.deepEqual(lines, ['log: out hello', 'log: err hello'])
      assert.deepEqual(incarnation.logTail, ['out hello', 'err hello'])

      const env = JSON.parse(await client.order('env'))
      delete env.TZ
      assert.deepEqual(env, { OPENSSL_CONF: '/dev/null', ADDED: 'yes' })
      const [who, cwd] = (await client.order('who')).split(' ')
      assert.equal(cwd, '/')
      if (USER !== undefined && level !== 'L0') {
        assert.match(who as string, /^6553[34]:6553[34]$/, 'not root')
      }
      const read = await client.order('read /etc/passwd')
      assert.match(read, level === 'L0' ? /^\d+$/ : /^(EACCES|ENOENT)$/)

      incarnation.control.sink.write(Buffer.from('exit 7\n'))
      const exit = await incarnation.exited
      assert.equal(exit.exitCode, 7)
      assert.equal(exit.signal, undefined)
      assert.ok((exit.maxRssBytes as number) > 10_000_000, `${exit.maxRssBytes} bytes`)
      assert.ok((exit.cpuMs as number) > 0)
      await gone(incarnation.pid)
      await Promise.all([client.control.ended.promise, client.data.ended.promise])
    })
  }

  it('dies of the signals that it is sent, and of its own', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    for (const [act, signal] of [
      [(incarnation: Incarnation) => incarnation.kill('SIGKILL'), 'SIGKILL'],
      [(incarnation: Incarnation) => incarnation.kill('SIGTERM'), 'SIGTERM'],
      [
        (incarnation: Incarnation) =>
          incarnation.control.sink.write(Buffer.from('signal SIGSEGV\n')),
        'SIGSEGV'
      ]
    ] as const) {
      const { incarnation } = await start(opened.runner)
      act(incarnation)
      const exit = await incarnation.exited
      assert.equal(exit.signal, signal)
      assert.equal(exit.exitCode, undefined)
      incarnation.kill('SIGKILL')
    }
  })

  it('is not taken for locked in before it is', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { incarnation } = await start(opened.runner)
    // the launcher's filter alone: the service has not done its part
    await assert.rejects(async () => incarnation.verify?.(), {
      code: 'ERR_XTP_SERVICE_START_FAILED'
    })
    incarnation.kill('SIGKILL')
    await incarnation.exited
    await incarnation.verify?.()
  })

  it('two at a time have links of their own', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const [a, b] = await Promise.all([start(opened.runner), start(opened.runner)])
    assert.notEqual(a?.incarnation.pid, b?.incarnation.pid)
    assert.equal(await a?.echo('to a'), 'to a')
    assert.equal(await b?.echo('to b'), 'to b')
    await a?.end()
    assert.equal(await b?.echo('still'), 'still')
    await b?.end()
  })
})

describe('a jail', () => {
  it('that dies takes its services with it, and another one takes its place', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { runner, host } = opened
    const { incarnation } = await start(runner)
    const { port } = await runner.sockets.bind('a', { family: 4, ip: '127.0.0.1', port: 0 })
    const old = host.current?.pid as number
    process.kill(old, 'SIGKILL')
    const exit = await incarnation.exited
    assert.deepEqual(exit, {})
    assert.match(incarnation.logTail.at(-1) as string, /xtp-jail \(pid \d+\) ended \(SIGKILL\)/)
    await gone(incarnation.pid)
    await assert.rejects(runner.sockets.bind('a', { family: 4, ip: '127.0.0.1', port }), {
      code: 'ERR_XTP_UNAVAILABLE',
      retryable: true
    })
    await runner.sockets.release('b')

    const next = await start(runner)
    assert.notEqual(host.current?.pid, old)
    assert.deepEqual(await runner.sockets.bind('a', { family: 4, ip: '127.0.0.1', port }), { port })
    await next.end()
  })

  it('that hangs is killed, and nothing waits for ever', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { incarnation } = await start(opened.runner)
    process.kill(opened.host.current?.pid as number, 'SIGSTOP')
    incarnation.kill('SIGKILL')
    await incarnation.exited
    await gone(incarnation.pid)
    assert.equal(opened.host.current, undefined)
  })

  it('starts one program and no other', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    await assert.rejects(
      opened.runner.start({ serviceEntry: '/other/service.cjs', onLog: () => {} }),
      /a runner of its own/
    )
  })

  it('is gone after close, and started again after that', async t => {
    const opened = await open(t, 'L3')
    if (opened === undefined) return
    const before = fs.readdirSync('/proc/self/fd').length
    const { incarnation } = await start(opened.runner)
    const pid = opened.host.current?.pid as number
    await opened.runner.close()
    await incarnation.exited
    await gone(pid)
    await gone(incarnation.pid)
    assert.ok(fs.readdirSync('/proc/self/fd').length < before, 'its pipes are closed')
    await (await start(opened.runner)).end()
  })

  it('does not keep the application from ending by itself', { timeout: 60_000 }, async t => {
    if ('missing' in JAIL) {
      return cannot(t, JAIL.missing)
    }
    const program = `
      import { JailHost } from './jail-host.ts'
      import { JailRunner } from './jail-runner.ts'
      const host = new JailHost(${JSON.stringify({ file: JAIL.file, user: USER })})
      const runner = new JailRunner(host, { level: 'L2', reason: '' })
      const incarnation = await runner.start({
        serviceEntry: ${JSON.stringify(ENTRY)},
        onLog() {}
      })
      incarnation.control.attach({ onData() {}, onDrain() {}, onEnd() {} })
      incarnation.data.attach({ onData() {}, onDrain() {}, onEnd() {} })
      incarnation.kill('SIGKILL')
      await incarnation.exited
      console.log(host.current.pid)
    `
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['-C', 'xtp:source', '--input-type=module', '-e', program],
      { cwd: import.meta.dirname, encoding: 'utf8', timeout: 30_000 }
    )
    assert.equal(status, 0, stderr)
    await gone(Number(stdout))
  })
})

describe('kept sockets', () => {
  const LOOPBACK = { family: 4, ip: '127.0.0.1', port: 0 } as const

  it('stay bound over services, and are free after release', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { sockets } = opened.runner
    const first = await start(opened.runner)
    const { port } = await sockets.bind('listen-1', LOOPBACK)
    assert.deepEqual(await sockets.bind('listen-1', LOOPBACK), { port }, 'twice is once')
    assert.deepEqual(await sockets.bind('listen-1', { ...LOOPBACK, port }), { port })
    await assert.rejects(sockets.bind('listen-1', { ...LOOPBACK, ip: '127.0.0.2' }), {
      code: 'ERR_XTP_ALREADY_EXISTS'
    })
    await sockets.lend(first.incarnation, 'listen-1')
    await first.end()
    assert.ok(await isTaken(port))
    await assert.rejects(sockets.lend(first.incarnation, 'listen-1'), {
      code: 'ERR_XTP_UNAVAILABLE'
    })
    const second = await start(opened.runner)
    await sockets.lend(second.incarnation, 'listen-1')
    await second.end()
    await sockets.release('listen-1')
    assert.equal(await isTaken(port), false)
    await sockets.release('listen-1')
  })

  it('fail with what the system says', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { sockets } = opened.runner
    const other = createSocket('udp4')
    other.bind(0, '127.0.0.1')
    await once(other, 'listening')
    for (const [address, code, errno] of [
      [{ ...LOOPBACK, port: other.address().port }, 'ERR_XTP_ADDRESS_IN_USE', 'EADDRINUSE'],
      [{ ...LOOPBACK, ip: '192.0.2.1' }, 'ERR_XTP_ADDRESS_NOT_AVAILABLE', 'EADDRNOTAVAIL'],
      [{ family: 6, ip: 'fe80::1%nowhere', port: 0 }, 'ERR_XTP_ADDRESS_NOT_AVAILABLE', 'ENODEV']
    ] as const) {
      await assert.rejects(sockets.bind('a', address), { code, errno })
    }
    other.close()
    const ids = Array.from({ length: 64 }, (_, i) => `s${i}`)
    await Promise.all(ids.map(id => sockets.bind(id, LOOPBACK)))
    await assert.rejects(sockets.bind('a', LOOPBACK), { code: 'ERR_XTP_RESOURCE_EXHAUSTED' })
    await Promise.all(ids.map(id => sockets.release(id)))
    await sockets.bind('a', LOOPBACK)
    const { incarnation } = await start(opened.runner)
    await assert.rejects(sockets.lend(incarnation, 'b'), { code: 'ERR_XTP_NOT_FOUND' })
    incarnation.kill('SIGKILL')
    await incarnation.exited
  })

  it('bind, release and bind again in one go come in this order', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { sockets } = opened.runner
    const [first, , second] = await Promise.all([
      sockets.bind('a', LOOPBACK),
      sockets.release('a'),
      sockets.bind('a', { ...LOOPBACK, ip: '127.0.0.2' })
    ])
    assert.ok(first.port > 0 && second.port > 0)
    assert.equal(await isTaken(first.port), false)
  })
})

describe('what a service may read', () => {
  it('is Node and its own files, not what is beside them', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const secret = path.join(path.dirname(ENTRY), '../secret')
    fs.writeFileSync(secret, 'x', { mode: 0o644 })
    const client = await start(opened.runner)
    assert.match(await client.order(`read ${ENTRY}`), /^\d+$/)
    assert.equal(await client.order(`read ${secret}`), 'EACCES')
    await client.end()
  })
})

describe('a start that fails', () => {
  it('because its links cannot be made says so, not that it was given up', async t => {
    const opened = await open(t, 'L2')
    if (opened === undefined) return
    const { runner, host } = opened
    const jail = await host.open(ENTRY, () => {})
    const there = jail.socketPath
    Object.defineProperty(jail, 'socketPath', { value: '/nonexistent/socket', configurable: true })
    await assert.rejects(runner.start({ serviceEntry: ENTRY, onLog() {} }), {
      code: 'ERR_XTP_SERVICE_START_FAILED',
      message: /connect ENOENT \/nonexistent\/socket/
    })
    Object.defineProperty(jail, 'socketPath', { value: there })
    const client = await start(runner)
    await client.end()
  })

  it('says at which step, though its links end with it', async t => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-node-'))
    fs.chmodSync(dir, 0o755)
    const execPath = path.join(dir, 'node')
    fs.copyFileSync(process.execPath, execPath)
    t.after(() => fs.rmSync(dir, { recursive: true }))
    const opened = await open(t, 'L2', { execPath })
    if (opened === undefined) return
    fs.rmSync(execPath)
    for (let i = 0; i < 20; i++) {
      await assert.rejects(opened.runner.start({ serviceEntry: ENTRY, onLog() {} }), {
        code: 'ERR_XTP_SERVICE_START_FAILED',
        message: /\(execve: ENOENT\)/
      })
    }
  })
})
