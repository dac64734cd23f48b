import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isXtpError, ServiceLostError, ServiceStartError, STATUS, XtpError } from '../ctl/index.ts'
import { settle } from './testing/fake-service.ts'
import { connected, fixture, REMOTE, stop } from './testing/fixture.ts'

const hang = () => new Promise<never>(() => {})

describe('start', () => {
  test('nothing is started before it is needed, then once for all who wait', async () => {
    const { client, runner, clock } = fixture()
    client.start()
    await settle()
    assert.equal(runner.services.length, 0)
    assert.equal(client.status().state, 'idle')

    await Promise.all([client.dial(REMOTE), client.dial(REMOTE)])
    assert.equal(runner.services.length, 1)
    const { state, pid, connections, sandbox } = client.status()
    assert.deepEqual(
      { state, pid, connections, level: sandbox?.level },
      { state: 'running', pid: runner.last.pid, connections: 2, level: 'L0' }
    )
    await stop({ client, clock })
  })

  test('a service that says nothing is killed at the start timeout, and the dial says so', async () => {
    const { client, runner, clock } = fixture({ startTimeoutMs: 3_000 })
    runner.onStart = service => {
      service.ownControl.stalled = true
      service.ownData.stalled = true
      service.logTail.push('loading the addon')
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    clock.advance(2_999)
    await settle()
    assert.deepEqual(runner.last.signals, [])
    clock.advance(1)
    await assert.rejects(dial, error => {
      assert.ok(error instanceof ServiceStartError)
      assert.match(error.message, /not ready within 3000 ms/)
      assert.deepEqual(error.logTail, ['loading the addon'])
      return true
    })
    assert.deepEqual(runner.last.signals, ['SIGKILL'])
    assert.equal(client.status().state, 'idle')
  })

  test('a Hello that is answered and no negotiation on the data link is not ready', async () => {
    const { client, runner, clock } = fixture({ startTimeoutMs: 1_000 })
    runner.onStart = service => {
      service.ownData.stalled = true
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    assert.equal(client.status().state, 'starting')
    clock.advance(1_000)
    await assert.rejects(dial, { code: 'ERR_XTP_SERVICE_START_FAILED' })
  })

  test('exit code 78 is a start error with the remedy of the runner', async () => {
    const { client, runner } = fixture()
    runner.onStart = service => {
      service.answer = () => {
        service.die({ exitCode: 78 })
        return hang()
      }
    }
    await assert.rejects(client.dial(REMOTE), error => {
      assert.ok(error instanceof ServiceStartError)
      assert.equal(error.exitCode, 78)
      assert.match(error.message, /exit code 78.*install matching versions/)
      return true
    })
    assert.equal(client.status().state, 'idle')
  })

  test('what the service answers to Hello is in the error', async () => {
    const { client, runner, clock } = fixture()
    runner.onStart = service => {
      service.answer = () =>
        Promise.reject(new XtpError('no addon for mips', { status: STATUS.UNSUPPORTED }))
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    // the process has its moment to end with an exit code of its own
    clock.advance(250)
    await assert.rejects(dial, /no addon for mips/)
  })

  test('a service of another transport is refused', async () => {
    const { client, runner, clock } = fixture()
    runner.onStart = service => {
      service.answer = body =>
        'hello' in body
          ? Promise.resolve({
              hello: { implementation: 'x', features: [], options: [], transports: [], pid: 1 }
            })
          : undefined
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    clock.advance(250)
    await assert.rejects(dial, /no service for \/utp/)
  })

  test('a failed first start is tried again by the next dial', async () => {
    const { client, runner, clock } = fixture()
    runner.start = () => Promise.reject(new ServiceStartError('EMFILE', { errno: 'EMFILE' }))
    const failed: unknown[] = []
    client.addEventListener('service:failed', ({ detail }) => failed.push(detail))
    await assert.rejects(client.dial(REMOTE), { code: 'ERR_XTP_SERVICE_START_FAILED' })
    await settle()
    assert.equal(client.status().state, 'idle')
    assert.equal(failed.length, 1)
    // back to the method of the class
    delete (runner as Partial<typeof runner>).start
    await client.dial(REMOTE)
    await stop({ client, clock })
  })

  test('a runner that throws anything at all is a start error', async () => {
    const { client, runner } = fixture()
    runner.start = () => Promise.reject(new TypeError('oops'))
    await assert.rejects(client.dial(REMOTE), {
      code: 'ERR_XTP_SERVICE_START_FAILED',
      message: /xtp-utp: oops/
    })
  })

  test('the settings of the user reach the service', async () => {
    const { client, runner, clock } = fixture({ settings: { mtu: 1400 } })
    await client.dial(REMOTE)
    assert.deepEqual(runner.last.asked('hello')[0]?.options, [{ key: 'mtu', value: '1400' }])
    await stop({ client, clock })
  })
})

describe('loss', () => {
  for (const [how, die, pattern] of [
    ['exit', s => s.die({ exitCode: 3 }), /ended \(exit code 3\)/],
    ['signal', s => s.die({ signal: 'SIGSEGV' }), /ended \(SIGSEGV\); its last line: boom/],
    ['end of the control link', s => s.ownControl.destroy(), /closed its link/],
    ['end of the data link', s => s.ownData.destroy(), /closed its link/],
    ['garbage on control', s => s.ownControl.write(Buffer.alloc(9, 0xff)), /broke the protocol/],
    ['garbage on data', s => s.ownData.write(Buffer.alloc(12, 0xff)), /broke the protocol/]
  ] as Array<[string, (s: import('./testing/fake-service.ts').FakeService) => void, RegExp]>) {
    test(`${how}: everything settles with the typed error, and the service is restarted`, async () => {
      const f = fixture()
      const { client, runner, clock } = f
      const { connection, service } = await connected(f)
      service.logTail.push('boom')
      const lost: XtpError[] = []
      client.addEventListener('service:lost', ({ detail }) => lost.push(detail))
      service.answer = body => ('dial' in body ? hang() : undefined)
      const dial = client.dial(REMOTE)
      const close = connection.close()
      dial.catch(() => {})
      close.catch(() => {})
      await settle()
      die(service)
      await settle()
      // a process that lives on gets its moment, then it is killed
      clock.advance(250)
      await settle()

      for (const promise of [dial, close]) {
        await assert.rejects(promise, error => {
          assert.ok(error instanceof ServiceLostError, String(error))
          assert.match(error.message, pattern)
          assert.equal(error.retryable, true)
          assert.deepEqual(error.logTail, ['boom'])
          return true
        })
      }
      assert.equal(connection.status, 'aborted')
      assert.equal(lost.length, 1)
      assert.notEqual(service.exit, undefined)
      assert.equal(client.status().connections, 0)

      clock.advance(100)
      await settle()
      assert.equal(client.status().state, 'running')
      assert.equal(client.status().restarts, 1)
      assert.equal(runner.services.length, 2)
      await client.dial(REMOTE)
      await stop(f)
    })
  }

  test('a limit that the kernel enforced is told by name', async () => {
    const f = fixture({ limits: { memoryBytes: 200 * 2 ** 20 } })
    const { client, clock } = f
    const { service } = await connected(f)
    const told = ['service:limit', 'service:lost'].map(
      name =>
        new Promise<XtpError>(resolve => {
          client.addEventListener(name as 'service:lost', ({ detail }) => resolve(detail))
        })
    )
    service.die({ signal: 'SIGKILL', exceeded: 'memoryBytes' })
    for (const error of await Promise.all(told)) {
      assert.equal(error.code, 'ERR_XTP_LIMIT_EXCEEDED')
      assert.deepEqual(error.details, { limit: 'memoryBytes', allowed: 200 * 2 ** 20 })
      assert.match(error.message, /limits\.memoryBytes allows \(209715200\), and the kernel/)
    }
    clock.advance(100)
    await settle()
    await stop(f)
  })

  test('a violation kills at once, without the moment for an exit', async () => {
    const f = fixture()
    const { service } = await connected(f)
    service.ownControl.write(Buffer.alloc(9, 0xff))
    await settle()
    assert.deepEqual(service.signals, ['SIGKILL'])
    await stop(f)
  })

  test('during the pause dials fail fast and retryable, and tell when to come back', async () => {
    const f = fixture({ restart: { initialDelayMs: 400 } })
    const { service } = await connected(f)
    service.die({ signal: 'SIGKILL' })
    await settle()
    f.clock.advance(100)
    assert.equal(f.client.status().state, 'backoff')
    await assert.rejects(f.client.dial(REMOTE), error => {
      assert.ok(isXtpError(error, 'ERR_XTP_UNAVAILABLE'))
      assert.equal(error.retryable, true)
      assert.deepEqual(error.details, { retryAfterMs: 300 })
      assert.ok(isXtpError(error.cause, 'ERR_XTP_SERVICE_LOST'))
      return true
    })
    await stop(f)
  })

  test('pauses grow up to the limit, and a long run starts over', async () => {
    const restart = { initialDelayMs: 100, factor: 2, maxDelayMs: 300, resetAfterMs: 5_000 }
    const f = fixture({ restart, heartbeatIntervalMs: 60_000 })
    await connected(f)
    for (const pause of [100, 200, 300, 300]) {
      f.runner.last.die({ signal: 'SIGSEGV' })
      await settle()
      f.clock.advance(pause - 1)
      await settle()
      assert.equal(f.client.status().state, 'backoff', `after ${pause - 1} ms`)
      f.clock.advance(1)
      await settle()
      assert.equal(f.client.status().state, 'running', `after ${pause} ms`)
    }
    f.clock.advance(5_000)
    await settle()
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(100)
    await settle()
    assert.equal(f.client.status().state, 'running')
    assert.equal(f.client.status().restarts, 5)
    await stop(f)
  })

  test('jitter moves the pause both ways', async () => {
    const f = fixture({ restart: { initialDelayMs: 1_000, jitter: 0.5 } })
    const random = Math.random
    Math.random = () => 0
    try {
      await connected(f)
      f.runner.last.die({ signal: 'SIGSEGV' })
      await settle()
      f.clock.advance(500)
      await settle()
      assert.equal(f.client.status().state, 'running')
    } finally {
      Math.random = random
    }
    await stop(f)
  })

  test('a restart that fails is tried again, a permanent failure is given up', async () => {
    const f = fixture()
    const { client, runner, clock } = f
    await connected(f)
    let code = 70
    runner.onStart = service => {
      service.answer = () => {
        service.die({ exitCode: code })
        return hang()
      }
    }
    const failed: unknown[] = []
    client.addEventListener('service:failed', ({ detail }) => failed.push(detail))
    runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    clock.advance(100)
    await settle()
    assert.equal(client.status().state, 'backoff')
    assert.equal(failed.length, 0)
    code = 78
    clock.advance(200)
    await settle()
    assert.equal(client.status().state, 'idle')
    assert.equal(failed.length, 1)
  })
})

describe('heartbeat', () => {
  test('an answered one keeps the service, at its interval', async () => {
    const f = fixture({ heartbeatIntervalMs: 1_000 })
    const { service } = await connected(f)
    for (let beat = 1; beat <= 3; beat++) {
      f.clock.advance(1_000)
      await settle()
      assert.equal(service.asked('ping').length, beat)
    }
    assert.equal(f.client.status().state, 'running')
    await stop(f)
  })

  test('a hung service is killed, and its connections say why', async () => {
    const f = fixture({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 500 })
    const { service, connection } = await connected(f)
    service.answer = body => ('ping' in body ? hang() : undefined)
    service.ownControl.stalled = true
    f.clock.advance(1_000)
    await settle()
    // the first ping, then a short second one
    f.clock.advance(500)
    await settle()
    assert.deepEqual(service.signals, [])
    f.clock.advance(249)
    await settle()
    assert.deepEqual(service.signals, [])
    f.clock.advance(1)
    await settle()
    assert.deepEqual(service.signals, ['SIGKILL'])
    assert.equal(connection.status, 'aborted')
    assert.match(String(f.client.status().lastError?.message), /did not answer its heartbeat/)
    await stop(f)
  })

  test('one late answer is forgiven: this process itself may have been blocked', async () => {
    const f = fixture({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 500 })
    const { service } = await connected(f)
    service.ownControl.stalled = true
    f.clock.advance(1_000)
    await settle()
    f.clock.advance(500)
    await settle()
    service.ownControl.stalled = false
    service.ownControl.pump()
    await settle()
    f.clock.advance(5_000)
    await settle()
    assert.equal(f.client.status().state, 'running')
    await stop(f)
  })
})

describe('stop', () => {
  test('asks first; everything is gone when it resolves', async () => {
    const f = fixture()
    const { service } = await connected(f)
    const stopped: unknown[] = []
    f.client.addEventListener('service:stopped', event => stopped.push(event))
    service.answer = body => {
      if ('close' in body) {
        service.closed(body.close.connId)
      }
      return undefined
    }
    const stopping = f.client.stop()
    await settle()
    // the peer does not end its side, so the service is asked to end without it
    f.clock.advance(250)
    await stopping
    assert.deepEqual(service.signals, [])
    assert.equal(service.asked('shutdown').length, 1)
    assert.equal(f.client.status().state, 'stopped')
    assert.equal(f.runner.closes, 1)
    assert.equal(f.clock.pending, 0)
    assert.equal(stopped.length, 1)
  })

  test('SIGTERM, then SIGKILL for a service that does not end', async () => {
    const f = fixture({ stopTimeoutMs: 1_000, heartbeatIntervalMs: 1e6 })
    const { service, connection } = await connected(f)
    connection.abort(new Error('enough'))
    service.diesOf = new Set(['SIGKILL'])
    service.answer = body => ('shutdown' in body ? hang() : undefined)
    const stopping = f.client.stop()
    await settle()
    f.clock.advance(500)
    await settle()
    f.clock.advance(1_000)
    await settle()
    assert.deepEqual(service.signals, ['SIGTERM'])
    f.clock.advance(1_000)
    await settle()
    assert.deepEqual(service.signals, ['SIGTERM', 'SIGKILL'])
    await stopping
    assert.equal(f.clock.pending, 0)
  })

  test('even a process that SIGKILL does not end cannot hang it', async () => {
    const f = fixture({ stopTimeoutMs: 10, heartbeatIntervalMs: 1e6 })
    const { service, connection } = await connected(f)
    connection.abort(new Error('enough'))
    service.diesOf = new Set()
    service.answer = body => ('shutdown' in body ? hang() : undefined)
    const stopping = f.client.stop()
    for (let step = 0; step < 8; step++) {
      await settle()
      f.clock.advance(500)
    }
    await stopping
  })

  test('while starting: the waiting dial fails, the process ends', async () => {
    const { client, runner } = fixture()
    runner.onStart = service => {
      service.answer = () => hang()
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    await client.stop()
    await assert.rejects(dial, { code: 'ERR_XTP_UNAVAILABLE', retryable: false })
    assert.deepEqual(runner.last.signals, ['SIGTERM'])
  })

  test('while the runner itself is still at work', async () => {
    const { client, runner } = fixture()
    const gate = Promise.withResolvers<void>()
    const start = runner.start.bind(runner)
    runner.start = async request => {
      await gate.promise
      return start(request)
    }
    const dial = client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    const stopping = client.stop()
    gate.resolve()
    await stopping
    assert.notEqual(runner.last.exit, undefined)
    await assert.rejects(dial, { code: 'ERR_XTP_UNAVAILABLE' })
  })

  test('during the pause before a restart', async () => {
    const f = fixture()
    await connected(f)
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    await f.client.stop()
    f.clock.advance(60_000)
    await settle()
    assert.equal(f.runner.services.length, 1)
    assert.equal(f.clock.pending, 0)
  })

  test('when nothing ever ran; dials are refused until start()', async () => {
    const { client, clock } = fixture()
    await Promise.all([client.stop(), client.stop()])
    await assert.rejects(client.dial(REMOTE), { code: 'ERR_XTP_UNAVAILABLE', retryable: false })
    client.start()
    await client.dial(REMOTE)
    await stop({ client, clock })
    assert.equal(client.status().state, 'stopped')
  })

  test('start, stop and start again gives a new process and no restart count', async () => {
    const f = fixture()
    const { connection } = await connected(f)
    connection.abort(new Error('enough'))
    const first = f.client.stop()
    await settle()
    f.clock.advance(500)
    await first
    f.client.start()
    const again = await connected(f)
    assert.equal(f.runner.services.length, 2)
    assert.equal(f.client.status().restarts, 0)
    again.connection.abort(new Error('enough'))
    const second = f.client.stop()
    await settle()
    f.clock.advance(500)
    await second
  })
})
