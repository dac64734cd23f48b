// Hostile frames against both roles, with handlers that do anything inside their callbacks.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProtocolViolationError } from '../errors.ts'
import { concat, Random } from '../testing/bytes.ts'
import { frame, frames, MuxEnd, Recorder } from '../testing/mux-end.ts'

const FRAMES = Number(process.env.XTP_FUZZ_FRAMES ?? 20_000)
const SEED = Number(process.env.XTP_FUZZ_SEED ?? 20_240_607)
const WINDOW = 1_048_576

/** Checks what it is told, and meddles. */
class Chaos extends Recorder {
  over = false
  #victim: Victim
  #unread = 0

  constructor(victim: Victim) {
    super()
    this.#victim = victim
  }

  override onData(bytes: Uint8Array): void {
    assert.ok(!this.over, 'no data after the end')
    this.#unread += bytes.byteLength
    assert.ok(this.#unread <= WINDOW, 'no more arrives than was granted')
    this.#act()
  }

  override onEnd(): void {
    assert.ok(!this.over)
    this.#act()
  }

  override onReset(): void {
    assert.ok(!this.over, 'one reset')
    this.over = true
    this.#victim.resets++
  }

  override onDrain(): void {
    assert.ok(!this.over)
    this.#act()
  }

  #act(): void {
    this.#victim.callbacks++
    const { random, mux, parties } = this.#victim
    if (random.below(300) === 0) mux.close()
    const party = random.pick(parties)
    if (random.below(3) > 0 || party.over) return
    switch (random.below(6)) {
      case 0:
        this.#victim.openOne()
        break
      case 1:
        party.stream.end()
        break
      case 2:
        party.over = true
        party.stream.reset(random.below(99))
        break
      case 3:
        try {
          party.stream.write(new Uint8Array(random.below(9_000)))
        } catch (err) {
          assert.match(String(err), /cannot write/)
        }
        break
      default:
        party.stream.consumed(party.#unread)
        party.#unread = 0
    }
  }
}

class Victim extends MuxEnd {
  readonly parties: Chaos[] = []
  readonly random: Random
  readonly remoteParity: number
  callbacks = 0
  resets = 0

  constructor(role: 'client' | 'server', random: Random) {
    super(role, {
      maxStreams: 8,
      onStream: stream => {
        this.callbacks++
        const party = new Chaos(this)
        party.stream = stream
        stream.handler = party
        this.parties.push(party)
      }
    })
    this.random = random
    this.remoteParity = role === 'client' ? 0 : 1
    this.openOne()
    this.openOne()
  }

  openOne(): void {
    if (this.parties.length > 20 || this.closed.length > 0) return
    const party = new Chaos(this)
    this.parties.push(party)
    party.stream = this.mux.open({ connId: 1 + this.parties.length, kind: 0 }, party)
  }
}

/** Mostly about streams that exist, or the link would end with the first frame. */
function hostileFrame(victim: Victim, n: number): Uint8Array {
  const { random, parties } = victim
  const id = random.below(30) === 0 ? random.below(40) : random.pick(parties).stream.id
  const flags = random.below(6) === 0 ? random.below(16) & random.below(16) : 0
  switch (random.below(40)) {
    case 0:
      return random.bytes(random.below(30))
    case 1:
      return frame(random.below(6), flags, id, random.below(100))
    case 2:
      return frame(0, flags, id, random.uint32())
    case 3:
      return frames.credit(id, random.uint32(), flags)
    case 4:
      return frames.ping(random.below(16), n)
    case 5:
    case 6:
    case 7:
    case 8:
      return frames.open(victim.remoteParity + 2 * n + (random.below(40) === 0 ? 1 : 2), 1 + n)
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
      return frames.credit(id, random.below(100_000), flags)
    default:
      return frames.data(id, random.bytes(random.below(60)), flags)
  }
}

describe('mux: fuzz', () => {
  it(`takes ${FRAMES} hostile frames with a violation or with none, and nothing else`, async t => {
    t.diagnostic(`frames ${FRAMES}, seed ${SEED} (XTP_FUZZ_FRAMES, XTP_FUZZ_SEED)`)
    const random = new Random(SEED)
    let violations = 0
    let callbacks = 0
    for (let n = 0; n < FRAMES; ) {
      const victim = new Victim(random.below(2) === 0 ? 'client' : 'server', random)
      for (let i = 0; i < 40 && n < FRAMES && victim.closed.length === 0; i++) {
        n++
        const bytes = hostileFrame(victim, i)
        const at = random.below(bytes.byteLength + 1)
        try {
          victim.mux.receive(bytes.subarray(0, at))
          victim.mux.receive(bytes.subarray(at))
        } catch (err) {
          assert.ok(err instanceof ProtocolViolationError, `frame ${n}: ${(err as Error).stack}`)
          assert.equal(victim.closed.length, 1)
          assert.equal(victim.closed[0], err)
          violations++
        }
        if (random.below(4) === 0) {
          await Promise.resolve()
          victim.sink.take()
          victim.mux.onSinkDrain()
        }
      }
      victim.mux.close()
      assert.equal(victim.closed.length, 1)
      assert.equal(victim.mux.streamCount, 0)
      const before = [victim.callbacks, victim.resets]
      await Promise.resolve()
      victim.sink.take()
      victim.mux.receive(concat([frames.open(1_001), frames.data(1, 10), frames.data(2, 10)]))
      victim.mux.onSinkDrain()
      await Promise.resolve()
      assert.deepEqual([victim.callbacks, victim.resets], before, 'nothing is processed any more')
      assert.equal(victim.sink.writableLength, 0, 'nothing is sent any more')
      callbacks += victim.callbacks
    }
    t.diagnostic(`${violations} links ended by a violation, ${callbacks} callbacks`)
    assert.ok(violations > FRAMES / 50, 'the frames were hostile')
    assert.ok(callbacks > FRAMES / 20, 'and not all of them')
  })
})
