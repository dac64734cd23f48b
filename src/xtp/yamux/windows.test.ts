// How much a remote may send that nobody reads, and how the windows grow.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ScriptedConnection, turn } from '../client/testing/scripted-connection.ts'
import { decodeMuxHeader, MUX_FLAG, MUX_HEADER_BYTES, MUX_TYPE } from '../ctl/mux/frame.ts'
import { concat } from '../ctl/testing/bytes.ts'
import { frame, frames } from '../ctl/testing/mux-end.ts'
import { yamux } from './index.ts'
import type { YamuxInit } from './muxer.ts'
import type { YamuxStream } from './stream.ts'
import { MuxerEnd } from './testing/muxer-end.ts'

const { SYN, ACK, FIN } = MUX_FLAG
const KiB = 1_024
const MiB = 1_048_576
const INITIAL = 256 * KiB
const MOST_GROWTH = 64 * MiB
const PAGE = new Uint8Array(64 * KiB)

/** A remote that sends all that it may, and answers PINGs where it is told to. */
class Sender {
  readonly end: MuxerEnd
  readonly credit = new Map<number, number>()
  answersPings = true
  /** Before each frame. */
  onFrame = () => {}
  sent = 0

  constructor(init: YamuxInit = {}) {
    this.end = new MuxerEnd('client', init)
  }

  /** A stream whose remote may send its initial window. */
  open(id: number): YamuxStream {
    this.credit.set(id, INITIAL)
    return this.end.accept(id)
  }

  /** Takes what the muxer has sent. */
  async listen(): Promise<void> {
    await turn()
    const bytes = this.end.connection.take()
    for (let at = 0; at < bytes.byteLength; at += MUX_HEADER_BYTES) {
      const { type, flags, streamId, length } = decodeMuxHeader(bytes.subarray(at))
      if (type === MUX_TYPE.WINDOW_UPDATE && this.credit.has(streamId)) {
        this.credit.set(streamId, this.of(streamId) + length)
      } else if (type === MUX_TYPE.PING && (flags & SYN) !== 0 && this.answersPings) {
        this.end.receive(frames.ping(ACK, length))
      } else if (type === MUX_TYPE.DATA) {
        at += length
      }
    }
  }

  of(id: number): number {
    return this.credit.get(id) ?? 0
  }

  /** Sends all credit of a stream; answers how much that was. */
  async fill(id: number): Promise<number> {
    const bytes = this.of(id)
    this.credit.set(id, 0)
    for (let left = bytes; left > 0; left -= PAGE.byteLength) {
      const length = Math.min(left, PAGE.byteLength)
      this.onFrame()
      this.end.receive(frame(MUX_TYPE.DATA, 0, id, length))
      this.end.receive(PAGE.subarray(0, length))
      await this.listen()
    }
    this.sent += bytes
    return bytes
  }
}

const reads = (stream: YamuxStream) => {
  const counter = { bytes: 0 }
  stream.addEventListener('message', ({ data }) => {
    counter.bytes += data.byteLength
  })
  return counter
}

/** Windows grow where time stands still. */
function stopClock(t: {
  mock: { method(object: object, name: string, f: () => number): unknown }
}) {
  const clock = { ms: 1_000_000 }
  t.mock.method(performance, 'now', () => clock.ms)
  return clock
}

describe('yamux: windows', () => {
  it('stop the remote of a reader that pauses, and resuming goes on to the end', async () => {
    const sender = new Sender()
    const stream = sender.open(2)
    const read = reads(stream)
    stream.pause()
    assert.equal(await sender.fill(2), INITIAL)
    for (let i = 0; i < 5; i++) assert.equal(await sender.fill(2), 0)
    assert.equal(read.bytes, 0)
    assert.equal(stream.readBufferLength, INITIAL)
    stream.resume()
    await sender.listen()
    assert.equal(read.bytes, INITIAL)
    while (sender.sent < 8 * MiB) assert.ok((await sender.fill(2)) > 0, 'it is held up')
    assert.equal(read.bytes, sender.sent)
    stream.pause()
    await sender.fill(2)
    sender.end.receive(frames.credit(2, 0, FIN))
    stream.resume()
    assert.equal(read.bytes, sender.sent)
    assert.equal(stream.readableEnded, true)
  })

  it('stop the remote of a stream that nobody listens to', async () => {
    const sender = new Sender()
    const stream = sender.open(2)
    await sender.fill(2)
    assert.equal(await sender.fill(2), 0)
    const read = reads(stream)
    await sender.listen()
    assert.equal(read.bytes, INITIAL)
    assert.ok((await sender.fill(2)) > 0)
  })

  it('open again for what nobody reads any more', async () => {
    const sender = new Sender()
    const stream = sender.open(2)
    await stream.closeRead()
    while (sender.sent < 4 * MiB) assert.ok((await sender.fill(2)) > 0, 'it is held up')
    assert.equal(stream.readBufferLength, 0)
  })

  it('do not open for bytes that are put back', async () => {
    const sender = new Sender()
    const stream = sender.open(2)
    stream.addEventListener(
      'message',
      ({ data }) => {
        stream.pause()
        stream.unshift(data)
      },
      { once: true }
    )
    await sender.fill(2)
    assert.equal(await sender.fill(2), 0)
    assert.equal(stream.readBufferLength, INITIAL)
    const read = reads(stream)
    stream.resume()
    await sender.listen()
    assert.equal(read.bytes, INITIAL)
    while (sender.sent < MiB) assert.ok((await sender.fill(2)) > 0, 'it is held up')
    assert.equal(read.bytes, sender.sent)
  })

  it('are granted again when half is used, not for each frame', async () => {
    const end = new MuxerEnd('client')
    reads(end.accept(2))
    await end.sent()
    end.receive(frames.data(2, 127 * KiB))
    assert.deepEqual(await end.sent(), [])
    end.receive(frames.data(2, 2 * KiB))
    const credit = (await end.sent()).filter(frame => frame.startsWith('WINDOW_UPDATE'))
    assert.deepEqual(credit, [`WINDOW_UPDATE #2 ${129 * KiB}`])
  })

  it('grow to maxReadBufferLength where they hold the sender up', async t => {
    stopClock(t)
    for (const [init, most] of [
      [{}, 4 * MiB],
      [{ streamOptions: { maxReadBufferLength: 777_777 } }, 777_777],
      [{ streamOptions: { maxReadBufferLength: INITIAL } }, INITIAL],
      [{ streamOptions: { maxReadBufferLength: 10 * KiB } }, INITIAL]
    ] as const) {
      const sender = new Sender(init)
      const stream = sender.open(2)
      reads(stream)
      for (let i = 0; i < 10; i++) await sender.fill(2)
      assert.equal(stream.grownBytes, most - INITIAL)
      assert.ok(sender.of(2) > most / 2 && sender.of(2) <= most)
      assert.equal(stream.status, 'open')
    }
  })

  it('do not grow where the reader is slow, or the round trip is not known', async t => {
    const clock = stopClock(t)
    for (const [answersPings, ms] of [
      [true, 100],
      [false, 0]
    ] as const) {
      const sender = new Sender()
      sender.answersPings = answersPings
      const stream = sender.open(2)
      reads(stream)
      sender.onFrame = () => {
        clock.ms += ms
      }
      for (let i = 0; i < 10; i++) await sender.fill(2)
      assert.equal(stream.grownBytes, 0)
    }
  })

  it('let a reader pause whatever they have grown to', async t => {
    stopClock(t)
    const sender = new Sender()
    const stream = sender.open(2)
    const read = reads(stream)
    for (let i = 0; i < 10; i++) await sender.fill(2)
    stream.pause()
    assert.equal(await sender.fill(2), 4 * MiB)
    assert.equal(await sender.fill(2), 0)
    assert.equal(stream.status, 'open')
    stream.resume()
    assert.equal(read.bytes, sender.sent)
  })

  it('grow by 64 MiB at most, all together, and give back what a closed stream had', async t => {
    stopClock(t)
    const sender = new Sender()
    const streams = Array.from({ length: 20 }, (_, i) => sender.open(2 + 2 * i))
    for (const stream of streams) reads(stream)
    const grow = async () => {
      for (let i = 0; i < 8; i++) {
        for (const { streamId } of streams) await sender.fill(streamId)
      }
      return streams.reduce((sum, { grownBytes }) => sum + grownBytes, 0)
    }
    assert.equal(await grow(), MOST_GROWTH)
    assert.ok(
      streams.every(({ streamId, grownBytes }) => sender.of(streamId) === INITIAL + grownBytes)
    )
    // both ways in which a stream ends
    const [first, second] = streams.splice(0, 2) as [YamuxStream, YamuxStream]
    assert.ok(first.grownBytes > 0 && second.grownBytes > 0)
    first.abort(new Error('enough'))
    await second.close()
    sender.end.receive(frames.credit(second.streamId, 0, FIN))
    assert.equal(await grow(), MOST_GROWTH)
    for (const stream of streams.splice(0)) stream.abort(new Error('enough'))
    streams.push(...Array.from({ length: 20 }, (_, i) => sender.open(102 + 2 * i)))
    for (const stream of streams) reads(stream)
    assert.equal(await grow(), MOST_GROWTH)
  })

  it('hold what waits for its reader, and nothing that came with it', async () => {
    const end = new MuxerEnd('client')
    const [paused, unheard, reading] = [end.accept(2), end.accept(4), end.accept(6)]
    const parts: Uint8Array[] = []
    const keep = (stream: YamuxStream) =>
      stream.addEventListener('message', ({ data }) => {
        parts.push(...(data instanceof Uint8Array ? [data] : data))
      })
    paused.pause()
    keep(paused)
    keep(reading)
    const chunk = concat([frames.data(2, 9), frames.data(4, 9), frames.data(6, 50_000)])
    end.receive(chunk)
    assert.equal(parts[0]?.buffer, chunk.buffer, 'what is read at once is not copied')
    paused.resume()
    keep(unheard)
    await turn()
    assert.deepEqual(
      parts.slice(1).map(part => part.buffer.byteLength),
      [9, 9]
    )
  })

  it('hold a thousand paused streams to what they were granted', async () => {
    const sender = new Sender()
    const streams = Array.from({ length: 1_000 }, (_, i) => sender.open(2 + 2 * i))
    for (const stream of streams) stream.pause()
    for (const { streamId } of streams) await sender.fill(streamId)
    assert.ok(
      streams.every(({ streamId }) => sender.of(streamId) === 0),
      'credit was given'
    )
  })

  it('of the remote: nothing is sent beyond it, and a frame of credit goes on', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    assert.equal(stream.send(new Uint8Array(300 * KiB)), false)
    const data = (await end.sent()).filter(frame => frame.startsWith('DATA'))
    assert.equal(
      data.reduce((sum, frame) => sum + Number(frame.split(' ')[2]), 0),
      256 * KiB
    )
    assert.equal(stream.writeBufferLength, 44 * KiB)
    end.receive(frames.credit(1, 0))
    assert.deepEqual(await end.sent(), [])
    end.receive(frames.credit(1, 10))
    assert.deepEqual(await end.sent(), ['DATA #1 10 00000000000000000000'])
    let drained = 0
    stream.addEventListener('drain', () => drained++)
    end.receive(frames.credit(1, MiB))
    assert.deepEqual(await end.sent(), [`DATA #1 ${44 * KiB - 10}`])
    assert.equal(drained, 1)
    assert.equal(stream.send(new Uint8Array(1)), true)
  })

  it('of the remote, closed: the end of what it took is said at once', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(INITIAL))
    await end.sent()
    const closed = stream.close()
    assert.deepEqual(await end.sent(), ['WINDOW_UPDATE FIN #1 0'])
    await closed
    const other = await end.muxer.createStream()
    other.send(new Uint8Array(INITIAL + 3))
    const otherClosed = other.close()
    await end.sent()
    end.receive(frames.credit(3, 3))
    assert.deepEqual(await end.sent(), ['DATA #3 3 000000', 'WINDOW_UPDATE FIN #3 0'])
    await otherClosed
  })
})

describe('yamux: options of streams', () => {
  const streamOptions = {
    inactivityTimeout: 1_234,
    maxReadBufferLength: 1_000_000,
    maxWriteBufferLength: 2_000_000
  }
  const optionsOf = (stream: object) => {
    const { inactivityTimeout, maxReadBufferLength, maxWriteBufferLength } = stream as YamuxStream
    return { inactivityTimeout, maxReadBufferLength, maxWriteBufferLength }
  }

  it('are those of the muxer, or of createStream', async () => {
    const connection = new ScriptedConnection('outbound')
    const muxer = yamux({ streamOptions, keepAliveMs: 0 })().createStreamMuxer(connection)
    assert.deepEqual(optionsOf(await muxer.createStream()), streamOptions)
    const own = { inactivityTimeout: 9, maxReadBufferLength: 500_000, maxWriteBufferLength: 7 }
    assert.deepEqual(optionsOf(await muxer.createStream(own)), own)
    assert.deepEqual(optionsOf(await muxer.createStream({ maxReadBufferLength: 8 })), {
      ...streamOptions,
      maxReadBufferLength: 8
    })
    let inbound: object | undefined
    muxer.addEventListener('stream', ({ detail }) => {
      inbound = detail
    })
    connection.onData(frames.credit(2, 0, SYN))
    assert.deepEqual(optionsOf(inbound ?? {}), streamOptions)
  })

  it('end a stream whose writer does not stop, at maxWriteBufferLength', async () => {
    const end = new MuxerEnd('client', { streamOptions })
    const stream = await end.muxer.createStream()
    const closed = new Promise<Error | undefined>(resolve => {
      stream.addEventListener('close', ({ error }) => resolve(error))
    })
    assert.equal(stream.send(new Uint8Array(INITIAL + 2_000_000)), false)
    assert.equal(stream.status, 'open')
    stream.send(new Uint8Array(1))
    assert.equal((await closed)?.name, 'StreamBufferError')
    assert.equal((await end.sent()).at(-1), 'WINDOW_UPDATE RST #1 0')
  })
})
