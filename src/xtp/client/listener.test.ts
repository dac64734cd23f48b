import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { STATUS, XtpError } from '../ctl/index.ts'
import type { XtpConnection } from './connection.ts'
import { HOLD_MS } from './inbound.ts'
import type { ListenerOptions } from './listener.ts'
import { settle } from './testing/fake-service.ts'
import { fixture, stop } from './testing/fixture.ts'

const ANY = '/ip4/127.0.0.1/udp/0/utp'
const ADDR = '/ip4/127.0.0.1/udp/40000/utp'

async function listening(options: Partial<ListenerOptions> = {}, init = {}) {
  const f = fixture({ heartbeatIntervalMs: 1e6, ...init })
  const connections: XtpConnection[] = []
  const listener = f.client.createListener({
    onConnection: connection => {
      connections.push(connection)
    },
    ...options
  })
  const events: string[] = []
  for (const event of ['listening', 'close', 'error'] as const) {
    listener.addEventListener(event, () => events.push(event))
  }
  await listener.listen(ANY)
  return { f, listener, connections, events, service: f.runner.last }
}

const addresses = (listener: { getAddrs(): unknown[] }) => listener.getAddrs().map(String)
const inUse = () => Promise.reject(new XtpError('taken', { status: STATUS.ADDRESS_IN_USE }))

describe('listen', () => {
  test('starts the service, tells the true port, and counts', async () => {
    const { f, listener, events, service } = await listening()
    assert.deepEqual(addresses(listener), [ADDR])
    assert.deepEqual(events, ['listening'])
    assert.equal(service.asked('listen')[0]?.accept, 128)
    assert.equal(f.client.status().listeners, 1)
    await stop(f)
    assert.deepEqual(events, ['listening', 'close'])
    assert.deepEqual(addresses(listener), [])
  })

  test('unspecified addresses are expanded', async () => {
    const f = fixture()
    const listener = f.client.createListener({ onConnection: () => {} })
    await listener.listen('/ip4/0.0.0.0/udp/0/utp')
    const found = addresses(listener)
    assert.ok(found.includes(ADDR), found.join())
    assert.ok(
      found.every(address => /^\/ip4\/(?!0\.0\.0\.0)[\d.]+\/udp\/40000\/utp$/.test(address))
    )
    await stop(f)
  })

  test('an address in use rejects, names the address, and is not tried again', async () => {
    const f = fixture()
    f.runner.onStart = service => {
      service.answer = body => ('listen' in body ? inUse() : undefined)
    }
    const listener = f.client.createListener({ onConnection: () => {} })
    await assert.rejects(listener.listen(ANY), {
      code: 'ERR_XTP_ADDRESS_IN_USE',
      message: /could not listen on \/ip4\/127\.0\.0\.1\/udp\/0\/utp: taken; choose another port/
    })
    f.clock.advance(60_000)
    await settle()
    assert.equal(f.runner.last.asked('listen').length, 1)
    await stop(f)
  })

  test('an address of another transport rejects and starts nothing', async () => {
    const f = fixture()
    const listener = f.client.createListener({ onConnection: () => {} })
    await assert.rejects(listener.listen('/ip4/127.0.0.1/tcp/0'), {
      code: 'ERR_XTP_INVALID_ARGUMENT'
    })
    assert.equal(f.runner.services.length, 0)
  })

  test('a service that cannot start rejects it', async () => {
    const f = fixture()
    f.runner.start = () => Promise.reject(new Error('no'))
    const listener = f.client.createListener({ onConnection: () => {} })
    await assert.rejects(listener.listen(ANY), { code: 'ERR_XTP_SERVICE_START_FAILED' })
  })

  test('a death while it begins rejects it', async () => {
    const f = fixture()
    f.runner.onStart = service => {
      service.answer = body => {
        if ('listen' in body) {
          service.die({ signal: 'SIGSEGV' })
        }
        return undefined
      }
    }
    const listener = f.client.createListener({ onConnection: () => {} })
    await assert.rejects(listener.listen(ANY), { code: 'ERR_XTP_SERVICE_LOST', signal: 'SIGSEGV' })
    await stop(f)
  })

  test('closed while it begins: rejects, and nothing stays open', async () => {
    const f = fixture()
    const gate = Promise.withResolvers<void>()
    f.runner.onStart = service => {
      service.answer = body =>
        'listen' in body
          ? gate.promise.then(() => ({ listening: { addr: Buffer.from(body.listen.addr) } }))
          : undefined
    }
    const listener = f.client.createListener({ onConnection: () => {} })
    const listen = listener.listen(ADDR)
    listen.catch(() => {})
    await settle()
    await listener.close()
    gate.resolve()
    await assert.rejects(listen, { code: 'ERR_XTP_UNAVAILABLE' })
    await settle()
    assert.equal(f.runner.last.asked('unlisten').length, 1)
    await stop(f)
  })

  test('a listener is used once', async () => {
    const { f, listener } = await listening()
    await assert.rejects(listener.listen(ANY), { code: 'ERR_XTP_INVALID_ARGUMENT' })
    await stop(f)
  })
})

describe('inbound', () => {
  for (const order of [
    ['event', 'stream'],
    ['stream', 'event']
  ]) {
    test(`${order.join(' before ')}: one connection, nothing lost`, async () => {
      const { f, connections, service } = await listening()
      const stream = service.incoming(2, 1, order.slice(0, 1))
      if (order[0] === 'stream') {
        stream.stream?.write(Buffer.from('early '))
      }
      await settle()
      assert.equal(connections.length, 0)
      const second = service.incoming(2, 1, order.slice(1))
      const writer = stream.stream ?? second.stream
      writer?.write(Buffer.from('bird'))
      await settle()
      const [connection] = connections
      assert.equal(connection?.remoteAddr.toString(), '/ip4/192.0.2.7/udp/999/utp')
      assert.equal(connection?.direction, 'inbound')
      let text = ''
      connection?.addEventListener('message', ({ data }) => {
        text += Buffer.from(data.subarray()).toString()
      })
      await settle()
      assert.match(text, /bird$/)
      assert.equal(text, order[0] === 'stream' ? 'early bird' : 'bird')
      await stop(f)
    })
  }

  test('an early stream that ended already ends the connection behind its data', async () => {
    const { f, connections, service } = await listening()
    const stream = service.incoming(2, 1, ['stream'])
    stream.stream?.write(Buffer.from('all'))
    stream.stream?.end()
    await settle()
    service.incoming(2, 1, ['event'])
    await settle()
    const events: string[] = []
    connections[0]?.addEventListener('remoteCloseWrite', () => events.push('fin'))
    connections[0]?.addEventListener('message', () => events.push('data'))
    await settle()
    assert.deepEqual(events, ['data', 'fin'])
    await stop(f)
  })

  test('a half without the other is given up in time, and its place is free again', async () => {
    const { f, connections, service } = await listening()
    service.incoming(2, 1, ['event'])
    const lonely = service.incoming(4, 1, ['stream'])
    await settle()
    f.clock.advance(HOLD_MS)
    await settle()
    assert.equal(lonely.resetCode, STATUS.CONNECTION_ABORTED)
    assert.deepEqual(
      service.asked('close').map(({ connId, abort }) => [connId, abort]),
      [[2, true]]
    )
    assert.deepEqual(service.events, [{ accept: { listenerId: 1, count: 1 } }])
    assert.equal(connections.length, 0)
    assert.equal(f.client.status().state, 'running')
    await stop(f)
  })

  test('Closed before the stream: forgotten, and its place is free again', async () => {
    const { f, connections, service } = await listening()
    service.incoming(2, 1, ['event'])
    service.closed(2, STATUS.CONNECTION_RESET)
    await settle()
    assert.deepEqual(service.events, [{ accept: { listenerId: 1, count: 1 } }])
    f.clock.advance(HOLD_MS)
    assert.equal(connections.length, 0)
    await stop(f)
  })

  test('credit comes back when a connection has been taken, in one message for many', async () => {
    const gate = Promise.withResolvers<void>()
    const { f, service } = await listening(
      { onConnection: () => gate.promise },
      { acceptCredit: 4 }
    )
    for (const connId of [2, 4, 6]) {
      service.incoming(connId, 1)
    }
    await settle()
    assert.deepEqual(service.events, [])
    gate.resolve()
    await settle()
    assert.deepEqual(service.events, [{ accept: { listenerId: 1, count: 3 } }])
    assert.equal(f.client.status().connections, 3)
    await stop(f)
  })

  test('more connections than credit is a violation', async () => {
    const { f, service } = await listening(
      { onConnection: () => new Promise(() => {}) },
      { acceptCredit: 2 }
    )
    service.incoming(2, 1)
    service.incoming(4, 1)
    await settle()
    assert.deepEqual(service.signals, [])
    service.incoming(6, 1)
    await settle()
    assert.deepEqual(service.signals, ['SIGKILL'])
    await stop(f)
  })

  test('a connection that is not wanted is aborted, and its place is free again', async () => {
    const { f, service } = await listening({
      onConnection: async () => {
        throw new Error('no upgrade')
      }
    })
    const stream = service.incoming(2, 1)
    await settle()
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    assert.deepEqual(service.events, [{ accept: { listenerId: 1, count: 1 } }])
    await stop(f)
  })

  test('one that crosses with the end of the listener is reset', async () => {
    const { f, listener, connections, service } = await listening()
    service.answer = body => {
      if ('unlisten' in body) {
        service.incoming(2, 1)
      }
      return undefined
    }
    await listener.close()
    await settle()
    assert.equal(service.streams.get(2)?.resetCode, STATUS.CONNECTION_ABORTED)
    assert.equal(connections.length, 0)
    assert.equal(f.client.status().state, 'running')
    await stop(f)
  })
})

describe('after a crash', () => {
  test('it listens on the same port again and says so', async () => {
    const { f, listener, events, service } = await listening()
    service.die({ signal: 'SIGSEGV' })
    await settle()
    assert.deepEqual(addresses(listener), [])
    assert.equal(f.client.status().listeners, 0)
    assert.deepEqual(events, ['listening'])
    f.clock.advance(100)
    await settle()
    const asked = f.runner.last.asked('listen')
    assert.equal(asked.length, 1)
    // /ip4/127.0.0.1/udp/40000/utp, though port 0 was asked for at first
    assert.equal(
      Buffer.from(asked[0]?.addr ?? []).toString('hex'),
      '047f0000019102 9c40ae02'.replace(' ', '')
    )
    assert.deepEqual(addresses(listener), [ADDR])
    assert.deepEqual(events, ['listening', 'listening'])
    // and takes connections
    f.runner.last.incoming(2, asked[0]?.listenerId ?? 0)
    await settle()
    assert.equal(f.client.status().connections, 1)
    await stop(f)
    assert.deepEqual(events, ['listening', 'listening', 'close'])
  })

  test('while the port is in use it tries again, with growing pauses', async () => {
    const { f, listener, events, service } = await listening()
    let taken = true
    f.runner.onStart = next => {
      next.answer = body => ('listen' in body && taken ? inUse() : undefined)
    }
    service.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(100)
    await settle()
    for (const [pause, tries] of [
      [50, 2],
      [100, 3],
      [200, 4]
    ] as const) {
      f.clock.advance(pause)
      await settle()
      assert.equal(f.runner.last.asked('listen').length, tries)
    }
    taken = false
    f.clock.advance(400)
    await settle()
    assert.deepEqual(addresses(listener), [ADDR])
    assert.deepEqual(events, ['listening', 'listening'])
    await stop(f)
  })

  test('a port that stays in use ends it with error and close', async () => {
    const { f, listener, events, service } = await listening({}, { relistenTimeoutMs: 1_000 })
    f.runner.onStart = next => {
      next.answer = body => ('listen' in body ? inUse() : undefined)
    }
    service.die({ signal: 'SIGSEGV' })
    await settle()
    for (let step = 0; step < 40; step++) {
      f.clock.advance(100)
      await settle()
    }
    assert.deepEqual(events, ['listening', 'error', 'close'])
    assert.deepEqual(addresses(listener), [])
    await stop(f)
  })

  test('a second crash while it waits for the port does not make two of it', async () => {
    const { f, events, service } = await listening()
    f.runner.onStart = next => {
      next.answer = body => ('listen' in body ? inUse() : undefined)
    }
    service.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(100)
    await settle()
    f.runner.onStart = () => {}
    f.runner.last.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(200)
    await settle()
    f.clock.advance(10_000)
    await settle()
    assert.equal(f.runner.last.asked('listen').length, 1)
    assert.deepEqual(events, ['listening', 'listening'])
    await stop(f)
  })

  test('a service that cannot come back ends it with error and close', async () => {
    const { f, events, service } = await listening()
    f.runner.onStart = next => {
      next.answer = () => {
        next.die({ exitCode: 78 })
        return new Promise(() => {})
      }
    }
    service.die({ signal: 'SIGSEGV' })
    await settle()
    f.clock.advance(100)
    await settle()
    assert.deepEqual(events, ['listening', 'error', 'close'])
  })

  test('a listener that is closed while it is down stays closed', async () => {
    const { f, listener, events, service } = await listening()
    service.die({ signal: 'SIGSEGV' })
    await settle()
    await listener.close()
    f.clock.advance(100)
    await settle()
    assert.equal(f.runner.last.asked('listen').length, 0)
    assert.deepEqual(events, ['listening', 'close'])
    await stop(f)
  })
})
