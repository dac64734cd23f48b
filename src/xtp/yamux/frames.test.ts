// What is on the wire, byte for byte.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Uint8ArrayList } from 'uint8arraylist'
import { turn } from '../client/testing/scripted-connection.ts'
import { MUX_FLAG } from '../ctl/mux/frame.ts'
import { concat, fromHex, toHex } from '../ctl/testing/bytes.ts'
import { frames } from '../ctl/testing/mux-end.ts'
import { MuxerEnd, record } from './testing/muxer-end.ts'

const { SYN, ACK, FIN, RST } = MUX_FLAG

/** Every kind of frame that a remote may send, for streams 1 and 3 of its own. */
const SESSION = concat([
  frames.credit(1, 0, SYN),
  frames.data(1, Buffer.from('hello')),
  frames.ping(SYN, 0xdead_beef),
  frames.data(3, Buffer.from('with SYN'), SYN),
  frames.credit(1, 1_000),
  frames.data(3, 300),
  frames.data(1, 0),
  frames.ping(ACK, 5),
  frames.data(3, Buffer.from('bye'), FIN),
  frames.data(99, Buffer.from('for none')),
  frames.credit(1, 0, RST)
])

describe('yamux: frames', () => {
  it('opens with SYN, sends, half-closes, in one piece', async () => {
    const { connection, muxer } = new MuxerEnd('client')
    const stream = await muxer.createStream()
    stream.send(Buffer.from('hi'))
    await stream.close()
    await turn()
    assert.equal(
      toHex(connection.take()),
      '00 01 0001 00000001 00000000  00 00 0000 00000001 00000002 6869  00 01 0004 00000001 00000000'.replaceAll(
        ' ',
        ''
      )
    )
    await muxer.createStream()
    await turn()
    assert.equal(toHex(connection.take()), '000100010000000300000000')
  })

  it('numbers the streams of a server from 2, and accepts with ACK', async () => {
    const end = new MuxerEnd('server')
    await end.muxer.createStream()
    end.receive(fromHex('00 01 0001 00000001 00000000'))
    await turn()
    assert.equal(toHex(end.connection.take()), '000100010000000200000000000100020000000100000000')
    assert.equal(end.opened[0]?.direction, 'inbound')
    assert.equal(end.opened[0]?.id, '1')
  })

  it('resets', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(Uint8Array.of(1))
    stream.abort(new Error('enough'))
    assert.deepEqual(await end.sent(), [
      'WINDOW_UPDATE SYN #1 0',
      'DATA #1 1 01',
      'WINDOW_UPDATE RST #1 0'
    ])
  })

  it('answers PINGs with their value, and no answers', async () => {
    const end = new MuxerEnd('client')
    end.receive(frames.ping(SYN, 0xffff_ffff), frames.ping(ACK, 1), frames.ping(0, 2))
    await turn()
    assert.equal(toHex(end.connection.take()), '0002000200000000ffffffff')
  })

  it('says GO_AWAY: in order, and for a failure', async () => {
    const closing = new MuxerEnd('client')
    await closing.muxer.close()
    assert.equal(toHex(closing.connection.take()), '000300000000000000000000')
    const failing = new MuxerEnd('client')
    failing.muxer.abort(new Error('bug'))
    assert.equal(toHex(failing.connection.take()), '000300000000000000000002')
  })

  it('cuts what is large into frames of at most 64 KiB', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8Array(200_000))
    assert.deepEqual((await end.sent()).slice(1), [
      'DATA #1 65507',
      'DATA #1 65507',
      'DATA #1 65507',
      `DATA #1 ${200_000 - 3 * 65_507}`
    ])
  })

  it('sends what is written in one turn of the event loop at once', async () => {
    const end = new MuxerEnd('client')
    const pieces: number[] = []
    const { connection } = end
    const { sendData } = connection
    connection.sendData = data => {
      pieces.push(data.byteLength)
      return sendData.call(connection, data)
    }
    const streams = [await end.muxer.createStream(), await end.muxer.createStream()]
    await turn()
    pieces.length = 0
    for (const stream of streams) {
      stream.send(new Uint8Array(10))
      stream.send(new Uint8Array(20))
    }
    await turn()
    assert.deepEqual(pieces, [4 * 12 + 60])
  })

  it('passes bytes of any list on, in order', async () => {
    const end = new MuxerEnd('client')
    const stream = await end.muxer.createStream()
    stream.send(new Uint8ArrayList(Uint8Array.of(1, 2), Uint8Array.of(3)))
    stream.send(Uint8Array.of(4))
    assert.deepEqual((await end.sent()).slice(1), ['DATA #1 3 010203', 'DATA #1 1 04'])
  })

  for (const [pieces, cut] of [
    ['bytes', (bytes: Uint8Array) => [...bytes].map(byte => Uint8Array.of(byte))],
    [
      'lists of bytes',
      (bytes: Uint8Array) => [new Uint8ArrayList(...[...bytes].map(b => Uint8Array.of(b)))]
    ],
    [
      'pieces of 7',
      (bytes: Uint8Array) =>
        Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) =>
          bytes.subarray(7 * i, 7 * i + 7)
        )
    ]
  ] as const) {
    it(`takes a session in ${pieces} as in one piece`, async () => {
      const run = async (parts: readonly (Uint8Array | Uint8ArrayList)[]) => {
        const end = new MuxerEnd('server')
        const heard: ReturnType<typeof record>[] = []
        end.muxer.addEventListener('stream', ({ detail }) => {
          heard.push(record(detail as (typeof end.opened)[number]))
        })
        for (const part of parts) end.connection.onData(part)
        const texts = heard.map(({ parts, log }) => [
          toHex(concat(parts)),
          log.filter(line => !line.startsWith('message'))
        ])
        return { texts, sent: await end.sent() }
      }
      const whole = await run([SESSION])
      assert.deepEqual(await run(cut(SESSION)), whole)
      assert.deepEqual(whole.texts, [
        [toHex(Buffer.from('hello')), ['end', 'close StreamResetError']],
        [
          toHex(concat([Buffer.from('with SYN'), new Uint8Array(300), Buffer.from('bye')])),
          ['remoteCloseWrite', 'end']
        ]
      ])
      assert.deepEqual(whole.sent, [
        'WINDOW_UPDATE ACK #1 0',
        'PING ACK #0 3735928559',
        'WINDOW_UPDATE ACK #3 0'
      ])
    })
  }
})
