// xtp-quic against an independent QUIC and libp2p TLS: rust-libp2p on quinn, as @chainsafe/libp2p-quic has it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { until } from '../support/processes.ts'
import { addressOf, createQuicNode, QUIC4, QUIC6, type QuicNode } from '../support/quic-nodes.ts'

const DUPLEX = '/test/duplex/1.0.0'
const ECHO = '/test/echo/1.0.0'
const HOLD = '/test/hold/1.0.0'
const RESET = '/test/reset/1.0.0'
const STREAMS = 1000
const PAUSE_MS = 5000
const MANY = { maxInboundStreams: 100_000, maxOutboundStreams: 100_000 }

for (const [title, ours] of [
  ['xtp-quic dials quinn', 'dialer'],
  ['quinn dials xtp-quic', 'listener']
] as const) {
  describe(title, () => {
    let listener: QuicNode
    let dialer: QuicNode
    let connection: Connection
    let onDuplex: (stream: Stream) => void
    let onHold: (stream: Stream) => void

    before(async () => {
      listener = await createQuicNode({ listen: [QUIC4, QUIC6], independent: ours === 'dialer' })
      dialer = await createQuicNode({ independent: ours === 'listener' })
      await listener.handle(DUPLEX, stream => onDuplex(stream), MANY)
      await listener.handle(HOLD, stream => onHold(stream), MANY)
      await listener.handle(
        RESET,
        stream => stream.addEventListener('message', () => stream.abort(new Error('no'))),
        MANY
      )
      await listener.handle(
        ECHO,
        stream => {
          stream.addEventListener('message', event => {
            stream.send(event.data)
          })
          stream.addEventListener('remoteCloseWrite', () => {
            stream.close().catch(() => {})
          })
        },
        MANY
      )
      connection = await dialer.dial(addressOf(listener))
    })

    after(async () => {
      await dialer?.stop()
      await listener?.stop()
    })

    it('knows the peer on both sides', async () => {
      assert.ok(connection.remotePeer.equals(listener.peerId))
      await until('the inbound connection', () =>
        listener.getConnections().some(({ remotePeer }) => remotePeer.equals(dialer.peerId))
      )
    })

    it('dials IPv6', async () => {
      const six = listener.getMultiaddrs().find(ma => String(ma).startsWith('/ip6/'))
      assert.ok(six)
      const own = await dialer.dial(six, { force: true })
      assert.ok(own.remotePeer.equals(listener.peerId))
      await own.close()
    })

    it('identifies and pings', async () => {
      for (const [node, other] of [
        [dialer, listener],
        [listener, dialer]
      ] as const) {
        await until('identify', async () => {
          const { protocols } = await node.peerStore.get(other.peerId)
          return protocols.includes('/ipfs/ping/1.0.0')
        })
        assert.ok((await node.services.ping.ping(other.peerId)) >= 0)
      }
    })

    it(`carries ${counts.quinnBytes} bytes each way, every byte checked`, async () => {
      const total = counts.quinnBytes
      const [up, down] = [new Pattern(1), new Pattern(2)]
      const served = new Promise<void>((resolve, reject) => {
        onDuplex = stream => {
          receivePattern(stream, up, total)
            .then(() => sendPattern(stream, down, total))
            .then(() => stream.close())
            .then(resolve, reject)
        }
      })
      const stream = await connection.newStream(DUPLEX)
      const back = receivePattern(stream, down, total)
      await sendPattern(stream, up, total)
      await Promise.all([back, served])
      await stream.close()
    })

    it(`opens ${STREAMS} streams`, async () => {
      const size = 2_000
      const once = async (i: number) => {
        const stream = await connection.newStream(ECHO, MANY)
        const pattern = new Pattern(i)
        const back = receivePattern(stream, pattern, size)
        await sendPattern(stream, pattern, size)
        await stream.close()
        await back
      }
      // a window of 200: the independent one refuses instead of waiting where its peer has no room
      let next = 0
      const worker = async () => {
        while (next < STREAMS) {
          await once(next++)
        }
      }
      await Promise.all(Array.from({ length: 200 }, worker))
      await until('no stream left', () =>
        connection.streams.every(({ protocol }) => protocol !== ECHO)
      )
    })

    it('half-closes: the answer comes behind the end of the question', async () => {
      const stream = await connection.newStream(ECHO)
      const answer = receiveAll(stream)
      stream.send(Buffer.from('half'))
      await stream.close()
      assert.equal(Buffer.from(await answer).toString(), 'half')
    })

    it('sees a reset, and goes on', async () => {
      const stream = await connection.newStream(RESET)
      const ended = await new Promise<Error | undefined>(resolve => {
        stream.addEventListener('close', event => resolve(event.error))
        if (ours === 'listener') {
          // the JavaScript side of the independent one takes a reset for an end
          stream.addEventListener('remoteCloseWrite', () => resolve(undefined))
        }
        // the answer of multistream-select has come by now: a reset would take it away
        stream.send(Buffer.of(1))
      })
      assert.equal(ended?.name, ours === 'dialer' ? 'StreamResetError' : undefined)
      assert.ok((await dialer.services.ping.ping(listener.peerId)) >= 0)
    })

    it('refuses another peer than the one that was dialled', async () => {
      const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
      const address = String(addressOf(listener)).replace(/\/p2p\/.*/, `/p2p/${other}`)
      const before = listener.getConnections().length
      await assert.rejects(dialer.dial(multiaddr(address), { force: true }))
      await until('the listener drops it', () => listener.getConnections().length <= before)
    })

    // rust-libp2p's own JavaScript side has no receive backpressure: only ours is made to pause
    it(`takes at most 16 MiB of ${counts.quinnPausedBytes} while its reader pauses, and loses nothing`, async () => {
      const total = counts.quinnPausedBytes
      const pattern = new Pattern(3)
      let reader: Stream
      let received: Promise<void>
      const offered = { bytes: 0 }
      const onSent = (sent: number) => {
        offered.bytes = sent
      }
      let sending: Promise<void> | undefined
      if (ours === 'listener') {
        const opened = Promise.withResolvers<Stream>()
        onHold = stream => {
          stream.pause()
          opened.resolve(stream)
        }
        const stream = await connection.newStream(HOLD)
        sending = sendPattern(stream, pattern, total, onSent)
        reader = await opened.promise
        received = receivePattern(reader, pattern, total)
      } else {
        const started = Promise.withResolvers<void>()
        onHold = stream => {
          sending = sendPattern(stream, pattern, total, onSent)
          started.resolve()
        }
        reader = await connection.newStream(HOLD)
        reader.pause()
        received = receivePattern(reader, pattern, total)
        await started.promise
      }
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
      const whilePaused = offered.bytes
      assert.ok(whilePaused <= 16 * 2 ** 20, `${whilePaused} bytes were accepted`)
      reader.resume()
      await Promise.all([received, sending])
    })
  })
}
