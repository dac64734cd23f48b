import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import * as errors from '../errors.ts'
import { STATUS } from '../status.ts'
import { concat } from '../testing/bytes.ts'
import { exchange, frame, frames, MuxEnd, violates } from '../testing/mux-end.ts'
import { MUX_FLAG } from './frame.ts'

const { SYN, ACK, FIN, RST } = MUX_FLAG
const KiB = 1_024
const MiB = 1_048_576

let client: MuxEnd
let server: MuxEnd
beforeEach(() => {
  client = new MuxEnd('client')
  server = new MuxEnd('server')
})

describe('mux: opening', () => {
  it('sends SYN with the raised window, then the header', async () => {
    const { stream } = client.open(5)
    assert.equal(stream.id, 1)
    assert.equal(stream.connId, 5)
    assert.deepEqual(await client.sent(), ['WINDOW_UPDATE SYN #1 786432', 'DATA #1 3 020805'])
    assert.equal(client.open(7).stream.id, 3)
    assert.equal(server.open(2).stream.id, 2)
  })

  it('accepts with ACK and the raised window before the handler writes', async () => {
    const end = new MuxEnd('server', {
      onStream: (stream, header) => {
        assert.deepEqual(header, { connId: 2, kind: 0 })
        stream.handler = end.recorder()
        stream.write(Uint8Array.of(0xaa))
      }
    })
    end.mux.receive(frames.open(1))
    assert.deepEqual(await end.sent(), ['WINDOW_UPDATE ACK #1 786432', 'DATA #1 1 aa'])
  })

  it('takes header and data in any pieces, and SYN on a DATA frame', () => {
    const bytes = concat([
      frames.data(1, Uint8Array.of(2), SYN),
      frames.data(1, Uint8Array.of(8)),
      frames.data(1, Uint8Array.of(9, 0x11, 0x22)),
      frames.data(1, Uint8Array.of(0x33), FIN)
    ])
    for (const byte of bytes) server.mux.receive(Uint8Array.of(byte))
    const [opened] = server.opened
    assert.equal(opened?.stream.connId, 9)
    assert.deepEqual(opened?.bytes, Uint8Array.of(0x11, 0x22, 0x33))
    assert.equal(opened?.log.at(-1), 'end')
  })

  it('delivers a single byte behind the header, and lets onStream refuse', async () => {
    server.mux.receive(frames.data(1, Uint8Array.of(2, 8, 9, 0xee), SYN))
    assert.deepEqual(server.opened[0]?.bytes, Uint8Array.of(0xee))
    const picky = new MuxEnd('server', {
      onStream: stream => {
        stream.handler = picky.recorder()
        stream.reset(STATUS.ALREADY_EXISTS)
      }
    })
    picky.mux.receive(frames.data(1, Uint8Array.of(2, 8, 9, 0xee), SYN))
    assert.deepEqual((await picky.sent()).at(-1), 'WINDOW_UPDATE RST #1 10')
    assert.equal(picky.mux.streamCount, 0)
  })

  it('resets a stream that ends before its header does', async () => {
    server.mux.receive(
      concat([frames.credit(1, 0, SYN | FIN), frames.data(3, Uint8Array.of(2, 8), SYN | FIN)])
    )
    assert.deepEqual(await server.sent(), ['WINDOW_UPDATE RST #1 5', 'WINDOW_UPDATE RST #3 5'])
    assert.equal(server.mux.streamCount + server.opened.length, 0)
  })

  it('resets a stream that nobody wants', async () => {
    const end = new MuxEnd('server', { onStream: () => {} })
    end.mux.receive(concat([frames.open(1), frames.data(1, 10)]))
    assert.deepEqual((await end.sent()).at(-1), `WINDOW_UPDATE RST #1 ${STATUS.NOT_FOUND}`)
    assert.equal(end.mux.streamCount, 0)
  })

  it('counts streams whose header never comes, and resets what is too many', async () => {
    const end = new MuxEnd('server', { maxStreams: 2 })
    end.mux.receive(concat([frames.credit(1, 0, SYN), frames.open(3), frames.open(5)]))
    assert.equal(end.mux.streamCount, 2)
    assert.equal(end.opened.length, 1)
    assert.deepEqual((await end.sent()).at(-1), `WINDOW_UPDATE RST #5 ${STATUS.RESOURCE_EXHAUSTED}`)
    end.mux.receive(concat([frames.credit(3, 0, RST), frames.open(7)]))
    assert.equal(end.opened.length, 2)
    // Streams of this end do not count.
    for (let i = 0; i < 5; i++) end.open()
    assert.equal(end.mux.streamCount, 7)
  })

  it('drops a stream that is reset before its header is there', () => {
    server.mux.receive(concat([frames.credit(1, 0, SYN), frames.credit(1, 20, RST)]))
    server.mux.receive(frames.credit(3, 0, SYN | RST))
    assert.equal(server.mux.streamCount, 0)
    assert.equal(server.opened.length, 0)
  })

  it('opens nothing without a connection id, on a closed link, or when ids are used up', () => {
    assert.throws(
      () => client.mux.open({ connId: 0 }, client.recorder()),
      errors.InvalidArgumentError
    )
    client.mux.close()
    assert.throws(() => client.open(), errors.UnavailableError)
  })
})

describe('mux: ending', () => {
  it('half-closes: the other direction goes on', async () => {
    const ours = client.open()
    ours.stream.write(Buffer.from('question'))
    ours.stream.end()
    ours.stream.end()
    assert.throws(() => ours.stream.write(Uint8Array.of(1)), errors.ConnectionClosedError)
    await exchange(client, server)
    const theirs = server.opened[0]
    assert.deepEqual(theirs?.log, ['data 8', 'end'])
    theirs?.stream.write(Buffer.from('answer'))
    client.mux.receive(frames.credit(1, 5))
    await exchange(client, server)
    assert.equal(client.mux.streamCount, 1)
    theirs?.stream.end()
    await exchange(client, server)
    assert.deepEqual(ours.log, ['data 6', 'end'])
    assert.equal(client.mux.streamCount + server.mux.streamCount, 0)
  })

  it('takes FIN on DATA and on WINDOW_UPDATE, with what it carries', () => {
    const a = client.open()
    const b = client.open()
    client.mux.receive(frames.data(1, 10, FIN))
    client.mux.receive(frames.credit(3, 10, FIN))
    assert.deepEqual(a.log, ['data 10', 'end'])
    assert.deepEqual(b.log, ['end'])
    assert.equal(b.stream.bufferedCredit, 256 * KiB - 3 + 10)
  })

  it('takes credit for what it still sends after the remote has ended', () => {
    const ours = client.open()
    client.mux.receive(frames.credit(1, 0, FIN))
    client.mux.receive(frames.credit(1, 77))
    assert.equal(ours.stream.bufferedCredit, 256 * KiB - 3 + 77)
    client.mux.receive(frames.data(1, 0))
    violates(client, frames.data(1, 1), /after its end/)
  })

  it('ignores a second FIN of either form', () => {
    const ours = client.open()
    client.mux.receive(
      concat([
        frames.data(1, 0, FIN),
        frames.credit(1, 7, FIN),
        frames.data(1, 0, FIN),
        frames.credit(1, 0, FIN)
      ])
    )
    assert.deepEqual(ours.log, ['end'])
    assert.equal(ours.stream.bufferedCredit, 256 * KiB - 3 + 7)
    violates(client, frames.data(1, 1, FIN), /after its end/)
  })

  it('resets: code, once, and nothing afterwards', async () => {
    const ours = client.open()
    await exchange(client, server)
    const theirs = server.opened[0]
    ours.stream.write(Buffer.from('lost or not'))
    ours.stream.reset(STATUS.CONNECTION_RESET)
    ours.stream.reset(1)
    ours.stream.end()
    theirs?.stream.write(Buffer.from('crossing'))
    await exchange(client, server)
    assert.deepEqual(ours.log, [], 'this end knows what it did')
    assert.deepEqual(theirs?.log, ['data 11', `reset ${STATUS.CONNECTION_RESET}`])
    assert.equal(client.mux.streamCount + server.mux.streamCount, 0)
    assert.throws(() => ours.stream.write(Uint8Array.of(1)), errors.XtpError)
    assert.throws(() => theirs?.stream.write(Uint8Array.of(1)), errors.XtpError)
    ours.stream.consumed(10)
    theirs?.stream.consumed(10)
    theirs?.stream.end()
    theirs?.stream.reset(2)
    assert.deepEqual([...(await client.sent()), ...(await server.sent())], [])
  })

  it('takes a reset on DATA, with code 0, and skips its payload', () => {
    const ours = client.open()
    client.mux.receive(concat([frames.data(1, 100, RST), frames.ping(SYN, 1)]))
    assert.deepEqual(ours.log, ['reset 0'])
  })

  it('takes a reset whatever else the frame says', () => {
    const ours = client.open()
    client.mux.receive(concat([frame(0, RST | FIN, 1, 2 * MiB), new Uint8Array(2 * MiB)]))
    assert.deepEqual(ours.log, ['reset 0'])
    server.mux.receive(concat([frames.credit(1, 0, SYN), frames.data(1, 1, RST | FIN)]))
    assert.equal(server.mux.streamCount, 0)
    assert.equal(client.closed.length + server.closed.length, 0)
  })

  it('does nothing for a reset when both directions have ended', async () => {
    const ours = client.open()
    ours.stream.end()
    client.mux.receive(frames.credit(1, 0, FIN))
    await client.sent()
    ours.stream.reset(1)
    assert.deepEqual(await client.sent(), [])
    assert.deepEqual(ours.log, ['end'])
  })

  it('skips frames for streams that are over, also in the middle of one', () => {
    const recorder = client.open()
    recorder.onData = () => recorder.stream.reset(1)
    const bytes = concat([
      frames.data(1, 1_000),
      frames.data(1, 500, FIN),
      frames.credit(1, 0xffff_ffff),
      frames.credit(1, 3, RST)
    ])
    for (let pos = 0; pos < bytes.byteLength; pos += 100) {
      client.mux.receive(bytes.subarray(pos, pos + 100))
    }
    assert.deepEqual(recorder.log, [])
    assert.equal(client.closed.length, 0)
  })

  it('closes: every stream hears it once, then the owner, and the remote is told', async () => {
    const recorders = [client.open(), client.open()]
    client.mux.receive(concat([frames.open(2), frames.credit(4, 0, SYN)]))
    await client.sent()
    client.mux.close()
    client.mux.close(new Error('second'))
    assert.deepEqual(await client.sent(), ['GO_AWAY #0 0'])
    for (const { log } of [...recorders, ...client.opened]) {
      assert.deepEqual(log, [`reset ${STATUS.SERVICE_LOST}`])
    }
    assert.deepEqual(client.closed, [undefined])
    assert.equal(client.mux.streamCount, 0)
    client.mux.receive(frames.open(6))
    client.mux.onSinkDrain()
    assert.equal(client.opened.length, 1)
  })

  it('leaves streams that do nothing any more', async () => {
    const recorder = client.open()
    client.mux.receive(concat([frames.open(2), frames.data(2, 700 * KiB)]))
    client.mux.close()
    await client.sent()
    for (const { stream } of [recorder, ...client.opened]) {
      assert.throws(() => stream.write(Uint8Array.of(1)), errors.ConnectionClosedError)
      stream.consumed(700 * KiB)
      stream.end()
      stream.reset(1)
    }
    client.mux.onSinkDrain()
    assert.deepEqual(await client.sent(), [])
  })

  it('says nothing to a remote that is gone', async () => {
    const err = new errors.ServiceLostError()
    client.open()
    await client.sent()
    client.mux.close(err)
    assert.deepEqual(await client.sent(), [])
    assert.deepEqual(client.closed, [err])
  })

  it('ends with GO_AWAY of the remote, with an error where that was not in order', async () => {
    for (const [reason, error] of [
      [0, undefined],
      [1, /protocol error/],
      [2, /internal error/],
      [9, /internal error/]
    ] as const) {
      const end = new MuxEnd('client')
      const recorder = end.open()
      await end.sent()
      end.mux.receive(concat([frames.goAway(reason), frames.ping(SYN, 1)]))
      assert.deepEqual(recorder.log, [`reset ${STATUS.SERVICE_LOST}`])
      assert.equal(end.closed.length, 1)
      if (error == null) assert.equal(end.closed[0], undefined)
      else assert.match(end.closed[0]?.message ?? '', error)
      assert.deepEqual(await end.sent(), [])
    }
  })
})

describe('mux: callbacks', () => {
  it('lets a handler use any stream, and close the link, inside any callback', async () => {
    const a = client.open()
    const b = client.open()
    const c = client.open()
    a.onData = () => {
      b.stream.write(Buffer.from('x'))
      b.stream.end()
      c.stream.reset(3)
      client.open(9).stream.end()
    }
    client.mux.receive(concat([frames.data(1, 5), frames.data(3, 5), frames.data(5, 5)]))
    assert.deepEqual(b.log, ['data 5'])
    assert.deepEqual(c.log, [])
    b.onEnd = () => client.mux.close()
    client.mux.receive(concat([frames.data(3, 0, FIN), frames.data(1, 5), frames.ping(SYN, 1)]))
    assert.deepEqual(a.log, [`reset ${STATUS.SERVICE_LOST}`])
    assert.deepEqual((await client.sent()).at(-1), 'GO_AWAY #0 0')
  })

  it('has the stream in its final state when the callback runs', () => {
    const a = client.open()
    a.stream.end()
    a.onEnd = () => {
      assert.equal(client.mux.streamCount, 0)
      assert.throws(() => a.stream.write(Uint8Array.of(1)), errors.XtpError)
    }
    client.mux.receive(frames.credit(1, 0, FIN))
    assert.equal(client.mux.streamCount, 0)
  })

  it('tells every stream of the end, also where a handler throws', () => {
    const bad = client.open()
    const good = client.open()
    bad.onReset = () => {
      throw new Error('bug')
    }
    assert.throws(() => client.mux.close(), /bug/)
    assert.deepEqual(good.log, [`reset ${STATUS.SERVICE_LOST}`])
    assert.equal(client.closed.length, 1)
  })

  it('closes the link where a handler throws on data, and passes the error on', () => {
    const bad = client.open()
    const good = client.open()
    bad.onData = () => {
      throw new Error('bug')
    }
    assert.throws(() => client.mux.receive(frames.data(1, 1)), /bug/)
    assert.deepEqual(good.log, [`reset ${STATUS.SERVICE_LOST}`])
    assert.match(client.closed[0]?.message ?? '', /bug/)
  })

  it('closes the link where a handler throws on drain, in a microtask too', async () => {
    const sink = { write() {}, cork() {}, uncork() {}, writableLength: 0 }
    const end = new MuxEnd('client', { sink, maxQueuedBytes: 1_000 })
    const recorder = end.open()
    recorder.onDrain = () => {
      throw new Error('bug')
    }
    recorder.stream.write(new Uint8Array(2_000))
    for (let i = 0; i < 5; i++) await Promise.resolve()
    assert.match(end.closed[0]?.message ?? '', /bug/)
  })
})

describe('mux: session frames', () => {
  it('has a barrier that falls with the answer to its ping, or with the link', async () => {
    const fallen: string[] = []
    for (const name of ['a', 'b', 'c']) {
      client.mux.barrier().then(() => fallen.push(name))
    }
    assert.deepEqual(await client.sent(), ['PING SYN #0 0', 'PING SYN #0 1', 'PING SYN #0 2'])
    client.mux.receive(concat([frames.ping(ACK, 1), frames.ping(ACK, 9), frames.ping(0, 0)]))
    await new Promise(setImmediate)
    assert.deepEqual(fallen, ['b'])
    client.mux.close()
    await new Promise(setImmediate)
    assert.deepEqual(fallen, ['b', 'a', 'c'])
    await client.mux.barrier()
  })

  it('answers pings and ignores other ones', async () => {
    client.mux.receive(
      concat([
        frames.ping(SYN, 0xdead_beef),
        frames.ping(ACK, 5),
        frames.ping(0, 6),
        frames.ping(SYN | FIN | 0x80, 7)
      ])
    )
    assert.deepEqual(await client.sent(), ['PING ACK #0 3735928559', 'PING ACK #0 7'])
  })

  it('ends a link whose remote asks and never reads', () => {
    const pings = concat(Array.from({ length: 1_000 }, (_, i) => frames.ping(SYN, i)))
    assert.throws(() => {
      for (let i = 0; i < 2_000; i++) client.mux.receive(pings)
    }, /unread/)
    assert.ok(client.sink.writableLength < 20 * MiB)
  })
})

describe('mux: violations', () => {
  const cases: Array<[string, RegExp, Uint8Array]> = [
    ['version 1', /version 1/, Uint8Array.of(1, ...new Uint8Array(11))],
    ['type 4', /type 4/, frame(4, 0, 0, 0)],
    ['a ping on a stream', /ping or go-away on stream 1/, frame(2, SYN, 1, 7)],
    ['a go-away on a stream', /ping or go-away on stream 9/, frame(3, 0, 9, 0)],
    ['data on stream 0', /never opened/, frames.data(0, 1)],
    ['credit on stream 0', /never opened/, frames.credit(0, 1)],
    ['SYN on stream 0', /cannot be opened/, frames.credit(0, 0, SYN)],
    ['a stream of the wrong parity', /cannot be opened/, frames.open(2)],
    ['an id that was used', /cannot be opened/, concat([frames.open(5), frames.open(5)])],
    ['an id below a used one', /cannot be opened/, concat([frames.open(5), frames.open(3)])],
    ['data on a stream that never was', /never opened/, frames.data(7, 1)],
    ['credit on a stream that never was', /never opened/, frames.credit(7, 1)],
    ['a reset of a stream that never was', /never opened/, frames.credit(7, 1, RST)],
    ['data on a stream that this end never opened', /never opened/, frames.data(2, 1)],
    ['a frame that is too long', /data frame of 16777217/, frame(0, SYN, 1, 16_777_217)],
    ['a header of length 0', /stream header/, frames.data(1, Uint8Array.of(0), SYN)],
    ['a header of 65 bytes', /stream header/, frames.data(1, Uint8Array.of(65), SYN)],
    ['a header that is no protobuf', /malformed/, frames.data(1, Uint8Array.of(1, 255), SYN)],
    ['a header without connection', /conn_id/, frames.data(1, Uint8Array.of(2, 16, 1), SYN)]
  ]
  for (const [what, pattern, bytes] of cases) {
    it(`closes the link for ${what}`, () => {
      violates(new MuxEnd('server'), bytes, pattern)
      const slowly = new MuxEnd('server')
      assert.throws(() => {
        for (const byte of bytes) slowly.mux.receive(Uint8Array.of(byte))
      }, pattern)
      assert.equal(slowly.closed.length, 1)
    })
  }

  it('refuses data beyond the credit before a byte of it is delivered', () => {
    server.mux.receive(frames.open(1))
    assert.throws(() => server.mux.receive(frame(0, 0, 1, MiB - 2)), /beyond its credit/)
    assert.equal(server.opened[0]?.chunks.length, 0)
  })
})
