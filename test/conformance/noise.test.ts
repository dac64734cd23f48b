// xtp/noise against the stock @chainsafe/libp2p-noise at the other end of the connection, in both roles.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type NoiseInit, noise as stockNoise } from '@chainsafe/libp2p-noise'
import { yamux as stockYamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory
} from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { noise } from 'xtp/noise'
import { yamux } from 'xtp/yamux'
import { drained } from '../support/bytes.ts'
import { until } from '../support/processes.ts'

const KiB = 1_024
const MiB = 1_048_576
const POOL = randomBytes(2 * MiB)
const PATIENCE_MS = 20_000
const PAUSE_MS = 50

const ENCRYPTERS = { ours: noise, stock: stockNoise }
type Who = keyof typeof ENCRYPTERS
const COMBINATIONS = [
  ['ours', 'stock'],
  ['stock', 'ours'],
  ['ours', 'ours']
] as const

const counted = new Map<string, number>()
const metrics = {
  registerCounter: (name: string) => ({
    increment: () => counted.set(name, (counted.get(name) ?? 0) + 1)
  })
}

interface NodeInit extends NoiseInit {
  keyType?: 'Ed25519' | 'RSA'
  muxers?: StreamMuxerFactory[]
}

async function makeNode(
  who: Who,
  init: NodeInit = {}
): Promise<{ encrypter: ConnectionEncrypter; peerId: PeerId }> {
  const { keyType = 'Ed25519', muxers = [], ...rest } = init
  const privateKey = await generateKeyPair(keyType as 'Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  const upgrader = { getStreamMuxers: () => new Map(muxers.map(each => [each.protocol, each])) }
  const components = { privateKey, peerId, upgrader, metrics, logger: defaultLogger() }
  return { encrypter: ENCRYPTERS[who](rest)(components as never), peerId }
}

interface Options {
  dialer?: NodeInit
  listener?: NodeInit
  dial?: SecureConnectionOptions
  delay?: number
  /** The dialer takes the listener for this one. */
  expected?: PeerId
}

const raw: MessageStream[] = []

/** Both results, dialer's first: a handshake fails at both ends, in whatever order. */
async function handshake(dialer: Who, listener: Who, options: Options = {}) {
  const { delay } = options
  const pair = multiaddrConnectionPair(delay === undefined ? {} : { delay })
  raw.push(...pair)
  const ends = [
    await makeNode(dialer, options.dialer),
    await makeNode(listener, options.listener)
  ] as const
  const remotePeer = options.expected ?? ends[1].peerId
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const fail = (error: Error) => {
    for (const connection of pair) connection.abort(error)
    throw error
  }
  const results = await Promise.allSettled([
    ends[0].encrypter.secureOutbound(pair[0], { remotePeer, signal, ...options.dial }).catch(fail),
    ends[1].encrypter.secureInbound(pair[1], { signal }).catch(fail)
  ])
  return { results, ends, pair }
}

async function connect(dialer: Who, listener: Who, options: Options = {}) {
  const { results, ends, pair } = await handshake(dialer, listener, options)
  const secured = results.map(result => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  }) as [SecuredConnection, SecuredConnection]
  assert.ok(secured[0].remotePeer?.equals(ends[1].peerId))
  assert.ok(secured[1].remotePeer?.equals(ends[0].peerId))
  return { secured, pair, streams: secured.map(({ connection }) => connection) as Streams }
}

type Streams = [MessageStream, MessageStream]

function hashing(stream: MessageStream) {
  const got = { bytes: 0, hash: createHash('sha256') }
  stream.addEventListener('message', ({ data }) => {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      got.hash.update(part)
      got.bytes += part.byteLength
    }
  })
  return got
}

/** In writes of `size` bytes. */
async function send(stream: MessageStream, total: number, size: number): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < total; at += size) {
    const from = at % (POOL.byteLength - size)
    const bytes = POOL.subarray(from, from + Math.min(size, total - at))
    hash.update(bytes)
    if (!stream.send(bytes)) await drained(stream as never)
  }
  return hash.digest('hex')
}

const holds = (what: string, condition: () => boolean) => until(what, condition, PATIENCE_MS)

afterEach(() => {
  for (const connection of raw.splice(0)) connection.abort(new Error('the test is over'))
  counted.clear()
})

for (const [dialer, listener] of COMBINATIONS) {
  describe(`noise: ${dialer} dials ${listener}`, () => {
    for (const [total, size] of [
      [4 * MiB, 64 * KiB],
      [4 * MiB, MiB],
      [MiB, 1_000],
      [30_000, 7]
    ] as const) {
      it(`carries ${total} bytes each way at once, in writes of ${size}`, async () => {
        const { streams } = await connect(dialer, listener)
        const got = streams.map(hashing) as [ReturnType<typeof hashing>, ReturnType<typeof hashing>]
        const [first, second] = await Promise.all(streams.map(each => send(each, total, size)))
        await holds('all bytes', () => got.every(({ bytes }) => bytes === total))
        assert.equal(got[1].hash.digest('hex'), first)
        assert.equal(got[0].hash.digest('hex'), second)
        const messages = counted.get('libp2p_noise_encrypted_packets_total') ?? 0
        assert.equal(counted.get('libp2p_noise_decrypted_packets_total'), messages)
        assert.ok(messages >= (2 * total) / 65_519, `${messages} messages`)
        assert.equal(counted.get('libp2p_noise_xxhandshake_successes_total'), 2)
      })
    }

    it('stops for a reader that pauses, and goes on', async () => {
      const { streams } = await connect(dialer, listener)
      for (const [sender, reader] of [streams, streams.toReversed()] as Streams[]) {
        const got = hashing(reader)
        reader.pause()
        const sending = send(sender, MiB, 64 * KiB)
        await setTimeout(PAUSE_MS)
        assert.equal(got.bytes, 0)
        reader.resume()
        const sent = await sending
        await holds('all bytes', () => got.bytes === MiB)
        assert.equal(got.hash.digest('hex'), sent)
      }
    })

    it('closes from either end: everything arrives before the end', async () => {
      for (const [closer, other] of [
        [0, 1],
        [1, 0]
      ] as const) {
        const { streams } = await connect(dialer, listener)
        const got = hashing(streams[other])
        let closed: { error?: Error | undefined } | undefined
        streams[other].addEventListener('close', ({ error }) => {
          closed = { error }
        })
        streams[closer].send(POOL.subarray(0, 300_000))
        await streams[closer].close()
        await holds('the end', () => closed !== undefined)
        assert.deepEqual(closed, { error: undefined })
        assert.equal(got.bytes, 300_000)
      }
    })

    it('aborts from either end: the other is reset', async () => {
      for (const [aborter, other] of [
        [0, 1],
        [1, 0]
      ] as const) {
        const { streams } = await connect(dialer, listener)
        let closed: Error | undefined
        streams[other].addEventListener('close', ({ error }) => {
          closed = error
        })
        streams[aborter].abort(new Error('enough'))
        await holds('the reset', () => closed !== undefined)
        assert.equal(closed?.name, 'StreamResetError')
      }
    })

    it('ends where a message is changed on its way', async () => {
      const { streams, pair } = await connect(dialer, listener)
      const [stream, reader] = streams
      const got = hashing(reader)
      await send(stream, 200_000, 50_000)
      await holds('what came before it', () => got.bytes === 200_000)
      const { sendData } = pair[0] as unknown as { sendData(data: Uint8Array): unknown }
      Object.assign(pair[0], {
        sendData(data: { subarray(): Uint8Array }) {
          const bytes = Uint8Array.from(data.subarray())
          bytes[10] = (bytes[10] as number) ^ 1
          return sendData.call(pair[0], bytes)
        }
      })
      let closed: Error | undefined
      reader.addEventListener('close', ({ error }) => {
        closed = error
      })
      stream.send(POOL.subarray(0, 5_000))
      await holds('the error', () => closed !== undefined)
      assert.equal(got.bytes, 200_000)
      assert.equal(counted.get('libp2p_noise_decrypt_errors_total'), 1)
      if (listener === 'ours') assert.equal(closed?.name, 'ProtocolViolationError')
    })

    it('agrees on the muxer in the handshake, where both have one', async () => {
      for (const muxers of [[yamux()()], [stockYamux()() as StreamMuxerFactory]]) {
        const options = { dialer: { muxers }, listener: { muxers } }
        const { secured } = await connect(dialer, listener, options)
        assert.deepEqual(
          secured.map(({ streamMuxer }) => streamMuxer),
          [muxers[0], muxers[0]]
        )
      }
      const { secured } = await connect(dialer, listener)
      assert.deepEqual(
        secured.map(({ streamMuxer }) => streamMuxer),
        [undefined, undefined]
      )
    })

    it('fails where the two have no muxer in common', async () => {
      const other = { ...yamux()(), protocol: '/other/1.0.0' } as StreamMuxerFactory
      const { results } = await handshake(dialer, listener, {
        dialer: { muxers: [yamux()()] },
        listener: { muxers: [other] }
      })
      for (const result of results) assert.equal(result.status, 'rejected')
      const reasons = results.map(result => (result as PromiseRejectedResult).reason.name)
      assert.ok(reasons.includes('InvalidCryptoExchangeError'), String(reasons))
    })

    it('says nothing of muxers where it is told not to', async () => {
      const muxers = [yamux()()]
      const { secured } = await connect(dialer, listener, {
        dialer: { muxers },
        listener: { muxers },
        dial: { skipStreamMuxerNegotiation: true }
      })
      assert.equal(secured[0].streamMuxer, undefined)
      assert.equal(secured[1].streamMuxer, undefined)
    })

    it('refuses a listener that is another than the one that was dialled', async () => {
      const expected = (await makeNode('stock')).peerId
      const { results } = await handshake(dialer, listener, { expected })
      const [dialled] = results as [PromiseRejectedResult, unknown]
      assert.equal(dialled.status, 'rejected')
      assert.equal(dialled.reason.name, 'UnexpectedPeerError')
    })

    it('fails where the prologues differ, and works where they are the same', async () => {
      const [one, two] = [1, 2].map(byte => ({ prologueBytes: Uint8Array.of(byte) }))
      await connect(dialer, listener, { dialer: one, listener: one } as Options)
      const { results } = await handshake(dialer, listener, { dialer: one, listener: two } as never)
      for (const { status } of results) assert.equal(status, 'rejected')
    })

    it('works with RSA keys, whose handshake is long', async () => {
      const rsa = { keyType: 'RSA' } as const
      const { streams } = await connect(dialer, listener, { dialer: rsa, listener: rsa })
      const got = hashing(streams[1])
      const sent = await send(streams[0], 100_000, 10_000)
      await holds('all bytes', () => got.bytes === 100_000)
      assert.equal(got.hash.digest('hex'), sent)
    })
  })
}

describe('xtp/noise', () => {
  it('leaves connections to a noise of libp2p that has no handshakes to call', async () => {
    const prototype = Object.getPrototypeOf((await makeNode('stock')).encrypter)
    const replaced = {
      performHandshakeInitiator: undefined,
      performHandshakeResponder: undefined,
      secureOutbound: async () => 'outbound',
      secureInbound: async () => 'inbound'
    }
    const before = Object.getOwnPropertyDescriptors(prototype)
    Object.assign(prototype, replaced)
    try {
      const { encrypter } = await makeNode('ours')
      const [connection] = multiaddrConnectionPair()
      assert.equal(await encrypter.secureOutbound(connection), 'outbound')
      assert.equal(await encrypter.secureInbound(connection), 'inbound')
    } finally {
      Object.defineProperties(prototype, before)
    }
  })
})
