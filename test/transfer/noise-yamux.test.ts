// Real data between libp2p nodes over uTP in real services, with xtp/noise and xtp/yamux at one end or both.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { noise as stockNoise } from '@chainsafe/libp2p-noise'
import { yamux as stockYamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Stream, StreamCloseEvent } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { isXtpError } from 'xtp'
import { noise } from 'xtp/noise'
import { yamux } from 'xtp/yamux'
import { drained, Pattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { createNode, transportOf, UTP4 } from '../support/nodes.ts'
import { until } from '../support/processes.ts'

const DUPLEX = '/test/duplex/1.0.0'
const STREAMS = 16
const STREAM_BYTES = counts.largeTransferBytes / 64
const CHUNK_BYTES = 65_536
const MANY = { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 }

const STACKS = {
  ours: { encrypter: noise, muxer: yamux },
  stock: { encrypter: stockNoise, muxer: stockYamux }
}

/** Both ways at once; answers the hashes of what was sent and of what came. */
async function exchange(stream: Stream, seed: number): Promise<{ sent: string; received: string }> {
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  let bytes = 0
  const all = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      received.update(part)
    }
    bytes += data.byteLength
    if (bytes === STREAM_BYTES) {
      all.resolve()
    }
  })
  stream.addEventListener('close', ({ error }) => {
    all.reject(error ?? new Error(`closed after ${bytes} bytes`))
  })
  const pattern = new Pattern(2 * seed)
  const send = async () => {
    for (let at = 0; at < STREAM_BYTES; at += CHUNK_BYTES) {
      const chunk = pattern.at(at, Math.min(CHUNK_BYTES, STREAM_BYTES - at))
      sent.update(chunk)
      if (!stream.send(chunk)) {
        await drained(stream)
      }
    }
  }
  await Promise.all([send(), all.promise])
  await stream.close()
  assert.equal(bytes, STREAM_BYTES)
  return { sent: sent.digest('hex'), received: received.digest('hex') }
}

for (const [dials, listens] of [
  ['ours', 'stock'],
  ['stock', 'ours'],
  ['ours', 'ours']
] as const) {
  describe(`noise and yamux over xtp-utp: ${dials} dials ${listens}`, () => {
    let listener: Libp2p
    let dialer: Libp2p

    before(async () => {
      listener = await createNode({ listen: [UTP4], ...STACKS[listens] })
      dialer = await createNode(STACKS[dials])
    })

    after(async () => {
      const services = [dialer, listener].map(node => transportOf(node).status())
      await dialer.stop()
      await listener.stop()
      for (const { crashes, lastError } of services) {
        assert.equal(crashes, 0, lastError?.message)
      }
    })

    for (const opener of ['dialer', 'listener'] as const) {
      it(`carry ${STREAM_BYTES} bytes each way on ${STREAMS} streams at once, opened by the ${opener}`, async () => {
        const dialled = await dialer.dial(listener.getMultiaddrs(), { force: true })
        await until('the inbound connection', () => listener.getConnections().length === 1)
        const [accepted] = listener.getConnections() as [Connection]
        const acceptor = opener === 'dialer' ? listener : dialer
        const answers: Promise<{ sent: string; received: string }>[] = []
        await acceptor.handle(
          DUPLEX,
          stream => {
            answers.push(exchange(stream, 100 + answers.length))
          },
          { ...MANY, force: true }
        )
        const connection = opener === 'dialer' ? dialled : accepted
        const asked = await Promise.all(
          Array.from({ length: STREAMS }, async (_, i) =>
            exchange(await connection.newStream(DUPLEX, MANY), i)
          )
        )
        assert.equal(answers.length, STREAMS)
        // each got what another sent, and all of it
        const answered = await Promise.all(answers)
        const pairs = (list: string[][]) => list.map(pair => pair.join()).sort()
        assert.deepEqual(
          pairs(asked.map(({ sent, received }) => [sent, received])),
          pairs(answered.map(({ sent, received }) => [received, sent]))
        )
        assert.equal(new Set(asked.map(({ sent }) => sent)).size, STREAMS)
        await until('no stream left', () => connection.streams.length === 0)
        await dialled.close()
        await until('no connection left', () => listener.getConnections().length === 0)
      })
    }
  })
}

describe('a stream of xtp/yamux', () => {
  it('ends with the error that its connection ends with, when a service is killed', async () => {
    const listener = await createNode({ listen: [UTP4], ...STACKS.ours })
    const dialer = await createNode(STACKS.ours)
    const closed = async (stream: Stream): Promise<Error | undefined> => {
      const [{ error }] = (await once(stream as unknown as EventTarget, 'close')) as [
        StreamCloseEvent
      ]
      return error
    }
    try {
      const inbound = Promise.withResolvers<Error | undefined>()
      const arrived = Promise.withResolvers<void>()
      await listener.handle(DUPLEX, stream => {
        closed(stream).then(inbound.resolve)
        stream.addEventListener('message', () => arrived.resolve())
      })
      const stream = await dialer.dialProtocol(listener.getMultiaddrs(), DUPLEX)
      const outbound = closed(stream)
      stream.send(new Uint8Array(CHUNK_BYTES))
      await arrived.promise
      process.kill(transportOf(listener).status().pid as number, 'SIGKILL')
      const here = await inbound.promise
      assert.ok(isXtpError(here, 'ERR_XTP_SERVICE_LOST'), String(here))
      // the service that follows does not know the connection
      const there = await outbound
      assert.ok(isXtpError(there, 'ERR_XTP_CONNECTION_RESET'), String(there))
    } finally {
      await dialer.stop()
      await listener.stop()
    }
  })
})
