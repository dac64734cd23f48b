// Who sends next: many streams over a connection that takes little at a time.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { turn } from '../client/testing/scripted-connection.ts'
import { MUX_FLAG } from '../ctl/mux/frame.ts'
import { concat } from '../ctl/testing/bytes.ts'
import { frames } from '../ctl/testing/mux-end.ts'
import type { YamuxStream } from './stream.ts'
import { MuxerEnd, payloads } from './testing/muxer-end.ts'

const KiB = 1_024
const MiB = 1_048_576
const STREAMS = 16
const CHUNK = new Uint8Array(16 * KiB)
/** So much that no window matters. */
const CREDIT_BYTES = 2 ** 31

type Writer = (stream: YamuxStream) => void

const pump = (stream: YamuxStream) => {
  while (stream.writeStatus === 'writable' && stream.send(CHUNK)) {}
}

/** A writer sends until `send` says false, and again some microtasks after `drain`. */
const writer =
  (microtasks: number): Writer =>
  stream => {
    stream.addEventListener('drain', async () => {
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      pump(stream)
    })
    pump(stream)
  }

const WRITERS: [string, Writer][] = [
  [
    'at once',
    stream => {
      stream.addEventListener('drain', () => pump(stream))
      pump(stream)
    }
  ],
  ['a microtask later', writer(1)],
  ['several microtasks later', writer(7)]
]

/** A connection whose remote takes everything whenever the event loop turns. */
class Road {
  readonly end: MuxerEnd
  readonly sums = new Map<number, number>()
  total = 0

  constructor(capacityBytes: number) {
    this.end = new MuxerEnd('client', {}, capacityBytes)
  }

  async open(count = 1): Promise<YamuxStream[]> {
    const { muxer } = this.end
    const streams = await Promise.all(Array.from({ length: count }, () => muxer.createStream()))
    this.end.receive(...streams.map(({ streamId }) => frames.credit(streamId, CREDIT_BYTES)))
    return streams
  }

  /** Everything in flight arrives, and what waited is sent. */
  async step(): Promise<void> {
    await turn()
    for (const [id, bytes] of payloads(this.end.connection.take())) {
      this.sums.set(id, this.of(id) + bytes)
      this.total += bytes
    }
    this.end.connection.drain()
  }

  /** Until `bytes` more have arrived. */
  async carry(bytes: number): Promise<void> {
    for (const end = this.total + bytes; this.total < end; ) {
      const before = this.total
      await this.step()
      assert.ok(this.total > before, 'nothing is sent any more')
    }
  }

  of(id: number): number {
    return this.sums.get(id) ?? 0
  }
}

for (const capacityBytes of [64 * KiB, MiB]) {
  for (const [when, write] of WRITERS) {
    describe(`yamux: turns over ${capacityBytes / KiB} KiB, writers go on ${when}`, () => {
      it('gives every greedy stream its part', async () => {
        const road = new Road(capacityBytes)
        const streams = await road.open(STREAMS)
        for (const stream of streams) write(stream)
        await road.carry(STREAMS * MiB + 8 * capacityBytes)
        const mean = road.total / STREAMS
        for (const { streamId } of streams) {
          const ratio = road.of(streamId) / mean
          assert.ok(ratio > 0.5 && ratio < 2, `stream ${streamId} has ${ratio} of the mean`)
        }
      })

      it('lets a stream speak first that has sent nothing', async () => {
        const road = new Road(capacityBytes)
        for (const stream of await road.open(STREAMS)) write(stream)
        await road.carry(4 * MiB)
        for (let i = 0; i < 20; i++) {
          const [speaker] = (await road.open()) as [YamuxStream]
          const before = road.total
          speaker.send(Buffer.from('a word'))
          while (road.of(speaker.streamId) === 0) {
            await road.step()
            assert.ok(road.total - before <= 2 * capacityBytes + 512 * KiB, 'it waits for the rest')
          }
        }
      })

      it('answers a small question on one stream as often as it is asked', async () => {
        const road = new Road(capacityBytes)
        const [asked] = (await road.open()) as [YamuxStream]
        for (const stream of await road.open(STREAMS)) write(stream)
        await road.carry(MiB)
        for (let i = 1; i <= 20; i++) {
          const before = road.total
          asked.send(new Uint8Array(100))
          while (road.of(asked.streamId) < 100 * i) {
            await road.step()
            assert.ok(road.total - before <= 2 * capacityBytes + 512 * KiB, 'it waits for the rest')
          }
        }
      })

      it('goes on when streams that wait are reset', async () => {
        const road = new Road(capacityBytes)
        const streams = await road.open(STREAMS)
        for (const stream of streams) write(stream)
        await road.carry(MiB)
        const left = streams.splice(0, 2)
        let woken = 0
        for (const [i, stream] of streams.entries()) {
          if (i % 2 === 0) stream.abort(new Error('enough'))
          else road.end.receive(frames.credit(stream.streamId, 0, MUX_FLAG.RST))
          stream.addEventListener('drain', () => woken++)
        }
        const before = left.map(({ streamId }) => road.of(streamId))
        await road.carry(4 * MiB)
        for (const [i, { streamId }] of left.entries()) {
          assert.ok(road.of(streamId) - (before[i] as number) > MiB, 'it was held up')
        }
        assert.equal(woken, 0, 'one that is over has a turn')
      })
    })
  }
}

describe('yamux: turns', () => {
  it('does not hold up a stream that is alone', async () => {
    for (const capacityBytes of [64 * KiB, MiB, Number.POSITIVE_INFINITY]) {
      const road = new Road(capacityBytes)
      const [stream] = (await road.open()) as [YamuxStream]
      stream.send(new Uint8Array(32 * MiB))
      await road.carry(32 * MiB)
      await road.step()
      assert.equal(road.total, 32 * MiB)
      assert.equal(stream.writableNeedsDrain, false)
      assert.equal(stream.send(CHUNK), true)
    }
  })

  it('ends what was sent in order, whoever has a turn', async () => {
    const road = new Road(64 * KiB)
    const streams = await road.open(STREAMS)
    const closed = streams.map(async (stream, i) => {
      stream.send(new Uint8Array(MiB + i))
      await stream.close()
    })
    await road.carry(STREAMS * MiB + 120)
    await Promise.all(closed)
    for (const [i, { streamId }] of streams.entries()) {
      assert.equal(road.of(streamId), MiB + i)
    }
  })

  it('lets a stream whose window opens send while others pour', async () => {
    const road = new Road(64 * KiB)
    const { end } = road
    const small = await end.muxer.createStream()
    small.send(new Uint8Array(300 * KiB))
    for (const stream of await road.open(STREAMS)) WRITERS[0]?.[1](stream)
    await road.carry(4 * MiB)
    assert.equal(road.of(small.streamId), 256 * KiB)
    end.receive(frames.credit(small.streamId, 44 * KiB))
    // it has had its turn: one of each of the others comes first
    await road.carry(STREAMS * 64 * KiB + MiB)
    assert.equal(road.of(small.streamId), 300 * KiB)
  })

  it('takes frames meanwhile: a reader gets its bytes, and credit is granted', async () => {
    const road = new Road(64 * KiB)
    for (const stream of await road.open(STREAMS)) WRITERS[1]?.[1](stream)
    const inbound = road.end.accept(2)
    let read = 0
    inbound.addEventListener('message', ({ data }) => {
      read += data.byteLength
    })
    for (let i = 0; i < 40; i++) {
      road.end.receive(frames.data(2, 128 * KiB))
      await road.step()
    }
    assert.equal(read, 5 * MiB)
    assert.equal(road.end.connection.aborted, undefined)
  })

  it('is not told of room by the connection before it had been full', async () => {
    const road = new Road(MiB)
    const [stream] = (await road.open()) as [YamuxStream]
    road.end.connection.safeDispatchEvent('drain')
    stream.send(concat([CHUNK, CHUNK]))
    await road.carry(32 * KiB)
    assert.equal(road.total, 32 * KiB)
  })
})
