// What follows a crash: budgets, the breaker, suspicion, a second process that takes over.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PossibleCompromiseError, ServiceLostError, type XtpError } from '../ctl/index.ts'
import { settle } from './testing/fake-service.ts'
import { connected, type Fixture, fixture, REMOTE, stop } from './testing/fixture.ts'

const RESTART = { initialDelayMs: 100, factor: 1, budget: 2, breakerOpenMs: 5_000 }

async function crash({ runner, clock }: Fixture, signal = 'SIGSEGV', waitMs = 100): Promise<void> {
  runner.last.die({ signal })
  await settle()
  clock.advance(waitMs)
  await settle()
}

describe('the breaker', () => {
  test('opens after the budget; dials fail at once and say when; one trial, then twice the pause', async () => {
    const f = fixture({ restart: RESTART, heartbeatIntervalMs: 600_000 })
    const { client, runner, clock } = f
    const states: string[] = []
    client.addEventListener('service:breaker', ({ detail }) => states.push(detail.state))
    await connected(f)
    await crash(f)
    await crash(f)
    assert.equal(client.status().state, 'running')
    await crash(f)
    assert.equal(client.status().state, 'backoff')
    assert.equal(client.status().breaker, 'open')
    await assert.rejects(client.dial(REMOTE), {
      code: 'ERR_XTP_UNAVAILABLE',
      retryable: true,
      message: /crashes again and again/,
      details: { retryAfterMs: 4_900 }
    })
    clock.advance(4_899)
    await settle()
    assert.equal(runner.services.length, 3)
    clock.advance(1)
    await settle()
    assert.equal(client.status().state, 'running')
    assert.equal(client.status().breaker, 'half-open')
    await crash(f, 'SIGSEGV', 9_999)
    assert.equal(client.status().state, 'backoff')
    clock.advance(1)
    await settle()
    assert.equal(client.status().state, 'running')
    // long enough to be trusted
    clock.advance(10_000)
    await settle()
    assert.equal(client.status().breaker, 'closed')
    assert.deepEqual(states, ['open', 'half-open', 'open', 'half-open', 'closed'])
    await crash(f)
    assert.equal(client.status().state, 'running')
    const { crashes, startFailures, restarts } = client.status()
    assert.deepEqual(
      { crashes, startFailures, restarts },
      { crashes: 5, startFailures: 0, restarts: 5 }
    )
    await stop(f)
  })

  test('stop while it is open', async () => {
    const f = fixture({ restart: { ...RESTART, budget: 0 } })
    await connected(f)
    await crash(f)
    assert.equal(f.client.status().breaker, 'open')
    await stop(f)
    f.client.start()
    assert.equal(f.client.status().breaker, 'closed')
    await f.client.dial(REMOTE)
    await stop(f)
  })

  test('starts that fail and crashes are counted apart', async () => {
    const f = fixture({ restart: { initialDelayMs: 100, factor: 1 } })
    const { client, runner } = f
    await connected(f)
    runner.onStart = service => {
      if (runner.services.length < 4) {
        service.die({ exitCode: 70 })
      }
    }
    await crash(f)
    for (let i = 0; i < 3; i++) {
      f.clock.advance(100)
      await settle()
    }
    const { state, crashes, startFailures } = client.status()
    assert.deepEqual(
      { state, crashes, startFailures },
      { state: 'running', crashes: 1, startFailures: 3 }
    )
    await stop(f)
  })
})

describe('a forbidden system call', () => {
  test('is a possible compromise: nothing is started until stop() and start()', async () => {
    const f = fixture()
    const { client, runner, clock } = f
    const { connection } = await connected(f)
    const events: string[] = []
    let suspect: XtpError | undefined
    client.addEventListener('service:compromised', ({ detail }) => {
      suspect = detail
    })
    for (const name of ['service:compromised', 'service:lost', 'service:failed'] as const) {
      client.addEventListener(name, () => events.push(name))
    }
    await crash(f, 'SIGSYS', 600_000)
    assert.equal(client.status().state, 'halted')
    assert.equal(runner.services.length, 1)
    assert.ok(suspect instanceof PossibleCompromiseError && suspect instanceof ServiceLostError)
    assert.equal(suspect.signal, 'SIGSYS')
    assert.deepEqual(events, ['service:compromised', 'service:lost', 'service:failed'])
    assert.equal(connection.status, 'aborted')
    await assert.rejects(client.dial(REMOTE), {
      code: 'ERR_XTP_POSSIBLE_COMPROMISE',
      retryable: false
    })
    await stop({ client, clock })
    client.start()
    await client.dial(REMOTE)
    assert.equal(runner.services.length, 2)
    await stop({ client, clock })
  })

  test('is a crash like any other for those who say so', async () => {
    const f = fixture({ restart: { onCompromise: 'restart' } })
    await connected(f)
    await crash(f, 'SIGSYS')
    assert.equal(f.client.status().state, 'running')
    assert.equal(f.client.status().lastError?.code, 'ERR_XTP_POSSIBLE_COMPROMISE')
    await stop(f)
  })
})

describe('a hung I/O thread', () => {
  test('is told apart from hung JavaScript, and killed', async () => {
    const f = fixture({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 3_000 })
    const { client, clock } = f
    const { connection, service } = await connected(f)
    let age = 900
    service.answer = body =>
      'ping' in body
        ? Promise.resolve({ ping: { nonce: body.ping.nonce, ioAgeMs: age } })
        : undefined
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000)
      await settle()
    }
    assert.equal(client.status().state, 'running')
    age = 3_001
    clock.advance(1_000)
    await settle()
    assert.deepEqual(service.signals, ['SIGKILL'])
    const error = client.status().lastError
    assert.equal(error?.code, 'ERR_XTP_SERVICE_LOST')
    assert.deepEqual(error?.details, { thread: 'io' })
    assert.match(error?.message ?? '', /I\/O thread has not turned for 3001 ms/)
    assert.equal(connection.status, 'aborted')
    await stop(f)
  })
})

describe('a standby', () => {
  const standby = (restart = {}) => fixture({ standby: true, restart: { ...RESTART, ...restart } })

  test('is ready before it is needed, and takes over without a pause', async () => {
    const f = standby()
    const { client, runner } = f
    const ready: number[] = []
    client.addEventListener('service:standby', ({ detail }) => ready.push(detail.pid))
    await connected(f)
    await settle()
    const [first, second] = runner.services
    assert.deepEqual(ready, [second?.pid])
    assert.equal(client.status().pid, first?.pid)
    assert.equal(client.status().standbyPid, second?.pid)
    assert.equal(second?.asked('hello').length, 1)
    first?.die({ signal: 'SIGSEGV' })
    await settle()
    await settle()
    assert.equal(client.status().state, 'running')
    assert.equal(client.status().pid, second?.pid)
    await client.dial(REMOTE)
    // and there is a new one
    assert.equal(client.status().standbyPid, runner.services[2]?.pid)
    await stop(f)
    for (const service of runner.services) {
      assert.notEqual(service.exit, undefined)
    }
  })

  test('one that dies is replaced, with pauses, and costs nothing else', async () => {
    const f = standby({ initialDelayMs: 50 })
    const { client, runner, clock } = f
    const { connection } = await connected(f)
    await settle()
    runner.services[1]?.die({ signal: 'SIGKILL' })
    await settle()
    for (let i = 0; i < 5; i++) {
      clock.advance(50)
      await settle()
    }
    assert.equal(client.status().standbyPid, runner.services[2]?.pid)
    assert.equal(client.status().pid, runner.services[0]?.pid)
    assert.equal(client.status().crashes, 0)
    assert.equal(connection.status, 'open')
    await stop(f)
  })

  test('a crash loop is no faster for it: the breaker opens', async () => {
    const f = standby()
    const { client, runner } = f
    await connected(f)
    for (let i = 0; i < 3; i++) {
      await settle()
      const { pid } = client.status()
      runner.services.find(service => service.pid === pid)?.die({ signal: 'SIGSEGV' })
      await settle()
      await settle()
    }
    assert.equal(client.status().breaker, 'open')
    assert.equal(client.status().state, 'backoff')
    await stop(f)
    for (const service of runner.services) {
      assert.notEqual(service.exit, undefined)
    }
  })

  test('stop while it is being made', async () => {
    const f = standby()
    const { runner } = f
    runner.onStart = service => {
      if (runner.services.length > 1) {
        service.ownControl.stalled = true
      }
    }
    await connected(f)
    await settle()
    assert.equal(runner.services.length, 2)
    await stop(f)
    for (const service of runner.services) {
      assert.notEqual(service.exit, undefined)
    }
  })
})

describe('connections', () => {
  test('no more than limits.connections, and a place that is free can be used', async () => {
    const f = fixture({ limits: { connections: 2 } })
    const { client } = f
    const first = await client.dial(REMOTE)
    await client.dial(REMOTE)
    await assert.rejects(client.dial(REMOTE), {
      code: 'ERR_XTP_RESOURCE_EXHAUSTED',
      message: /limits\.connections/
    })
    first.abort(new Error('enough'))
    await settle()
    f.runner.last.closed(first.connId)
    await settle()
    await client.dial(REMOTE)
    await stop(f)
  })
})
