// The muxer of xtp/yamux against the stock @chainsafe/libp2p-yamux at the other end of the connection, in both roles.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, describe, it } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { yamux as stockYamux } from '@chainsafe/libp2p-yamux'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { type YamuxInit, yamux } from 'xtp/yamux'
import { drained } from '../support/bytes.ts'
import { until } from '../support/processes.ts'

const KiB = 1_024
const MiB = 1_048_576
const CHUNK_BYTES = 64 * KiB
const POOL = randomBytes(4 * MiB)
const PATIENCE_MS = 20_000
const PAUSE_MS = 50

const holds = (what: string, condition: () => boolean) => until(what, condition, PATIENCE_MS)

/** One end of a stream: what it sends and what it receives, hashed. */
class Side {
  readonly stream: Stream
  received = 0
  sent = 0
  ended = false
  closed?: { error?: Error }
  readonly #in = createHash('sha256')
  readonly #out = createHash('sha256')

  constructor(stream: Stream) {
    this.stream = stream
    stream.addEventListener('message', ({ data }) => {
      for (const bytes of data instanceof Uint8Array ? [data] : data) {
        this.received += bytes.byteLength
        this.#in.update(bytes)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => {
      this.ended = true
    })
    stream.addEventListener('close', ({ error }) => {
      this.closed = { error }
    })
  }

  /** Others for each `seed`. */
  async send(total: number, seed = 0): Promise<void> {
    for (const end = this.sent + total; this.sent < end; ) {
      const at = (seed * 7_919 + this.sent) % (POOL.byteLength - CHUNK_BYTES)
      const bytes = POOL.subarray(at, at + Math.min(CHUNK_BYTES - (seed % 100), end - this.sent))
      this.#out.update(bytes)
      this.sent += bytes.byteLength
      if (!this.stream.send(bytes)) await drained(this.stream)
    }
  }

  /** Whatever the window is. */
  sendAtOnce(total: number): void {
    const bytes = POOL.subarray(0, total)
    this.#out.update(bytes)
    this.sent += total
    this.stream.send(bytes)
  }

  /** All that `from` has sent is here. */
  hasAllOf(from: Side): void {
    assert.equal(this.received, from.sent)
    assert.equal(this.#in.copy().digest('hex'), from.#out.copy().digest('hex'))
  }
}

interface Sides {
  ours: Side
  theirs: Side
}

type Role = 'client' | 'server'
type StockMuxer = StreamMuxer & { ping(): Promise<number> }

class Pair {
  readonly ours: StreamMuxer
  readonly stock: StockMuxer
  readonly ourConnection
  readonly stockConnection
  readonly #inbound: Record<'ours' | 'stock', Side[]> = { ours: [], stock: [] }

  constructor(role: Role, init: YamuxInit = {}, delay?: number) {
    const [outbound, inbound] = multiaddrConnectionPair({ delay })
    const isClient = role === 'client'
    this.ourConnection = isClient ? outbound : inbound
    this.stockConnection = isClient ? inbound : outbound
    const limits = { maxInboundStreams: 500, maxOutboundStreams: 500 }
    const ours = yamux({ keepAliveMs: 0, ...limits, ...init })()
    const stock = stockYamux({ enableKeepAlive: false, ...limits })()
    this.ours = ours.createStreamMuxer(this.ourConnection)
    this.stock = stock.createStreamMuxer(this.stockConnection) as StockMuxer
    for (const name of ['ours', 'stock'] as const) {
      this[name].addEventListener('stream', ({ detail }) => {
        this.#inbound[name].push(new Side(detail))
      })
    }
    pairs.push(this)
  }

  async open(opener: 'ours' | 'stock'): Promise<Sides> {
    const [own, other] = [
      new Side(await this[opener].createStream()),
      opener === 'ours' ? 'stock' : 'ours'
    ] as const
    const queue = this.#inbound[other]
    await holds('the stream', () => queue.length > 0)
    const peer = queue.shift() as Side
    return opener === 'ours' ? { ours: own, theirs: peer } : { ours: peer, theirs: own }
  }

  async openMany(opener: 'ours' | 'stock', count: number): Promise<Sides[]> {
    const sides: Sides[] = []
    while (sides.length < count) sides.push(await this.open(opener))
    return sides
  }
}

const pairs: Pair[] = []

/** Both ways at once, each direction ended by its sender. */
async function transfer({ ours, theirs }: Sides, bytes: number, seed: number): Promise<void> {
  const send = async (side: Side, more: number) => {
    await side.send(bytes + more, seed + more)
    await side.stream.close()
  }
  await Promise.all([send(ours, 1), send(theirs, 2)])
  await holds('the ends', () => ours.ended && theirs.ended)
  await holds('the closes', () => ours.closed !== undefined && theirs.closed !== undefined)
  assert.equal(ours.closed?.error ?? theirs.closed?.error, undefined)
  ours.hasAllOf(theirs)
  theirs.hasAllOf(ours)
}

afterEach(() => {
  for (const { ourConnection, stockConnection } of pairs.splice(0)) {
    ourConnection.abort(new Error('the test is over'))
    stockConnection.abort(new Error('the test is over'))
  }
})

for (const role of ['client', 'server'] as const) {
  for (const opener of ['ours', 'stock'] as const) {
    const who = opener === 'ours' ? 'opened here' : 'opened by it'
    describe(`xtp/yamux against the stock muxer: we are the ${role}, streams ${who}`, () => {
      for (const [count, bytes] of [
        [1, 8 * MiB],
        [16, MiB],
        [300, 40 * KiB]
      ] as const) {
        it(`carries ${count} × ${bytes / KiB} KiB each way at once`, async () => {
          const pair = new Pair(role)
          const sides = await pair.openMany(opener, count)
          assert.equal(pair.ours.streams.length, count)
          await Promise.all(sides.map((side, i) => transfer(side, bytes, i)))
          assert.equal(pair.ours.streams.length + pair.stock.streams.length, 0)
        })
      }

      it('half-closes: the other direction goes on', async () => {
        const pair = new Pair(role)
        for (const [first, second] of [
          ['ours', 'theirs'],
          ['theirs', 'ours']
        ] as const) {
          const sides = await pair.open(opener)
          const [asker, answerer] = [sides[first], sides[second]]
          await asker.send(1_000)
          await asker.stream.close()
          await holds('the end of the question', () => answerer.ended)
          answerer.hasAllOf(asker)
          await answerer.send(700 * KiB, 1)
          await answerer.stream.close()
          await holds('the end of the answer', () => asker.ended)
          asker.hasAllOf(answerer)
          await holds('no stream', () => pair.ours.streams.length + pair.stock.streams.length === 0)
        }
      })

      it('resets from either side, and others go on', async () => {
        const pair = new Pair(role)
        const other = await pair.open(opener)
        for (const [first, second] of [
          ['ours', 'theirs'],
          ['theirs', 'ours']
        ] as const) {
          const sides = await pair.open(opener)
          sides[second].stream.pause()
          sides[first].stream.send(new Uint8Array(400 * KiB))
          sides[second].stream.send(new Uint8Array(400 * KiB))
          await setImmediate()
          sides[first].stream.abort(new Error('enough'))
          await holds('the reset', () => sides[second].closed !== undefined)
          assert.equal(sides[second].closed?.error?.name, 'StreamResetError')
          assert.equal(sides[first].closed?.error?.message, 'enough')
        }
        await transfer(other, 300 * KiB, 5)
      })

      it('stops for a paused reader at either end, and goes on', async () => {
        const pair = new Pair(role)
        const bytes = 12 * MiB
        for (const [first, second] of [
          ['ours', 'theirs'],
          ['theirs', 'ours']
        ] as const) {
          const sides = await pair.open(opener)
          const [sender, reader] = [sides[first], sides[second]]
          reader.stream.pause()
          const sending = sender.send(bytes)
          await setTimeout(PAUSE_MS)
          assert.equal(reader.received, 0)
          assert.ok(sender.sent < MiB, `${sender.sent} bytes to a paused reader`)
          reader.stream.resume()
          await holds('a part', () => reader.received > MiB)
          reader.stream.pause()
          const { received } = reader
          await setTimeout(PAUSE_MS)
          assert.equal(reader.received, received)
          reader.stream.resume()
          await sending
          await sender.stream.close()
          await holds('the end', () => reader.ended)
          reader.hasAllOf(sender)
        }
      })
    })
  }

  describe(`xtp/yamux against the stock muxer: we are the ${role}`, () => {
    it('opens streams from both ends at once', async () => {
      const pair = new Pair(role)
      const sides = await Promise.all([pair.open('ours'), pair.open('stock')])
      await Promise.all(sides.map((side, i) => transfer(side, 300 * KiB, i)))
    })

    it('pings, and is pinged', async () => {
      const pair = new Pair(role, { keepAliveMs: 5 })
      // another value is asked for when the last one was answered
      const values = new Set<number>()
      const { sendData } = pair.ourConnection as unknown as {
        sendData(data: { subarray(): Uint8Array }): unknown
      }
      Object.assign(pair.ourConnection, {
        sendData(data: { subarray(): Uint8Array }) {
          const bytes = Buffer.from(data.subarray())
          if (bytes.byteLength === 12 && bytes[1] === 2 && bytes[3] === 1)
            values.add(bytes.readUInt32BE(8))
          return sendData.call(pair.ourConnection, data)
        }
      })
      await holds('three answers', () => values.size > 3)
      for (let i = 0; i < 3; i++) assert.ok((await pair.stock.ping()) >= 0)
      assert.equal(pair.ours.status, 'open')
    })

    it('has its window grown by the stock muxer, and grows its own', async () => {
      const pair = new Pair(role, { keepAliveMs: 5 }, 2)
      await pair.stock.ping()
      const { ours, theirs } = await pair.open('ours')
      const grown = () => ({
        ours: (ours.stream as Stream & { grownBytes: number }).grownBytes,
        theirs: (theirs.stream as Stream & { recvWindow: number }).recvWindow - 256 * KiB
      })
      assert.deepEqual(grown(), { ours: 0, theirs: 0 })
      for (const [name, sender, receiver] of [
        ['theirs', ours, theirs],
        ['ours', theirs, ours]
      ] as const) {
        for (let i = 0; i < 32 && grown()[name] === 0; i++) await sender.send(MiB, i)
        await sender.send(MiB)
        await holds('everything', () => receiver.received === sender.sent)
        assert.ok(grown()[name] > 0)
        receiver.hasAllOf(sender)
      }
    })

    it('closes: everything arrives, and the stock muxer closes, too', async () => {
      const pair = new Pair(role)
      const sides = await Promise.all([pair.open('ours'), pair.open('stock')])
      for (const { ours } of sides) ours.sendAtOnce(2 * MiB)
      await pair.ours.close()
      await holds('the other', () => pair.stock.status === 'closed')
      for (const { ours, theirs } of sides) {
        theirs.hasAllOf(ours)
        assert.equal(theirs.closed?.error, undefined)
      }
      await assert.rejects(pair.stock.createStream(), { name: 'MuxerClosedError' })
    })

    it('is closed by the stock muxer: everything arrives', async () => {
      const pair = new Pair(role)
      const sides = await Promise.all([pair.open('ours'), pair.open('stock')])
      for (const { theirs } of sides) theirs.sendAtOnce(2 * MiB)
      await pair.stock.close()
      await holds('ours', () => pair.ours.status === 'closed')
      for (const { ours, theirs } of sides) {
        ours.hasAllOf(theirs)
        assert.deepEqual(ours.closed, { error: undefined })
      }
      await assert.rejects(pair.ours.createStream(), { name: 'MuxerClosedError' })
    })

    it('aborts, and is aborted: streams of the other end have an error', async () => {
      for (const [first, second] of [
        ['ours', 'stock'],
        ['stock', 'ours']
      ] as const) {
        const pair = new Pair(role)
        const sides = await pair.open('ours')
        pair[first].abort(new Error('enough'))
        await holds('the other', () => pair[second].status === 'closed')
        const side = second === 'ours' ? sides.ours : sides.theirs
        assert.ok(side.closed?.error instanceof Error)
      }
    })
  })
}
