// Our Mux against the stock @chainsafe/libp2p-yamux at the other end of the link, in both roles.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { pEvent } from 'p-event'
import {
  encodeMuxHeader,
  encodeStreamHeader,
  Mux,
  type MuxStream,
  type MuxStreamHandler,
  STATUS
} from 'xtp/ctl'
import { type MemoryLink, memoryLink } from './memory-link.ts'

const KiB = 1_024
const MiB = 1_048_576
/** What encodeStreamHeader makes of a small connection id. */
const HEADER_BYTES = 3

const event = <T>(target: EventTarget, type: string): Promise<T> =>
  pEvent(target, type, { timeout: 20_000 }) as Promise<unknown> as Promise<T>

/** Waits until something is so; the deadline of the test is the only limit that is needed. */
async function until(what: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!what()) {
    assert.ok(Date.now() < end, `waited in vain for ${what}`)
    await setImmediate()
  }
}

function testBytes(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  let x = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    out[i] = x
  }
  return out
}

const sha256 = (...parts: Uint8Array[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Our end of a stream: sends what it is given as room allows, keeps what comes. */
class Ours implements MuxStreamHandler {
  stream!: MuxStream
  connId = 0
  received = 0
  hash = createHash('sha256')
  ended = false
  resetCode?: number
  /** While false, nothing is consumed: the remote runs out of credit. */
  reading = true
  unread = 0
  sent = 0
  #queue: Uint8Array[] = []
  #endWhenSent = false

  onData(bytes: Uint8Array): void {
    assert.equal(this.ended, false)
    this.received += bytes.byteLength
    this.hash.update(bytes)
    if (this.reading) this.stream.consumed(bytes.byteLength)
    else this.unread += bytes.byteLength
  }

  onEnd(): void {
    this.ended = true
  }

  onReset(code: number): void {
    this.resetCode = code
  }

  onDrain(): void {
    this.#pump()
  }

  send(bytes: Uint8Array, end = false): void {
    this.#queue.push(bytes)
    this.#endWhenSent = end
    if (this.#queue.length === 1) this.#pump()
  }

  resume(): void {
    this.reading = true
    this.stream.consumed(this.unread)
    this.unread = 0
  }

  #pump(): void {
    for (let bytes = this.#queue[0]; bytes != null; bytes = this.#queue[0]) {
      const { sentBytes, canSendMore } = this.stream.write(bytes.subarray(0, 64 * KiB))
      this.sent += sentBytes
      if (sentBytes === bytes.byteLength) this.#queue.shift()
      else this.#queue[0] = bytes.subarray(sentBytes)
      if (!canSendMore) return
    }
    if (this.#endWhenSent) this.stream.end()
  }
}

/** The stock end of a stream: keeps what comes, header included where we opened it. */
class Theirs {
  readonly stream: Stream
  received = 0
  hash = createHash('sha256')
  ended = false
  #skip: number

  constructor(stream: Stream, skip: number) {
    this.stream = stream
    this.#skip = skip
    stream.addEventListener('message', ({ data }) => {
      for (const part of data instanceof Uint8Array ? [data] : data) {
        const bytes = part.subarray(Math.min(this.#skip, part.byteLength))
        this.#skip -= part.byteLength - bytes.byteLength
        this.received += bytes.byteLength
        this.hash.update(bytes)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => {
      this.ended = true
    })
  }

  async send(bytes: Uint8Array, chunk = 64 * KiB): Promise<void> {
    for (let pos = 0; pos < bytes.byteLength; pos += chunk) {
      if (!this.stream.send(bytes.subarray(pos, pos + chunk))) await event(this.stream, 'drain')
    }
  }
}

class Pair {
  readonly mux: Mux
  readonly stock: StreamMuxer
  readonly ours: Ours[] = []
  readonly theirs: Theirs[] = []
  readonly link: MemoryLink
  closed?: { err?: Error }
  #next = 1

  constructor(role: 'client' | 'server') {
    const link = memoryLink(role === 'client' ? 'inbound' : 'outbound')
    this.link = link
    this.mux = new Mux({
      role,
      sink: link.sink,
      onStream: (stream, { connId }) => {
        const ours = new Ours()
        ours.stream = stream
        ours.connId = connId
        stream.handler = ours
        this.ours.push(ours)
      },
      onClose: err => {
        this.closed = { err }
      }
    })
    link.onBytes(bytes => this.mux.receive(bytes))
    link.onDrain(() => this.mux.onSinkDrain())
    link.onClose(() => this.mux.close())
    this.stock = yamux({ enableKeepAlive: false })().createStreamMuxer(link.stock)
    this.stock.addEventListener('stream', ({ detail }) => {
      this.theirs.push(new Theirs(detail, HEADER_BYTES))
    })
  }

  /** We open. */
  async open(): Promise<{ ours: Ours; theirs: Theirs }> {
    const ours = new Ours()
    const n = this.theirs.length
    ours.stream = this.mux.open({ connId: this.#next++ % 127 || 1, kind: 0 }, ours)
    await until(() => this.theirs.length > n)
    return { ours, theirs: this.theirs[n] as Theirs }
  }

  /** The stock end opens; it does not know that the header is one. */
  async accept(): Promise<{ ours: Ours; theirs: Theirs }> {
    const stream = await this.stock.createStream()
    const connId = this.#next++ % 127 || 1
    stream.send(encodeStreamHeader({ connId, kind: 0 }))
    const n = this.ours.length
    await until(() => this.ours.length > n)
    const ours = this.ours[n] as Ours
    assert.equal(ours.connId, connId)
    return { ours, theirs: new Theirs(stream, 0) }
  }
}

for (const role of ['client', 'server'] as const) {
  for (const opener of ['open', 'accept'] as const) {
    const who = opener === 'open' ? 'opened here' : 'opened by it'
    describe(`yamux against the stock library: we are the ${role}, streams ${who}`, () => {
      it('carries 12 MiB each way at once, and half-closes both ways', async () => {
        const pair = new Pair(role)
        const { ours, theirs } = await pair[opener]()
        const up = testBytes(12 * MiB, 1)
        const down = testBytes(12 * MiB, 2)
        ours.send(up, true)
        await theirs.send(down)
        await theirs.stream.close()
        await until(() => ours.ended && theirs.ended)
        assert.equal(ours.received, down.byteLength)
        assert.equal(theirs.received, up.byteLength)
        assert.equal(ours.hash.digest('hex'), sha256(down))
        assert.equal(theirs.hash.digest('hex'), sha256(up))
        assert.equal(pair.mux.streamCount, 0)
        await until(() => pair.stock.streams.length === 0)
        assert.equal(ours.resetCode, undefined)
      })

      it('goes on in the other direction after a half-close of either side', async () => {
        const pair = new Pair(role)
        const first = await pair[opener]()
        first.ours.stream.end()
        await until(() => first.theirs.ended)
        await first.theirs.send(testBytes(700 * KiB, 3))
        await first.theirs.stream.close()
        await until(() => first.ours.ended)
        assert.equal(first.ours.received, 700 * KiB)

        const second = await pair[opener]()
        await second.theirs.stream.close()
        await until(() => second.ours.ended)
        second.ours.send(testBytes(700 * KiB, 4), true)
        await until(() => second.theirs.ended)
        assert.equal(second.theirs.received, 700 * KiB)
        assert.equal(pair.mux.streamCount, 0)
      })

      it('resets both ways', async () => {
        const pair = new Pair(role)
        const first = await pair[opener]()
        first.ours.send(testBytes(300 * KiB, 5))
        const closed = event<{ error?: Error }>(first.theirs.stream, 'close')
        first.ours.stream.reset(STATUS.CONNECTION_RESET)
        assert.equal((await closed).error?.name, 'StreamResetError')

        const second = await pair[opener]()
        await second.theirs.send(testBytes(300 * KiB, 6))
        second.theirs.stream.abort(new Error('enough'))
        await until(() => second.ours.resetCode != null)
        assert.equal(second.ours.resetCode, 0)
        assert.equal(pair.mux.streamCount, 0)
        assert.equal(pair.closed, undefined)

        const third = await pair[opener]()
        await third.theirs.send(testBytes(10, 7))
        await until(() => third.ours.received === 10)
      })

      it('stops for a reader that does not read, on either side, and goes on', async () => {
        const pair = new Pair(role)
        const { ours, theirs } = await pair[opener]()
        const bytes = testBytes(6 * MiB, 8)
        ours.reading = false
        const sending = theirs.send(bytes)
        await until(() => ours.received >= MiB - HEADER_BYTES)
        const before = ours.received
        await setTimeout(50)
        assert.equal(ours.received, before, 'the window, and not a byte more')
        assert.ok(before <= MiB)
        ours.resume()
        await sending
        await until(() => ours.received === bytes.byteLength)
        assert.equal(ours.hash.digest('hex'), sha256(bytes))

        theirs.stream.pause()
        ours.send(bytes, true)
        await setTimeout(100)
        assert.ok(ours.sent < 2 * MiB, `${ours.sent} bytes to a paused reader`)
        theirs.stream.resume()
        await until(() => theirs.ended)
        assert.equal(theirs.hash.digest('hex'), sha256(bytes))
      })

      it('carries 100 streams at once, each intact', async () => {
        const pair = new Pair(role)
        const streams: Array<{ ours: Ours; theirs: Theirs }> = []
        for (let i = 0; i < 100; i++) streams.push(await pair[opener]())
        assert.equal(pair.mux.streamCount, 100)
        await Promise.all(
          streams.map(async ({ ours, theirs }, i) => {
            ours.send(testBytes(40 * KiB + i, i), true)
            await theirs.send(testBytes(30 * KiB + i, 1_000 + i), 1 + (i % 9) * 4_000)
            await theirs.stream.close()
          })
        )
        await until(() => streams.every(s => s.ours.ended && s.theirs.ended))
        for (const [i, { ours, theirs }] of streams.entries()) {
          assert.equal(theirs.hash.digest('hex'), sha256(testBytes(40 * KiB + i, i)))
          assert.equal(ours.hash.digest('hex'), sha256(testBytes(30 * KiB + i, 1_000 + i)))
        }
        assert.equal(pair.mux.streamCount, 0)
      })
    })
  }

  describe(`yamux against the stock library: we are the ${role}`, () => {
    it('opens streams from both ends at once', async () => {
      const pair = new Pair(role)
      const [a, b] = await Promise.all([pair.open(), pair.accept()])
      a.ours.send(Buffer.from('a'), true)
      b.ours.send(Buffer.from('bb'), true)
      await until(() => a.theirs.ended && b.theirs.ended)
      assert.deepEqual([a.theirs.received, b.theirs.received], [1, 2])
    })

    it('answers pings', async () => {
      const pair = new Pair(role)
      const stock = pair.stock as StreamMuxer & { ping(): Promise<number> }
      assert.ok((await stock.ping()) >= 0)
      assert.ok((await stock.ping()) >= 0)
    })

    it('ends in an orderly way from either side', async () => {
      const pair = new Pair(role)
      const { ours } = await pair.open()
      await pair.stock.close()
      await until(() => pair.closed != null)
      assert.equal(pair.closed?.err, undefined)
      assert.equal(ours.resetCode, STATUS.SERVICE_LOST)

      const other = new Pair(role)
      const { theirs } = await other.accept()
      const closed = event(theirs.stream, 'close')
      other.mux.close()
      await closed
      assert.equal(other.stock.status, 'closed')
    })

    it('ends when the stock end gives up', async () => {
      const pair = new Pair(role)
      const { ours } = await pair.open()
      pair.stock.abort(new Error('test'))
      await until(() => pair.closed != null)
      assert.equal(ours.resetCode, 0) // it resets its streams first
    })

    it('is told off by the stock end when it breaks the rules', async () => {
      const pair = new Pair(role)
      const { ours, theirs } = await pair.open()
      const closed = event<{ error?: Error }>(theirs.stream, 'close')
      pair.link.sink.write(encodeMuxHeader({ type: 9, flags: 0, streamId: 0, length: 0 }))
      assert.match((await closed).error?.message ?? '', /Invalid frame type/)
      await until(() => pair.closed != null)
      assert.equal(ours.resetCode, 0)
    })
  })
}
