// Two honest sessions, and everything that can interleave between them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isXtpError } from './errors.ts'
import type { EventBody, ReplyBody, RequestBody } from './messages.ts'
import { concat } from './testing/bytes.ts'
import { ControlEnd, HELLO, settle } from './testing/control-end.ts'
import { ManualClock } from './testing/manual-clock.ts'

const ADDR = Uint8Array.of(1)

type Step =
  | { do: 'request'; kind: number; timeoutMs: number }
  | { do: 'abort'; which: number }
  | { do: 'resolve' | 'reject'; which: number }
  | { do: 'event' | 'serviceEvent'; which: number }
  | { do: 'toService' | 'toClient'; bytes: number }
  | { do: 'advance'; ms: number }
  | { do: 'close'; client: boolean }

const which = fc.nat(50)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('request' as const),
    kind: fc.nat(20),
    timeoutMs: fc.constantFrom(1, 50, 500, 10_000)
  }),
  fc.record({ do: fc.constantFrom('toService' as const, 'toClient' as const), bytes: fc.nat(200) }),
  fc.record({ do: fc.constantFrom('toService' as const, 'toClient' as const), bytes: fc.nat(9) }),
  fc.record({
    do: fc.constantFrom('resolve' as const, 'reject' as const, 'abort' as const),
    which
  }),
  fc.record({ do: fc.constantFrom('event' as const, 'serviceEvent' as const), which }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(0, 1, 60, 1_500, 20_000) })
)
// Closing early tells little, so it is rare.
const steps = fc
  .tuple(
    fc.array(step, { minLength: 10, maxLength: 120 }),
    fc.option(fc.record({ do: fc.constant('close' as const), client: fc.boolean() }))
  )
  .map(([list, close]): Step[] => (close == null ? list : [...list, close]))

function requestBody(kind: number, n: number): RequestBody {
  const bodies: RequestBody[] = [
    { dial: { connId: 2 * n + 1, addr: ADDR } },
    { listen: { listenerId: n + 1, addr: ADDR, accept: 1 } },
    { unlisten: { listenerId: n + 1 } },
    { close: { connId: n + 1, abort: true, code: 20 } },
    { ping: { nonce: BigInt(n), ioAgeMs: 0 } },
    { stats: { connId: 0 } },
    { hello: HELLO }, // not allowed any more
    { drain: {} },
    { shutdown: {} }
  ]
  // Drain and Shutdown end the interesting part, so they are rare too.
  return bodies[kind < 14 ? kind % 7 : kind % bodies.length] as RequestBody
}

function replyTo(body: RequestBody): ReplyBody {
  if ('hello' in body) return { hello: HELLO }
  if ('dial' in body) {
    return { connected: { connId: body.dial.connId, localAddr: ADDR, remoteAddr: ADDR } }
  }
  if ('listen' in body) return { listening: { addr: ADDR } }
  if ('ping' in body) return { ping: body.ping }
  if ('stats' in body) return { statsResult: { stats: [{ key: 'k', value: 1n }] } }
  return {}
}

/** Two sessions with a wire between them that delivers as many bytes as it is told. */
class World {
  readonly clock = new ManualClock()
  readonly client = new ControlEnd('client', this.clock)
  readonly service = new ControlEnd('service', this.clock)
  readonly settled: string[] = []
  readonly aborts: AbortController[] = []
  requests = 0
  #n = 0

  request(body: RequestBody, timeoutMs: number): void {
    const n = this.requests++
    const abort = new AbortController()
    this.aborts.push(abort)
    this.client.session.request(body, { timeoutMs, signal: abort.signal }).then(
      reply => {
        assert.deepEqual(Object.keys(reply), Object.keys(replyTo(body)))
        this.settled.push(`${n}`)
      },
      err => {
        assert.ok(isXtpError(err) || err.name === 'AbortError', String(err))
        assert.notEqual(err.code, 'ERR_XTP_PROTOCOL_VIOLATION', err.message)
        this.settled.push(`${n}`)
      }
    )
  }

  deliver(from: ControlEnd, to: ControlEnd, count: number): void {
    const bytes = concat(from.sent.splice(0))
    from.sent.push(bytes.subarray(count))
    to.session.receive(bytes.subarray(0, count))
  }

  async run(step: Step): Promise<void> {
    const { client, service, clock } = this
    if (step.do === 'request') this.request(requestBody(step.kind, this.#n++), step.timeoutMs)
    else if (step.do === 'toService') this.deliver(client, service, step.bytes)
    else if (step.do === 'toClient') this.deliver(service, client, step.bytes)
    else if (step.do === 'advance') clock.advance(step.ms)
    else if (step.do === 'close') (step.client ? client : service).session.close()
    else if (step.do === 'abort') this.aborts[step.which]?.abort()
    else if (step.do === 'event') this.event(client, { accept: { listenerId: 1, count: 1 } })
    else if (step.do === 'serviceEvent') {
      this.event(service, { log: { level: 3, scope: 's', message: 'm'.repeat(step.which) } })
    } else if (step.do === 'resolve' || step.do === 'reject') {
      const handled = service.handled.splice(step.which % (service.handled.length || 1), 1)[0]
      if (step.do === 'resolve') handled?.resolve(replyTo(handled.body))
      else handled?.reject(new Error('handler failed'))
    }
    await settle()
  }

  event(end: ControlEnd, body: EventBody): void {
    if (end.session.state === 'new') assert.throws(() => end.session.event(body))
    else end.session.event(body)
  }

  async hello(): Promise<void> {
    this.request({ hello: HELLO }, 10_000)
    this.deliver(this.client, this.service, 1_000)
    this.service.handled.shift()?.resolve({ hello: HELLO })
    await settle()
    this.deliver(this.service, this.client, 1_000)
  }
}

describe('control session: properties', () => {
  it('settles every promise exactly once, and honest ends never see a violation', async () => {
    let requests = 0
    await fc.assert(
      fc.asyncProperty(fc.boolean(), steps, async (greet, list) => {
        const world = new World()
        if (greet) await world.hello()
        // receive() throws where an end sees a violation
        for (const step of list) await world.run(step)
        const { client, service } = world
        const handlers = [...service.handled]
        client.session.close()
        service.session.close()
        await settle()
        assert.equal(world.settled.length, world.requests, 'every promise is settled')
        assert.equal(new Set(world.settled).size, world.requests, 'once')
        assert.equal(world.clock.pending, 0, 'no timer is left')
        for (const { ctx } of handlers) assert.equal(ctx.signal.aborted, true)
        requests += world.requests
      }),
      { numRuns: 300 }
    )
    assert.ok(requests > 1_000, `${requests} requests were made`)
  })

  it('answers everything where both ends live on, whatever was cancelled', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async list => {
        const world = new World()
        await world.hello()
        const { client, service } = world
        for (const step of list) if (step.do !== 'close') await world.run(step)
        for (let i = 0; i < 4; i++) {
          world.deliver(client, service, 1_000_000)
          for (const handled of service.handled.splice(0)) handled.resolve(replyTo(handled.body))
          await settle()
          world.deliver(service, client, 1_000_000)
          await settle()
        }
        assert.equal(world.settled.length, world.requests)
        assert.equal(world.clock.pending, 0)
        assert.notEqual(client.session.state, 'closed')
        // Nothing is in flight: all of the other end's room is there again.
        const pings = Array.from({ length: 1_024 }, () =>
          client.session.request({ ping: { nonce: 1n, ioAgeMs: 0 } }).catch((err: unknown) => err)
        )
        client.session.close()
        for (const result of await Promise.all(pings)) {
          assert.ok(isXtpError(result, 'ERR_XTP_SERVICE_LOST'), String(result))
        }
      }),
      { numRuns: 100 }
    )
  })
})
