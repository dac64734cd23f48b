import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import * as errors from './errors.ts'
import { encodeFrame } from './frame-codec.ts'
import type { EventBody, RequestBody } from './messages.ts'
import { Frame } from './proto/xtp-ctl.js'
import { concat } from './testing/bytes.ts'
import { ADDR, closed, connected, dial, violates } from './testing/control-bodies.ts'
import { ControlEnd, HELLO, readyClient, readyService, settle } from './testing/control-end.ts'
import { ManualClock } from './testing/manual-clock.ts'

let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})

describe('control session: closing', () => {
  it('fails every request, aborts every handler and cancels every timer, once', async () => {
    const client = await readyClient(clock)
    const reason = new errors.ServiceLostError('boom')
    const requests = [1, 3].map(id => client.session.request(dial(id)))
    client.session.close(reason)
    client.session.close(new Error('second'))
    for (const request of requests) await assert.rejects(request, reason)
    await assert.rejects(client.session.request(dial()), reason)
    client.session.event({ accept: { listenerId: 1, count: 1 } })
    assert.equal(clock.pending, 0)

    const service = await readyService(clock)
    service.feed({ id: 2, deadlineMs: 100, ...dial() })
    service.session.close()
    assert.ok(service.handled[0]?.ctx.signal.reason instanceof errors.CancelledError)
    service.handled[0]?.resolve(connected())
    await settle()
    assert.equal(service.sent.length, 0)
    assert.equal(clock.pending, 0)
  })

  it('names the loss of the service where nothing better is known', async () => {
    const client = await readyClient(clock)
    const request = client.session.request(dial())
    client.session.close()
    await assert.rejects(request, errors.ServiceLostError)
  })

  it('closes where the link cannot be written', async () => {
    let broken = false
    const service = await readyService(clock)
    const client = await readyClient(clock, {
      send: () => {
        if (broken) throw new Error('EPIPE')
      }
    })
    broken = true
    await assert.rejects(client.session.request(dial()), /EPIPE/)
    assert.equal(client.session.state, 'closed')
    assert.equal(service.session.state, 'ready')
  })

  it('stops in the middle of a chunk when an event handler closes it', async () => {
    const events: EventBody[] = []
    const client = await readyClient(clock, {
      onEvent: body => {
        events.push(body)
        client.session.close()
      }
    })
    const bytes = encodeFrame(closed)
    client.session.receive(concat([bytes, bytes, Uint8Array.of(0)]))
    assert.equal(events.length, 1)
  })
})

describe('control session: violations', () => {
  it('closes with a violation for what may not be sent now', async () => {
    const hello = { id: 1, hello: HELLO }
    const log = { log: { level: 0, scope: '', message: '' } }
    const fresh = (): ControlEnd => new ControlEnd('service', clock)
    violates(fresh(), /request dial from the client while the session is new/, {
      id: 1,
      ...dial()
    })
    violates(fresh(), /request of unknown kind/, { id: 1 })
    violates(fresh(), /event accept/, { accept: { listenerId: 1, count: 1 } })
    violates(new ControlEnd('client', clock), /event log .* new/, log)
    const service = fresh()
    service.feed(hello)
    violates(service, /request ping .* new/, { id: 2, ping: { nonce: 1n, ioAgeMs: 0 } })
    const twice = fresh()
    twice.feed(hello)
    violates(twice, /request hello/, { id: 2, hello: HELLO })
    violates(await readyService(clock), /request hello .* ready/, hello)
    violates(await readyClient(clock), /request dial from the service/, { id: 1, ...dial() })
    violates(await readyService(clock), /event closed from the client/, closed)
    violates(await readyService(clock), /event dial/, dial() as Partial<Frame>)
    violates(await readyService(clock), /request connected/, { id: 3, ...connected() })
  })

  it('closes with a violation for an answer that fits no request', async () => {
    const ready = (): Promise<ControlEnd> => readyClient(clock)
    violates(await ready(), /answer to request 9/, { id: 9, reply: true, ...connected() })
    violates(await ready(), /answer to request 0/, { id: 0, reply: true })
    const asked = async (body: RequestBody): Promise<ControlEnd> => {
      const end = await ready()
      const request = end.session.request(body)
      request.catch(() => {})
      return end
    }
    const status = (code: number) => ({ code, message: '', errno: '', retryable: false })
    violates(await asked(dial()), /answer to dial .* body none/, { id: 2, reply: true })
    violates(await asked(dial()), /body listening/, {
      id: 2,
      reply: true,
      listening: { addr: ADDR }
    })
    violates(await asked(dial()), /with status 19 has body connected/, {
      id: 2,
      reply: true,
      status: status(19),
      ...connected()
    })
    violates(await asked(dial()), /status 32 is never sent/, {
      id: 2,
      reply: true,
      status: status(32)
    })
    violates(await asked(dial(1)), /another was dialled/, { id: 2, reply: true, ...connected(3) })
    violates(await asked({ ping: { nonce: 1n, ioAgeMs: 0 } }), /another nonce/, {
      id: 2,
      reply: true,
      ping: { nonce: 2n, ioAgeMs: 0 }
    })
    violates(await asked({ drain: {} }), /answer to drain .* body drain/, {
      id: 2,
      reply: true,
      drain: {}
    })
  })

  it('rejects what is pending with the violation', async () => {
    const client = await readyClient(clock)
    const request = client.session.request(dial())
    violates(client, /answer to request 9/, { id: 9, reply: true })
    await assert.rejects(request, errors.ProtocolViolationError)
  })

  it('closes with a violation for frames that say two things', async () => {
    const body = concat([Frame.encode({ id: 2, drain: {} }), Frame.encode({ shutdown: {} })])
    const service = await readyService(clock)
    assert.throws(
      () => service.session.receive(concat([Uint8Array.of(body.byteLength), body])),
      /several bodies/
    )
    assert.equal(service.session.state, 'closed')
    assert.equal(service.handled.length, 0)
  })

  it('closes with a violation for fields where they do not belong', async () => {
    const status = { code: 1, message: '', errno: '', retryable: false }
    violates(await readyService(clock), /status outside/, { id: 2, status, ...dial() })
    violates(await readyService(clock), /deadline in an event/, {
      deadlineMs: 5,
      cancel: { id: 1 }
    })
  })

  it('closes with a violation for more requests than it allows', async () => {
    const service = await readyService(clock, { limits: { maxRequests: 2 } })
    service.feed({ id: 2, ...dial(1) }, { id: 3, ...dial(3) })
    const first = service.handled[0]
    violates(service, /more than 2 requests/, { id: 4, ...dial(5) })
    assert.equal(first?.ctx.signal.aborted, true)
  })

  it('closes with a violation for requests of an end that never reads', async () => {
    let queued = 0
    const service = await readyService(clock, { queuedBytes: () => queued })
    service.feed({ id: 2 })
    queued = 16_777_217
    violates(service, /unread/, { id: 3 })
  })

  it('closes with a violation for a frame limit that leaves no room', async () => {
    const limits = { maxFrameBytes: 100, maxRequests: 0, maxConnections: 0, maxListeners: 0 }
    violates(new ControlEnd('service', clock), /too small/, {
      id: 1,
      hello: { ...HELLO, limits }
    })
  })

  it('closes with a violation where an event is not acceptable to its handler', async () => {
    const client = await readyClient(clock, {
      onEvent: () => {
        throw new TypeError('not a multiaddr')
      }
    })
    violates(client, /a message was refused: not a multiaddr/, closed)
  })
})
