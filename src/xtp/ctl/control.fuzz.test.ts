// Hostile bytes: random, mutated and out of place, against both roles.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isXtpError, ProtocolViolationError } from './errors.ts'
import { encodeFrame } from './frame-codec.ts'
import type { RequestBody, Role } from './messages.ts'
import type { Frame } from './proto/xtp-ctl.js'
import { arbitraryFrame } from './testing/arbitraries.ts'
import { Random } from './testing/bytes.ts'
import { ControlEnd, HELLO, settle } from './testing/control-end.ts'
import { ManualClock } from './testing/manual-clock.ts'

const FRAMES = Number(process.env.XTP_FUZZ_FRAMES ?? 20_000)
const ADDR = Uint8Array.of(1)
const SEED = Number(process.env.XTP_FUZZ_SEED ?? 20_240_607)

/** A frame of the pool as it is, with bytes changed, cut short or prolonged; or plain noise. */
function hostileFrame(random: Random, pool: Uint8Array[]): Uint8Array {
  const frame = Uint8Array.from(random.pick(pool))
  switch (random.below(8)) {
    case 0:
      return random.bytes(random.below(40))
    case 1:
      return frame.subarray(0, random.below(frame.byteLength))
    case 2:
      return Uint8Array.of(0xff, 0xff, random.below(256), ...random.bytes(4))
    case 3:
      for (let n = random.below(4); n >= 0; n--) {
        const at = random.below(frame.byteLength)
        frame[at] = (frame[at] as number) ^ (1 << random.below(8))
      }
      return frame
    default:
      return frame
  }
}

class Victim extends ControlEnd {
  readonly role: Role
  settled = 0
  asked = 0

  constructor(role: Role, clock: ManualClock) {
    super(role, clock)
    this.role = role
  }

  ask(body: RequestBody): void {
    this.asked++
    this.session.request(body).then(
      () => this.settled++,
      err => {
        assert.ok(isXtpError(err), String(err))
        this.settled++
      }
    )
  }

  get callbacks(): number {
    return this.events.length + this.handled.length + this.late.length
  }
}

describe('control session: fuzz', () => {
  it(`takes ${FRAMES} hostile frames with a violation or with none, and nothing else`, async t => {
    t.diagnostic(`frames ${FRAMES}, seed ${SEED} (XTP_FUZZ_FRAMES, XTP_FUZZ_SEED)`)
    const random = new Random(SEED)
    const pool = fc.sample(arbitraryFrame(), { numRuns: 500, seed: SEED }).map(f => encodeFrame(f))
    // Such as are likely to be right just now, or the state would never change.
    const plausible: Array<Partial<Frame>> = [
      { id: 1, hello: HELLO },
      { id: 1, reply: true, hello: HELLO },
      {
        id: 2,
        reply: true,
        connected: { connId: 3, localAddr: ADDR, remoteAddr: ADDR }
      },
      { id: 5, ping: { nonce: 1n, ioAgeMs: 0 } },
      { cancel: { id: 5 } },
      { id: 9, drain: {} },
      { log: { level: 1, scope: 's', message: 'm' } }
    ]
    for (let i = 0; i < 60; i++) pool.push(...plausible.map(f => encodeFrame(f)))

    let violations = 0
    let callbacks = 0
    const clock = new ManualClock()
    for (let n = 0; n < FRAMES; ) {
      const victim = await newVictim(random, clock)
      // Not for ever: a frame that announces more than it brings swallows what follows.
      for (let left = 1 + random.below(20); left > 0 && n < FRAMES; left--) {
        n++
        try {
          victim.session.receive(hostileFrame(random, pool))
        } catch (err) {
          assert.ok(err instanceof ProtocolViolationError, `frame ${n}: ${String(err)}`)
          violations++
          break
        }
        assert.notEqual(victim.session.state, 'closed')
        if (random.below(10) === 0) await settle()
      }
      callbacks += victim.callbacks
      await checkDead(victim, pool)
      assert.equal(clock.pending, 0)
    }
    t.diagnostic(`${violations} sessions ended by a violation, ${callbacks} messages accepted`)
    assert.ok(violations > FRAMES / 20, 'the frames were hostile')
    assert.ok(callbacks > FRAMES / 20, 'and not all of them')
  })
})

/** A session at a random point of its life, with a request under way where that is possible. */
async function newVictim(random: Random, clock: ManualClock): Promise<Victim> {
  const victim = new Victim(random.below(2) === 0 ? 'client' : 'service', clock)
  const greeted = random.below(5) > 0
  if (victim.role === 'client') {
    victim.ask({ hello: HELLO })
    if (greeted) {
      victim.feed({ id: 1, reply: true, hello: HELLO })
      victim.ask({ dial: { connId: 3, addr: ADDR } })
    }
  } else if (greeted) {
    victim.feed({ id: 1, hello: HELLO })
    victim.handled[0]?.resolve({ hello: HELLO })
  }
  await settle()
  return victim
}

/** Closed by a violation, or closed now: nothing is processed or sent, every promise is settled. */
async function checkDead(victim: Victim, pool: Uint8Array[]): Promise<void> {
  const closed = victim.session.state === 'closed'
  if (!closed) victim.session.close()
  const before = victim.callbacks
  const sent = victim.sent.length
  for (const frame of pool.slice(-7)) victim.session.receive(frame)
  await settle()
  assert.equal(victim.session.state, 'closed')
  assert.equal(victim.callbacks, before, 'nothing is processed any more')
  assert.equal(victim.sent.length, sent, 'nothing is sent any more')
  assert.equal(victim.settled, victim.asked, 'every promise is settled')
}
