// Hostile frames against both roles, with an application that does anything inside its listeners.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { turn } from '../client/testing/scripted-connection.ts'
import { ProtocolViolationError } from '../ctl/index.ts'
import { concat, cut, Random } from '../ctl/testing/bytes.ts'
import { frame } from '../ctl/testing/mux-end.ts'
import type { YamuxStream } from './stream.ts'
import { MuxerEnd } from './testing/muxer-end.ts'

const FRAMES = Number(process.env.XTP_FUZZ_FRAMES ?? 20_000)
const SEED = Number(process.env.XTP_FUZZ_SEED ?? 20_240_607)
const KiB = 1_024
const MAX_WINDOW = 4 * 1_024 * KiB

class Victim {
  readonly end: MuxerEnd
  readonly random: Random
  readonly streams: YamuxStream[] = []
  readonly pending = new Set<Promise<unknown>>()
  readonly #remoteParity: number
  events = 0

  constructor(role: 'client' | 'server', random: Random) {
    this.end = new MuxerEnd(
      role,
      { maxInboundStreams: 20, maxOutboundStreams: 20, keepAliveMs: 50_000 },
      64 * KiB
    )
    this.random = random
    this.#remoteParity = role === 'client' ? 0 : 1
    this.end.muxer.addEventListener('stream', ({ detail }) => this.#watch(detail as YamuxStream))
  }

  async open(): Promise<void> {
    try {
      this.#watch(await this.end.muxer.createStream())
    } catch (error) {
      assert.match((error as Error).name, /^(MuxerClosed|TooManyOutboundProtocolStreams)Error$/)
    }
  }

  /** Nothing that is settled only by a good remote. */
  #later(promise: Promise<unknown>): void {
    const settled: Promise<unknown> = promise
      .catch(() => {})
      .then(() => this.pending.delete(settled))
    this.pending.add(settled)
  }

  #watch(stream: YamuxStream): void {
    this.streams.push(stream)
    let isOver = false
    stream.addEventListener('message', () => {
      this.events++
      this.#act(stream)
    })
    stream.addEventListener('drain', () => this.#act(stream))
    stream.addEventListener('remoteCloseWrite', () => this.#act(stream))
    stream.addEventListener('close', () => {
      assert.ok(!isOver, 'closed twice')
      isOver = true
      this.#act(stream)
    })
  }

  #act(stream: YamuxStream): void {
    const { random, end } = this
    assert.ok(stream.readBufferLength <= MAX_WINDOW, 'more is kept than was granted')
    const other = random.pick(this.streams)
    try {
      switch (random.below(12)) {
        case 0:
          this.#later(this.open())
          break
        case 1:
          this.#later(other.close())
          break
        case 2:
          other.abort(new Error('enough'))
          break
        case 3:
          other.pause()
          break
        case 4:
        case 5:
          other.resume()
          break
        case 6:
          this.#later(other.closeRead())
          break
        case 7:
        case 8:
          other.send(new Uint8Array(random.below(90_000)))
          break
        case 9:
          if (random.below(100) === 0) this.#later(end.muxer.close())
      }
    } catch (error) {
      assert.equal((error as Error).name, 'StreamStateError')
    }
  }

  /** A frame that is likely to be one, for a stream that is likely to be there. */
  frame(): Uint8Array {
    const { random } = this
    const odd = random.below(100) === 0
    const type = odd ? random.below(6) : random.pick([0, 0, 0, 0, 1, 1, 1, 2])
    const own = this.#remoteParity
    const id = type >= 2 ? 0 : 2 * random.below(30) + (random.below(3) > 0 ? own : 1 - own)
    const opens = id % 2 === own && random.below(4) === 0
    const exists = this.end.muxer.streams.some(stream => stream.id === String(id))
    const syn = type === 2 || (opens && !exists) ? 1 : 0
    const flags = syn | (random.below(10) === 0 ? random.pick([2, 4, 8, 12]) : 0)
    const length = random.below(8) === 0 ? random.below(70_000) : random.below(300)
    const payload = type === 0 ? new Uint8Array(length) : undefined
    return frame(
      type,
      odd ? random.below(0x1_0000) : flags,
      Math.max(id, type < 2 ? 1 : 0),
      length,
      payload
    )
  }

  mutated(): Uint8Array {
    const bytes = Uint8Array.from(this.frame())
    const { random } = this
    if (random.below(20) === 0) bytes[random.below(12)] = random.below(256)
    return random.below(200) === 0 ? bytes.subarray(0, random.below(bytes.byteLength)) : bytes
  }

  /** Feeds it until it has had enough, or `count` frames; answers how many it took. */
  async feed(count: number, next: () => Uint8Array): Promise<number> {
    const { random, end } = this
    for (let i = 0; i < 3; i++) await this.open()
    let fed = 0
    while (fed < count && end.muxer.status !== 'closed') {
      const batch = Array.from({ length: 1 + random.below(5) }, next)
      fed += batch.length
      const bytes = concat(batch)
      const lengths = Array.from({ length: random.below(4) }, () =>
        random.below(bytes.byteLength + 1)
      )
      for (const piece of cut(bytes, lengths)) end.connection.onData(piece)
      if (random.below(3) === 0) {
        await turn()
        end.connection.take()
        end.connection.drain()
      }
    }
    return fed
  }

  /** Ends it, and nothing is left. */
  async finish(): Promise<void> {
    const { muxer, connection } = this.end
    const { aborted } = connection
    assert.ok(aborted === undefined || aborted instanceof ProtocolViolationError, String(aborted))
    connection.onTransportClosed()
    assert.equal(muxer.status, 'closed')
    assert.equal(muxer.streams.length, 0)
    await Promise.all(this.pending)
    await turn()
    assert.equal(this.pending.size, 0)
    for (const { status } of this.streams) assert.match(status, /^(closed|aborted|reset)$/)
  }
}

const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length

for (const role of ['client', 'server'] as const) {
  describe(`yamux: fuzz of a ${role} (XTP_FUZZ_SEED=${SEED})`, () => {
    for (const [title, next] of [
      ['random frames', (victim: Victim) => victim.frame()],
      ['mutated frames', (victim: Victim) => victim.mutated()],
      ['random bytes', (victim: Victim) => victim.random.bytes(victim.random.below(40))]
    ] as const) {
      it(`${FRAMES} ${title}: nothing throws, everything settles, no timer is left`, async t => {
        const random = new Random(SEED)
        const before = timers()
        let fed = 0
        let events = 0
        let victims = 0
        while (fed < FRAMES) {
          const victim = new Victim(role, random)
          fed += await victim.feed(2_000, () => next(victim))
          await victim.finish()
          events += victim.events
          victims++
        }
        assert.equal(timers(), before)
        t.diagnostic(`${victims} connections, ${events} messages`)
        if (title === 'random frames')
          assert.ok(events > FRAMES / 100, 'it hardly comes to anything')
      })
    }
  })
}
