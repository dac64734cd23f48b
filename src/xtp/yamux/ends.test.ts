// How connections end, and what is left of them: nothing.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ScriptedConnection, turn } from '../client/testing/scripted-connection.ts'
import { isXtpError, ServiceLostError } from '../ctl/index.ts'
import { MUX_FLAG } from '../ctl/mux/frame.ts'
import { frames } from '../ctl/testing/mux-end.ts'
import { yamux } from './index.ts'
import type { YamuxInit } from './muxer.ts'
import { MuxerEnd, payloads, record } from './testing/muxer-end.ts'

const { SYN, ACK, FIN } = MUX_FLAG
const KiB = 1_024

const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length

/** Each ends a connection in a way of its own. */
const ENDS: [string, (end: MuxerEnd) => unknown][] = [
  ['close', ({ muxer }) => muxer.close()],
  ['abort', ({ muxer }) => muxer.abort(new Error('enough'))],
  ['the end of the connection', ({ connection }) => connection.onTransportClosed()],
  ['an abort of the connection', ({ connection }) => connection.abort(new Error('enough'))],
  ['a reset of the connection', ({ connection }) => connection.onRemoteReset()],
  ['GO_AWAY', end => end.receive(frames.goAway(0))],
  ['GO_AWAY for an error', end => end.receive(frames.goAway(2))],
  ['a violation', end => end.receive(frames.data(0))]
]

describe('yamux: close', () => {
  it('sends everything, then the ends of streams, then GO_AWAY', async () => {
    const end = new MuxerEnd('client', {}, 64 * KiB)
    const streams = await Promise.all([1, 2, 3].map(() => end.muxer.createStream()))
    streams.push(end.accept(2))
    for (const stream of streams) stream.send(new Uint8Array(200 * KiB))
    const closed = end.muxer.close()
    assert.equal(end.muxer.status, 'closing')
    const sent: string[] = []
    for (let i = 0; i < 30; i++) {
      sent.push(...(await end.sent()))
      end.connection.drain()
    }
    await closed
    assert.equal(sent.at(-1), 'GO_AWAY #0 0')
    for (const { id } of streams) {
      const own = sent.filter(frame => frame.includes(` #${id} `))
      const bytes = own
        .filter(frame => frame.startsWith('DATA'))
        .reduce((sum, frame) => sum + Number(frame.split(' ')[2]), 0)
      assert.equal(bytes, 200 * KiB)
      assert.equal(own.at(-1), `WINDOW_UPDATE FIN #${id} 0`)
    }
    assert.equal(end.muxer.status, 'closed')
  })

  it('sends also what streams have left that are being closed', async () => {
    const end = new MuxerEnd('client', {}, 64 * KiB)
    const streams = await Promise.all([1, 2, 3].map(() => end.muxer.createStream()))
    let own = 0
    for (const stream of streams) {
      stream.send(new Uint8Array(200 * KiB))
      stream.close().then(() => own++)
    }
    const closed = end.muxer.close()
    const parts: Uint8Array[] = []
    for (let i = 0; i < 30; i++) {
      await turn()
      parts.push(end.connection.take())
      end.connection.drain()
    }
    await closed
    assert.equal(own, 3)
    const sums = payloads(Buffer.concat(parts))
    assert.deepEqual(
      [...sums.values()],
      streams.map(() => 200 * KiB)
    )
  })

  it('still hears the remote: its answers, and its ends', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    const heard = record(stream)
    await end.muxer.close()
    end.receive(frames.data(1, 5), frames.credit(1, 0, FIN))
    assert.deepEqual(heard.log, ['message 5', 'remoteCloseWrite', 'end', 'close'])
    assert.equal(end.muxer.streams.length, 0)
  })

  it('resets what the remote opens meanwhile, and takes data of what it has opened', async () => {
    const end = new MuxerEnd('client')
    const inbound = end.accept(2)
    inbound.send(new Uint8Array(300 * KiB))
    const closed = end.muxer.close()
    await end.sent()
    const heard = record(inbound)
    end.receive(frames.credit(4, 0, SYN), frames.data(2, 9))
    assert.deepEqual(await end.sent(), ['WINDOW_UPDATE RST #4 0'])
    assert.deepEqual(heard.log, ['message 9'])
    end.receive(frames.credit(2, 300 * KiB))
    await closed
    assert.equal(end.opened.length, 1)
    assert.deepEqual((await end.sent()).slice(-2), ['WINDOW_UPDATE FIN #2 0', 'GO_AWAY #0 0'])
  })

  it('gives up by its signal where the remote grants nothing; abort ends it then', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(300 * KiB))
    const controller = new AbortController()
    const closed = end.muxer.close({ signal: controller.signal })
    controller.abort()
    await assert.rejects(closed)
    await end.sent()
    const heard = record(stream)
    end.muxer.abort(new Error('too late'))
    assert.deepEqual(heard.log, ['end', 'close Error'])
    assert.deepEqual(await end.sent(), ['WINDOW_UPDATE RST #1 0', 'GO_AWAY #0 2'])
  })

  it('does not fail for a stream whose own close was given up', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(300 * KiB))
    const controller = new AbortController()
    const own = stream.close({ signal: controller.signal })
    const closed = end.muxer.close()
    controller.abort()
    await assert.rejects(own)
    await closed
    assert.equal((await end.sent()).at(-1), 'GO_AWAY #0 0')
    // what it may send now is not sent any more
    end.receive(frames.credit(1, 300 * KiB))
    assert.deepEqual(await end.sent(), [])
  })

  it('waits for a close that is under way no longer than its signal says', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(300 * KiB))
    const own = stream.close()
    await assert.rejects(stream.close({ signal: AbortSignal.abort() }))
    end.receive(frames.credit(1, 300 * KiB))
    await Promise.all([own, stream.close()])
  })

  it('says it once', async () => {
    const end = new MuxerEnd('client')
    await Promise.all([end.muxer.close(), end.muxer.close()])
    await end.muxer.close()
    end.muxer.abort(new Error('too late'))
    assert.deepEqual(await end.sent(), ['GO_AWAY #0 0'])
  })
})

describe('yamux: abort and the end of the connection', () => {
  it('abort resets all streams with its error, and tells the remote', async () => {
    const end = new MuxerEnd('client')
    const streams = [await end.muxer.createStream(), end.accept(2)]
    for (const stream of streams) stream.send(new Uint8Array(300 * KiB))
    await end.sent()
    const errors: unknown[] = []
    for (const stream of streams) {
      stream.addEventListener('close', ({ error }) => errors.push(error))
    }
    const reason = new Error('enough')
    end.muxer.abort(reason)
    end.muxer.abort(new Error('again'))
    assert.deepEqual(errors, [reason, reason])
    assert.deepEqual(await end.sent(), [
      'WINDOW_UPDATE RST #1 0',
      'WINDOW_UPDATE RST #2 0',
      'GO_AWAY #0 2'
    ])
    end.receive(frames.data(2, 5), frames.ping(SYN, 1))
    assert.deepEqual(await end.sent(), [])
  })

  it('the error of a connection ends streams, but those that have everything', async () => {
    const end = new MuxerEnd('server')
    const [cut, whole] = [end.accept(1), end.accept(3)]
    const [heard, wholeHeard] = [record(cut), record(whole)]
    whole.pause()
    end.receive(frames.data(1, Uint8Array.of(1)), frames.data(3, Uint8Array.of(1, 2, 3), FIN))
    const reason = new ServiceLostError()
    const errors: unknown[] = []
    cut.addEventListener('close', ({ error }) => errors.push(error))
    end.connection.abort(reason)
    assert.deepEqual(errors, [reason])
    assert.equal(heard.log.at(-1), 'close ServiceLostError')
    assert.equal(wholeHeard.log.at(-1), 'close')
    whole.resume()
    assert.deepEqual(wholeHeard.parts, [Uint8Array.of(1, 2, 3)])
    assert.equal(end.muxer.streams.length, 0)
  })

  it('the end of the connection ends streams, and what was read of it can still be read', async () => {
    const end = new MuxerEnd('client')
    const reading = record(await end.muxer.createStream())
    const paused = end.accept(2)
    const heard = record(paused)
    paused.pause()
    end.receive(frames.data(2, 7))
    end.connection.onTransportClosed()
    assert.deepEqual(reading.log, ['end', 'close'])
    paused.resume()
    assert.deepEqual(heard.log, ['close', 'message 7', 'end'])
    assert.throws(() => paused.send(Uint8Array.of(1)))
  })

  it('a pending close is not left alone', async () => {
    for (const [, finish] of ENDS.slice(1)) {
      const end = new MuxerEnd('client')
      const stream = await end.muxer.createStream()
      stream.send(new Uint8Array(300 * KiB))
      const closed = [stream.close(), end.muxer.close()]
      await end.sent()
      finish(end)
      const [first] = await Promise.allSettled(closed)
      assert.ok(first?.status === 'rejected' && first.reason instanceof Error)
      assert.equal(end.muxer.status, 'closed')
    }
  })

  for (const [title, finish] of ENDS) {
    it(`after ${title}: no stream, no timer, no new stream`, async () => {
      const before = timers()
      const end = new MuxerEnd('client', { keepAliveMs: 50_000 })
      const streams = [await end.muxer.createStream(), end.accept(2)]
      for (const stream of streams) stream.send(new Uint8Array(10))
      assert.equal(timers(), before + 1)
      await finish(end)
      await turn()
      assert.equal(timers(), before)
      assert.equal(end.muxer.status, 'closed')
      await assert.rejects(end.muxer.createStream(), { name: 'MuxerClosedError' })
      assert.throws(() => end.muxer.onCreateStream(), { name: 'MuxerClosedError' })
      for (const stream of streams) assert.throws(() => stream.send(Uint8Array.of(1)))
      if (title !== 'close') assert.equal(end.muxer.streams.length, 0)
    })
  }
})

describe('yamux: streams of ours', () => {
  it('are at most maxOutboundStreams, and what ends makes room', async () => {
    const end = new MuxerEnd('client', { maxOutboundStreams: 2 })
    const [first] = [await end.muxer.createStream(), await end.muxer.createStream()]
    end.accept(2)
    await assert.rejects(end.muxer.createStream(), {
      name: 'TooManyOutboundProtocolStreamsError',
      message: /maxOutboundStreams/
    })
    first.abort(new Error('enough'))
    assert.equal((await end.muxer.createStream()).id, '5')
    await assert.rejects(end.muxer.createStream(), { name: 'TooManyOutboundProtocolStreamsError' })
    end.receive(frames.credit(5, 0, FIN))
    await (end.muxer.streams.find(({ id }) => id === '5') as typeof first).close()
    await end.muxer.createStream()
    const none = new MuxerEnd('client', { maxOutboundStreams: 0 })
    await assert.rejects(none.muxer.createStream(), { name: 'TooManyOutboundProtocolStreamsError' })
  })

  it('are 1,000 unless it is told otherwise', async () => {
    const { muxer } = new MuxerEnd('client')
    for (let i = 0; i < 1_000; i++) await muxer.createStream()
    await assert.rejects(muxer.createStream(), { name: 'TooManyOutboundProtocolStreamsError' })
  })
})

describe('yamux: keepAliveMs', () => {
  const pings = async (end: MuxerEnd) => (await end.sent()).filter(f => f.startsWith('PING'))

  it('pings so often, one after the other is answered', async t => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    for (const [init, ms] of [
      [{ keepAliveMs: undefined }, 30_000],
      [{ keepAliveMs: 700 }, 700]
    ] as const) {
      const end = new MuxerEnd('client', init)
      t.mock.timers.tick(ms - 1)
      assert.deepEqual(await pings(end), [])
      t.mock.timers.tick(1)
      assert.deepEqual(await pings(end), ['PING SYN #0 1'])
      t.mock.timers.tick(5 * ms)
      assert.deepEqual(await pings(end), [], 'one is not answered')
      end.receive(frames.ping(ACK, 1))
      t.mock.timers.tick(ms)
      assert.deepEqual(await pings(end), ['PING SYN #0 2'])
      // an old answer is none
      end.receive(frames.ping(ACK, 1))
      t.mock.timers.tick(ms)
      assert.deepEqual(await pings(end), [])
      end.muxer.abort(new Error('enough'))
      t.mock.timers.tick(5 * ms)
      assert.deepEqual(await pings(end), [])
    }
  })

  it('0: no timer and no PING', async t => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    const end = new MuxerEnd('client', { keepAliveMs: 0 })
    t.mock.timers.tick(10_000_000)
    assert.deepEqual(await end.sent(), [])
  })
})

describe('yamux: options', () => {
  it('name the one that is wrong', () => {
    const most = { keepAliveMs: 2 ** 31 - 1 }
    for (const name of [
      'keepAliveMs',
      'maxInboundStreams',
      'maxOutboundStreams',
      'maxEarlyStreams'
    ] as const) {
      const limit = name in most ? most.keepAliveMs : Number.MAX_SAFE_INTEGER
      const wrong = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, limit + 1, '5', null, 5n]
      for (const value of wrong) {
        assert.throws(
          () => yamux({ [name]: value } as YamuxInit),
          (error: unknown) =>
            isXtpError(error, 'ERR_XTP_INVALID_ARGUMENT') && error.message.startsWith(`${name} is`),
          `${name}: ${value}`
        )
      }
      for (const value of [0, 1, limit, undefined]) yamux({ [name]: value })
    }
  })

  it('make a factory that says what it is', async () => {
    const factory = yamux({ keepAliveMs: 0 })()
    assert.equal(factory.protocol, '/yamux/1.0.0')
    assert.equal(Object.prototype.toString.call(factory), '[object xtp/yamux]')
    const muxer = factory.createStreamMuxer(new ScriptedConnection('inbound'))
    assert.equal(muxer.protocol, '/yamux/1.0.0')
    assert.equal((await muxer.createStream()).id, '2')
  })
})
