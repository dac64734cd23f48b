// Two ends, and everything that can interleave between them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MuxEnd, Recorder } from '../testing/mux-end.ts'
import { WireMonitor } from '../testing/wire-monitor.ts'

type Side = 0 | 1

type Step =
  | { do: 'open'; side: Side }
  | { do: 'write'; side: Side; which: number; bytes: number }
  | { do: 'end' | 'reset'; side: Side; which: number }
  | { do: 'consume'; side: Side; which: number; bytes: number }
  | { do: 'deliver'; side: Side; bytes: number }
  | { do: 'turn'; side: Side }

const side = fc.constantFrom<Side>(0, 1)
const which = fc.nat(20)
const size = fc.oneof(fc.nat(40), fc.nat(20_000), fc.nat(400_000))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), side }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('write' as const), side, which, bytes: size })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), side, which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), side, which }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('consume' as const), side, which, bytes: size })
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('deliver' as const), side, bytes: size }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const), side }) }
)

/** Byte `n` of what one direction of one stream carries. */
const byteAt = (seed: number, n: number): number => (seed * 31 + n * 7 + (n >>> 8)) & 0xff

function pattern(seed: number, from: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = byteAt(seed, from + i)
  return out
}

/** One end of a stream, which also remembers what it wrote. */
class Party extends Recorder {
  readonly seed: (mine: boolean) => number
  written = 0
  received = 0
  unread = 0
  /** Nothing may happen after the last call. */
  over = false
  localReset = false
  remoteEnded = false
  ended = false
  blocked = false

  constructor(seed: (mine: boolean) => number) {
    super()
    this.seed = seed
  }

  override onData(bytes: Uint8Array): void {
    assert.ok(!this.over && !this.localReset && !this.remoteEnded, 'no data after the end')
    const seed = this.seed(false)
    for (let i = 0; i < bytes.byteLength; i++) {
      if (bytes[i] !== byteAt(seed, this.received + i)) assert.fail('bytes are intact, in order')
    }
    this.received += bytes.byteLength
    this.unread += bytes.byteLength
    assert.ok(this.unread <= 1_048_576, 'no more arrives than was granted')
  }

  override onEnd(): void {
    assert.ok(!this.over && !this.localReset && !this.remoteEnded, 'one end')
    this.remoteEnded = true
  }

  override onReset(): void {
    assert.ok(!this.over && !this.localReset, 'one reset')
    this.over = true
  }

  override onDrain(): void {
    assert.ok(this.blocked, 'drain only after a write that fell short')
    assert.ok(!this.over && !this.localReset && !this.ended)
    this.blocked = false
  }

  /** Writes until all is sent or there is no room. */
  send(bytes: number): void {
    if (this.over || this.localReset || this.ended) return
    const { sentBytes, canSendMore } = this.stream.write(
      pattern(this.seed(true), this.written, bytes)
    )
    assert.ok(sentBytes <= bytes && (!canSendMore || sentBytes === bytes))
    this.written += sentBytes
    if (!canSendMore) this.blocked = true
  }

  consume(bytes: number): void {
    const count = Math.min(bytes, this.unread)
    this.unread -= count
    this.stream.consumed(count)
  }
}

class World {
  readonly parties: [Party[], Party[]] = [[], []]
  readonly ends: [MuxEnd, MuxEnd]
  readonly monitors = [new WireMonitor('client'), new WireMonitor('server')] as const

  constructor() {
    const end = (role: 'client' | 'server', side: Side): MuxEnd =>
      new MuxEnd(role, {
        maxQueuedBytes: 100_000,
        onStream: (stream, { connId }) => {
          const party = this.#party(side, connId)
          party.stream = stream
          stream.handler = party
        }
      })
    this.ends = [end('client', 0), end('server', 1)]
    this.monitors[0].other = this.monitors[1]
    this.monitors[1].other = this.monitors[0]
  }

  #party(side: Side, connId: number): Party {
    const party = new Party(mine => connId * 2 + (mine === (side === 0) ? 0 : 1))
    this.parties[side].push(party)
    return party
  }

  #next = [1, 2]

  async run(step: Step): Promise<void> {
    const parties = this.parties[step.side]
    const party = 'which' in step ? parties[step.which % (parties.length || 1)] : undefined
    switch (step.do) {
      case 'open': {
        if (parties.length >= 12) return
        const connId = this.#next[step.side] as number
        this.#next[step.side] = connId + 2
        const opened = this.#party(step.side, connId)
        opened.stream = this.ends[step.side].mux.open({ connId, kind: 0 }, opened)
        return
      }
      case 'write':
        party?.send(step.bytes)
        return
      case 'end':
        if (party == null || party.over || party.localReset) return
        party.ended = true
        party.blocked = false
        party.stream.end()
        return
      case 'reset':
        if (party == null) return
        party.localReset = !party.over
        party.stream.reset(step.which)
        return
      case 'consume':
        party?.consume(step.bytes)
        return
      case 'deliver':
        this.deliver(step.side, step.bytes)
        return
      case 'turn':
        await Promise.resolve()
        this.ends[step.side].mux.onSinkDrain()
        await Promise.resolve()
    }
  }

  /** From `side` to the other; what is delivered was seen by the monitor. */
  deliver(side: Side, bytes: number): number {
    const chunk = this.ends[side].sink.take(bytes)
    this.monitors[side].feed(chunk)
    this.ends[side === 0 ? 1 : 0].mux.receive(chunk)
    return chunk.byteLength
  }

  /** Everything arrives and is consumed. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      for (const s of [0, 1] as const) {
        for (let i = 0; i < 20; i++) await Promise.resolve()
        if (this.deliver(s, 1e9) > 0) idle = 0
        this.ends[s].mux.onSinkDrain()
        for (const party of this.parties[s]) party.consume(1e9)
      }
    }
  }
}

describe('mux: properties', () => {
  it('keeps bytes, credit and order for any interleaving', async () => {
    let frames = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 200, size: 'max' }),
        async steps => {
          const world = new World()
          for (const s of steps) await world.run(s)
          await world.settle()
          for (const party of world.parties[0]) {
            const other = world.parties[1].find(p => p.stream.connId === party.stream.connId)
            if (other == null) continue
            const reset = [party, other].some(p => p.localReset || p.over)
            for (const [from, to] of [
              [party, other],
              [other, party]
            ] as const) {
              assert.ok(to.received <= from.written)
              if (reset) continue
              assert.equal(to.received, from.written, 'everything arrives')
              assert.equal(to.remoteEnded, from.ended, 'so does the end')
              assert.equal(from.blocked, false, 'nobody waits any more')
            }
            if (reset) {
              for (const p of [party, other])
                assert.ok(p.over || p.localReset || (p.ended && p.remoteEnded))
            }
          }
          for (const s of [0, 1] as const) {
            const alive = world.parties[s].filter(
              p => !p.over && !p.localReset && !(p.ended && p.remoteEnded)
            )
            assert.equal(world.ends[s].mux.streamCount, alive.length, 'nothing is left behind')
            world.ends[s].mux.close()
            for (const p of world.parties[s]) assert.equal(p.over, p.over || alive.includes(p))
            frames += world.monitors[s].frames
          }
        }
      ),
      { numRuns: 400 }
    )
    assert.ok(frames > 4_000, `${frames} frames were exchanged`)
  })

  it('gets everything across however small the pieces, with writers that wait for drain', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(1_300_000), { minLength: 1, maxLength: 4 }),
        async (pieces, totals) => {
          const world = new World()
          const waiting = totals.map((total, i) => ({ total, side: (i % 2) as Side }))
          for (const w of waiting) await world.run({ do: 'open', side: w.side })
          const parties = waiting.map((w, i) => world.parties[w.side][i >> 1] as Party)
          for (let round = 0; ; round++) {
            assert.ok(round < 2_000_000)
            for (const [i, party] of parties.entries()) {
              const left = (waiting[i]?.total as number) - party.written
              if (!party.blocked && left > 0) party.send(Math.min(left, 50_000))
              else if (left === 0 && !party.ended)
                await world.run({ do: 'end', side: waiting[i]?.side as Side, which: i >> 1 })
            }
            await Promise.resolve()
            let moved = 0
            for (const s of [0, 1] as const) {
              for (const piece of pieces) moved += world.deliver(s, piece * 2)
              world.ends[s].mux.onSinkDrain()
              for (const party of world.parties[s]) party.consume(1e9)
            }
            for (let i = 0; i < 4; i++) await Promise.resolve()
            if (moved === 0 && parties.every(p => p.ended)) break
          }
          for (const [i, party] of parties.entries()) {
            const other = world.parties[waiting[i]?.side === 0 ? 1 : 0].find(
              p => p.stream.connId === party.stream.connId
            )
            assert.equal(other?.received, waiting[i]?.total)
            assert.equal(other?.remoteEnded, true)
          }
        }
      ),
      { numRuns: 15 }
    )
  })
})
