import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DirectRunner, type DirectRunnerInit } from './direct-runner.ts'
import type { Incarnation } from './runner.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'xtp-runner-'))
})
after(() => rm(dir, { recursive: true }))

let programs = 0

/** Runs `code` as a service; `fd3` and `fd4` are its ends of the links. */
async function run(code: string, init: DirectRunnerInit = {}) {
  const serviceEntry = path.join(dir, `service-${++programs}.mjs`)
  const prelude = `
    import { Socket } from 'node:net'
    const fd3 = new Socket({ fd: 3 }), fd4 = new Socket({ fd: 4 })
    for (const s of [fd3, fd4]) s.on('error', () => {})
  `
  await writeFile(serviceEntry, prelude + code)
  const lines: string[] = []
  const incarnation = await new DirectRunner(init).start({
    serviceEntry,
    onLog: (line, source) => lines.push(`${source}: ${line}`)
  })
  return {
    incarnation,
    lines,
    control: read(incarnation, 'control'),
    data: read(incarnation, 'data')
  }
}

function read(incarnation: Incarnation, link: 'control' | 'data') {
  const seen = { text: '', drains: 0, ended: Promise.withResolvers<void>() }
  incarnation[link].attach({
    onData: bytes => {
      seen.text += Buffer.from(bytes).toString()
    },
    onDrain: () => {
      seen.drains += 1
    },
    onEnd: () => seen.ended.resolve()
  })
  return seen
}

describe('a child process', () => {
  test('has two duplex links, and its output is the log', async () => {
    const { incarnation, control, data, lines } = await run(`
      console.log('to stdout'); console.error('to stderr')
      fd3.on('data', b => { fd3.write('control:' + b); setTimeout(() => process.exit(5), 20) })
      fd4.on('data', b => fd4.write('data:' + b))
    `)
    incarnation.data.sink.write(Buffer.from('two'))
    incarnation.control.sink.write(Buffer.from('one'))
    assert.deepEqual(await incarnation.exited, { exitCode: 5, signal: undefined })
    assert.equal(control.text, 'control:one')
    assert.equal(data.text, 'data:two')
    await Promise.all([control.ended.promise, data.ended.promise])
    assert.deepEqual(lines.sort(), ['stderr: to stderr', 'stdout: to stdout'])
    assert.deepEqual([...incarnation.logTail].sort(), ['to stderr', 'to stdout'])
    assert.equal(incarnation.sandbox.level, 'L0')
  })

  test('has a clean environment, its own options, no stdin, no ipc, and / as directory', async () => {
    process.env.SECRET_TOKEN = 'hunter2'
    process.env.NODE_OPTIONS = '--no-warnings'
    process.env.XTP_TEST = 'yes'
    try {
      const { incarnation, control } = await run(
        `fd3.end(JSON.stringify({ env: process.env, argv: process.execArgv, cwd: process.cwd(),
          ipc: process.connected ?? false, title: process.argv.length, tty: process.stdin.isTTY ?? false }))
        fd4.end()`,
        { env: { EXTRA: '1' } }
      )
      await incarnation.exited
      const { env, ...rest } = JSON.parse(control.text)
      delete env.TZ
      assert.deepEqual(env, { EXTRA: '1' })
      assert.deepEqual(rest, { argv: [], cwd: '/', ipc: false, title: 2, tty: false })
    } finally {
      for (const name of ['SECRET_TOKEN', 'NODE_OPTIONS', 'XTP_TEST']) {
        delete process.env[name]
      }
    }
  })

  test('everything sent before the exit is delivered before exited settles', async () => {
    const { incarnation, data } = await run(`
      fd4.write('x'.repeat(3_000_000), () => process.exit(0))
    `)
    await incarnation.exited
    assert.equal(data.text.length, 3_000_000)
  })

  test('a signal is told by name; writes to the dead are no errors', async () => {
    const { incarnation, control, data } = await run(`setInterval(() => {}, 1000)`)
    incarnation.kill('SIGKILL')
    assert.deepEqual(await incarnation.exited, { exitCode: undefined, signal: 'SIGKILL' })
    await Promise.all([control.ended.promise, data.ended.promise])
    incarnation.data.sink.write(Buffer.alloc(100_000))
    incarnation.control.sink.write(Buffer.alloc(10))
    incarnation.kill('SIGKILL')
    await new Promise(resolve => setImmediate(resolve))
  })

  test('a grandchild that keeps everything open does not keep exited waiting', async () => {
    const { incarnation } = await run(`
      import { spawn } from 'node:child_process'
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3000)'],
        { stdio: ['ignore', 'inherit', 'inherit', 3, 4] })
      console.log(child.pid)
      child.once('spawn', () => process.exit(7))
    `)
    const start = performance.now()
    const exit = await incarnation.exited
    assert.equal(exit.exitCode, 7)
    assert.ok(performance.now() - start < 2_000)
    process.kill(Number(incarnation.logTail[0]), 'SIGKILL')
  })

  test('a crash leaves its last lines, at most 20', async () => {
    const { incarnation } = await run(`
      for (let i = 1; i <= 30; i++) console.error('line ' + i)
      throw new Error('the end')
    `)
    assert.equal((await incarnation.exited).exitCode, 1)
    assert.equal(incarnation.logTail.length, 20)
    assert.ok(incarnation.logTail.some(line => line.includes('Error: the end')))
  })

  test('a sink that is full says so, and drains when the child reads', async () => {
    const { incarnation, data } = await run(`
      let n = 0
      setTimeout(() => fd4.on('data', b => { n += b.length; if (n === 8_000_000) fd4.write('all') }), 100)
    `)
    incarnation.data.sink.write(Buffer.alloc(8_000_000))
    assert.ok(incarnation.data.sink.writableLength > 1_000_000)
    while (data.text !== 'all') {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    assert.ok(data.drains > 0)
    incarnation.kill('SIGTERM')
    await incarnation.exited
  })
})

describe('what cannot be started', () => {
  for (const [what, execPath, pattern] of [
    ['a binary that is not there', '/nowhere/node', /ENOENT.*was Node updated/],
    ['a file that is no program', import.meta.filename, /EACCES.*mode bits/]
  ] as const) {
    test(`${what} is a start error with the remedy`, async () => {
      const start = new DirectRunner({ execPath }).start({ serviceEntry: '/x.js', onLog() {} })
      await assert.rejects(start, {
        code: 'ERR_XTP_SERVICE_START_FAILED',
        message: pattern
      })
    })
  }

  test('an entry that is not there ends with the remedy', async () => {
    const runner = new DirectRunner()
    const incarnation = await runner.start({ serviceEntry: '/nowhere/service.cjs', onLog() {} })
    read(incarnation, 'control')
    read(incarnation, 'data')
    const exit = await incarnation.exited
    assert.match(String(runner.diagnose(exit, incarnation.logTail)), /bundled file.*missing/)
  })

  test('exit code 78 is a matter of versions', () => {
    assert.match(String(new DirectRunner().diagnose({ exitCode: 78 }, [])), /matching versions/)
    assert.equal(new DirectRunner().diagnose({ exitCode: 1 }, ['hello']), undefined)
  })
})
