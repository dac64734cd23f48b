import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RequestBody, STATUS, XtpError } from '../ctl/index.ts'
import { type FakeService, settle } from './testing/fake-service.ts'
import { connected, fixture, REMOTE, stop } from './testing/fixture.ts'

const hang = () => new Promise<never>(() => {})

/** Answers dials only when told. */
function holdDials(service: FakeService): () => void {
  const gate = Promise.withResolvers<void>()
  service.answer = body =>
    'dial' in body
      ? gate.promise.then(() => ({
          connected: {
            connId: body.dial.connId,
            localAddr: body.dial.addr,
            remoteAddr: body.dial.addr
          }
        }))
      : undefined
  return gate.resolve
}

async function within50ms(promise: Promise<unknown>, reason: RegExp): Promise<void> {
  const start = performance.now()
  await assert.rejects(promise, reason)
  const ms = performance.now() - start
  assert.ok(ms < 50, `${ms} ms`)
}

describe('dial', () => {
  test('takes the address apart and keeps what was asked for', async () => {
    const f = fixture()
    const peer = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
    const events: string[] = []
    const connection = await f.client.dial(`${REMOTE}/p2p/${peer}`, {
      onProgress: ({ type }) => events.push(type)
    })
    assert.equal(connection.remoteAddr.toString(), `${REMOTE}/p2p/${peer}`)
    assert.equal(connection.localAddr.toString(), '/ip4/127.0.0.1/udp/5/utp')
    assert.equal(connection.direction, 'outbound')
    assert.deepEqual(events, [
      'xtp:resolve',
      'xtp:service-start',
      'xtp:open-connection',
      'xtp:connected'
    ])
    await settle()
    assert.equal(f.runner.last.streams.get(connection.connId)?.connId, 1)
    await stop(f)
  })

  test('names are resolved here, one address after the other is tried', async () => {
    const asked: unknown[] = []
    const f = fixture({
      resolver: async (host, family) => {
        asked.push([host, family])
        return ['192.0.2.1', '192.0.2.2', '2001:db8::1']
      }
    })
    f.runner.onStart = service => {
      service.answer = body =>
        'dial' in body && body.dial.connId === 1
          ? Promise.reject(new XtpError('nobody', { status: STATUS.CONNECTION_REFUSED }))
          : undefined
    }
    const connection = await f.client.dial('/dns4/example.org/udp/7/utp')
    assert.deepEqual(asked, [['example.org', 4]])
    assert.equal(connection.connId, 3)
    assert.equal(connection.remoteAddr.toString(), '/dns4/example.org/udp/7/utp')
    await stop(f)
  })

  test('the error of the service comes as its class', async () => {
    const f = fixture()
    f.runner.onStart = service => {
      service.answer = body =>
        'dial' in body
          ? Promise.reject(new XtpError('nobody there', { status: STATUS.CONNECTION_REFUSED }))
          : undefined
    }
    await assert.rejects(f.client.dial(REMOTE), {
      code: 'ERR_XTP_CONNECTION_REFUSED',
      message: `could not dial ${REMOTE}: nobody there`,
      retryable: true
    })
    assert.equal(f.client.status().connections, 0)
    await stop(f)
  })

  test('a peer that is silent is a connection that timed out, whoever noticed it first', async () => {
    const f = fixture({ dialTimeoutMs: 3_000, heartbeatIntervalMs: 1e6 })
    await f.client.dial(REMOTE)
    f.runner.last.answer = body => ('dial' in body ? hang() : undefined)
    const dial = f.client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    f.clock.advance(3_000)
    await assert.rejects(dial, {
      code: 'ERR_XTP_CONNECTION_TIMED_OUT',
      message: /no answer within 3000 ms/
    })
    await stop(f)
  })

  test('a connection that is closed in the same breath is an error, or ends at once', async () => {
    const f = fixture()
    await f.client.dial(REMOTE)
    const service = f.runner.last
    service.answer = body => {
      if ('dial' in body) {
        // the reply leaves first, Closed right behind it, in one chunk
        queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => service.closed(3, 20))))
      }
      return undefined
    }
    const dial = f.client.dial(REMOTE)
    await dial.then(
      async connection => {
        await connection.ended
        assert.equal(connection.status, 'aborted')
      },
      error => assert.equal(error.code, 'ERR_XTP_CONNECTION_RESET')
    )
    assert.equal(f.client.status().connections, 1)
    await stop(f)
  })

  for (const [bad, pattern] of [
    ['/ip4/1.2.3.4/tcp/80', /\/ip4\/1\.2\.3\.4\/tcp\/80 is no address of xtp-utp.*takes/],
    ['/ip4/1.2.3.4/udp/80', /takes \/ip4\|ip6/],
    ['/ip4/1.2.3.4/udp/80/utp/utp', /takes/],
    ['/ip4/1.2.3.4/udp/0/utp', /port 0/],
    ['/ip4/1.2.3.400/udp/1/utp', /no multiaddr/],
    ['nonsense', /"nonsense" is no multiaddr/]
  ] as const) {
    test(`${bad} is refused with a remedy, and starts nothing`, async () => {
      const f = fixture()
      await assert.rejects(f.client.dial(bad), {
        code: 'ERR_XTP_INVALID_ARGUMENT',
        message: pattern
      })
      assert.equal(f.runner.services.length, 0)
    })
  }
})

describe('abort of a dial', () => {
  test('before it begins', async () => {
    const f = fixture()
    await assert.rejects(
      f.client.dial(REMOTE, { signal: AbortSignal.abort(new Error('never mind')) }),
      /never mind/
    )
    assert.equal(f.runner.services.length, 0)
  })

  test('while the name is resolved', async () => {
    const f = fixture({ resolver: hang })
    const controller = new AbortController()
    const dial = f.client.dial('/dns/example.org/udp/7/utp', { signal: controller.signal })
    await settle()
    controller.abort(new Error('never mind'))
    await within50ms(dial, /never mind/)
  })

  test('while the service starts; that goes on for others', async () => {
    const f = fixture()
    f.runner.onStart = service => {
      service.ownControl.stalled = true
    }
    const controller = new AbortController()
    const dial = f.client.dial(REMOTE, { signal: controller.signal })
    const other = f.client.dial(REMOTE)
    await settle()
    controller.abort(new Error('never mind'))
    await within50ms(dial, /never mind/)
    f.runner.last.ownControl.stalled = false
    f.runner.last.ownControl.pump()
    await other
    await stop(f)
  })

  test('while the service dials: it is told to stop', async () => {
    const f = fixture()
    await f.client.dial(REMOTE)
    const service = f.runner.last
    const aborted: boolean[] = []
    service.answer = (body, { signal }) => {
      if ('dial' in body) {
        signal.addEventListener('abort', () => aborted.push(true))
        return hang()
      }
      return undefined
    }
    const controller = new AbortController()
    const dial = f.client.dial(REMOTE, { signal: controller.signal })
    await settle()
    controller.abort(new Error('never mind'))
    await within50ms(dial, /never mind/)
    await settle()
    assert.deepEqual(aborted, [true])
    assert.deepEqual(service.asked('close'), [])
    await stop(f)
  })

  test('when the connection is already made: it is closed again', async () => {
    const f = fixture()
    await f.client.dial(REMOTE)
    const service = f.runner.last
    const answer = holdDials(service)
    const controller = new AbortController()
    const dial = f.client.dial(REMOTE, { signal: controller.signal })
    await settle()
    // the answer is under way when the caller gives up
    answer()
    service.ownControl.stalled = true
    await settle()
    controller.abort(new Error('never mind'))
    await within50ms(dial, /never mind/)
    service.ownControl.stalled = false
    service.ownControl.pump()
    await settle()
    assert.deepEqual(service.asked('close'), [
      { connId: 3, abort: true, code: STATUS.CONNECTION_ABORTED }
    ])
    assert.equal(f.client.status().connections, 1)
    await stop(f)
  })

  test('by stop()', async () => {
    const f = fixture()
    await f.client.dial(REMOTE)
    holdDials(f.runner.last)
    const dial = f.client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    const stopping = stop(f)
    await assert.rejects(dial, { code: 'ERR_XTP_UNAVAILABLE' })
    await stopping
  })

  test('leaves no listener on the signal', async () => {
    const f = fixture()
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...args)
    }
    await f.client.dial(REMOTE, { signal })
    await settle()
    assert.equal(listeners, 0)
    await stop(f)
  })
})

describe('a service that lies', () => {
  const lies: Array<[string, (service: FakeService) => void]> = [
    ['closes a connection that never was (odd)', s => s.closed(99)],
    ['closes a connection that never was (even)', s => s.closed(2)],
    [
      'opens thousands of streams',
      s => {
        for (let connId = 2; connId < 10_000; connId += 2) {
          s.incoming(connId, 1, ['stream'])
        }
      }
    ],
    [
      'announces a connection twice',
      s => {
        s.incoming(2, 1)
        s.incoming(2, 1, ['event'])
      }
    ],
    ['announces a connection on a listener that never was', s => s.incoming(2, 9, ['event'])],
    ['opens a stream for a dial', s => s.incoming(1, 1, ['stream'])],
    ['opens two streams for one connection', s => s.incoming(2, 1, ['stream', 'stream'])],
    [
      'reports an address that is none',
      s => {
        const bad = {
          connId: 2,
          listenerId: 1,
          localAddr: Buffer.from([1]),
          remoteAddr: Buffer.from([1])
        }
        s.session.event({ incoming: bad })
      }
    ],
    [
      'reports an address of another transport',
      s => {
        const addr = Buffer.from([4, 127, 0, 0, 1, 6, 0, 80])
        s.session.event({
          incoming: { connId: 2, listenerId: 1, localAddr: addr, remoteAddr: addr }
        })
      }
    ]
  ]
  for (const [what, lie] of lies) {
    test(`${what}: killed, everything typed`, async () => {
      const f = fixture()
      const { connection, service } = await connected(f)
      await f.client.createListener({ onConnection: () => {} }).listen('/ip4/127.0.0.1/udp/0/utp')
      lie(service)
      await settle()
      assert.deepEqual(service.signals, ['SIGKILL'])
      assert.equal(connection.status, 'aborted')
      assert.equal(f.client.status().lastError?.code, 'ERR_XTP_SERVICE_LOST')
      await stop(f)
    })
  }

  test('reports nonsense as the address of a dial: killed, and the dial rejects', async () => {
    const f = fixture()
    await f.client.dial(REMOTE)
    f.runner.last.answer = (body: RequestBody) =>
      'dial' in body
        ? Promise.resolve({
            connected: {
              connId: body.dial.connId,
              localAddr: Buffer.from([9, 9, 9]),
              remoteAddr: Buffer.from([9])
            }
          })
        : undefined
    await assert.rejects(f.client.dial(REMOTE), { code: 'ERR_XTP_PROTOCOL_VIOLATION' })
    await settle()
    assert.deepEqual(f.runner.last.signals, ['SIGKILL'])
    await stop(f)
  })

  test('does not read its control link: killed before the memory is full', async () => {
    const f = fixture({ heartbeatIntervalMs: 1e6 })
    const { connection, service } = await connected(f)
    service.control.stalled = true
    service.control.writableLength = (16 << 20) + 1
    const dial = f.client.dial(REMOTE)
    dial.catch(() => {})
    await settle()
    assert.deepEqual(service.signals, ['SIGKILL'])
    await assert.rejects(dial, { code: 'ERR_XTP_SERVICE_LOST', message: /does not read/ })
    assert.equal(connection.status, 'aborted')
    await stop(f)
  })
})

describe('status and logs', () => {
  test('bytes are summed over incarnations', async () => {
    const f = fixture()
    const { connection, service } = await connected(f)
    connection.send(Buffer.alloc(1_000))
    await settle()
    const { bytesOut } = f.client.status()
    assert.ok(bytesOut > 1_000)
    service.die({ signal: 'SIGKILL' })
    await settle()
    assert.ok(f.client.status().bytesOut >= bytesOut)
    assert.equal(f.client.status().pid, undefined)
    await stop(f)
  })

  test('lines of the child and Log events go to xtp:utp:service, without control characters', async () => {
    const lines: string[] = []
    const forComponent = (name: string) => {
      const log = (format: string, ...args: unknown[]) => {
        lines.push([name, format, ...args].join(' '))
      }
      return Object.assign(log, {
        enabled: true,
        error: (format: string, ...args: unknown[]) => log(`ERROR ${format}`, ...args),
        trace: () => {},
        newScope: () => forComponent(name)
      })
    }
    const f = fixture({}, { logger: { forComponent } as never })
    f.runner.onStart = (_service, { onLog }) => onLog('hello', 'stderr')
    const { service } = await connected(f)
    service.session.event({ log: { level: 0, scope: 'native', message: 'bad\u001b[2Jthing' } })
    await settle()
    assert.ok(lines.includes('xtp:utp:service %s: %s stderr hello'), lines.join('\n'))
    assert.ok(lines.includes('xtp:utp:service ERROR %s: %s native bad\ufffd[2Jthing'))
    await stop(f)
  })
})

test('options that make no sense are refused by name', () => {
  for (const init of [
    { startTimeoutMs: 0 },
    { heartbeatIntervalMs: Number.NaN },
    { acceptCredit: -1 },
    { restart: { jitter: 2 } },
    { restart: { initialDelayMs: 500, maxDelayMs: 100 } },
    { settings: { mtu: 'big' as never } }
  ]) {
    assert.throws(() => fixture(init), {
      code: 'ERR_XTP_INVALID_ARGUMENT',
      message: new RegExp(Object.keys(init)[0] as string)
    })
  }
})
