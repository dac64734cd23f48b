import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byteStream } from '@libp2p/utils'
import {
  DEFAULT_WINDOW_BYTES,
  MAX_STREAMS_PER_CONNECTION,
  MAX_WITHHELD_CREDIT_BYTES,
  STATUS
} from '../ctl/index.ts'
import { HOLD_MS } from './inbound.ts'
import type { MuxedStream } from './muxed-stream.ts'
import type { NativeStreamMuxer } from './stream-muxer.ts'
import { type FakeService, type FakeStream, settle } from './testing/fake-service.ts'
import { stop } from './testing/fixture.ts'
import { muxed, nativeFixture } from './testing/native-fixture.ts'
import { bytes, PROTOCOL, text, until, type Watched, watch } from './testing/watched.ts'

const KiB = 1024
const MiB = 1024 * KiB

const sizeOf = ({ bytes }: Watched) => Buffer.concat(bytes).byteLength

/** The remote's next stream. */
async function remoteStream(muxer: NativeStreamMuxer, open: () => FakeStream) {
  const opened = new Promise<MuxedStream>(resolve => {
    muxer.addEventListener('stream', ({ detail }) => resolve(detail), { once: true })
  })
  const fake = open()
  const stream = await opened
  stream.protocol = PROTOCOL
  return { fake, stream }
}

describe('streams', () => {
  test('of both sides carry bytes both ways and half-close', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const mine = watch(await muxer.createStream())
    mine.stream.send(bytes('ping'))
    await mine.stream.close()
    await settle()
    const [theirs] = service.muxed as [FakeStream]
    assert.equal(theirs.connId, connection.connId)
    assert.equal(`${theirs.text} ${theirs.ended}`, 'ping true')
    theirs.stream?.write(bytes('pong'))
    await settle()
    assert.equal(text(mine), 'pong')
    assert.equal(mine.stream.status, 'open')
    theirs.stream?.end()
    await settle()
    assert.deepEqual(mine.events, ['remoteCloseWrite', 'end', 'close in order'])
    assert.equal(muxer.streams.length, 0)

    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    const inbound = watch(stream)
    assert.equal(stream.direction, 'inbound')
    fake.stream?.write(bytes('hello'))
    fake.stream?.end()
    await settle()
    assert.equal(text(inbound), 'hello')
    stream.send(bytes('world'))
    await stream.close()
    await settle()
    assert.equal(`${fake.text} ${fake.ended}`, 'world true')
    assert.deepEqual(inbound.events, ['remoteCloseWrite', 'end', 'close in order'])
    await stop(f)
  })

  test('that come before their connection wait for it, with what they carry', async () => {
    const f = await nativeFixture()
    await muxed(f)
    const service = f.runner.last
    let early: FakeStream | undefined
    service.answer = body => {
      if ('dial' in body) {
        early = service.openStream(body.dial.connId)
        early.stream?.write(bytes('early'))
        early.stream?.end()
      }
      return undefined
    }
    const { muxer } = await muxed(f)
    const [stream] = muxer.streams
    const watched = watch(stream as MuxedStream)
    await settle()
    assert.equal(text(watched), 'early')
    assert.ok(watched.events.includes('remoteCloseWrite'))
    await stop(f)
  })

  test('end for whoever gets them, behind the bytes that were read with the protocol', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const negotiate = async (question: string) => {
      const { fake, stream } = await remoteStream(muxer, () =>
        service.openStream(connection.connId)
      )
      stream.protocol = ''
      const negotiation = byteStream(stream)
      fake.stream?.write(bytes(`protocol${question}`))
      fake.stream?.end()
      await negotiation.read({ bytes: 8 })
      await settle()
      negotiation.unwrap()
      stream.protocol = PROTOCOL
      await settle()
      assert.equal(stream.remoteWriteStatus, 'writable')
      return stream
    }
    for (const question of ['question', '']) {
      const watched = watch(await negotiate(question))
      await settle()
      assert.equal(text(watched), question)
      assert.deepEqual(watched.events, ['remoteCloseWrite', 'end'])
    }
    const unread = await negotiate('')
    await unread.close()
    assert.equal(unread.status, 'closed')
    await stop(f)
  })

  test('end soon for whoever waits for the rest of a protocol', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    stream.protocol = ''
    const negotiation = byteStream(stream)
    fake.stream?.write(bytes('proto'))
    fake.stream?.end()
    const read = assert.rejects(negotiation.read({ bytes: 8 }), { name: 'UnexpectedEOFError' })
    await settle()
    assert.equal(stream.remoteWriteStatus, 'writable')
    f.clock.advance(1000)
    await read
    await stop(f)
  })

  test('send no more than the service takes, and say when it takes more', async () => {
    const f = await nativeFixture()
    const { muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    await settle()
    const [fake] = service.muxed as [FakeStream]
    fake.greedy = false
    assert.equal(watched.stream.send(new Uint8Array(2 * MiB)), false)
    await settle()
    assert.ok(fake.receivedBytes <= MiB, `${fake.receivedBytes}`)
    const closed = watched.stream.close()
    for (let turn = 0; turn < 50 && !fake.ended; turn++) {
      fake.stream?.consumed(fake.receivedBytes)
      await settle()
    }
    await closed
    assert.equal(fake.receivedBytes, 2 * MiB)
    assert.ok(watched.events.includes('drain'))
    await stop(f)
  })

  test('stop the remote while the reader pauses, lose nothing, and end behind the last byte', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    const watched = watch(stream)
    stream.pause()
    await settle()
    let sent = 0
    const pour = () => {
      while (sent < 3 * MiB) {
        const size = Math.min(64 * KiB, 3 * MiB - sent)
        const chunk = Uint8Array.from({ length: size }, (_, i) => (sent + i) >> 12)
        const result = fake.stream?.write(chunk)
        sent += result?.sentBytes ?? 0
        if (!result?.canSendMore) {
          return
        }
      }
      fake.stream?.end()
    }
    fake.onDrain = pour
    pour()
    await settle()
    assert.ok(sent <= MiB, `${sent} bytes were sent to a paused reader`)
    assert.equal(stream.readBufferLength, sent)
    stream.resume()
    await until('the end', () => watched.events.includes('end'))
    assert.equal(sizeOf(watched), 3 * MiB)
    const all = Buffer.concat(watched.bytes)
    assert.ok(all.every((byte, i) => byte === ((i >> 12) & 0xff)))
    assert.deepEqual(watched.events.slice(-2), ['remoteCloseWrite', 'end'])
    await stop(f)
  })

  test('grant behind closeRead, and drop what comes', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    const watched = watch(stream)
    await stream.closeRead()
    let sent = 0
    fake.onDrain = () => {
      sent += fake.stream?.write(new Uint8Array(4 * MiB - sent)).sentBytes ?? 0
    }
    fake.onDrain()
    await until('everything taken', () => sent === 4 * MiB)
    assert.equal(sizeOf(watched), 0)
    await stop(f)
  })

  // the window that all streams of a connection share would stand still (spec/xtp-ctl.md, R41)
  test('grants what many streams keep back when the sum reaches the limit', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const size = 50_000
    const fakes: FakeStream[] = []
    const count = 2 * Math.ceil(MAX_WITHHELD_CREDIT_BYTES / size)
    for (let i = 0; i < count; i++) {
      const { fake, stream } = await remoteStream(muxer, () =>
        service.openStream(connection.connId)
      )
      watch(stream)
      fakes.push(fake)
    }
    await settle()
    const before = fakes.map(({ stream }) => stream?.bufferedCredit as number)
    for (const { stream } of fakes) {
      stream?.write(new Uint8Array(size))
      await settle()
    }
    const missing = fakes
      .map(({ stream }, i) => (before[i] as number) - (stream?.bufferedCredit as number))
      .reduce((a, b) => a + b)
    assert.ok(missing < MAX_WITHHELD_CREDIT_BYTES + size, `${missing} bytes are kept back`)
    assert.ok(missing < (count * size) / 2)
    await stop(f)
  })

  test('grants behind the end of the remote', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    await settle()
    fake.stream?.write(new Uint8Array(1_000))
    fake.stream?.end()
    await settle()
    assert.equal(fake.stream?.bufferedCredit, DEFAULT_WINDOW_BYTES - 1_000)
    watch(stream)
    await settle()
    assert.equal(fake.stream?.bufferedCredit, DEFAULT_WINDOW_BYTES)
    await stop(f)
  })

  test('carry the code of a reset both ways', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const mine = watch(await muxer.createStream())
    await settle()
    mine.stream.abort(Object.assign(new Error('no more'), { resetCode: 4711 }))
    await settle()
    assert.equal(service.muxed[0]?.resetCode, 4711)
    assert.deepEqual(mine.events, ['end', 'close Error'])
    const plain = watch(await muxer.createStream())
    await settle()
    plain.stream.abort(Object.assign(new Error('no more'), { resetCode: -1 }))
    await settle()
    assert.equal(service.muxed[1]?.resetCode, 0)

    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    const inbound = watch(stream)
    fake.stream?.reset(0xffff_ffff)
    await settle()
    assert.equal(stream.resetCode, 0xffff_ffff)
    assert.deepEqual(inbound.events, ['end', 'close StreamResetError'])
    assert.equal(stream.status, 'reset')
    assert.equal(muxer.streams.length, 0)
    assert.equal(connection.status, 'open')
    await stop(f)
  })

  test('that nobody reads are over some time after both ends', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const { fake, stream } = await remoteStream(muxer, () => service.openStream(connection.connId))
    fake.stream?.write(bytes('unwanted'))
    fake.stream?.end()
    await stream.close()
    await settle()
    assert.equal(stream.status, 'open')
    f.clock.advance(30_000)
    assert.equal(stream.status, 'closed')
    await stop(f)
  })

  test('beyond the limit are reset, and a place is free when one is over', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    muxer.addEventListener('stream', () => {})
    const fakes = Array.from({ length: MAX_STREAMS_PER_CONNECTION + 1 }, () =>
      service.openStream(connection.connId)
    )
    await settle()
    assert.equal(fakes.at(-1)?.resetCode, STATUS.RESOURCE_EXHAUSTED)
    assert.equal(fakes.at(-2)?.resetCode, undefined)
    assert.equal(muxer.streams.length, MAX_STREAMS_PER_CONNECTION)
    fakes[0]?.stream?.reset(0)
    await settle()
    const again = service.openStream(connection.connId)
    await settle()
    assert.equal(again.resetCode, undefined)
    await stop(f)
  })

  test('are as many as limits.streams, each way', async () => {
    const f = await nativeFixture({ limits: { streams: 2 } })
    const { connection, muxer, service } = await muxed(f)
    muxer.addEventListener('stream', () => {})
    const fakes = Array.from({ length: 3 }, () => service.openStream(connection.connId))
    await settle()
    assert.deepEqual(
      fakes.map(({ resetCode }) => resetCode),
      [undefined, undefined, STATUS.RESOURCE_EXHAUSTED]
    )
    const first = await muxer.createStream()
    await muxer.createStream()
    await assert.rejects(muxer.createStream(), {
      code: 'ERR_XTP_RESOURCE_EXHAUSTED',
      message: /2 outbound streams .* limits\.streams/,
      details: { limit: 'streams', allowed: 2 }
    })
    first.abort(new Error('enough'))
    await muxer.createStream()
    await stop(f)
  })

  test('are not limited to this side where limits.streams is 0, and are to the remote', async () => {
    const f = await nativeFixture({ limits: { streams: 0 } })
    const { connection, muxer, service } = await muxed(f)
    muxer.addEventListener('stream', () => {})
    const many = Array.from({ length: MAX_STREAMS_PER_CONNECTION + 1 })
    const fakes = many.map(() => service.openStream(connection.connId))
    await Promise.all(many.map(() => muxer.createStream()))
    await settle()
    assert.equal(fakes.at(-1)?.resetCode, STATUS.RESOURCE_EXHAUSTED)
    assert.equal(fakes.at(-2)?.resetCode, undefined)
    await stop(f)
  })

  for (const [name, open] of [
    ['of kind 0', (service: FakeService) => service.openStream(1, 0)],
    ['of kind 2', (service: FakeService) => service.openStream(1, 2)],
    ['for a connection that was never dialled', (service: FakeService) => service.openStream(77)]
  ] as const) {
    test(`a stream ${name} is a violation of the service`, async () => {
      const f = await nativeFixture()
      const { connection, service } = await muxed(f)
      let error: Error | undefined
      connection.addEventListener('close', event => {
        error = event.error
      })
      open(service)
      await settle()
      f.clock.advance(1_000)
      await until('the loss', () => error !== undefined)
      assert.equal((error as Error & { code: string }).code, 'ERR_XTP_SERVICE_LOST')
      await stop(f)
    })
  }

  test('that are late are reset; those that wait for nothing are given up', async () => {
    const f = await nativeFixture()
    const { connection, service } = await muxed(f)
    service.closed(connection.connId)
    await settle()
    const late = service.openStream(connection.connId)
    const never = service.openStream(2)
    await settle()
    assert.equal(late.resetCode, STATUS.NOT_FOUND)
    assert.equal(never.resetCode, undefined)
    f.clock.advance(HOLD_MS)
    await settle()
    assert.equal(never.resetCode, STATUS.NOT_FOUND)
    await stop(f)
  })
})
