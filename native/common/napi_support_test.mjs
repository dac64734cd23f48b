// napi_support.cc from JavaScript's side: each scenario is a child process with
// data links on fd 4 to 9, as a service has one. XTP_TEST_ADDON names the addon,
// XTP_TEST_PRELOAD the sanitizer's library, if it was built with one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

const KIND = { REPLY: 0, INCOMING: 1, CONNECTED: 2, CLOSED: 3, STATS: 4, LOG: 5, LINK_LOST: 6 }
const path = process.env.XTP_TEST_ADDON
const self = fileURLToPath(import.meta.url)

// --- in the child

class Events {
  list = []
  #wake = () => {}
  on = event => {
    this.list.push(event)
    this.#wake()
  }
  async next(kind) {
    for (;;) {
      const index = this.list.findIndex(event => event.kind === kind)
      if (index >= 0) return this.list.splice(index, 1)[0]
      await new Promise(resolve => {
        this.#wake = resolve
      })
    }
  }
}

const settings = { exit_on_link_lost: 0 }

const scenarios = {
  async events(addon) {
    const events = new Events()
    assert.equal(addon.version, 'echo 1.2.3')
    addon.start({ dataFd: 4, settings: { ...settings, known: 1.5, spin_us: 0 } }, events.on)

    addon.listen(1, 9, '127.0.0.1', 0, 128)
    const reply = await events.next(KIND.REPLY)
    assert.ok(reply.localPort > 0)
    assert.deepEqual(reply, {
      kind: 0,
      request: 1,
      listener: 9,
      connection: 0,
      level: 0,
      code: 0,
      errno: 0,
      message: '',
      localIp: '127.0.0.1',
      localPort: reply.localPort,
      remoteIp: '',
      remotePort: 0,
      bytesIn: 0,
      bytesOut: 0,
      text: 'accept 128'
    })
    addon.listen(2, 10, '127.0.0.1', reply.localPort, 0)
    const taken = await events.next(KIND.REPLY)
    assert.equal(taken.code, 16)
    assert.equal(taken.errno, 98)
    assert.match(taken.message, /127\.0\.0\.1/)

    for (const ip of ['', 'localhost', '127.0.0.1\0', '1.2.3.4.5', '::1%nope']) {
      addon.listen(3, 11, ip, 0, 0)
      const refused = await events.next(KIND.REPLY)
      assert.equal(refused.request, 3)
      assert.equal(refused.code, 3)
      addon.dial(4, 1, ip, 1, 0)
      assert.equal((await events.next(KIND.REPLY)).request, 4)
    }

    addon.dial(4294967295, 4294967295, '::1', 65535, 1000)
    const connected = await events.next(KIND.CONNECTED)
    assert.equal(connected.request, 4294967295)
    assert.equal(connected.connection, 4294967295)
    assert.equal(connected.remoteIp, '::1')
    assert.equal(connected.remotePort, 65535)
    assert.equal(connected.bytesIn, 2 ** 40 + 1000)
    assert.equal(connected.bytesOut, 7)

    addon.unlisten(5, 9)
    assert.equal((await events.next(KIND.REPLY)).text, 'unlisten 9')
    addon.close(6, 3, true, 24)
    assert.equal((await events.next(KIND.REPLY)).text, 'close 3 abort 24')
    addon.close(6, 3, false, 0)
    assert.equal((await events.next(KIND.REPLY)).text, 'close 3 orderly 0')
    addon.accept(9, 17)
    assert.equal((await events.next(KIND.LOG)).text, 'accept 9 17')
    addon.stats(7, 0)
    assert.match((await events.next(KIND.STATS)).text, /^own 1\nio_rounds \d+\n/)

    // Nothing is lost in a burst, and the order holds.
    for (let i = 1; i <= 10_000; i++) addon.unlisten(i, i)
    for (let i = 1; i <= 10_000; i++) {
      const burst = await events.next(KIND.REPLY)
      assert.equal(burst.request, i)
    }

    addon.stop()
    addon.stop()
    const closed = await events.next(KIND.CLOSED) // of OnStop
    assert.equal(closed.code, 1)
    assert.throws(() => addon.accept(1, 1), { code: 'ERR_XTP_NOT_STARTED' })
    // And the process ends by itself.
  },

  async errors(addon) {
    const start =
      (options, onEvent = () => {}) =>
      () =>
        addon.start(options, onEvent)
    const type = { name: 'TypeError', code: 'ERR_XTP_INVALID_ARGUMENT' }
    assert.throws(() => addon.listen(1, 1, '127.0.0.1', 0, 1), { code: 'ERR_XTP_NOT_STARTED' })
    assert.throws(() => addon.start(), type)
    assert.throws(start({}), type)
    assert.throws(start({ dataFd: 4 }), type)
    assert.throws(start({ dataFd: '4', settings }), type)
    for (const dataFd of [-1, 4.5, NaN, 2 ** 31, Infinity]) {
      assert.throws(start({ dataFd, settings }), type)
    }
    assert.throws(start({ dataFd: 4, settings }, 'function'), type)
    assert.throws(start({ dataFd: 4, settings: null }), type)
    assert.throws(start({ dataFd: 4, settings: { spin_us: '1' } }), type)
    assert.throws(start({ dataFd: 4, settings: { ['x'.repeat(1000)]: 1 } }), {
      code: 'ERR_XTP_INVALID_ARGUMENT'
    })
    assert.throws(
      start({
        get dataFd() {
          throw new Error('mine')
        },
        settings
      }),
      { message: 'mine' }
    )
    const invalid = { name: 'Error', code: 'ERR_XTP_INVALID_ARGUMENT' }
    for (const [name, value] of [
      ['spin_us', -1],
      ['spin_us', 1e7],
      ['spin_us', NaN],
      ['spin_us', 0.5],
      ['udp_gso', 2],
      ['udp_buffer_bytes', 0],
      ['link_window_bytes', 1024],
      ['link_window_bytes', 2 ** 31]
    ]) {
      assert.throws(start({ dataFd: 4, settings: { [name]: value } }), {
        ...invalid,
        message: new RegExp(name)
      })
    }
    assert.throws(start({ dataFd: 4, settings: { nonsense: 1 } }), {
      ...invalid,
      message: /nonsense/
    })
    assert.throws(start({ dataFd: 99, settings }), { code: 'ERR_XTP_INVALID_ARGUMENT' })
    assert.throws(start({ dataFd: 4, settings: { ...settings, parent_pid: process.ppid + 1 } }), {
      code: 'ERR_XTP_START_FAILED',
      message: /parent/
    })

    // None of these spoilt it.
    addon.start(
      { dataFd: 4, settings: { ...settings, die_with_parent: 1, parent_pid: process.ppid } },
      () => {}
    )
    assert.throws(start({ dataFd: 5, settings }), { code: 'ERR_XTP_ENGINE_IN_USE' })
    for (const call of [
      () => addon.listen(),
      () => addon.listen(1, 1, '127.0.0.1', 65536, 1),
      () => addon.listen(1, 1, '127.0.0.1', 0, -1),
      () => addon.listen(1, 1, 127, 0, 1),
      () => addon.listen(1, 1, 'x'.repeat(129), 0, 1),
      () => addon.listen('1', 1, '127.0.0.1', 0, 1),
      () => addon.unlisten(1.5, 1),
      () => addon.unlisten(2 ** 32, 1),
      () => addon.unlisten(1n, 1),
      () => addon.dial(1, {}, '127.0.0.1', 0, 1),
      () => addon.close(1, 1, 1, 1),
      () => addon.close(1, 1, undefined, 1),
      () => addon.stats(Symbol('x'), 1),
      () => addon.accept(null, 1)
    ]) {
      assert.throws(call, type)
    }
    addon.stop()
  },

  async throwing(addon) {
    const events = new Events()
    const thrown = []
    process.on('uncaughtException', error => thrown.push(error.message))
    addon.start({ dataFd: 4, settings }, event => {
      events.on(event)
      if (event.request % 2 === 1) throw new Error(`on ${event.request}`)
    })
    for (let i = 1; i <= 6; i++) addon.unlisten(i, i)
    for (let i = 1; i <= 6; i++) assert.equal((await events.next(KIND.REPLY)).request, i)
    await new Promise(setImmediate)
    assert.deepEqual(thrown, ['on 1', 'on 3', 'on 5'])
    addon.stop()
  },

  async restart(addon) {
    for (const dataFd of [4, 5, 6, 7, 8, 9]) {
      const events = new Events()
      addon.start({ dataFd, settings }, events.on)
      addon.unlisten(dataFd, 1)
      assert.equal((await events.next(KIND.REPLY)).request, dataFd)
      addon.stop()
    }
  },

  // The engine of a worker that is terminated ends with it.
  async worker(addon) {
    const code = `
      const addon = require(${JSON.stringify(path)})
      addon.start({ dataFd: 4, settings: { exit_on_link_lost: 0 } }, () => {})
      for (let i = 1; i < 1000; i++) addon.unlisten(i, i)
      require('node:worker_threads').parentPort.postMessage('started')
      setInterval(() => {}, 1e6)`
    const worker = new Worker(code, { eval: true })
    await new Promise(resolve => worker.once('message', resolve))
    const start = () => addon.start({ dataFd: 5, settings }, () => {})
    assert.throws(start, { code: 'ERR_XTP_ENGINE_IN_USE' })
    await worker.terminate()
    start()
    addon.stop()
  },

  async exit(addon) {
    addon.start({ dataFd: 4, settings }, () => {})
    for (let i = 1; i < 1000; i++) addon.unlisten(i, i)
    process.exit(0) // no stop(): the clean-up hook does it
  },

  async lost(addon) {
    const events = new Events()
    addon.start({ dataFd: 4, settings }, events.on)
    console.log('started')
    const lost = await events.next(KIND.LINK_LOST)
    assert.equal(lost.code, 0)
    addon.unlisten(1, 1)
    const reply = await events.next(KIND.REPLY)
    assert.equal(reply.code, 8)
    addon.stop()
  },

  async hang(addon) {
    addon.start({ dataFd: 4, settings: {} }, () => {})
    console.log('started')
    for (;;);
  }
}

// --- in the parent

function run(scenario) {
  const child = spawn(process.execPath, [self], {
    env: {
      XTP_TEST_ADDON: path,
      XTP_TEST_SCENARIO: scenario,
      LD_PRELOAD: process.env.XTP_TEST_PRELOAD ?? '',
      ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? ''
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ignore', ...Array(6).fill('pipe')]
  })
  for (const link of child.stdio.slice(4)) {
    link.on('error', () => {})
    link.resume()
  }
  const ended = new Promise(resolve => {
    child.once('exit', (code, signal) => resolve(signal ?? code))
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  ended.then(() => clearTimeout(timer))
  return { child, ended, started: new Promise(resolve => child.stdout.once('data', resolve)) }
}

if (process.env.XTP_TEST_SCENARIO !== undefined) {
  await scenarios[process.env.XTP_TEST_SCENARIO](createRequire(import.meta.url)(path))
} else {
  for (const scenario of ['events', 'errors', 'throwing', 'restart', 'worker', 'exit']) {
    test(scenario, async () => {
      assert.equal(await run(scenario).ended, 0)
    })
  }

  test('link lost', async () => {
    const { child, ended, started } = run('lost')
    await started
    child.stdio[4].destroy()
    assert.equal(await ended, 0)
  })

  test('JavaScript hangs and the link is lost', async () => {
    const { child, ended, started } = run('hang')
    await started
    const begin = Date.now()
    child.stdio[4].destroy()
    assert.equal(await ended, 0)
    assert.ok(Date.now() - begin < 5000)
  })
}
