// A bad path: what half-close, abort and bytes mean must not depend on the weather.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Connection, MessageStream, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { XtpConnection } from 'xtp'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { type ByteTransport, createClient } from '../support/clients.ts'
import { counts } from '../support/counts.ts'
import { addressThrough, createQuicNode, portOf, QUIC4 } from '../support/quic-nodes.ts'
import { Relay } from '../support/relay.ts'

const PROTOCOL = '/test/lossy/1.0.0'

/** One end of a path: a raw connection of uTP or UDT, a stream of QUIC. */
interface End {
  stream: MessageStream
  closeWrite(): Promise<void>
  /** The whole connection. */
  close(): Promise<void>
}

interface Path {
  port: number
  dial(port: number): Promise<End>
  accepted(): Promise<End>
  stop(): Promise<void>
}

async function bytePath(transport: ByteTransport): Promise<Path> {
  const server = createClient({}, transport)
  const client = createClient({}, transport)
  let inbound: (end: End) => void = () => {}
  const end = (connection: XtpConnection): End => ({
    stream: connection,
    closeWrite: () => connection.closeWrite(),
    close: () => connection.close()
  })
  const listener = server.createListener({
    allowHalfOpen: true,
    onConnection: connection => inbound(end(connection))
  })
  await listener.listen(multiaddr(`/ip4/127.0.0.1/udp/0/${transport}`))
  return {
    port: Number(listener.getAddrs()[0]?.getComponents()[1]?.value),
    dial: async port =>
      end(
        await client.dial(multiaddr(`/ip4/127.0.0.1/udp/${port}/${transport}`), {
          allowHalfOpen: true
        })
      ),
    accepted: () =>
      new Promise(resolve => {
        inbound = resolve
      }),
    async stop() {
      await client.stop()
      await server.stop()
    }
  }
}

async function quicPath(): Promise<Path> {
  const server = await createQuicNode({ listen: [QUIC4] })
  const client = await createQuicNode()
  let inbound: (end: End) => void = () => {}
  const end = (stream: Stream, connection: Connection): End => ({
    stream,
    closeWrite: () => stream.close(),
    close: () => connection.close()
  })
  await server.handle(PROTOCOL, (stream, connection) => inbound(end(stream, connection)))
  return {
    port: portOf(server),
    async dial(port) {
      const connection = await client.dial(addressThrough(server, port), { force: true })
      return end(await connection.newStream(PROTOCOL), connection)
    },
    accepted: () =>
      new Promise(resolve => {
        inbound = resolve
      }),
    async stop() {
      await client.stop()
      await server.stop()
    }
  }
}

function closed(stream: MessageStream): Promise<Error | undefined> {
  return new Promise(resolve => {
    stream.addEventListener('close', event => resolve(event.error))
  })
}

const KINDS = [
  {
    name: 'raw connections of uTP',
    path: () => bytePath('utp'),
    reset: 'ERR_XTP_CONNECTION_RESET'
  },
  {
    name: 'raw connections of UDT',
    path: () => bytePath('udt'),
    bytes: counts.udtLossyBytes,
    reset: 'ERR_XTP_CONNECTION_RESET'
  },
  {
    name: 'streams of QUIC',
    path: quicPath,
    reset: 'StreamResetError'
  }
]

for (const { name, path, reset, bytes = counts.lossyBytes } of KINDS) {
  describe(`${name} through 25 ms, 1 % loss, 1 % duplication and 2 ms jitter`, () => {
    let between: Path
    let relay: Relay

    before(async () => {
      between = await path()
      relay = await Relay.start({
        target: between.port,
        delayMs: 25,
        jitterMs: 2,
        loss: 0.01,
        duplication: 0.01
      })
    })
    after(async () => {
      await between.stop()
      await relay.close()
    })

    async function connect(): Promise<[End, End]> {
      const accepted = between.accepted()
      const outbound = await between.dial(relay.port)
      return [outbound, await accepted]
    }

    it(`carries ${bytes} bytes both ways`, async () => {
      const [a, b] = await connect()
      const [up, down] = [new Pattern(1), new Pattern(2)]
      await Promise.all([
        receivePattern(b.stream, up, bytes),
        receivePattern(a.stream, down, bytes),
        sendPattern(a.stream, up, bytes),
        sendPattern(b.stream, down, bytes)
      ])
      const { datagrams, lost, duplicated } = relay.stats
      assert.ok(lost > datagrams * 0.005, `the relay lost only ${lost} of ${datagrams}`)
      assert.ok(duplicated > datagrams * 0.005, `only ${duplicated} of ${datagrams} came twice`)
      await Promise.all([a.close(), b.close()])
    })

    it('half-close ends one direction and leaves the other', async () => {
      const [a, b] = await connect()
      const over = [a, b].map(({ stream }) => closed(stream))
      const question = receiveAll(b.stream)
      const answer = receiveAll(a.stream)
      a.stream.send(Buffer.from('what is left to say?'))
      await a.closeWrite()
      assert.equal(Buffer.from(await question).toString(), 'what is left to say?')
      // long after the question's end, more than a window of answer
      const pattern = new Pattern(4)
      await sendPattern(b.stream, pattern, 3 * 2 ** 20)
      await b.closeWrite()
      const got = await answer
      assert.equal(got.length, 3 * 2 ** 20)
      for (let at = 0; at < got.length; at += 65536) {
        assert.ok(Buffer.from(pattern.at(at, 65536)).equals(got.subarray(at, at + 65536)))
      }
      await Promise.all(over)
      assert.deepEqual([a.stream.status, b.stream.status], ['closed', 'closed'])
    })

    it('abort ends both directions at the other end with a typed error', async () => {
      const [a, b] = await connect()
      const end = closed(b.stream)
      b.stream.addEventListener('message', () => {})
      a.stream.send(new Uint8Array(100_000))
      a.stream.abort(new Error('enough'))
      const error = await end
      assert.equal((error as { code?: string } | undefined)?.code ?? error?.name, reset)
    })
  })
}

const REBINDINGS = 4

describe('QUIC through a NAT that rebinds', () => {
  it(`a transfer of ${counts.lossyBytes} bytes both ways outlives ${REBINDINGS} other ports`, async () => {
    const between = await quicPath()
    const relay = await Relay.start({ target: between.port, delayMs: 2 })
    try {
      const accepted = between.accepted()
      const a = await between.dial(relay.port)
      const b = await accepted
      const [up, down] = [new Pattern(1), new Pattern(2)]
      const total = counts.lossyBytes
      const ports = new Set(relay.upstreamPorts)
      let rebindings = 0
      let rebinding = Promise.resolve()
      const onProgress = (bytes: number) => {
        if (rebindings < REBINDINGS && bytes > ((rebindings + 1) * total) / (REBINDINGS + 1)) {
          rebindings++
          rebinding = rebinding
            .then(() => relay.rebind())
            .then(() => {
              for (const port of relay.upstreamPorts) {
                ports.add(port)
              }
            })
        }
      }
      await Promise.all([
        receivePattern(b.stream, up, total, onProgress),
        receivePattern(a.stream, down, total),
        sendPattern(a.stream, up, total),
        sendPattern(b.stream, down, total)
      ])
      await rebinding
      assert.equal(ports.size, REBINDINGS + 1)
      assert.equal(relay.upstreamPorts.length, 1, 'the transfer took more than one connection')
      await Promise.all([a.close(), b.close()])
    } finally {
      await between.stop()
      await relay.close()
    }
  })
})
