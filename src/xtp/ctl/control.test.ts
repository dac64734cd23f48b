import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { beforeEach, describe, it } from 'node:test'
import * as errors from './errors.ts'
import type { ReplyBody } from './messages.ts'
import { STATUS } from './status.ts'
import { concat } from './testing/bytes.ts'
import { ADDR, closed, connected, dial, violates } from './testing/control-bodies.ts'
import { ControlEnd, HELLO, readyClient, readyService, settle } from './testing/control-end.ts'
import { ManualClock } from './testing/manual-clock.ts'

let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})

describe('control session: life of a session', () => {
  it('says hello both ways and becomes ready', async () => {
    const client = new ControlEnd('client', clock)
    const service = new ControlEnd('service', clock)
    const reply = client.session.request({ hello: { ...HELLO, implementation: 'client/1' } })
    service.session.receive(concat(client.sent))
    assert.equal(service.session.remoteHello?.implementation, 'client/1')
    assert.equal(service.session.state, 'new')
    service.handled[0]?.resolve({ hello: { ...HELLO, implementation: 'service/1', pid: 7 } })
    await settle()
    assert.equal(service.session.state, 'ready')
    assert.equal(client.session.state, 'new')
    client.session.receive(concat(service.sent))
    assert.equal(client.session.state, 'ready')
    assert.equal((await reply).hello?.pid, 7)
    assert.equal(client.session.remoteHello?.implementation, 'service/1')
  })

  it('announces the limits that it enforces, whatever the caller put in', async () => {
    const limits = { maxFrameBytes: 1, maxRequests: 1, maxConnections: 5, maxListeners: 6 }
    const client = new ControlEnd('client', clock, {
      limits: { maxFrameBytes: 32_768, maxRequests: 3 }
    })
    void client.session.request({ hello: { ...HELLO, limits } }).catch(() => {})
    assert.deepEqual(client.take()[0]?.hello?.limits, {
      maxFrameBytes: 32_768,
      maxRequests: 3,
      maxConnections: 5,
      maxListeners: 6
    })
    const service = await readyService(clock)
    assert.equal(service.session.state, 'ready')
  })

  it('takes no frame above its limit, once the other end can know it', async () => {
    const options = Array.from({ length: 40 }, () => ({ key: 'k', value: 'v'.repeat(1_000) }))
    const service = new ControlEnd('service', clock, { limits: { maxFrameBytes: 32_768 } })
    service.feed({ id: 1, hello: { ...HELLO, options } })
    service.handled[0]?.resolve({ hello: HELLO })
    await settle()
    assert.equal(service.session.state, 'ready')
    assert.throws(() => service.session.receive(Uint8Array.of(0x81, 0x80, 2)), /32769 bytes/)

    const client = new ControlEnd('client', clock, { limits: { maxFrameBytes: 32_768 } })
    void client.session.request({ hello: HELLO }).catch(() => {})
    assert.throws(() => client.session.receive(Uint8Array.of(0x81, 0x80, 2)), /32769 bytes/)
    assert.throws(() => new ControlEnd('client', clock, { limits: { maxFrameBytes: 32_767 } }))
    assert.throws(() => new ControlEnd('client', clock, { limits: { maxRequests: 0 } }))
  })

  it('sends no frame above the limit of the other end', async () => {
    const limits = { maxFrameBytes: 32_768, maxRequests: 0, maxConnections: 0, maxListeners: 0 }
    const service = new ControlEnd('service', clock)
    service.feed({ id: 1, hello: { ...HELLO, limits } })
    service.handled.shift()?.resolve({ hello: HELLO })
    await settle()
    const addrs = Array.from({ length: 64 }, () => new Uint8Array(512))
    assert.throws(
      () => service.session.event({ addrs: { listenerId: 1, addrs } }),
      errors.InvalidArgumentError
    )
    service.feed({ id: 2, stats: { connId: 0 } })
    const stats = Array.from({ length: 500 }, () => ({ key: 'k'.repeat(64), value: 1n }))
    service.handled[0]?.resolve({ statsResult: { stats } })
    await settle()
    assert.equal(service.take().at(-1)?.status?.code, STATUS.INTERNAL)
  })

  it('keeps to the limits that the other end announced', async () => {
    const client = await readyClient(
      clock,
      {},
      { limits: { maxFrameBytes: 32_768, maxRequests: 2, maxConnections: 0, maxListeners: 0 } }
    )
    const pings = [1n, 2n].map(nonce => client.session.request({ ping: { nonce, ioAgeMs: 0 } }))
    await assert.rejects(
      client.session.request({ ping: { nonce: 3n, ioAgeMs: 0 } }),
      errors.ResourceExhaustedError
    )
    client.feed({ id: 2, reply: true, ping: { nonce: 1n, ioAgeMs: 0 } })
    const third = client.session.request({ ping: { nonce: 3n, ioAgeMs: 0 } })
    client.feed({ id: 3, reply: true, ping: { nonce: 2n, ioAgeMs: 0 } })
    client.feed({ id: 4, reply: true, ping: { nonce: 3n, ioAgeMs: 0 } })
    await Promise.all([...pings, third])
  })

  it('refuses locally what the state forbids', async () => {
    const client = new ControlEnd('client', clock)
    await assert.rejects(client.session.request(dial()), errors.UnavailableError)
    assert.throws(
      () => client.session.event({ accept: { listenerId: 1, count: 1 } }),
      errors.InvalidArgumentError
    )
    const service = await readyService(clock)
    await assert.rejects(service.session.request(dial()), errors.UnavailableError)
    assert.throws(
      () => service.session.event({ accept: { listenerId: 1, count: 1 } }),
      /the service cannot send accept while the session is ready/
    )
    assert.equal(client.sent.length + service.sent.length, 0)
  })

  it('sends hello once', async () => {
    const client = new ControlEnd('client', clock)
    const first = client.session.request({ hello: HELLO })
    await assert.rejects(client.session.request({ hello: HELLO }), errors.UnavailableError)
    client.feed({
      id: 1,
      reply: true,
      status: { code: 6, message: 'no addon', errno: '', retryable: false }
    })
    await assert.rejects(first, /hello: no addon/)
    assert.equal(client.session.state, 'new')
    await assert.rejects(client.session.request({ hello: HELLO }), errors.UnavailableError)
  })

  it('drains: no new dials and listeners, everything else goes on', async () => {
    for (const body of [{ drain: {} }, { shutdown: {} }]) {
      const client = await readyClient(clock)
      const service = await readyService(clock)
      const done = client.session.request(body)
      assert.equal(client.session.state, 'draining')
      await assert.rejects(client.session.request(dial()), errors.UnavailableError)
      client.feed({ incoming: { connId: 2, listenerId: 1, localAddr: ADDR, remoteAddr: ADDR } })
      service.session.receive(concat(client.sent))
      assert.equal(service.session.state, 'draining')
      service.session.event(closed)
      service.handled[0]?.resolve({})
      await settle()
      client.session.receive(concat(service.sent))
      assert.deepEqual(await done, {})
      assert.equal(client.events.length, 2)
      violates(service, /request dial from the client while the session is draining/, {
        id: 9,
        ...dial()
      })
    }
  })
})

describe('control session: requests', () => {
  it('matches answers to requests in any order', async () => {
    const client = await readyClient(clock)
    const dials = [1, 3, 5].map(id => client.session.request(dial(id)))
    assert.deepEqual(
      client.take().map(f => [f.id, f.deadlineMs]),
      [
        [2, 10_000],
        [3, 10_000],
        [4, 10_000]
      ]
    )
    client.feed({ id: 4, reply: true, ...connected(5) })
    client.feed({
      id: 2,
      reply: true,
      status: { code: 19, message: '', errno: '', retryable: true }
    })
    client.feed({ id: 3, reply: true, ...connected(3) })
    const [a, b, c] = await Promise.allSettled(dials)
    assert.ok(a?.status === 'rejected' && a.reason instanceof errors.ConnectionRefusedError)
    assert.ok(b?.status === 'fulfilled' && b.value.connected?.connId === 3)
    assert.ok(c?.status === 'fulfilled' && c.value.connected?.connId === 5)
    assert.equal(clock.pending, 0)
  })

  it('answers with the status of what the handler throws', async () => {
    const service = await readyService(clock)
    service.feed({ id: 2, ...dial() })
    service.handled[0]?.reject(
      Object.assign(new Error('no route'), { code: 'ENETUNREACH', name: 'Error' })
    )
    await settle()
    const [reply] = service.take()
    assert.equal(reply?.status?.code, STATUS.NETWORK_UNREACHABLE)
    assert.equal(reply?.status?.errno, 'ENETUNREACH')
    assert.equal(reply?.reply && reply.id, 2)
  })

  it('answers INTERNAL where the handler throws at once, gives a wrong body, or breaks a limit', async () => {
    const answers: Array<() => Promise<ReplyBody>> = [
      () => {
        throw new Error('bug')
      },
      async () => ({ listening: { addr: ADDR } }),
      async () => ({}),
      async () => connected(2),
      async () => ({ ...connected(1), ping: { nonce: 1n, ioAgeMs: 0 } })
    ]
    for (const onRequest of answers) {
      const service = await readyService(clock)
      const broken = new ControlEnd('service', clock, {
        onRequest: body => ('hello' in body ? Promise.resolve({ hello: HELLO }) : onRequest())
      })
      broken.feed({ id: 1, hello: HELLO })
      await settle()
      broken.take()
      broken.feed({ id: 2, ...dial() })
      await settle()
      const [reply] = broken.take()
      assert.equal(reply?.status?.code, STATUS.INTERNAL)
      assert.equal(broken.session.state, 'ready')
      assert.equal(service.session.state, 'ready')
    }
  })

  it('cuts texts to what fits a frame', async () => {
    const service = await readyService(clock)
    service.session.event({
      log: { level: 0, scope: 'é'.repeat(500), message: '€'.repeat(90_000) }
    })
    service.feed({ id: 2, ...dial() })
    service.handled[0]?.reject(
      new errors.XtpError('x'.repeat(99_999), { status: 3, errno: 'E'.repeat(99) })
    )
    await settle()
    const [log, reply] = service.take()
    assert.equal(log?.log?.scope.length, 64)
    assert.equal(log?.log?.message.length, 1_365)
    assert.equal(reply?.status?.message.length, 1_024)
    assert.equal(reply?.status?.errno.length, 32)
  })

  it('answers a request of a later version with UNSUPPORTED', async () => {
    const service = await readyService(clock)
    service.feed({ id: 5 })
    assert.equal(service.take()[0]?.status?.code, STATUS.UNSUPPORTED)
    const client = await readyClient(clock)
    client.feed({ id: 5 })
    assert.equal(client.take()[0]?.status?.code, STATUS.UNSUPPORTED)
    assert.equal(client.handled.length + service.handled.length, 0)
  })

  it('takes one Sign, between Hello and its answer', async () => {
    const sign = { sign: { purpose: 1, spki: ADDR } }
    const signed = { publicKey: ADDR, signature: ADDR }
    const asking = (): ControlEnd => {
      const client = new ControlEnd('client', clock)
      client.session.request({ hello: HELLO }).catch(() => {})
      client.take()
      return client
    }
    const client = asking()
    client.feed({ id: 7, ...sign })
    client.handled[0]?.resolve({ signed })
    await settle()
    assert.deepEqual(client.take()[0]?.signed, signed)
    violates(client, /request sign from the service while the session is new/, { id: 8, ...sign })

    violates(new ControlEnd('client', clock), /request sign/, { id: 7, ...sign })
    violates(await readyClient(clock), /request sign/, { id: 7, ...sign })
    const failed = asking()
    failed.feed({ id: 7, ...sign })
    failed.handled[0]?.reject(new errors.InvalidArgumentError('no such key'))
    await settle()
    assert.equal(failed.take()[0]?.status?.code, STATUS.INVALID_ARGUMENT)
    violates(failed, /request sign/, { id: 8, ...sign })
  })

  it('asks for a signature once, and only while Hello waits for its answer', async () => {
    const sign = { sign: { purpose: 1, spki: ADDR } }
    const service = new ControlEnd('service', clock)
    await assert.rejects(service.session.request(sign), errors.UnavailableError)
    service.feed({ id: 1, hello: HELLO })
    const reply = service.session.request(sign)
    assert.deepEqual(service.take()[0]?.sign, sign.sign)
    service.feed({ id: 1, reply: true, signed: { publicKey: ADDR, signature: ADDR } })
    assert.deepEqual((await reply).signed?.publicKey, ADDR)
    await assert.rejects(service.session.request(sign), errors.UnavailableError)
    const ready = await readyService(clock)
    await assert.rejects(ready.session.request(sign), errors.UnavailableError)
  })

  it('ignores an event of a later version', async () => {
    const service = await readyService(clock)
    service.session.receive(Uint8Array.of(4, 0xc2, 0x3e, 1, 0)) // field 1000
    assert.equal(service.session.state, 'ready')
    assert.equal(service.events.length, 0)
  })

  it('takes no id twice while it is in flight, over the end of the numbers', async () => {
    const service = await readyService(clock)
    service.feed({ id: 0xffff_ffff, ...dial() })
    service.feed({ id: 2, ...dial(3) })
    service.handled[0]?.resolve(connected())
    await settle()
    service.feed({ id: 0xffff_ffff, ...dial(5) })
    assert.equal(service.handled.length, 3)
    violates(service, /request id 2 is in flight already/, { id: 2, ...dial(7) })
  })
})

describe('control session: deadlines and cancelling', () => {
  it('fails a request one second after its deadline, and says Cancel', async () => {
    const client = await readyClient(clock)
    const request = client.session.request(dial(), { timeoutMs: 500 })
    const failures: unknown[] = []
    request.catch(err => failures.push(err))
    assert.equal(client.take()[0]?.deadlineMs, 500)
    clock.advance(1_499)
    await settle()
    assert.equal(failures.length, 0)
    clock.advance(1)
    await settle()
    assert.ok(failures.pop() instanceof errors.DeadlineExceededError)
    assert.deepEqual(client.take()[0]?.cancel, { id: 2 })
    assert.equal(clock.pending, 0)
  })

  it('sends deadlines that fit, and none for Infinity', async () => {
    const client = await readyClient(clock)
    const request = (timeoutMs: number): void => {
      client.session.request(dial(), { timeoutMs }).catch(() => {})
    }
    for (const timeoutMs of [0.2, 1e12, Infinity]) request(timeoutMs)
    assert.deepEqual(
      client.take().map(f => f.deadlineMs),
      [1, 2_147_483_647, 0]
    )
    assert.equal(clock.pending, 2)
    for (const timeoutMs of [0, -1, Number.NaN]) {
      await assert.rejects(
        client.session.request(dial(), { timeoutMs }),
        errors.InvalidArgumentError
      )
    }
    client.session.close()
    assert.equal(clock.pending, 0)
  })

  it('answers DEADLINE_EXCEEDED itself and aborts the handler, whose result goes nowhere', async () => {
    const service = await readyService(clock)
    service.feed({ id: 2, deadlineMs: 300, ...dial() })
    const [handled] = service.handled
    assert.equal(handled?.ctx.deadlineMs, 300)
    assert.equal(handled?.ctx.id, 2)
    clock.advance(299)
    assert.equal(handled?.ctx.signal.aborted, false)
    clock.advance(1)
    assert.equal(handled?.ctx.signal.aborted, true)
    assert.ok(handled?.ctx.signal.reason instanceof errors.DeadlineExceededError)
    assert.equal(service.take()[0]?.status?.code, STATUS.DEADLINE_EXCEEDED)
    handled?.resolve(connected())
    await settle()
    assert.equal(service.sent.length, 0)
  })

  it('has no deadline where the requester named none', async () => {
    const service = await readyService(clock)
    service.feed({ id: 2, ...dial() })
    assert.equal('deadlineMs' in (service.handled[0]?.ctx ?? {}), false)
    assert.equal(clock.pending, 0)
  })

  it('rejects at once with the reason of the signal, says Cancel, and ignores the late answer', async () => {
    const client = await readyClient(clock)
    const abort = new AbortController()
    const request = client.session.request(dial(), { signal: abort.signal })
    client.take()
    abort.abort()
    await assert.rejects(request, { name: 'AbortError' })
    assert.deepEqual(client.take()[0]?.cancel, { id: 2 })
    assert.equal(clock.pending, 0)
    client.feed({
      id: 2,
      reply: true,
      status: { code: 1, message: '', errno: '', retryable: false }
    })
    assert.equal(client.session.state, 'ready')
    assert.equal(client.late.length, 0)
    violates(client, /answer to request 2, which is not in flight/, {
      id: 2,
      reply: true,
      ...connected()
    })
  })

  it('reports a request that was given up and succeeded, so that it can be undone', async () => {
    const client = await readyClient(clock)
    const abort = new AbortController()
    const request = client.session.request(dial(), { signal: abort.signal })
    abort.abort(new Error('changed my mind'))
    await assert.rejects(request, /changed my mind/)
    client.feed({ id: 2, reply: true, ...connected() })
    assert.equal(client.late.length, 1)
    assert.deepEqual(client.late[0]?.[0], dial())
    assert.equal(client.late[0]?.[1].connected?.connId, 1)
  })

  it('leaves nothing at a signal that outlives the request', async () => {
    const client = await readyClient(clock)
    const { signal } = new AbortController()
    const requests = [1, 3].map(id => client.session.request(dial(id), { signal }))
    assert.equal(getEventListeners(signal, 'abort').length, 2)
    client.feed({ id: 2, reply: true, ...connected(1) })
    client.session.close()
    await Promise.allSettled(requests)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  it('sends nothing for a signal that was aborted before', async () => {
    const client = await readyClient(clock)
    const signal = AbortSignal.abort()
    await assert.rejects(client.session.request(dial(), { signal }), { name: 'AbortError' })
    assert.equal(client.sent.length, 0)
  })

  it('aborts the handler on Cancel and answers CANCELLED; a Cancel that comes late is ignored', async () => {
    const service = await readyService(clock)
    service.feed({ id: 2, deadlineMs: 9, ...dial() }, { cancel: { id: 2 } })
    const [handled] = service.handled
    assert.ok(handled?.ctx.signal.reason instanceof errors.CancelledError)
    assert.equal(service.take()[0]?.status?.code, STATUS.CANCELLED)
    assert.equal(clock.pending, 0)
    service.feed({ cancel: { id: 2 } }, { cancel: { id: 77 } })
    assert.equal(service.session.state, 'ready')
    assert.equal(service.sent.length, 0)
  })

  it('may cancel its hello', async () => {
    const service = new ControlEnd('service', clock)
    service.feed({ id: 1, hello: HELLO }, { cancel: { id: 1 } })
    assert.equal(service.take()[0]?.status?.code, STATUS.CANCELLED)
    assert.equal(service.session.state, 'new')
  })
})
