import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { Connection, Upgrader } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type PeerCertificateError, STATUS } from '../ctl/index.ts'
import { MAX_HELD } from './inbound.ts'
import { silentLogger } from './log.ts'
import type { MuxedConnection } from './muxed-connection.ts'
import type { RefusedPeer } from './refusals.ts'
import type { NativeStreamMuxer } from './stream-muxer.ts'
import { flipped, makeCertificate } from './testing/certificates.ts'
import { type FakeStream, settle } from './testing/fake-service.ts'
import { definition, REMOTE, stop } from './testing/fixture.ts'
import { muxed, type NativeFixture, nativeFixture } from './testing/native-fixture.ts'
import { bytes, text, until, watch } from './testing/watched.ts'
import { createTransport } from './transport.ts'

const MiB = 1024 * 1024
const ANY = '/ip4/127.0.0.1/udp/0/utp'

/** What the application hears of peers that were refused. */
function refusals({ transport }: NativeFixture): RefusedPeer[] {
  const told: RefusedPeer[] = []
  transport.events.addEventListener('peer:refused', ({ detail }) => told.push(detail))
  return told
}

/** Dials, and lets the time pass that a process has for ending by itself. */
async function timely({ client, clock }: NativeFixture): Promise<void> {
  let isOver = false
  const dial = client.dial(REMOTE).finally(() => {
    isOver = true
  })
  dial.catch(() => {})
  for (let turn = 0; turn < 100 && !isOver; turn++) {
    await settle()
    clock.advance(250)
  }
  await dial
}

describe('a native service', () => {
  test('gets its key signed by the host, once, before it is ready', async () => {
    const f = await nativeFixture()
    await muxed(f)
    const { publicKey, signature } = f.runner.last.signed ?? assert.fail('nothing was signed')
    const key = publicKeyFromProtobuf(publicKey)
    assert.ok(key.equals(f.privateKey.publicKey))
    const signed = Buffer.concat([
      Buffer.from('libp2p-tls-handshake:'),
      f.native.spki as Uint8Array
    ])
    assert.equal(await key.verify(signed, signature), true)
    await stop(f)
  })

  test('that asks for another signature does not start', async () => {
    const f = await nativeFixture()
    f.native.purpose = 2
    await assert.rejects(timely(f), { code: 'ERR_XTP_SERVICE_START_FAILED' })
    f.native.purpose = 1
    f.native.spki = Buffer.from('libp2p-tls-handshake: something else, of a length below 512')
    await assert.rejects(timely(f), { code: 'ERR_XTP_SERVICE_START_FAILED' })
    assert.equal(f.runner.last.signed, undefined)
    await stop(f)
  })

  test('is refused where its capabilities are not those of the transport, and the other way round', async () => {
    for (const capabilities of [3, 3 + 4, 3 + 8]) {
      const f = await nativeFixture()
      f.native.capabilities = capabilities
      await assert.rejects(timely(f), { code: 'ERR_XTP_SERVICE_START_FAILED' })
      await stop(f)
    }
    const plain = createTransport(definition, {})({ logger: silentLogger })
    assert.equal(plain.client.definition.native, undefined)
  })

  test('needs the key of the host', () => {
    const make = createTransport({ ...definition, native: true })
    assert.throws(() => make({ logger: silentLogger }), {
      code: 'ERR_XTP_INVALID_ARGUMENT',
      message: /needs the component privateKey/
    })
  })
})

describe('a dial', () => {
  test('gives a connection whose peer has proved who it is', async () => {
    const f = await nativeFixture()
    const { connection } = await muxed(f)
    assert.ok(connection.remotePeer.equals(f.peer))
    assert.equal(String(connection.remoteAddr), REMOTE)
    assert.equal(connection.direction, 'outbound')
    await stop(f)
  })

  test('ends with a named error, and Close with abort, for a peer that has not', async () => {
    const f = await nativeFixture()
    f.native.certificate = await makeCertificate({ hostSignature: flipped })
    await assert.rejects(f.client.dial(REMOTE), {
      code: 'ERR_XTP_PEER_CERTIFICATE',
      reason: 'bad-host-signature'
    })
    await settle()
    assert.deepEqual(f.runner.last.asked('close'), [
      { connId: 1, abort: true, code: STATUS.PEER_CERTIFICATE }
    ])
    f.native.certificate = undefined
    await assert.rejects(f.client.dial(REMOTE), { reason: 'missing' })
    f.runner.last.closed(1, STATUS.CONNECTION_ABORTED)
    f.runner.last.closed(3, STATUS.CONNECTION_ABORTED)
    await settle()
    assert.equal(f.client.status().connections, 0)
    await stop(f)
  })

  test('to a peer that is named fails where another answers', async () => {
    const f = await nativeFixture()
    const other = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
    await assert.rejects(f.client.dial(`${REMOTE}/p2p/${other}`), { name: 'UnexpectedPeerError' })
    await settle()
    assert.deepEqual(f.runner.last.asked('close'), [
      { connId: 1, abort: true, code: STATUS.CONNECTION_ABORTED }
    ])
    const right = await f.client.dial<MuxedConnection>(`${REMOTE}/p2p/${f.peer}`)
    assert.ok(right.remotePeer.equals(f.peer))
    await stop(f)
  })

  test('ends at once with its signal, also while the certificate is verified', async () => {
    const f = await nativeFixture()
    await muxed(f)
    const controller = new AbortController()
    const dial = f.client.dial(REMOTE, { signal: controller.signal })
    await until('Connected', () => f.client.status().connections === 2)
    controller.abort(new Error('enough'))
    await assert.rejects(dial, /enough/)
    await settle()
    assert.equal(f.runner.last.asked('close').at(-1)?.abort, true)
    await stop(f)
  })

  test('fails where the connection ends while the certificate is verified', async () => {
    const f = await nativeFixture()
    await muxed(f)
    for (const code of [STATUS.CONNECTION_RESET, STATUS.CONNECTION_CLOSED]) {
      const dial = f.client.dial(REMOTE)
      const before = f.runner.last.asked('dial').length
      await until('Dial', () => f.runner.last.asked('dial').length > before - 1)
      await until('Connected', () => f.client.connections.some(c => c.connId > 1))
      f.runner.last.closed(f.client.connections.at(-1)?.connId as number, code)
      await assert.rejects(dial, /over|closed/)
    }
    await stop(f)
  })

  test('goes to the upgrader without encryption and with a muxer', async () => {
    const f = await nativeFixture()
    let given: Record<string, unknown> = {}
    const upgraded = {} as Connection
    const upgradeOutbound = async (_maConn: unknown, options: Record<string, unknown>) => {
      given = options
      return upgraded
    }
    const upgrader = { upgradeOutbound } as unknown as Upgrader
    const { signal } = new AbortController()
    const connection = await f.transport.dial(multiaddr(REMOTE), { signal, upgrader })
    assert.equal(connection, upgraded)
    assert.equal(given.skipEncryption, true)
    assert.equal(given.skipProtection, true)
    assert.equal(String(given.remotePeer), String(f.peer))
    assert.equal((given.muxerFactory as { protocol: string }).protocol, '/utp')
    await stop(f)
  })
})

describe('the end of a connection', () => {
  test('closed by this side: the service is asked, streams end in order', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    await settle()
    const closing = connection.close()
    await settle()
    assert.deepEqual(service.asked('close'), [{ connId: 1, abort: false, code: 0 }])
    service.muxed[0]?.stream?.reset(STATUS.CONNECTION_CLOSED)
    service.closed(1)
    await closing
    assert.equal(connection.status, 'closed')
    assert.deepEqual(watched.events, ['end', 'close in order'])
    await assert.rejects(muxer.createStream(), { name: 'MuxerClosedError' })
    await stop(f)
  })

  test('closed by the remote: what is on its way still arrives', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const whole = watch(await muxer.createStream())
    const cut = watch(await muxer.createStream())
    await settle()
    const [first, second] = service.muxed as [FakeStream, FakeStream]
    service.closed(1)
    await settle()
    assert.equal(connection.status, 'open')
    await assert.rejects(muxer.createStream(), { code: 'ERR_XTP_CONNECTION_CLOSED' })
    first.stream?.write(bytes('the last bytes'))
    first.stream?.end()
    first.stream?.reset(0)
    second.stream?.write(bytes('half of it'))
    await settle()
    assert.equal(text(whole), 'the last bytes')
    assert.deepEqual(whole.events, ['remoteCloseWrite', 'end', 'close in order'])
    assert.equal(connection.status, 'open')
    second.stream?.reset(0)
    await settle()
    assert.deepEqual(cut.events, ['end', 'close StreamResetError'])
    assert.equal(connection.status, 'closed')
    await stop(f)
  })

  test('closed by the remote, and a stream whose end never comes: it is cut off', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    service.closed(1)
    await settle()
    f.clock.advance(2_000)
    assert.equal(connection.status, 'closed')
    assert.deepEqual(watched.events, ['end', 'close StreamResetError'])
    await stop(f)
  })

  test('by an error of the network: the connection and its streams have it', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    let error: Error | undefined
    connection.addEventListener('close', event => {
      error = event.error
    })
    service.closed(1, STATUS.CONNECTION_TIMED_OUT, 'silence')
    await settle()
    assert.equal(error?.name, 'ConnectionTimedOutError')
    assert.equal(watched.error, error)
    await stop(f)
  })

  test('with the service: the connection and its streams say how it died', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    const pending = watch(await muxer.createStream())
    await settle()
    ;(service.muxed[1] as FakeStream).greedy = false
    pending.stream.send(new Uint8Array(4 * MiB))
    const closing = pending.stream.close()
    await settle()
    service.die({ signal: 'SIGSEGV' })
    await assert.rejects(closing, { code: 'ERR_XTP_SERVICE_LOST' })
    assert.equal((watched.error as Error & { signal: string }).signal, 'SIGSEGV')
    assert.equal(connection.status, 'aborted')
    assert.equal(connection.failure, watched.error)
    await stop(f)
  })

  test('by abort: the service is told, streams have the error', async () => {
    const f = await nativeFixture()
    const { connection, muxer, service } = await muxed(f)
    const watched = watch(await muxer.createStream())
    const error = new Error('not this one')
    connection.abort(error)
    await settle()
    assert.deepEqual(service.asked('close'), [
      { connId: 1, abort: true, code: STATUS.CONNECTION_ABORTED }
    ])
    assert.equal(watched.error, error)
    await stop(f)
  })

  test('that does not come in time is forced', async () => {
    const f = await nativeFixture({ closeTimeoutMs: 500 })
    const { connection, service } = await muxed(f)
    service.answer = body => ('close' in body ? Promise.resolve({}) : undefined)
    const closing = connection.close()
    await settle()
    f.clock.advance(500)
    await assert.rejects(closing, { code: 'ERR_XTP_DEADLINE_EXCEEDED' })
    assert.deepEqual(
      service.asked('close').map(({ abort }) => abort),
      [false, true]
    )
    await stop(f)
  })

  test('carries no bytes of its own', async () => {
    const f = await nativeFixture()
    const { connection } = await muxed(f)
    assert.throws(() => connection.send(bytes('x')), { code: 'ERR_XTP_UNSUPPORTED' })
    assert.throws(() => connection.muxerFactory.createStreamMuxer(connection), /already/)
    await stop(f)
  })
})

describe('inbound connections', () => {
  async function listening(f: NativeFixture) {
    const taken: MuxedConnection[] = []
    const refused: unknown[] = []
    const listener = f.client.createListener<MuxedConnection>({
      onConnection: connection => {
        taken.push(connection)
      }
    })
    await listener.listen(ANY)
    return { listener, taken, refused, service: f.runner.last }
  }

  test('are handed over when they have proved who they are, with their early streams', async () => {
    const f = await nativeFixture()
    const { taken, service } = await listening(f)
    const early = service.openStream(2)
    early.stream?.write(bytes('first'))
    service.incomingNative(2, 1)
    const between = service.openStream(2)
    between.stream?.write(bytes('second'))
    await until('the connection', () => taken.length === 1)
    const [connection] = taken as [MuxedConnection]
    assert.ok(connection.remotePeer.equals(f.peer))
    const muxer = connection.muxerFactory.createStreamMuxer(connection) as NativeStreamMuxer
    const watched = muxer.streams.map(stream => watch(stream))
    await settle()
    assert.deepEqual(watched.map(text), ['first', 'second'])
    await until('credit', () => service.events.some(event => 'accept' in event))
    await stop(f)
  })

  test('whose early streams are too many lose those, and the service is not to blame', async () => {
    const f = await nativeFixture()
    const { taken, service } = await listening(f)
    const early = Array.from({ length: MAX_HELD + 1 }, () => service.openStream(2))
    await until('the reset', () => early.at(-1)?.resetCode !== undefined)
    assert.equal(early.at(-1)?.resetCode, STATUS.RESOURCE_EXHAUSTED)
    assert.equal(early.at(-2)?.resetCode, undefined)
    service.incomingNative(2, 1)
    await until('the connection', () => taken.length === 1)
    assert.equal(f.client.status().state, 'running')
    await stop(f)
  })

  test('that have not are aborted, told, and take no place', async () => {
    const f = await nativeFixture()
    const told = refusals(f)
    f.native.certificate = await makeCertificate({ signature: flipped })
    const { taken, service } = await listening(f)
    const early = service.openStream(2)
    service.incomingNative(2, 1)
    await until('Close', () => service.asked('close').length === 1)
    assert.deepEqual(service.asked('close'), [
      { connId: 2, abort: true, code: STATUS.PEER_CERTIFICATE }
    ])
    await until('credit', () => service.events.some(event => 'accept' in event))
    assert.equal(early.resetCode, STATUS.CONNECTION_CLOSED)
    assert.equal(taken.length, 0)
    assert.deepEqual(
      told.map(({ remoteAddr, error }) => [
        String(remoteAddr),
        error.code,
        (error as PeerCertificateError).reason
      ]),
      [['/ip4/192.0.2.7/udp/999/utp', 'ERR_XTP_PEER_CERTIFICATE', 'not-self-signed']]
    )
    await stop(f)
  })

  test('whose handshake failed in the service, or that are too many, are told', async () => {
    const f = await nativeFixture({ limits: { connections: 1 } })
    const told = refusals(f)
    const { taken, service } = await listening(f)
    service.refused(1, STATUS.NO_COMMON_ALPN)
    service.incomingNative(2, 1)
    await until('the connection', () => taken.length === 1)
    service.incomingNative(4, 1)
    await settle()
    assert.deepEqual(
      told.map(({ error }) => error.code),
      ['ERR_XTP_NO_COMMON_ALPN', 'ERR_XTP_RESOURCE_EXHAUSTED']
    )
    assert.match(told[0]?.error.message as string, /192\.0\.2\.7/)
    await stop(f)
  })

  test('that are refused by the dozen are told ten times per second', async () => {
    const f = await nativeFixture()
    const told = refusals(f)
    const { service } = await listening(f)
    const many = async () => {
      for (let i = 0; i < 25; i++) {
        service.refused(1, STATUS.HANDSHAKE_FAILED)
      }
      await settle()
    }
    await many()
    assert.equal(told.length, 10)
    f.clock.advance(1_000)
    await many()
    assert.equal(told.length, 20)
    assert.deepEqual(
      told.map(({ missed }) => missed),
      Array.from({ length: 20 }, (_, i) => (i === 10 ? 15 : 0))
    )
    await stop(f)
  })

  test('refused on a listener that never was: a violation', async () => {
    const f = await nativeFixture()
    const told = refusals(f)
    const { service } = await listening(f)
    service.refused(2, STATUS.HANDSHAKE_FAILED)
    await until('the end', () => f.client.status().state !== 'running')
    assert.equal(told.length, 0)
    await stop(f)
  })

  test('go to the upgrader without encryption and with a muxer, and are aborted where it refuses', async () => {
    const f = await nativeFixture()
    const given: Array<Record<string, unknown>> = []
    const upgradeInbound = async (_maConn: unknown, options: Record<string, unknown>) => {
      given.push(options)
      throw new Error('not wanted')
    }
    const upgrader = { upgradeInbound } as unknown as Upgrader
    await f.transport.createListener({ upgrader }).listen(multiaddr(ANY))
    f.runner.last.incomingNative(2, 1)
    await until('Close', () => f.runner.last.asked('close').length === 1)
    assert.equal(given[0]?.skipEncryption, true)
    assert.equal(String(given[0]?.remotePeer), String(f.peer))
    assert.equal(f.runner.last.asked('close')[0]?.code, STATUS.CONNECTION_ABORTED)
    await stop(f)
  })
})

describe('figures', () => {
  test('of a connection, as libp2p has it', async () => {
    const f = await nativeFixture()
    const { connection, service } = await muxed(f)
    service.answer = body =>
      'stats' in body
        ? Promise.resolve({
            statsResult: { stats: [{ key: `rtt_us_${body.stats.connId}`, value: 5n }] }
          })
        : undefined
    const ofLibp2p = { timeline: connection.timeline } as Connection
    assert.deepEqual(await f.transport.connectionStats(ofLibp2p), new Map([['rtt_us_1', 5n]]))
    service.closed(1)
    await settle()
    await assert.rejects(f.transport.connectionStats(ofLibp2p), { code: 'ERR_XTP_NOT_FOUND' })
    await stop(f)
  })
})
