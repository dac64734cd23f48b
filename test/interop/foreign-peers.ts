// What xtp-quic and a peer of another libp2p have to do together, whoever dials and whoever opens the streams.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Stream, StreamCloseEvent } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { until } from '../support/processes.ts'
import {
  addressOf,
  createQuicNode,
  ECHO,
  echo,
  QUIC4,
  type QuicNode
} from '../support/quic-nodes.ts'
import { ForeignPeer } from './foreign-peer.ts'

const TRANSFER = '/test/transfer/1.0.0'
/** The acceptor resets with the code that it is sent, four bytes of big endian. */
const RESET = '/test/reset/1.0.0'
/** The opener resets. */
const HOLD = '/test/hold/1.0.0'
const PING = '/ipfs/ping/1.0.0'
const MANY = { maxInboundStreams: 100_000, maxOutboundStreams: 100_000 }
const STREAM_BYTES = 2_000
/** Streams: of libp2p's error codes, the least, and the most that fits. */
const RESET_CODES = [0x1003, 0, 0xffff_ffff]
/** Connections: SHUTDOWN of libp2p's error codes. */
const CLOSE_CODE = 0x1006
const MOST_UNREAD_BYTES = 16 * 2 ** 20
/** More than both windows and all buffers between. */
const PAUSED_BYTES = 64 * 2 ** 20

export interface ForeignImplementation {
  /** Of the program below .cache/peers. */
  name: string
  /** What is needed where the program is not there. */
  missing: string
  /** Types of identity keys that it can have. */
  keys: ('Ed25519' | 'secp256k1' | 'ECDSA' | 'RSA')[]
  /** It resets streams and ends connections with codes of its choice, and does not only see those of others. */
  givesCodes: boolean
}

type WithCode = { resetCode?: number }

const closed = async (stream: Stream): Promise<StreamCloseEvent> => {
  const [event] = await once(stream as unknown as EventTarget, 'close')
  return event as StreamCloseEvent
}

function bigEndian(code: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(code)
  return bytes
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

export function foreignPeers({ name, missing, keys, givesCodes }: ForeignImplementation): void {
  const program = path.join(import.meta.dirname, '../../.cache/peers', name)
  if (!fs.existsSync(program)) {
    it(`xtp-quic and ${name}`, { skip: missing }, () => {})
    return
  }

  const nothing = () => {}
  const [itGiving, itSeeing] = givesCodes ? [it, nothing] : [nothing, it]

  for (const [title, ours] of [
    [`xtp-quic dials ${name}`, 'dialer'],
    [`${name} dials xtp-quic`, 'listener']
  ] as const) {
    describe(title, () => {
      let node: QuicNode
      let peer: ForeignPeer
      let connection: Connection
      let onTransfer: (stream: Stream) => void
      let onHold: (stream: Stream) => void

      const connect = async () => {
        if (ours === 'dialer') {
          connection = await node.dial(peer.address)
        } else {
          await peer.ask('dial', { address: String(addressOf(node)) })
          await until('the inbound connection', () => node.getConnections().length > 0)
          connection = node.getConnections()[0] as Connection
        }
      }
      const ask: ForeignPeer['ask'] = (command, options) =>
        peer.ask(command, { peer: String(node.peerId), ...options })
      const theirs = async () => (await ask('connections')).count

      before(async () => {
        node = await createQuicNode({ listen: [QUIC4] })
        peer = await ForeignPeer.start(program)
        await node.handle(ECHO, echo, MANY)
        await node.handle(TRANSFER, stream => onTransfer(stream), MANY)
        await node.handle(HOLD, stream => onHold(stream), MANY)
        await node.handle(RESET, stream => {
          stream.addEventListener('message', ({ data }) => {
            const resetCode = Buffer.from(data.subarray()).readUInt32BE()
            stream.abort(Object.assign(new Error('as told'), { resetCode }))
          })
        })
        await connect()
      })

      after(async () => {
        await node?.stop()
        await peer?.stop()
      })

      it('knows the peer on both sides', async () => {
        assert.ok(connection.remotePeer.equals(peer.peerId))
        const { peer: seen } = await peer.event('connected')
        assert.equal(seen, String(node.peerId))
      })

      it('identifies, on both sides', async () => {
        await until('identify', async () => {
          const { metadata, protocols } = await node.peerStore.get(peer.peerId)
          const agent = Buffer.from(metadata.get('AgentVersion') ?? []).toString()
          return agent === `${name}-peer` && protocols.includes(PING)
        })
        await until('identify at the peer', async () => {
          const { agent, protocols } = await ask('identify').catch(() => ({
            agent: '',
            protocols: [] as string[]
          }))
          return agent.startsWith('js-libp2p/') && protocols.includes(PING)
        })
      })

      it('pings, from both sides', async () => {
        assert.ok((await node.services.ping.ping(peer.peerId)) >= 0)
        assert.ok((await ask('ping')).ms > 0)
      })

      for (const opener of ['xtp-quic', name]) {
        it(`carries ${counts.foreignBytes} bytes each way at once on a stream of ${opener}, every byte checked`, async () => {
          const total = counts.foreignBytes
          const [up, down] = [new Pattern(1), new Pattern(2)]
          const transfer = { receiveSeed: 1, receive: total, sendSeed: 2, send: total }
          const both = async (stream: Stream) => {
            const received = receivePattern(stream, down, total)
            await sendPattern(stream, up, total)
            await Promise.all([received, stream.close()])
          }
          let carried: Promise<void>
          if (opener === 'xtp-quic') {
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
        const once = async (seed: number) => {
          const stream = await connection.newStream(ECHO, MANY)
          const pattern = new Pattern(seed)
          const back = receivePattern(stream, pattern, STREAM_BYTES)
          await sendPattern(stream, pattern, STREAM_BYTES)
          await stream.close()
          await back
        }
        await Promise.all(Array.from({ length: counts.foreignStreams }, (_, i) => once(i)))
      })

      it(`is opened ${counts.foreignStreams} streams at once`, async () => {
        await ask('echo', { streams: counts.foreignStreams, bytes: STREAM_BYTES })
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

      for (const code of RESET_CODES) {
        it(`resets with code ${code}, whoever opened the stream`, async () => {
          const held = await connection.newStream(HOLD)
          await once(held as unknown as EventTarget, 'message')
          held.abort(Object.assign(new Error('enough'), { resetCode: code }))
          const { code: seen, error } = await peer.event('reset')
          assert.equal(error, '')
          assert.equal(seen, code)
          assert.equal((await ask('askForReset', { code })).code, code)
        })

        itGiving(`is reset with code ${code}, whoever opened the stream`, async () => {
          const asking: Stream & WithCode = await connection.newStream(RESET)
          const over = closed(asking)
          asking.send(bigEndian(code))
          assert.equal((await over).error?.name, 'StreamResetError')
          assert.equal(asking.resetCode, code)
          const opened = Promise.withResolvers<Stream & WithCode>()
          onHold = opened.resolve
          const heldOver = opened.promise.then(stream => {
            stream.send(Buffer.of(1))
            return closed(stream)
          })
          await ask('reset', { code })
          assert.equal((await heldOver).error?.name, 'StreamResetError')
          assert.equal((await opened.promise).resetCode, code)
        })
      }

      itSeeing('goes on when the peer lets go of a stream', async () => {
        const stream = await connection.newStream(RESET)
        const end = once(stream as unknown as EventTarget, 'remoteCloseWrite')
        const answer = receiveAll(stream)
        stream.send(bigEndian(1))
        await end
        assert.equal((await answer).byteLength, 0)
        // nobody reads it, and it holds nothing up
        const over = closed(stream)
        await sendPattern(stream, new Pattern(5), PAUSED_BYTES)
        await stream.close()
        assert.equal((await over).error, undefined)
        assert.ok((await node.services.ping.ping(peer.peerId)) >= 0)
      })

      it('stops a sender by pausing, and loses nothing', async () => {
        const pattern = new Pattern(3)
        await ask('serve', { sendSeed: 3, send: PAUSED_BYTES })
        const stream = await connection.newStream(TRANSFER)
        stream.pause()
        const received = receivePattern(stream, pattern, PAUSED_BYTES)
        await stream.close()
        await sleep(counts.foreignPauseMs)
        const { sent } = await ask('progress')
        assert.ok(sent > 0)
        assert.ok(sent <= MOST_UNREAD_BYTES, `${sent} bytes were accepted`)
        stream.resume()
        await Promise.all([received, ask('finish')])
      })

      it('is stopped by a paused reader, and loses nothing', async () => {
        const pattern = new Pattern(4)
        await ask('serve', { receiveSeed: 4, receive: PAUSED_BYTES, paused: true })
        const stream = await connection.newStream(TRANSFER)
        let sent = 0
        const sending = sendPattern(stream, pattern, PAUSED_BYTES, bytes => {
          sent = bytes
        })
        await sleep(counts.foreignPauseMs)
        assert.equal((await ask('progress')).received, 0)
        assert.ok(sent > 0)
        assert.ok(sent <= MOST_UNREAD_BYTES, `${sent} bytes were accepted`)
        await ask('resume')
        await sending
        await Promise.all([stream.close(), ask('finish')])
      })

      it('refuses another peer than the one that was dialled', async () => {
        const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
        const wrong = (address: unknown) => String(address).replace(/\/p2p\/.*/, `/p2p/${other}`)
        const [own, their] = [node.getConnections().length, await theirs()]
        await assert.rejects(node.dial(multiaddr(wrong(peer.address)), { force: true }), {
          name: 'UnexpectedPeerError'
        })
        await assert.rejects(ask('dial', { address: wrong(addressOf(node)) }))
        await until('both drop it', async () => {
          return node.getConnections().length === own && (await theirs()) === their
        })
        assert.ok((await node.services.ping.ping(peer.peerId)) >= 0)
      })

      it('sees the peer end the connection', async () => {
        const over = once(connection as unknown as EventTarget, 'close')
        await ask('close', { code: 0 })
        const [event] = await over
        assert.equal((event as { error?: Error }).error, undefined)
        await peer.event('disconnected')
      })

      itGiving('sees the peer end it with a code', async () => {
        await connect()
        const over = once(connection as unknown as EventTarget, 'close')
        await ask('close', { code: CLOSE_CODE })
        const [event] = await over
        const { error } = event as { error?: Error }
        assert.equal(error?.name, 'ConnectionResetError')
        assert.match(error?.message ?? '', new RegExp(`with code ${CLOSE_CODE}`))
        await peer.event('disconnected')
      })

      it('ends the connection, and the peer sees it', async () => {
        await connect()
        await connection.close()
        await peer.event('disconnected')
        await until('none is left', async () => (await theirs()) === 0)
      })
    })
  }

  for (const key of keys) {
    it(`${name} and xtp-quic know each other by ${key} keys`, async () => {
      // js-libp2p has no peer ids of its own for ECDSA keys
      const privateKey = await generateKeyPair(key === 'ECDSA' ? 'Ed25519' : (key as 'Ed25519'))
      const node = await createQuicNode({ listen: [QUIC4], privateKey })
      const peer = await ForeignPeer.start(program, ['--key', key])
      try {
        const connection = await node.dial(peer.address)
        assert.ok(connection.remotePeer.equals(peer.peerId))
        assert.equal((await peer.event('connected')).peer, String(node.peerId))
        await connection.close()
        await peer.event('disconnected')
        const { peer: dialled } = await peer.ask('dial', { address: String(addressOf(node)) })
        assert.equal(dialled, String(node.peerId))
        await until('the inbound connection', () =>
          node.getConnections().some(({ remotePeer }) => remotePeer.equals(peer.peerId))
        )
      } finally {
        await node.stop()
        await peer.stop()
      }
    })
  }
}
