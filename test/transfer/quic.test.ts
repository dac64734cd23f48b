// Real data between libp2p nodes whose QUIC runs in real services.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { isXtpError } from 'xtp'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { transportOf } from '../support/nodes.ts'
import { children, openFds, until } from '../support/processes.ts'
import {
  addressOf,
  createQuicNode,
  ECHO,
  echo,
  QUIC4,
  type QuicNode
} from '../support/quic-nodes.ts'

const DUPLEX = '/test/duplex/1.0.0'
const HOLD = '/test/hold/1.0.0'
const MANY = { maxInboundStreams: 100_000, maxOutboundStreams: 100_000 }
/** One in ten was cut off when the end of the connection could overtake the bytes. */
const CLOSES = 100
/** A dial answers its signal at once, and a busy machine within this. */
const ANSWER_MS = 1_000

describe('transfers over xtp-quic', () => {
  let listener: QuicNode
  let dialer: QuicNode
  let onDuplex: (stream: Stream) => void = () => {}
  let onHold: (stream: Stream) => void = () => {}

  before(async () => {
    const init = { restart: { initialDelayMs: 10 } }
    listener = await createQuicNode({ listen: [QUIC4], init })
    dialer = await createQuicNode({ init })
    await listener.handle(DUPLEX, stream => onDuplex(stream), MANY)
    await listener.handle(HOLD, stream => onHold(stream), MANY)
    await listener.handle(ECHO, echo, MANY)
  })

  after(async () => {
    await dialer?.stop()
    await listener?.stop()
    assert.deepEqual(
      children().filter(child => child.command.includes('service')),
      [],
      'a service is left'
    )
  })

  const dial = (): Promise<Connection> => dialer.dial(addressOf(listener), { force: true })

  it('knows both peers, and tells figures of a connection', async () => {
    const connection = await dial()
    assert.ok(connection.remotePeer.equals(listener.peerId))
    await until('the inbound connection', () => listener.getConnections().length > 0)
    assert.ok(listener.getConnections()[0]?.remotePeer.equals(dialer.peerId))
    await dialer.services.ping.ping(listener.peerId)
    for (const node of [dialer, listener]) {
      const [own] = node.getConnections()
      const stats = await transportOf(node).connectionStats(own as Connection)
      assert.ok((stats.get('rtt_us') as bigint) > 0n, [...stats].join())
    }
    await connection.close()
  })

  it(`carries ${counts.largeTransferBytes} bytes each way, both at once, every byte checked`, async () => {
    const [up, down] = [new Pattern(1), new Pattern(2)]
    const total = counts.largeTransferBytes
    const served = new Promise<void>((resolve, reject) => {
      onDuplex = stream => {
        Promise.all([receivePattern(stream, up, total), sendPattern(stream, down, total)]).then(
          () => resolve(),
          reject
        )
      }
    })
    const connection = await dial()
    const stream = await connection.newStream(DUPLEX)
    await Promise.all([receivePattern(stream, down, total), sendPattern(stream, up, total), served])
    await connection.close()
  })

  it(`serves ${counts.concurrentStreams} concurrent streams of one connection`, async () => {
    const connection = await dial()
    const size = 20_000
    await Promise.all(
      Array.from({ length: counts.concurrentStreams }, async (_, i) => {
        const stream = await connection.newStream(ECHO, {
          ...MANY,
          signal: AbortSignal.timeout(60_000)
        })
        const pattern = new Pattern(i)
        const back = receivePattern(stream, pattern, size)
        await sendPattern(stream, pattern, size)
        await stream.close()
        await back
      })
    )
    await until('no stream left', () => connection.streams.length === 0)
    await connection.close()
  })

  it('serves no more streams at once than limits.streams, and opens no more', async () => {
    const streams = 4
    const limited = await createQuicNode({ listen: [QUIC4], init: { limits: { streams } } })
    try {
      let open = 0
      let most = 0
      await limited.handle(
        ECHO,
        stream => {
          open += 1
          most = Math.max(most, open)
          stream.addEventListener('close', () => {
            open -= 1
          })
          echo(stream)
        },
        MANY
      )
      await limited.handle(HOLD, () => {}, MANY)
      // one after the other for want of credit, and none is reset
      const connection = await dialer.dial(addressOf(limited))
      const pattern = new Pattern(4)
      await Promise.all(
        Array.from({ length: 10 * streams }, async () => {
          const stream = await connection.newStream(ECHO, MANY)
          const back = receivePattern(stream, pattern, 5_000)
          await sendPattern(stream, pattern, 5_000)
          await stream.close()
          await back
        })
      )
      assert.ok(most <= streams, `${most} at once`)
      const back = await limited.dial(addressOf(listener), { force: true })
      await until('identify is over', () => back.streams.length === 0)
      const held = await Promise.all(
        Array.from({ length: streams }, () => back.newStream(HOLD, MANY))
      )
      await assert.rejects(
        back.newStream(HOLD, MANY),
        error =>
          isXtpError(error, 'ERR_XTP_RESOURCE_EXHAUSTED') && /limits\.streams/.test(error.message)
      )
      held[0]?.abort(new Error('enough'))
      await back.newStream(HOLD, MANY)
    } finally {
      await limited.stop()
    }
  })

  it(`opens and closes ${counts.sequentialConnections} connections and leaves nothing`, async () => {
    const once = async () => {
      const connection = await dial()
      const stream = await connection.newStream(ECHO)
      const answer = receiveAll(stream)
      stream.send(Buffer.from('once'))
      await stream.close()
      assert.equal(Buffer.from(await answer).toString(), 'once')
      await connection.close()
    }
    await once()
    const services = [listener, dialer].map(node => transportOf(node).status().pid as number)
    // of the watchdog, one more may be open for a moment
    const descriptors = () => [openFds(), ...services.map(pid => openFds(pid))]
    const fds = descriptors()
    for (let i = 0; i < counts.sequentialConnections; i++) {
      await once()
    }
    await until('no connection left', async () => {
      const stats = await Promise.all([listener, dialer].map(node => transportOf(node).stats()))
      return stats.every(figures => figures.get('connections') === 0n)
    })
    await until('descriptors are given back', () =>
      descriptors().every((count, i) => count <= (fds[i] as number))
    )
  })

  it('keeps at most 8 MiB while a reader pauses, loses nothing, and goes on', async () => {
    const total = counts.pausedReaderBytes
    const pattern = new Pattern(9)
    let resume: () => void = () => {}
    const served = new Promise<void>((resolve, reject) => {
      onHold = stream => {
        stream.pause()
        receivePattern(stream, pattern, total).then(resolve, reject)
        resume = () => stream.resume()
      }
    })
    const connection = await dial()
    const stream = await connection.newStream(HOLD)
    const offered = { bytes: 0 }
    const sending = sendPattern(stream, pattern, total, sent => {
      offered.bytes = sent
    })
    await new Promise(resolve => setTimeout(resolve, 3000))
    const whilePaused = offered.bytes
    await new Promise(resolve => setTimeout(resolve, 300))
    assert.equal(offered.bytes, whilePaused, 'the sender goes on although the reader is paused')
    assert.ok(whilePaused < 8 * 2 ** 20, `${whilePaused} bytes were taken from the sender`)
    // others of the same connection are not held up
    await dialer.services.ping.ping(addressOf(listener))
    resume()
    await Promise.all([sending, served])
    await connection.close()
  })

  it('half-closes and resets', async () => {
    const connection = await dial()
    const stream = await connection.newStream(ECHO)
    const answer = receiveAll(stream)
    stream.send(Buffer.from('half'))
    await stream.close()
    assert.equal(Buffer.from(await answer).toString(), 'half')
    const reset = new Promise<number | undefined>(resolve => {
      onHold = inbound => {
        inbound.addEventListener('close', () => {
          resolve((inbound as Stream & { resetCode?: number }).resetCode)
        })
        inbound.send(Buffer.from('ready'))
      }
    })
    const other = await connection.newStream(HOLD)
    await new Promise(resolve => other.addEventListener('message', resolve, { once: true }))
    other.abort(Object.assign(new Error('enough'), { resetCode: 4711 }))
    assert.equal(await reset, 4711)
    await connection.close()
  })

  it('closes a connection after all that its streams were given has arrived', async () => {
    const size = 900_000
    for (let i = 0; i < CLOSES; i++) {
      const pattern = new Pattern(i)
      const served = new Promise<void>((resolve, reject) => {
        onDuplex = stream => receivePattern(stream, pattern, size).then(resolve, reject)
      })
      const connection = await dial()
      const stream = await connection.newStream(DUPLEX)
      await sendPattern(stream, pattern, size)
      await stream.close()
      await connection.close()
      await served
    }
  })

  it('refuses another peer than the one that was dialled', async () => {
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const address = String(addressOf(listener)).replace(/\/p2p\/.*/, `/p2p/${other}`)
    await assert.rejects(dialer.dial(multiaddr(address)), (error: Error) => {
      const errors = error instanceof AggregateError ? error.errors : [error]
      assert.ok(
        errors.some(({ name }) => name === 'UnexpectedPeerError'),
        errors.join()
      )
      return true
    })
    await until('the listener drops it', () => listener.getConnections().length === 0)
  })

  it('gives a dial to a silent address up when its signal says so, or when its time is over', async () => {
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    const quick = await createQuicNode({ init: { dialTimeoutMs: 300 } })
    try {
      const address = `/ip4/127.0.0.1/udp/${silent.address().port}/quic-v1`
      const { client } = transportOf(dialer)
      const controller = new AbortController()
      const dialling = client.dial(address, { signal: controller.signal })
      dialling.catch(() => {})
      await new Promise(resolve => setTimeout(resolve, 300))
      const start = performance.now()
      controller.abort(new Error('enough'))
      await assert.rejects(dialling, /enough/)
      assert.ok(performance.now() - start < ANSWER_MS, `${performance.now() - start} ms`)
      await assert.rejects(transportOf(quick).client.dial(address), error =>
        isXtpError(error, 'ERR_XTP_CONNECTION_TIMED_OUT')
      )
    } finally {
      await quick.stop()
      silent.close()
    }
  })

  it('fails a transfer whose service is killed, on both sides, and comes back on the same port', async () => {
    const address = addressOf(listener)
    const total = counts.largeTransferBytes
    const served = new Promise<Error | undefined>(resolve => {
      onDuplex = stream => {
        stream.addEventListener('message', () => {})
        stream.addEventListener('close', event => resolve(event.error))
      }
    })
    const connection = await dial()
    const stream = await connection.newStream(DUPLEX)
    const { pid } = transportOf(listener).status()
    let killed = false
    const sending = sendPattern(stream, new Pattern(7), total, sent => {
      if (!killed && sent >= 16 * 2 ** 20) {
        killed = true
        process.kill(pid as number, 'SIGKILL')
      }
    })
    sending.catch(() => {})
    assert.ok(isXtpError(await served, 'ERR_XTP_SERVICE_LOST'))
    // the peer of a process that is gone hears nothing: it is this side's idle timeout, or a reset, that ends it
    connection.abort(new Error('the listener is gone'))
    await assert.rejects(sending)
    await until('it listens again', () => listener.getMultiaddrs().length > 0)
    assert.equal(String(addressOf(listener)), String(address))
    const again = await dialer.dial(address)
    await dialer.services.ping.ping(listener.peerId)
    await again.close()
  })
})
