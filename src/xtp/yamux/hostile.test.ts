// Remotes that break the rules, or have more done than they do themselves.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { turn } from '../client/testing/scripted-connection.ts'
import { ProtocolViolationError } from '../ctl/index.ts'
import { MUX_FLAG, MUX_TYPE } from '../ctl/mux/frame.ts'
import { concat } from '../ctl/testing/bytes.ts'
import { frame, frames } from '../ctl/testing/mux-end.ts'
import { MuxerEnd, record, violates } from './testing/muxer-end.ts'

const { SYN, ACK, FIN, RST } = MUX_FLAG
const { DATA, WINDOW_UPDATE, PING, GO_AWAY } = MUX_TYPE
const KiB = 1_024
const MiB = 1_048_576

describe('yamux: what no remote may send', () => {
  const versioned = frames.data(1)
  versioned[0] = 1
  const cases: [string, Uint8Array, RegExp][] = [
    ['a frame of another version', versioned, /version 1/],
    ['a frame of an unknown type', frame(4, 0, 1, 0), /type 4/],
    ['the last type that there could be', frame(255, 0, 0, 0), /type 255/],
    ['DATA on stream 0', frames.data(0, 5), /type 0 for stream 0/],
    ['WINDOW_UPDATE on stream 0', frames.credit(0, 5), /type 1 for stream 0/],
    ['SYN on stream 0', frames.credit(0, 0, SYN), /type 1 for stream 0/],
    ['PING on a stream', frame(PING, SYN, 1, 0), /type 2 for stream 1/],
    ['GO_AWAY on a stream', frame(GO_AWAY, 0, 2, 0), /type 3 for stream 2/],
    ['data beyond the window', frames.data(1, 256 * KiB + 1), /beyond its window/],
    ['a length that no window allows', frame(DATA, 0, 1, 0xffff_ffff), /beyond its window/],
    [
      'data beyond the window in two frames',
      concat([frames.data(2, 100 * KiB), frames.data(2, 156 * KiB + 1)]),
      /beyond its window/
    ],
    ['data behind FIN', concat([frames.credit(1, 0, FIN), frames.data(1, 1)]), /after its end/],
    [
      'data behind FIN on data',
      concat([frames.data(2, 9, FIN), frames.data(2, 1)]),
      /after its end/
    ],
    ['an id of ours in a SYN', frames.credit(7, 0, SYN), /stream 7 cannot be opened/],
    ['an id of ours that is open in a SYN', frames.credit(1, 0, SYN), /stream 1 cannot be opened/],
    ['SYN twice', frames.credit(2, 0, SYN), /stream 2 cannot be opened/],
    ['SYN twice, on data', frames.data(2, 1, SYN), /stream 2 cannot be opened/],
    ['credit beyond 32 bits', frames.credit(1, 0xffff_ffff), /credit of stream 1/],
    [
      'credit beyond 32 bits in pieces',
      concat(Array.from({ length: 3 }, () => frames.credit(2, 0x7fff_ffff))),
      /credit of stream 2/
    ]
  ]
  for (const [title, bytes, pattern] of cases) {
    it(title, async () => {
      const byByte = [...bytes].map(byte => Uint8Array.of(byte))
      const behind = concat([bytes, frames.ping(SYN, 7)])
      for (const pieces of bytes.byteLength < 1_000 ? [[behind], byByte] : [[behind]]) {
        const end = new MuxerEnd('client')
        for (const stream of [await end.muxer.createStream(), end.accept(2)]) stream.pause()
        await violates(end, pieces, pattern)
      }
    })
  }

  it('ids of a server are even: so are those that it may not be sent', async () => {
    await violates(new MuxerEnd('server'), [frames.credit(2, 0, SYN)], /stream 2 cannot be opened/)
  })

  it('after the muxer was closed, it still ends the connection', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    await end.muxer.close()
    const heard = record(stream)
    end.receive(frame(9, 0, 0, 0), frames.data(1, 5))
    assert.ok(end.connection.aborted instanceof ProtocolViolationError)
    assert.equal(heard.bytes, 0)
    assert.equal(end.muxer.streams.length, 0)
  })
})

describe('yamux: what is skipped', () => {
  it('frames of every kind for streams that never were, with their payload', async () => {
    const end = new MuxerEnd('client')
    const heard = record(end.accept(2))
    await end.sent()
    for (const id of [1, 4, 0xffff_ffff]) {
      for (const flags of [0, ACK, FIN, RST, FIN | RST, ACK | FIN, 0xfff0]) {
        end.receive(
          frames.data(id, 70_000, flags),
          frames.credit(id, 0xffff_ffff, flags),
          frames.data(id, 0, flags)
        )
      }
    }
    end.receive(frames.data(2, 5))
    assert.deepEqual(heard.log, ['message 5'])
    assert.deepEqual(await end.sent(), [])
    assert.equal(end.muxer.status, 'open')
  })

  it('4 GiB for none, of which nothing is kept', async () => {
    const end = new MuxerEnd('client')
    end.receive(frame(DATA, 0, 99, 0xffff_ffff))
    const page = new Uint8Array(64 * MiB)
    for (let i = 0; i < 63; i++) end.receive(page)
    end.receive(page.subarray(0, 64 * MiB - 1), frames.ping(SYN, 3))
    assert.deepEqual(await end.sent(), ['PING ACK #0 3'])
  })

  it('frames for a stream that was reset here, also in the middle of one', async () => {
    const end = new MuxerEnd('client')
    const stream = end.accept(2)
    const heard = record(stream)
    stream.addEventListener('message', () => stream.abort(new Error('enough')))
    const bytes = concat([
      frames.data(2, 1_000),
      frames.data(2, 300_000, FIN),
      frames.credit(2, 0xffff_ffff),
      frames.credit(2, 0xffff_ffff, FIN),
      frames.credit(2, 0, RST),
      frames.ping(SYN, 1)
    ])
    for (let at = 0; at < bytes.byteLength; at += 100) end.receive(bytes.subarray(at, at + 100))
    assert.deepEqual(heard.log, ['message 88', 'end', 'close Error'])
    assert.deepEqual(await end.sent(), [
      'WINDOW_UPDATE ACK #2 0',
      'WINDOW_UPDATE RST #2 0',
      'PING ACK #0 1'
    ])
  })

  it('what comes after the remote has reset', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    const heard = record(stream)
    end.receive(
      frames.data(1, 50_000, RST),
      frames.data(1, 9),
      frames.credit(1, 9, FIN),
      frames.credit(1, 0, RST)
    )
    assert.deepEqual(heard.log, ['end', 'close StreamResetError'])
    assert.throws(() => stream.send(Uint8Array.of(1)))
    assert.deepEqual(await end.sent(), ['WINDOW_UPDATE SYN #1 0'])
  })

  it('the payload of a reset, also where what came before is still unread', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    const heard = record(stream)
    stream.pause()
    end.receive(frames.data(1, 5), frames.data(1, 100, RST | FIN), frames.data(1, 100))
    stream.resume()
    assert.deepEqual(heard.log, ['close StreamResetError', 'message 5', 'end'])
  })

  it('flags that do not exist, a second FIN, and ACK for what is open', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    const heard = record(stream)
    end.receive(frames.data(1, 3, 0xff00 | ACK), frames.credit(1, 5, 0xfff0 | ACK))
    end.receive(frames.credit(1, 0, FIN), frames.credit(1, 8, FIN), frames.data(1, 0))
    assert.deepEqual(
      heard.log.filter(what => what !== 'end'),
      ['message 3', 'remoteCloseWrite']
    )
    assert.equal(end.muxer.status, 'open')
  })

  it('a stream that is opened and reset in one frame', async () => {
    const end = new MuxerEnd('client')
    end.receive(frames.data(2, 10, SYN | RST), frames.credit(4, 0, SYN | FIN))
    assert.deepEqual(
      end.muxer.streams.map(({ id }) => id),
      ['4']
    )
  })
})

describe('yamux: limits', () => {
  it('resets inbound streams beyond maxInboundStreams, and harms no others', async () => {
    const end = new MuxerEnd('server', { maxInboundStreams: 3 })
    const heard = [1, 3, 5].map(id => record(end.accept(id)))
    await end.sent()
    for (let id = 7; id < 100; id += 2) end.receive(frames.data(id, 10_000, SYN))
    const sent = await end.sent()
    assert.equal(sent.length, 47)
    assert.ok(sent.every(frame => /^WINDOW_UPDATE RST #\d+ 0$/.test(frame)))
    assert.equal(end.opened.length, 3)
    for (const id of [1, 3, 5]) end.receive(frames.data(id, 5))
    assert.ok(heard.every(({ log }) => log.join() === 'message 5'))
    // outbound ones do not count, and what ends makes room
    await end.muxer.createStream()
    end.receive(frames.credit(1, 0, RST))
    assert.equal(end.accept(101).id, '101')
    assert.equal(end.opened.length, 4)
  })

  it('takes 1,000 unless it is told otherwise, and none where that is 0', async () => {
    const end = new MuxerEnd('server')
    for (let i = 0; i < 1_001; i++) end.receive(frames.credit(1 + 2 * i, 0, SYN))
    assert.equal(end.opened.length, 1_000)
    assert.equal((await end.sent()).at(-1), 'WINDOW_UPDATE RST #2001 0')
    const none = new MuxerEnd('server', { maxInboundStreams: 0 })
    none.receive(frames.credit(1, 0, SYN))
    assert.deepEqual(await none.sent(), ['WINDOW_UPDATE RST #1 0'])
  })

  it('holds streams that came before their listener to maxEarlyStreams', async () => {
    const end = new MuxerEnd('server', { maxEarlyStreams: 2 })
    const { muxer } = end
    // the base class counts listeners
    muxer.listenerCount = () => 0
    end.receive(frames.credit(1, 0, SYN), frames.credit(3, 0, SYN))
    assert.equal(muxer.status, 'open')
    end.receive(frames.credit(5, 0, SYN))
    assert.equal(muxer.status, 'closed')
    assert.equal(muxer.streams.length, 0)
  })

  // what a remote that does not read has to send until it is taken for hostile is a few MiB
  const floods: [string, (i: number) => Uint8Array, object][] = [
    ['PINGs', i => frames.ping(SYN, i), {}],
    ['SYNs that are refused', i => frames.credit(1 + 2 * i, 0, SYN), { maxInboundStreams: 0 }],
    [
      'streams that are opened and reset',
      i => concat([frames.credit(1 + 2 * i, 0, SYN), frames.credit(1 + 2 * i, 0, RST)]),
      {}
    ]
  ]
  for (const [title, make, init] of floods) {
    it(`ends a connection whose remote floods it with ${title} and reads nothing`, async () => {
      const end = new MuxerEnd('server', init, 64 * KiB)
      let most = 0
      for (let i = 0; end.connection.aborted === undefined; ) {
        assert.ok(i < 1_000_000, 'it is never ended')
        end.receive(...Array.from({ length: 1_000 }, () => make(i++)))
        // the muxer's microtasks
        await Promise.resolve()
        await Promise.resolve()
        most = Math.max(most, end.connection.pendingBytes + end.connection.writeBufferLength)
        end.opened.length = 0
      }
      assert.ok(end.connection.aborted instanceof ProtocolViolationError)
      assert.ok(most < 2 * MiB, `${most} bytes wait`)
    })

    // accounted for in the same way, and slow
    if (title.startsWith('streams')) continue
    it(`goes on where a remote has sent many ${title}, and reads`, async () => {
      const end = new MuxerEnd('server', init, 64 * KiB)
      for (let i = 0; i < 120_000; ) {
        end.receive(...Array.from({ length: 1_000 }, () => make(i++)))
        await turn()
        if (i % 20_000 === 0) {
          end.connection.take()
          end.connection.drain()
        }
      }
      assert.equal(end.connection.aborted, undefined)
    })
  }

  it('is not disturbed by a window that is opened a little at a time', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(256 * KiB + 100))
    for (let i = 0; i < 100; i++) end.receive(frame(WINDOW_UPDATE, 0, 1, 1))
    assert.equal(stream.writeBufferLength, 0)
    assert.equal((await end.sent()).at(-1), 'DATA #1 1 00')
  })
})

describe('yamux: GO_AWAY of the remote', () => {
  it('in order: streams end without an error, and no new ones begin', async () => {
    const end = new MuxerEnd('client')
    const own = await end.muxer.createStream()
    const heard = [record(own), record(end.accept(2))]
    end.receive(frames.data(2, 7), frames.goAway(0), frames.data(2, 7), frame(9, 0, 0, 0))
    assert.equal(end.connection.aborted, undefined, 'nothing behind it counts')
    assert.deepEqual(heard[0]?.log, ['end', 'close'])
    assert.deepEqual(heard[1]?.log, ['message 7', 'end', 'close'])
    assert.equal(end.muxer.status, 'closed')
    await assert.rejects(end.muxer.createStream(), { name: 'MuxerClosedError' })
    assert.throws(() => own.send(Uint8Array.of(1)))
  })

  it('in order: what a paused reader has not read can still be read', async () => {
    const end = new MuxerEnd('client')
    const stream = end.accept(2)
    const heard = record(stream)
    stream.pause()
    end.receive(frames.data(2, 7), frames.goAway(0))
    stream.resume()
    assert.deepEqual(heard.log, ['close', 'message 7', 'end'])
  })

  for (const [reason, pattern] of [
    [1, /a protocol error/],
    [2, /an internal error/],
    [77, /an internal error/]
  ] as const) {
    it(`with reason ${reason}: streams end with an error`, async () => {
      const end = new MuxerEnd('client')
      const stream = await end.muxer.createStream()
      let error: Error | undefined
      stream.addEventListener('close', event => {
        error = event.error
      })
      end.receive(frames.goAway(reason), frames.ping(SYN, 1))
      assert.match(error?.message ?? '', pattern)
      assert.equal(end.muxer.status, 'closed')
      assert.ok(!(await end.sent()).some(frame => frame.startsWith('PING')))
      await assert.rejects(end.muxer.createStream(), { name: 'MuxerClosedError' })
    })
  }
})
