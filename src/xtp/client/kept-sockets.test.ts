// Listening and dialling where sockets are kept outside of the service, and the check of its sandbox.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { STATUS, UnavailableError, XtpError } from '../ctl/index.ts'
import type { XtpInit } from './definition.ts'
import { FakeKeeper, settle } from './testing/fake-service.ts'
import { fixture, REMOTE, stop } from './testing/fixture.ts'

const ANY = '/ip4/127.0.0.1/udp/0/utp'
const REMOTE6 = '/ip6/2001:db8::1/udp/1234/utp'

function keeping(init: XtpInit = {}) {
  const f = fixture({ heartbeatIntervalMs: 1e6, ...init })
  const keeper = new FakeKeeper()
  f.runner.sockets = keeper
  f.runner.onStart = service => {
    service.sandbox = { level: 'L3', reason: 'the strongest' }
  }
  return { ...f, keeper }
}

const listener = ({ client }: ReturnType<typeof keeping>) =>
  client.createListener({ onConnection: () => {} })

/** Addresses that the service was asked to listen on. */
const listened = (f: ReturnType<typeof keeping>) =>
  f.runner.last.asked('listen').map(({ addr }) => String(multiaddr(addr)))

describe('a listener', () => {
  test('binds first, lends, and asks the service for the true port', async () => {
    const f = keeping()
    const l = listener(f)
    await l.listen(ANY)
    const { pid } = f.runner.last
    assert.deepEqual(f.keeper.calls, ['bind listen-1 udp4 127.0.0.1 0', `lend listen-1 to ${pid}`])
    assert.deepEqual(listened(f), ['/ip4/127.0.0.1/udp/41001/utp'])
    // the fake service says 40000, which is not its to say
    assert.deepEqual(l.getAddrs().map(String), ['/ip4/127.0.0.1/udp/41001/utp'])
    await l.close()
    assert.deepEqual(f.keeper.calls.slice(2), ['release listen-1'])
    assert.equal(f.runner.last.asked('unlisten').length, 1)
    await stop(f)
  })

  test('has its socket over a crash, and lends it to the next service', async () => {
    const f = keeping()
    const l = listener(f)
    await l.listen('/ip6/::1/udp/0/utp')
    f.keeper.calls.length = 0
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    assert.equal(f.keeper.kept.get('listen-1'), 41_001, 'kept while nobody lives')
    f.clock.advance(100)
    await settle()
    const { pid } = f.runner.last
    assert.deepEqual(f.keeper.calls, ['bind listen-1 udp6 ::1 41001', `lend listen-1 to ${pid}`])
    assert.equal(l.isListening, true)
    await stop(f)
    assert.equal(f.keeper.kept.size, 0)
  })

  test('closed while the service is down gives its socket up', async () => {
    const f = keeping()
    const l = listener(f)
    await l.listen(ANY)
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    await l.close()
    assert.equal(f.keeper.kept.size, 0)
    await stop(f)
  })

  test('closed while its socket is being bound gives it up, and listens nowhere', async () => {
    const f = keeping()
    const gate = Promise.withResolvers<void>()
    f.keeper.before = () => gate.promise
    const l = listener(f)
    const listening = assert.rejects(l.listen(ANY), { code: 'ERR_XTP_UNAVAILABLE' })
    await settle()
    await l.close()
    gate.resolve()
    await listening
    assert.equal(f.keeper.kept.size, 0)
    assert.equal(f.runner.last.asked('listen').length, 0)
    await stop(f)
  })

  test('that cannot be bound rejects with the address, and holds nothing', async () => {
    const f = keeping()
    const error = new XtpError('listen: in use', { status: STATUS.ADDRESS_IN_USE })
    f.keeper.before = () => Promise.reject(error)
    await assert.rejects(listener(f).listen(ANY), {
      code: 'ERR_XTP_ADDRESS_IN_USE',
      message: /could not listen on \/ip4\/127\.0\.0\.1\/udp\/0\/utp: in use; choose another port/
    })
    assert.equal(f.keeper.calls.at(-1), 'release listen-1')
    assert.equal(f.runner.last.asked('listen').length, 0)
    await stop(f)
  })

  test('tries to get its port back where the keeper lost it', async () => {
    const f = keeping()
    const l = listener(f)
    await l.listen(ANY)
    f.keeper.kept.clear()
    const inUse = new XtpError('listen: in use', { status: STATUS.ADDRESS_IN_USE })
    f.keeper.before = () => Promise.reject(inUse)
    f.runner.last.die({})
    await settle()
    f.clock.advance(100)
    await settle()
    assert.equal(l.isListening, false)
    f.keeper.before = async () => {}
    f.clock.advance(50)
    await settle()
    assert.equal(l.isListening, true)
    assert.deepEqual(listened(f), ['/ip4/127.0.0.1/udp/41001/utp'])
    await stop(f)
  })

  test('whose service dies before its socket is lent fails with how it died', async () => {
    const f = keeping()
    await f.client.dial(REMOTE)
    f.keeper.before = async () => {
      f.runner.last.die({ signal: 'SIGSEGV' })
      throw new UnavailableError('the launcher is gone')
    }
    f.keeper.bind = async () => ({ port: 41_001 })
    const listening = assert.rejects(listener(f).listen(ANY), { code: 'ERR_XTP_SERVICE_LOST' })
    await settle()
    await listening
    await stop(f)
  })
})

describe('a dial', () => {
  test('lends one socket per family and service', async () => {
    const f = keeping()
    await Promise.all([f.client.dial(REMOTE), f.client.dial(REMOTE)])
    await f.client.dial(REMOTE6)
    await f.client.dial(REMOTE6)
    const first = f.runner.last.pid
    assert.deepEqual(f.keeper.calls, [
      'bind dial4 udp4 0.0.0.0 0',
      `lend dial4 to ${first}`,
      'bind dial6 udp6 :: 0',
      `lend dial6 to ${first}`
    ])
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(100)
    await settle()
    await f.client.dial(REMOTE)
    assert.equal(f.keeper.calls.at(-1), `lend dial4 to ${f.runner.last.pid}`)
    await stop(f)
  })

  test('needs none where a listener reaches everything, as long as there is one', async () => {
    const f = keeping()
    const local = listener(f)
    await local.listen(ANY)
    const all = listener(f)
    await all.listen('/ip4/0.0.0.0/udp/0/utp')
    f.keeper.calls.length = 0
    await f.client.dial(REMOTE)
    assert.equal(f.keeper.calls.length, 0)
    await all.close()
    await f.client.dial(REMOTE)
    assert.ok(f.keeper.calls.includes('bind dial4 udp4 0.0.0.0 0'), 'loopback does not reach it')
    await stop(f)
  })

  test('that gets no socket fails, and the next one asks again', async () => {
    const f = keeping()
    f.keeper.before = () => Promise.reject(new UnavailableError('gone'))
    await assert.rejects(f.client.dial(REMOTE), { code: 'ERR_XTP_UNAVAILABLE' })
    assert.equal(f.runner.last.asked('dial').length, 0)
    f.keeper.before = async () => {}
    await f.client.dial(REMOTE)
    await stop(f)
  })

  test('that waits for its socket ends with its signal', async () => {
    const f = keeping()
    f.keeper.before = () => new Promise(() => {})
    const controller = new AbortController()
    const dial = f.client.dial(REMOTE, { signal: controller.signal })
    const rejected = assert.rejects(dial, { message: 'enough' })
    await settle()
    controller.abort(new Error('enough'))
    await rejected
    await stop(f)
  })
})

describe('the sandbox of a service', () => {
  const hello = (f: ReturnType<typeof keeping>) =>
    Object.fromEntries(
      f.runner.last.asked('hello')[0]?.options.map(({ key, value }) => [key, value]) ?? []
    )

  test('is asked for in Hello', async () => {
    const f = keeping({ sandbox: { strict: true }, settings: { some: 5 } })
    await f.client.dial(REMOTE)
    assert.deepEqual(hello(f), {
      some: '5',
      sandbox_level: '3',
      sandbox_strict: '1',
      socket_fd: '5'
    })
    assert.deepEqual(f.client.status().sandbox, { level: 'L3', reason: 'the strongest' })
    await stop(f)
  })

  test('is not mentioned at L0', async () => {
    const f = keeping({ sandbox: { strict: true } })
    f.runner.sockets = undefined
    f.runner.onStart = () => {}
    await f.client.dial(REMOTE)
    assert.deepEqual(hello(f), {})
    await stop(f)
  })

  for (const reached of ['2', '0', '', 'x', '-1']) {
    test(`that says "${reached}" instead of 3 is refused`, async () => {
      const f = keeping()
      f.runner.onStart = service => {
        service.sandbox = { level: 'L3', reason: '' }
        service.reached = reached
      }
      const refused = assert.rejects(f.client.dial(REMOTE), {
        code: 'ERR_XTP_SERVICE_START_FAILED',
        message: /started at sandbox level L3/
      })
      await settle()
      f.clock.advance(10_000)
      await refused
      assert.deepEqual(f.runner.last.signals, ['SIGKILL'])
      await stop(f)
    })
  }

  test('that the kernel does not confirm is refused', async () => {
    const f = keeping()
    f.runner.onStart = service => {
      service.verify = () => Promise.reject(new UnavailableError('it is open'))
    }
    const refused = assert.rejects(f.client.dial(REMOTE), {
      code: 'ERR_XTP_SERVICE_START_FAILED',
      message: /it is open/
    })
    await settle()
    f.clock.advance(10_000)
    await refused
    assert.deepEqual(f.runner.last.signals, ['SIGKILL'])
    await stop(f)
  })
})
