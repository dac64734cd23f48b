import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Uint8ArrayList } from 'uint8arraylist'
import * as errors from '../errors.ts'
import { concat } from '../testing/bytes.ts'
import {
  describeFrames,
  exchange,
  frames,
  MuxEnd,
  type Recorder,
  violates
} from '../testing/mux-end.ts'
import { MUX_FLAG } from './frame.ts'

const { SYN, ACK, FIN } = MUX_FLAG
const KiB = 1_024
const MiB = 1_048_576

let client: MuxEnd
let server: MuxEnd
beforeEach(() => {
  client = new MuxEnd('client')
  server = new MuxEnd('server')
})

describe('mux: data and credit', () => {
  it('carries bytes both ways', async () => {
    const ours = client.open(3)
    ours.stream.write(Buffer.from('hello'))
    await exchange(client, server)
    const theirs = server.opened[0]
    assert.equal(Buffer.from(theirs?.bytes ?? []).toString(), 'hello')
    theirs?.stream.write(new Uint8ArrayList(Buffer.from('wor'), Buffer.from('ld')))
    await exchange(client, server)
    assert.equal(Buffer.from(ours.bytes).toString(), 'world')
    assert.ok(client.mux.bytesOut === server.mux.bytesIn && client.mux.bytesOut > 17)
    assert.equal(client.mux.bytesIn, server.mux.bytesOut)
  })

  it('sends no more than the credit, and goes on when credit comes', async () => {
    const { stream, log } = client.open()
    await client.sent()
    assert.deepEqual(stream.write(new Uint8Array(300 * KiB)), {
      sentBytes: 256 * KiB - 3,
      canSendMore: false
    })
    assert.equal(stream.bufferedCredit, 0)
    client.sink.take()
    client.mux.onSinkDrain()
    assert.deepEqual(stream.write(new Uint8Array(1)), { sentBytes: 0, canSendMore: false })
    assert.deepEqual(log, [])
    client.mux.receive(frames.credit(1, 0))
    assert.deepEqual(log, [])
    client.mux.receive(frames.credit(1, 100, ACK))
    assert.deepEqual(log, ['drain'])
    assert.deepEqual(stream.write(new Uint8Array(100)), { sentBytes: 100, canSendMore: false })
    client.mux.receive(frames.credit(1, 100))
    client.mux.receive(frames.credit(1, 100))
    assert.deepEqual(log, ['drain', 'drain'], 'one drain per shortage')
  })

  it('calls onDrain only after a write fell short', async () => {
    const { stream, log } = client.open()
    assert.deepEqual(stream.write(new Uint8Array(10)), { sentBytes: 10, canSendMore: true })
    client.mux.receive(frames.credit(1, 5))
    client.mux.onSinkDrain()
    await Promise.resolve()
    client.mux.onSinkDrain()
    assert.deepEqual(log, [])
  })

  it('gives credit back when half of the window was consumed, not before', async () => {
    server.mux.receive(frames.open(1))
    await server.sent()
    server.mux.receive(frames.data(1, 512 * KiB))
    const stream = server.opened[0]?.stream
    stream?.consumed(100)
    stream?.consumed(512 * KiB - 100 - 4)
    assert.deepEqual(await server.sent(), [])
    stream?.consumed(1)
    // The header's three bytes were consumed by the mux itself.
    assert.deepEqual(await server.sent(), [`WINDOW_UPDATE #1 ${512 * KiB}`])
  })

  it('never grants more than was received, whatever the reader says', async () => {
    server.mux.receive(frames.open(1))
    await server.sent()
    server.mux.receive(frames.data(1, 600 * KiB))
    server.opened[0]?.stream.consumed(1e12)
    assert.deepEqual(await server.sent(), [`WINDOW_UPDATE #1 ${600 * KiB + 3}`])
    server.opened[0]?.stream.consumed(1e12)
    assert.deepEqual(await server.sent(), [])
  })

  it('grants nothing when no more can come', async () => {
    server.mux.receive(concat([frames.open(1), frames.data(1, 600 * KiB, FIN)]))
    await server.sent()
    server.opened[0]?.stream.consumed(600 * KiB)
    assert.deepEqual(await server.sent(), [])
  })

  it('grants what is kept back when it is told to, behind the end of the remote too', async () => {
    server.mux.receive(frames.open(1))
    const { stream } = server.opened[0] as Recorder
    await server.sent()
    server.mux.receive(frames.data(1, 1_000))
    stream.consumed(400)
    assert.equal(stream.withheldCredit, 403) // the header too
    assert.deepEqual(await server.sent(), [])
    stream.grantWithheld()
    stream.grantWithheld()
    assert.deepEqual(await server.sent(), ['WINDOW_UPDATE #1 403'])
    server.mux.receive(frames.credit(1, 0, FIN))
    stream.consumed(600)
    assert.deepEqual(await server.sent(), [])
    assert.equal(stream.withheldCredit, 600)
    stream.grantWithheld()
    assert.deepEqual(await server.sent(), ['WINDOW_UPDATE #1 600'])
    assert.equal(stream.isOver, false)
    stream.end()
    assert.equal(stream.isOver, true)
    stream.consumed(1)
    assert.equal(stream.withheldCredit, 0)
  })

  it('takes the whole window and not a byte more', () => {
    server.mux.receive(concat([frames.open(1), frames.data(1, MiB - 3), frames.data(1, 0)]))
    assert.equal(server.opened[0]?.bytes.byteLength, MiB - 3)
    violates(server, frames.data(1, 1), /beyond its credit/)
    const before = new MuxEnd('server')
    before.mux.receive(frames.credit(1, 0, SYN)) // no ACK yet: the window is not raised
    violates(before, frames.data(1, 256 * KiB + 1), /beyond its credit/)
  })

  it('gives streams the initial window when there are many, and the whole one again later', async () => {
    const end = new MuxEnd('client')
    const many = Array.from({ length: 257 }, () => end.open())
    const grants = (await end.sent()).filter(frame => frame.startsWith('WINDOW_UPDATE SYN'))
    assert.equal(grants[255], `WINDOW_UPDATE SYN #511 ${MiB - 256 * KiB}`)
    assert.equal(grants[256], 'WINDOW_UPDATE SYN #513 0')
    // half of its own window brings the credit back
    end.mux.receive(concat([frames.credit(513, 0, ACK), frames.data(513, 128 * KiB)]))
    many[256]?.stream?.consumed(128 * KiB)
    assert.deepEqual(await end.sent(), [`WINDOW_UPDATE #513 ${128 * KiB}`])
    many[0]?.stream?.reset(0)
    await end.sent()
    end.open()
    assert.equal((await end.sent())[0], 'WINDOW_UPDATE SYN #515 0')
    many[1]?.stream?.reset(0)
    many[2]?.stream?.reset(0)
    await end.sent()
    end.open()
    assert.equal((await end.sent())[0], `WINDOW_UPDATE SYN #517 ${MiB - 256 * KiB}`)
  })

  it('has the window that it was told, and refuses one that yamux cannot have', async () => {
    const end = new MuxEnd('client', { receiveWindow: 256 * KiB })
    end.open(1)
    assert.equal((await end.sent())[0], 'WINDOW_UPDATE SYN #1 0')
    for (const receiveWindow of [256 * KiB - 1, 2 ** 31, Number.NaN]) {
      assert.throws(() => new MuxEnd('client', { receiveWindow }), errors.InvalidArgumentError)
    }
    assert.throws(() => new MuxEnd('client', { maxQueuedBytes: 0 }), errors.InvalidArgumentError)
  })

  it('takes credit up to 2^31-1', () => {
    const { stream } = client.open()
    client.mux.receive(frames.credit(1, 0x7fff_ffff - stream.bufferedCredit))
    assert.equal(stream.bufferedCredit, 0x7fff_ffff)
    violates(client, frames.credit(1, 1), /exceeds/)
  })

  it('copies small writes together and never a large one; one write per turn', async () => {
    const { stream } = client.open()
    const large = new Uint8Array(64 * KiB)
    stream.write(Uint8Array.of(1))
    stream.write(large)
    stream.write(Uint8Array.of(2))
    assert.equal(client.sink.corks, 1)
    await Promise.resolve()
    assert.equal(client.sink.corks, 0)
    assert.equal(client.sink.chunks.length, 3)
    assert.equal(client.sink.chunks[1]?.buffer, large.buffer)
    assert.equal(client.sink.chunks[0]?.buffer, client.sink.chunks[2]?.buffer)
  })

  it('copies the small part of a list and passes the large part on', async () => {
    const { stream } = client.open()
    const large = new Uint8Array(64 * KiB)
    stream.write(new Uint8ArrayList(Uint8Array.of(0xff, 0xff), large))
    await Promise.resolve()
    assert.equal(client.sink.chunks.length, 2)
    assert.equal(client.sink.chunks[1]?.buffer, large.buffer)
    assert.equal(describeFrames(client.sink.take()).at(-1), `DATA #1 ${64 * KiB + 2}`)
  })

  it('never changes bytes that the sink may still hold', async () => {
    const { stream } = client.open()
    await Promise.resolve()
    const held: Array<[Uint8Array, Uint8Array]> = []
    for (let i = 0; i < 200; i++) {
      stream.write(new Uint8Array(1_000).fill(i))
      if (i % 7 === 0) await Promise.resolve()
      for (const chunk of client.sink.chunks.splice(0)) held.push([chunk, Uint8Array.from(chunk)])
    }
    assert.ok(held.length > 10)
    for (const [chunk, copy] of held) assert.deepEqual(chunk, copy)
  })
})

describe('mux: the sink is full', () => {
  it('takes nothing more, and wakes the waiting in turn', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 10_000 })
    const order: number[] = []
    const streams = [0, 1, 2].map(i => {
      const recorder = end.open()
      recorder.onDrain = () => {
        order.push(i)
        while (recorder.stream.write(new Uint8Array(6_000)).canSendMore);
      }
      return recorder.stream
    })
    await Promise.resolve()
    assert.equal(streams[0]?.write(new Uint8Array(6_000)).canSendMore, true)
    assert.deepEqual(streams[1]?.write(new Uint8Array(6_000)), {
      sentBytes: 6_000,
      canSendMore: false
    })
    assert.deepEqual(streams[2]?.write(new Uint8Array(6_000)), {
      sentBytes: 0,
      canSendMore: false
    })
    assert.deepEqual(streams[0]?.write(new Uint8Array(1)), { sentBytes: 0, canSendMore: false })
    for (let i = 0; i < 6; i++) {
      await Promise.resolve()
      end.sink.take()
      end.mux.onSinkDrain()
    }
    // Who has filled the sink is behind the others.
    assert.deepEqual(order, [2, 0, 1, 2, 0, 1])
  })

  // libp2p's streams write in a microtask after 'drain'.
  for (const [when, defer] of [
    ['at once', (fn: () => void) => fn()],
    ['in a microtask', queueMicrotask],
    ['later', (fn: () => void) => void Promise.resolve().then().then().then(fn)]
  ] as const) {
    it(`gives every waiting stream its share, when they write ${when}`, async () => {
      const end = new MuxEnd('client', { maxQueuedBytes: 20_000 })
      const bytes = new Array<number>(40).fill(0)
      for (let i = 0; i < bytes.length; i++) {
        const recorder = end.open()
        const pump = (): void => {
          for (let more = true; more; ) {
            const { sentBytes, canSendMore } = recorder.stream.write(new Uint8Array(9_000))
            bytes[i] = (bytes[i] as number) + sentBytes
            more = canSendMore
          }
        }
        recorder.onDrain = () => defer(pump)
        pump()
      }
      for (let round = 0; round < 400; round++) {
        for (let i = 0; i < 8; i++) await Promise.resolve()
        end.sink.take()
        end.mux.onSinkDrain()
      }
      const [least, most] = [Math.min(...bytes), Math.max(...bytes)]
      assert.ok(least > 100_000 && most - least <= 60_000, `${bytes}`)
    })
  }

  it('wakes a few at a time, and the next where those have nothing to write', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 1_000 })
    let woken = 0
    for (let i = 0; i < 100; i++) {
      const recorder = end.open()
      recorder.onDrain = () => {
        woken++
        if (i === 70) recorder.stream.write(new Uint8Array(5_000))
      }
      recorder.stream.write(new Uint8Array(1_000))
    }
    await Promise.resolve()
    end.sink.take()
    end.mux.onSinkDrain()
    assert.ok(woken < 20, `${woken} at once`)
    for (let i = 0; i < 30; i++) await Promise.resolve()
    assert.ok(woken > 60 && woken < 90, `${woken} before the sink was full again`)
    end.sink.take()
    end.mux.onSinkDrain()
    for (let i = 0; i < 30; i++) await Promise.resolve()
    assert.ok(woken >= 99, `${woken}`)
  })

  it('cuts a large write into shares, so that others get their turn', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 10_000 })
    const { stream } = end.open()
    assert.deepEqual(stream.write(new Uint8Array(50_000)), {
      sentBytes: 10_000,
      canSendMore: false
    })
  })

  it('goes on by itself with a sink that takes everything at once', async () => {
    const sink = { write() {}, cork() {}, uncork() {}, writableLength: 0 }
    const end = new MuxEnd('client', { sink, maxQueuedBytes: 1_000 })
    const recorder = end.open()
    let written = 0
    recorder.onDrain = () => {
      while (written < 50_000) {
        const { sentBytes, canSendMore } = recorder.stream.write(new Uint8Array(500))
        written += sentBytes
        if (!canSendMore) return
      }
    }
    recorder.onDrain()
    for (let i = 0; i < 200; i++) await Promise.resolve()
    assert.ok(written >= 50_000, `${written}`)
  })

  it('remembers a stream that gets credit while the sink is full', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 300 * KiB })
    const a = end.open()
    a.stream.write(new Uint8Array(256 * KiB))
    const b = end.open()
    b.stream.write(new Uint8Array(100 * KiB))
    end.mux.receive(frames.credit(1, 1_000))
    assert.deepEqual(a.log, [])
    await Promise.resolve()
    end.sink.take()
    end.mux.onSinkDrain()
    assert.deepEqual(a.log, ['drain'])
  })

  it('does not wake a stream that has used up its credit meanwhile, until it gets more', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 100 * KiB })
    const { stream, log } = end.open()
    assert.equal(stream.write(new Uint8Array(200 * KiB)).canSendMore, false)
    await Promise.resolve()
    for (let left = 3; left > 0; left--) {
      end.sink.take()
      stream.write(new Uint8Array(200 * KiB))
    }
    assert.equal(stream.bufferedCredit, 0)
    end.sink.take()
    end.mux.onSinkDrain()
    assert.deepEqual(log, [])
    end.mux.receive(frames.credit(1, 1))
    assert.deepEqual(log, ['drain'])
  })

  it('does not wake a stream that ended or died meanwhile', async () => {
    const end = new MuxEnd('client', { maxQueuedBytes: 1_000 })
    const streams = [0, 1, 2].map(() => end.open())
    for (const { stream } of streams) stream.write(new Uint8Array(2_000))
    streams[0]?.stream.end()
    streams[1]?.stream.reset(1)
    await Promise.resolve()
    end.sink.take()
    end.mux.onSinkDrain()
    assert.deepEqual(
      streams.map(s => s.log),
      [[], [], ['drain']]
    )
  })
})
