// How a noise connection ends, in order and otherwise.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { turn } from '../client/testing/scripted-connection.ts'
import { ConnectionResetError, ProtocolViolationError, ServiceLostError } from '../ctl/index.ts'
import { concat, Random } from '../ctl/testing/bytes.ts'
import { NoiseStream } from './stream.ts'
import { NoiseEnd, sessions } from './testing/noise-end.ts'

const random = new Random(11)
const PART = random.bytes(40_000)

describe('a noise connection is closed', () => {
  it('when what waits has been sent', async () => {
    const end = new NoiseEnd(65_536)
    const bytes = random.bytes(200_000)
    end.stream.send(bytes)
    let isClosed = false
    const closing = end.stream.close().then(() => {
      isClosed = true
    })
    const sent = await end.sent()
    while (end.connection.status === 'open') {
      assert.equal(isClosed, false)
      assert.throws(() => end.stream.send(PART), { name: 'StreamStateError' })
      end.connection.drain()
      sent.push(...(await end.sent()))
    }
    await closing
    assert.ok(Buffer.from(concat(sent)).equals(bytes))
    assert.deepEqual(end.log, ['drain', 'end', 'close'])
    await end.stream.close()
  })

  it('twice at once, when what waits has been sent', async () => {
    const end = new NoiseEnd(65_536)
    const bytes = random.bytes(200_000)
    end.stream.send(bytes)
    const closing = Promise.all([end.stream.close(), end.stream.close()])
    const sent: Uint8Array[] = []
    while (end.stream.writeBufferLength > 0) {
      sent.push(...(await end.sent()))
      assert.equal(end.connection.status, 'open')
      end.connection.drain()
    }
    await closing
    sent.push(...(await end.sent()))
    assert.ok(Buffer.from(concat(sent)).equals(bytes))
    assert.equal(end.stream.status, 'closed')
  })

  it('after the remote has ended it, with something left to send', async () => {
    const end = new NoiseEnd(65_536)
    end.stream.send(random.bytes(200_000))
    end.connection.onTransportClosed()
    await end.stream.close()
    assert.equal(end.stream.status, 'closed')
  })

  it('by the remote', () => {
    const end = new NoiseEnd().listen()
    end.connection.onData(end.message(PART))
    end.connection.onTransportClosed()
    assert.deepEqual(end.log, ['message 40000', 'end', 'close'])
    assert.equal(end.stream.status, 'closed')
  })

  it('by the remote while its reader has paused, who gets everything before the end', async () => {
    const end = new NoiseEnd().listen()
    end.stream.pause()
    const bytes = concat([end.message(PART), end.message(random.bytes(30_000))])
    end.connection.onData(bytes.subarray(0, 50_000))
    end.connection.onData(bytes.subarray(50_000))
    end.connection.onTransportClosed()
    await turn()
    assert.deepEqual(end.log, [])
    end.stream.resume()
    await turn()
    assert.deepEqual(end.log, ['message 70000', 'end', 'close'])
  })

  it('by the remote before it begins', async () => {
    const { connection } = new NoiseEnd()
    connection.onTransportClosed()
    const stream = new NoiseStream(connection, sessions()[0])
    const { promise, resolve } = Promise.withResolvers<void>()
    stream.addEventListener('close', () => resolve())
    await promise
    assert.equal(stream.status, 'closed')
  })

  it('for writing alone, by a remote whose connection can do that', () => {
    const end = new NoiseEnd().listen()
    end.connection.onRemoteCloseWrite()
    assert.deepEqual(end.log, ['remoteCloseWrite', 'end'])
    assert.equal(end.stream.send(PART), true)
  })
})

describe('a noise connection fails', () => {
  it('with the error of its connection', () => {
    const end = new NoiseEnd()
    const error = new ServiceLostError('killed')
    end.connection.abort(error)
    assert.equal(end.error, error)
    assert.equal(end.stream.status, 'aborted')
  })

  it('as reset where its remote has reset it', () => {
    const end = new NoiseEnd()
    end.connection.onRemoteReset()
    assert.equal(end.error?.name, 'StreamResetError')
    assert.equal(end.stream.status, 'reset')
  })

  it('with the error it is aborted with, and so does its connection', () => {
    const end = new NoiseEnd()
    const error = new Error('enough')
    end.stream.abort(error)
    assert.equal(end.error, error)
    assert.equal(end.connection.aborted, error)
  })

  it('while it is being closed: close rejects with the error', async () => {
    for (const fail of [
      (end: NoiseEnd, error: Error) => end.connection.abort(error),
      (end: NoiseEnd, error: Error) => end.stream.abort(error)
    ]) {
      const end = new NoiseEnd(65_536)
      end.stream.send(random.bytes(200_000))
      const closing = end.stream.close()
      const error = new ConnectionResetError()
      fail(end, error)
      await assert.rejects(closing, reason => reason === error)
    }
  })

  it('while it is being closed, by the remote in order: not all was sent', async () => {
    const end = new NoiseEnd(65_536)
    end.stream.send(random.bytes(200_000))
    const closing = end.stream.close()
    end.connection.onTransportClosed()
    await assert.rejects(closing, { name: 'ConnectionClosedError', message: /not all was sent/ })
  })

  it('to be closed before the signal: close rejects with its reason', async () => {
    const end = new NoiseEnd(65_536)
    end.stream.send(random.bytes(200_000))
    const signal = AbortSignal.timeout(20)
    await assert.rejects(end.stream.close({ signal }), { name: 'TimeoutError' })
  })

  it('when what waited cannot be sent any more', async () => {
    const end = new NoiseEnd(65_536)
    end.stream.send(random.bytes(200_000))
    Object.assign(end.connection, { writeStatus: 'closed' })
    end.connection.drain()
    await turn()
    assert.equal(end.error?.name, 'StreamStateError')
    assert.ok(!end.log.includes('drain'))
  })
})

describe('a hostile remote', () => {
  /** All in one piece, and byte by byte. */
  const violates = (bytes: (end: NoiseEnd) => Uint8Array, before: number) => {
    for (const size of [Number.POSITIVE_INFINITY, 1]) {
      const end = new NoiseEnd().listen()
      const all = concat([bytes(end), end.message(PART)])
      for (let at = 0; at < all.byteLength; at += size) {
        end.connection.onData(all.subarray(at, at + size))
      }
      assert.ok(end.error instanceof ProtocolViolationError, String(end.error))
      assert.equal(end.connection.aborted, end.error)
      assert.equal(end.received.byteLength, before, 'not what came before it, or more')
      assert.equal(end.stream.status, 'aborted')
    }
  }

  for (const [what, at] of [
    ['its first byte', 2],
    ['its tag', -1]
  ] as const) {
    it(`changes a message: ${what}`, () => {
      violates(end => {
        const good = end.message(PART)
        const bad = end.message(PART)
        const i = at < 0 ? bad.byteLength + at : at
        bad[i] = (bad[i] as number) ^ 1
        return concat([good, bad])
      }, PART.byteLength)
    })
  }

  it('sends a message twice', () => {
    violates(end => {
      const message = end.message(PART)
      return concat([message, message])
    }, PART.byteLength)
  })

  it('leaves one out', () => {
    violates(end => {
      const first = end.message(PART)
      end.message(PART)
      return concat([first, end.message(PART)])
    }, PART.byteLength)
  })

  for (const length of [0, 15]) {
    it(`sends ${length} bytes as a message`, () => {
      violates(
        end => concat([end.message(PART), Uint8Array.of(0, length), new Uint8Array(length)]),
        PART.byteLength
      )
    })
  }

  it('has its message counted', () => {
    const end = new NoiseEnd()
    end.connection.onData(Uint8Array.of(0, 16, ...new Uint8Array(16)))
    assert.deepEqual(end.counts, { encryptedPackets: 0, decryptedPackets: 0, decryptErrors: 1 })
  })
})
