// xtp/noise and xtp/yamux against go-libp2p's, over TCP, whoever dials and whoever opens the streams.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Connection, Stream, StreamCloseEvent } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { noise } from 'xtp/noise'
import { yamux } from 'xtp/yamux'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { until } from '../support/processes.ts'
import { addressOf, createQuicNode, ECHO, type QuicNode } from '../support/quic-nodes.ts'
import { ForeignPeer } from './foreign-peer.ts'

const TRANSFER = '/test/transfer/1.0.0'
const RESET = '/test/reset/1.0.0'
const HOLD = '/test/hold/1.0.0'
const MANY = { maxInboundStreams: 100_000, maxOutboundStreams: 100_000 }
const STREAM_BYTES = 2_000
const CODE = 0x1003
/** Of ours; go-yamux's is larger, but grows only while somebody reads. */
const MOST_UNREAD_BYTES = 8 * 2 ** 20
/** More than both windows and all buffers between. */
const PAUSED_BYTES = 64 * 2 ** 20

const PROGRAM = path.join(import.meta.dirname, '../../.cache/peers/go-libp2p')

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const closed = async (stream: Stream): Promise<StreamCloseEvent> => {
  const [event] = await once(stream as unknown as EventTarget, 'close')
  return event as StreamCloseEvent
}

/** The end of a short question may be there before the handler is, and what came with it is dispatched later. */
function echo(stream: Stream): void {
  const closeAtEnd = () => {
    if (stream.remoteWriteStatus === 'closed' && stream.readBufferLength === 0) {
      stream.close().catch(() => {})
    }
  }
  stream.addEventListener('message', ({ data }) => {
    stream.send(data)
    closeAtEnd()
  })
  stream.addEventListener('remoteCloseWrite', closeAtEnd)
  closeAtEnd()
}

function suite(title: string, isDialer: boolean): void {
  describe(title, () => {
    let node: QuicNode
    let peer: ForeignPeer
    let connection: Connection
    let onTransfer: (stream: Stream) => void
    let onHold: (stream: Stream) => void

    const connect = async () => {
      if (isDialer) {
        connection = await node.dial(peer.address)
      } else {
        await peer.ask('dial', { address: String(addressOf(node)) })
        await until('the inbound connection', () => node.getConnections().length > 0)
        connection = node.getConnections()[0] as Connection
      }
    }
    const ask: ForeignPeer['ask'] = (command, options) =>
      peer.ask(command, { peer: String(node.peerId), ...options })

    before(async () => {
      node = await createQuicNode({
        libp2p: {
          addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
          transports: [tcp()],
          connectionEncrypters: [noise()],
          streamMuxers: [yamux(MANY)]
        }
      })
      peer = await ForeignPeer.start(PROGRAM, ['--tcp'])
      await node.handle(ECHO, echo, MANY)
      await node.handle(TRANSFER, stream => onTransfer(stream), MANY)
      await node.handle(HOLD, stream => onHold(stream), MANY)
      await node.handle(RESET, stream => {
        stream.addEventListener('message', () => stream.abort(new Error('as told')))
      })
      await connect()
    })

    after(async () => {
      await node?.stop()
      await peer?.stop()
    })

    it('has agreed on yamux, and pings from both sides', async () => {
      assert.equal(connection.multiplexer, '/yamux/1.0.0')
      assert.match(String(connection.remoteAddr), /\/tcp\//)
      assert.ok((await node.services.ping.ping(peer.peerId)) >= 0)
      assert.ok((await ask('ping')).ms > 0)
    })

    for (const opener of ['us', 'go-libp2p']) {
      it(`carries ${counts.foreignBytes} bytes each way at once on a stream of ${opener}, every byte checked`, async () => {
        const total = counts.foreignBytes
        const transfer = { receiveSeed: 1, receive: total, sendSeed: 2, send: total }
        const both = async (stream: Stream) => {
          const received = receivePattern(stream, new Pattern(2), total)
          await sendPattern(stream, new Pattern(1), total)
          await Promise.all([received, stream.close()])
        }
        let carried: Promise<void>
        if (opener === 'us') {
          await ask('serve', transfer)
          carried = both(await connection.newStream(TRANSFER))
        } else {
          const { promise, resolve } = Promise.withResolvers<Stream>()
          onTransfer = resolve
          // a handler that is late would lose what has been dispatched
          carried = promise.then(both)
          await ask('transfer', transfer)
        }
        await Promise.all([carried, ask('finish')])
      })
    }

    it(`opens ${counts.foreignStreams} streams at once`, async () => {
      const echoed = async (seed: number) => {
        const stream = await connection.newStream(ECHO, MANY)
        const back = receivePattern(stream, new Pattern(seed), STREAM_BYTES)
        await sendPattern(stream, new Pattern(seed), STREAM_BYTES)
        await stream.close()
        await back
      }
      await Promise.all(Array.from({ length: counts.foreignStreams }, (_, i) => echoed(i)))
    })

    it(`is opened ${counts.foreignStreams} streams at once`, async () => {
      await ask('echo', { streams: counts.foreignStreams, bytes: STREAM_BYTES })
      await until('no stream left', () =>
        connection.streams.every(({ protocol }) => protocol !== ECHO)
      )
    })

    it('has 16 streams of 1 MiB echoed at once', async () => {
      const bytes = 2 ** 20
      const echoed = async (seed: number) => {
        const stream = await connection.newStream(ECHO, MANY)
        const back = receivePattern(stream, new Pattern(seed), bytes)
        await sendPattern(stream, new Pattern(seed), bytes)
        await stream.close()
        await back
      }
      await Promise.all([
        ...Array.from({ length: 16 }, (_, i) => echoed(i)),
        ask('echo', { streams: 16, bytes })
      ])
    })

    it('half-closes: the answer comes behind the end of the question', async () => {
      const stream = await connection.newStream(ECHO)
      const answer = receiveAll(stream)
      stream.send(Buffer.from('half'))
      await stream.close()
      assert.equal(Buffer.from(await answer).toString(), 'half')
    })

    it('resets, whoever opened the stream', async () => {
      const held = await connection.newStream(HOLD)
      await once(held as unknown as EventTarget, 'message')
      held.abort(new Error('enough'))
      const { code, error } = await peer.event('reset')
      assert.deepEqual([code, error], [0, ''])
      assert.equal((await ask('askForReset', { code: CODE })).code, 0)
    })

    it('is reset, whoever opened the stream', async () => {
      const asking = await connection.newStream(RESET)
      const over = closed(asking)
      asking.send(Uint8Array.of(0, 0, CODE >> 8, CODE & 0xff))
      assert.equal((await over).error?.name, 'StreamResetError')
      const opened = Promise.withResolvers<Stream>()
      onHold = opened.resolve
      const heldOver = opened.promise.then(stream => {
        stream.send(Uint8Array.of(1))
        return closed(stream)
      })
      await ask('reset', { code: CODE })
      assert.equal((await heldOver).error?.name, 'StreamResetError')
    })

    it('stops a sender by pausing, and loses nothing', async () => {
      await ask('serve', { sendSeed: 3, send: PAUSED_BYTES })
      const stream = await connection.newStream(TRANSFER)
      stream.pause()
      const received = receivePattern(stream, new Pattern(3), PAUSED_BYTES)
      await stream.close()
      await sleep(counts.foreignPauseMs)
      const { sent } = await ask('progress')
      assert.ok(sent > 0)
      assert.ok(sent <= MOST_UNREAD_BYTES, `${sent} bytes were accepted`)
      stream.resume()
      await Promise.all([received, ask('finish')])
    })

    it('stops a sender in the middle, when its window has grown', async () => {
      await ask('serve', { sendSeed: 3, send: PAUSED_BYTES })
      const stream = await connection.newStream(TRANSFER)
      let at = 0
      const paused = Promise.withResolvers<number>()
      const received = receivePattern(stream, new Pattern(3), PAUSED_BYTES, bytes => {
        if (at < PAUSED_BYTES / 4 && bytes >= PAUSED_BYTES / 4) {
          stream.pause()
          paused.resolve(bytes)
        }
        at = bytes
      })
      await stream.close()
      const before = await paused.promise
      await sleep(counts.foreignPauseMs)
      const { sent } = await ask('progress')
      assert.equal(at, before)
      assert.ok(sent - at <= MOST_UNREAD_BYTES, `${sent - at} bytes were accepted`)
      stream.resume()
      await Promise.all([received, ask('finish')])
    })

    it('is stopped by a paused reader, and loses nothing', async () => {
      await ask('serve', { receiveSeed: 4, receive: PAUSED_BYTES, paused: true })
      const stream = await connection.newStream(TRANSFER)
      let sent = 0
      const sending = sendPattern(stream, new Pattern(4), PAUSED_BYTES, bytes => {
        sent = bytes
      })
      await sleep(counts.foreignPauseMs)
      assert.equal((await ask('progress')).received, 0)
      assert.ok(sent > 0)
      assert.ok(sent <= MOST_UNREAD_BYTES, `${sent} bytes were accepted`)
      assert.ok((await node.services.ping.ping(peer.peerId)) >= 0, 'others go on')
      await ask('resume')
      await sending
      await Promise.all([stream.close(), ask('finish')])
    })

    it('sees the peer end the connection', async () => {
      const over = once(connection as unknown as EventTarget, 'close')
      await ask('close', { code: 0 })
      await over
      await peer.event('disconnected')
    })

    it('ends the connection, and the peer sees it', async () => {
      await connect()
      await connection.close()
      await peer.event('disconnected')
      await until('none is left', async () => (await ask('connections')).count === 0)
    })
  })
}

if (fs.existsSync(PROGRAM)) {
  suite('xtp/yamux dials go-yamux', true)
  suite('go-yamux dials xtp/yamux', false)
} else {
  const skip =
    'needs Go 1.26 or newer to build the peer: install it from go.dev, or your package manager'
  it('xtp/yamux and go-yamux', { skip }, () => {})
}
