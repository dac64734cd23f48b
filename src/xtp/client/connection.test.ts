import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { STATUS, type XtpError } from '../ctl/index.ts'
import type { XtpDialOptions } from './client.ts'
import type { XtpConnection } from './connection.ts'
import { settle } from './testing/fake-service.ts'
import { connected, type Fixture, fixture, stop } from './testing/fixture.ts'

const KIB = 1024
const WINDOW = 1024 * KIB
/** Of the stream, in front of its bytes: they count against its credit. */
const HEADER_BYTES = 3

/** What a user of the connection saw. */
function watch(connection: XtpConnection) {
  const seen = { bytes: 0, text: '', events: [] as string[], error: undefined as unknown }
  connection.addEventListener('message', ({ data }: StreamMessageEvent) => {
    seen.bytes += data.byteLength
    seen.text += data.byteLength < 100 ? Buffer.from(data.subarray()).toString() : ''
  })
  connection.addEventListener('close', (event: StreamCloseEvent) => {
    seen.events.push('close')
    seen.error = event.error
  })
  connection.addEventListener('remoteCloseWrite', () => seen.events.push('remoteCloseWrite'))
  connection.addEventListener('end', () => seen.events.push('end'))
  connection.addEventListener('drain', () => seen.events.push('drain'))
  return seen
}

async function setUp(options?: XtpDialOptions, init = {}) {
  const f: Fixture = fixture({ heartbeatIntervalMs: 1e6, ...init })
  return { f, ...(await connected(f, options)) }
}

const codeOf = (error: unknown) => (error as XtpError | undefined)?.code

describe('reading', () => {
  test('bytes come in order, and their credit goes back while they are read', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    let sent = 0
    while (sent < 4 * WINDOW) {
      const { sentBytes } = stream.stream?.write(Buffer.alloc(64 * KIB)) ?? { sentBytes: 0 }
      sent += sentBytes
      if (sentBytes === 0) {
        await settle()
      }
    }
    await settle()
    assert.equal(seen.bytes, sent)
    assert.equal(connection.bytesReceived, sent)
    await stop(f)
  })

  test('while paused at most the window is taken, nothing is lost, and it goes on', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    connection.pause()
    let sent = 0
    for (let turn = 0; turn < 40; turn++) {
      sent += stream.stream?.write(Buffer.alloc(64 * KIB)).sentBytes ?? 0
      await settle()
    }
    assert.ok(sent <= WINDOW && sent > WINDOW - 64 * KIB, `${sent} bytes`)
    assert.equal(connection.readBufferLength, sent)
    assert.equal(stream.stream?.bufferedCredit, WINDOW - sent)
    assert.equal(seen.bytes, 0)

    connection.resume()
    await settle()
    assert.equal(seen.bytes, sent)
    assert.equal(stream.drains, 1)
    assert.ok((stream.stream?.bufferedCredit ?? 0) >= WINDOW / 2)
    await stop(f)
  })

  test('without a reader the window is the limit as well', async () => {
    const { f, connection, stream } = await setUp()
    for (let turn = 0; turn < 40; turn++) {
      stream.stream?.write(Buffer.alloc(64 * KIB))
      await settle()
    }
    assert.ok(connection.readBufferLength <= WINDOW)
    assert.equal(connection.status, 'open')
    const seen = watch(connection)
    await settle()
    assert.ok(seen.bytes > WINDOW - 64 * KIB)
    await stop(f)
  })

  test('bytes that are put back are not credited twice', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    for (let turn = 0; turn < 3; turn++) {
      stream.stream?.write(Buffer.alloc(200 * KIB))
      await settle()
    }
    assert.equal(seen.bytes, 600 * KIB)
    const credit = stream.stream?.bufferedCredit
    connection.pause()
    connection.unshift(Buffer.alloc(600 * KIB))
    connection.resume()
    await settle()
    assert.equal(seen.bytes, 1200 * KIB)
    assert.equal(stream.stream?.bufferedCredit, credit)
    await stop(f)
  })
})

describe('writing', () => {
  test('send says no when the credit is used, drain comes with new credit, nothing is lost', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    stream.greedy = false
    let total = 0
    let more = true
    while (more) {
      more = connection.send(Buffer.alloc(64 * KIB))
      total += 64 * KIB
      await settle()
    }
    assert.equal(connection.writableNeedsDrain, true)
    assert.equal(seen.events.length, 0)
    // whoever goes on nevertheless is buffered, without limit but without loss
    connection.send(Buffer.alloc(3 * WINDOW))
    total += 3 * WINDOW
    stream.greedy = true
    stream.stream?.consumed(stream.receivedBytes)
    for (let turn = 0; turn < 20; turn++) {
      await settle()
    }
    assert.equal(stream.receivedBytes, total)
    assert.ok(seen.events.includes('drain'))
    assert.equal(connection.writableNeedsDrain, false)
    await stop(f)
  })

  test('drain comes when nothing waits in the connection itself', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    stream.greedy = false
    connection.send(Buffer.alloc(4 * WINDOW))
    await settle()
    let early = 0
    while (connection.writeBufferLength > 0) {
      early += seen.events.length
      const before = stream.receivedBytes
      stream.stream?.consumed(WINDOW / 2)
      await settle()
      assert.ok(stream.receivedBytes > before, 'it goes on by itself')
    }
    stream.stream?.consumed(WINDOW / 2)
    await settle()
    assert.equal(early, 0)
    assert.ok(seen.events.includes('drain'))
    assert.equal(stream.receivedBytes, 4 * WINDOW)
    await stop(f)
  })

  test('who asks whether there is room hears of it when there is, having sent nothing', async () => {
    const { f, connection } = await setUp()
    const seen = watch(connection)
    const others = [await connected(f), await connected(f), await connected(f)]
    assert.equal(connection.room(), WINDOW - HEADER_BYTES)
    // the link takes 2 MiB in a turn of the event loop
    others.forEach(other => void other.connection.send(Buffer.alloc(WINDOW)))
    assert.equal(connection.room(), 0)
    assert.equal(connection.room(), 0)
    await settle()
    assert.deepEqual(seen.events, ['drain'])
    assert.equal(connection.room(), WINDOW - HEADER_BYTES)
    await settle()
    assert.deepEqual(seen.events, ['drain'])
    await stop(f)
  })

  test('there is no room while bytes of the connection itself wait, nor without credit', async () => {
    const { f, connection, stream } = await setUp()
    const seen = watch(connection)
    stream.greedy = false
    connection.send(Buffer.alloc(WINDOW + 1))
    assert.equal(connection.room(), 0)
    await settle()
    assert.equal(connection.room(), 0)
    stream.stream?.consumed(WINDOW / 2)
    await settle()
    assert.deepEqual(seen.events, ['drain'])
    assert.equal(connection.room(), WINDOW / 2 - 1)
    connection.send(Buffer.alloc(WINDOW / 2 - 1))
    assert.equal(connection.room(), 0)
    // and one that is over lets send() say so
    connection.abort(new Error('enough'))
    assert.equal(connection.room(), Number.POSITIVE_INFINITY)
    assert.throws(() => connection.send(Buffer.alloc(1)), { name: 'StreamStateError' })
    await stop(f)
  })

  test('close sends what waits, then FIN', async () => {
    const { f, connection, stream, service } = await setUp()
    stream.greedy = false
    connection.send(Buffer.alloc(2 * WINDOW))
    await settle()
    assert.ok(connection.writeBufferLength >= WINDOW)
    const closed = connection.close()
    await settle()
    assert.equal(stream.ended, false)
    // the header of the stream had its part of the first window
    for (let turn = 0; turn < 3; turn++) {
      stream.stream?.consumed(WINDOW)
      await settle()
    }
    assert.equal(stream.receivedBytes, 2 * WINDOW)
    assert.equal(stream.ended, true)
    assert.equal(connection.writeBufferLength, 0)
    service.closed(connection.connId)
    await closed
    await stop(f)
  })

  test('what waits goes with the connection when that is aborted, and close settles', async () => {
    const { f, connection, stream } = await setUp()
    stream.greedy = false
    connection.send(Buffer.alloc(2 * WINDOW))
    await settle()
    const closed = connection.close()
    connection.abort(new Error('enough'))
    await assert.rejects(closed, /enough/)
    assert.equal(connection.writeBufferLength, 0)
    stream.stream?.consumed(WINDOW)
    await settle()
    assert.ok(stream.receivedBytes <= WINDOW)
    await stop(f)
  })

  test('a service that does not read its link stops the writer', async () => {
    const { f, connection, service } = await setUp()
    service.data.stalled = true
    let sends = 1
    while (connection.send(Buffer.alloc(16 * KIB))) {
      sends += 1
    }
    // the link's limit of 2 MiB, and headers
    assert.ok(service.data.writableLength <= 2064 * KIB, `${service.data.writableLength} queued`)
    const seen = watch(connection)
    service.data.stalled = false
    service.data.pump()
    await settle()
    assert.deepEqual(seen.events, ['drain'])
    assert.equal(service.streams.get(connection.connId)?.receivedBytes, sends * 16 * KIB)
    await stop(f)
  })
})

describe('half-close', () => {
  test('closeWrite sends everything, then FIN; reading goes on; the end is the service’s word', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    connection.send(Buffer.alloc(2 * WINDOW))
    await connection.closeWrite()
    await settle()
    assert.equal(stream.receivedBytes, 2 * WINDOW)
    assert.equal(stream.ended, true)
    assert.equal(connection.status, 'open')
    assert.throws(() => connection.send(Buffer.from('x')), { name: 'StreamStateError' })

    stream.stream?.write(Buffer.from('still here'))
    stream.stream?.end()
    await settle()
    assert.equal(seen.text, 'still here')
    assert.deepEqual(
      seen.events.filter(event => event !== 'drain'),
      ['remoteCloseWrite', 'end']
    )
    assert.equal(connection.status, 'open')
    service.closed(connection.connId)
    await settle()
    assert.equal(connection.status, 'closed')
    assert.equal(seen.error, undefined)
    await stop(f)
  })

  test('after the remote’s FIN writing goes on', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    stream.stream?.end()
    await settle()
    assert.deepEqual(seen.events, ['remoteCloseWrite', 'end'])
    connection.send(Buffer.from('late'))
    await settle()
    assert.equal(stream.text, 'late')
    await connection.closeWrite()
    await settle()
    assert.equal(stream.ended, true)
    assert.equal(connection.status, 'open')
    service.closed(connection.connId)
    await settle()
    assert.equal(connection.status, 'closed')
    await stop(f)
  })

  test('an end that is not in order after both FINs is an error', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    stream.stream?.end()
    await connection.closeWrite()
    await settle()
    service.closed(connection.connId, STATUS.CONNECTION_TIMED_OUT, 'no acknowledgement')
    await settle()
    assert.equal(codeOf(seen.error), 'ERR_XTP_CONNECTION_TIMED_OUT')
    await stop(f)
  })

  test('the FIN waits for what is not read yet, the end of the connection too', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    connection.pause()
    stream.stream?.write(Buffer.from('unread'))
    stream.stream?.end()
    await connection.closeWrite()
    service.closed(connection.connId)
    await settle()
    assert.deepEqual(seen.events, [])
    connection.resume()
    await settle()
    assert.equal(seen.text, 'unread')
    assert.deepEqual(seen.events, ['remoteCloseWrite', 'end', 'close'])
    await stop(f)
  })

  test('an async iterator gets everything up to the FIN', async () => {
    const { f, connection, stream } = await setUp()
    const read = (async () => {
      let text = ''
      for await (const chunk of connection) {
        text += Buffer.from(chunk.subarray()).toString()
      }
      return text
    })()
    stream.stream?.write(Buffer.from('one '))
    stream.stream?.write(Buffer.from('two'))
    stream.stream?.end()
    assert.equal(await read, 'one two')
    await stop(f)
  })

  test('Closed that overtakes the last bytes ends nothing before them', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    await connection.closeWrite()
    service.ownData.stalled = true
    stream.stream?.write(Buffer.from('last words'))
    stream.stream?.end()
    service.closed(connection.connId)
    await settle()
    assert.deepEqual(seen.events, [])
    service.ownData.stalled = false
    service.ownData.pump()
    await settle()
    assert.equal(seen.text, 'last words')
    assert.deepEqual(seen.events, ['remoteCloseWrite', 'end', 'close'])
    await stop(f)
  })

  test('is refused without allowHalfOpen', async () => {
    const { f, connection } = await setUp({ allowHalfOpen: false })
    await assert.rejects(connection.closeWrite(), { code: 'ERR_XTP_UNSUPPORTED' })
    await stop(f)
  })

  test('an abort while it waits for the queue rejects it', async () => {
    const { f, connection, stream } = await setUp()
    stream.greedy = false
    connection.send(Buffer.alloc(3 * WINDOW))
    const closing = connection.closeWrite()
    await settle()
    connection.abort(new Error('changed my mind'))
    await assert.rejects(closing, /changed my mind/)
    await stop(f)
  })
})

describe('as libp2p’s TCP', () => {
  test('the remote’s FIN is answered and ends the connection', async () => {
    const { f, connection, stream } = await setUp({ allowHalfOpen: false })
    const seen = watch(connection)
    stream.stream?.write(Buffer.from('bye'))
    stream.stream?.end()
    await settle()
    assert.equal(seen.text, 'bye')
    assert.equal(connection.status, 'closed')
    assert.equal(seen.error, undefined)
    assert.equal(stream.ended, true)
    // until the service has ended it too
    assert.equal(f.client.status().connections, 1)
    f.runner.last.closed(connection.connId)
    await settle()
    assert.equal(f.client.status().connections, 0)
    await stop(f)
  })

  test('but not before what came before it has been read', async () => {
    const { f, connection, stream } = await setUp({ allowHalfOpen: false })
    const seen = watch(connection)
    connection.pause()
    stream.stream?.write(Buffer.from('bye'))
    stream.stream?.end()
    await settle()
    assert.equal(connection.status, 'open')
    connection.resume()
    await settle()
    assert.equal(seen.text, 'bye')
    assert.equal(connection.status, 'closed')
    await stop(f)
  })
})

test('as libp2p’s TCP, after close() nothing is delivered any more, but all of it is taken', async () => {
  const { f, connection, stream, service } = await setUp({ allowHalfOpen: false })
  const seen = watch(connection)
  stream.stream?.write(Buffer.from('before'))
  await settle()
  const closing = connection.close()
  await settle()
  let sent = 0
  for (let turn = 0; turn < 60; turn++) {
    sent += stream.stream?.write(Buffer.alloc(64 * KIB)).sentBytes ?? 0
    await settle()
  }
  assert.ok(sent > 2 * WINDOW, `${sent} bytes`)
  stream.stream?.end()
  service.closed(connection.connId)
  await closing
  assert.equal(seen.text, 'before')
  assert.equal(seen.bytes, 6)
  assert.equal(service.mux.streamCount, 0)
  await stop(f)
})

describe('close', () => {
  test('sends what is queued, then FIN, and resolves when the service has ended it', async () => {
    const { f, connection, stream, service } = await setUp()
    const timers = f.clock.pending
    connection.send(Buffer.alloc(3 * WINDOW))
    let closed = false
    const closing = connection.close().then(() => {
      closed = true
    })
    await settle()
    await settle()
    assert.equal(stream.receivedBytes, 3 * WINDOW)
    assert.equal(stream.ended, true)
    assert.equal(closed, false)
    stream.stream?.end()
    service.closed(connection.connId)
    await closing
    assert.equal(connection.status, 'closed')
    assert.equal(f.clock.pending, timers)
    await stop(f)
  })

  test('a peer that does not end its side is not waited for', async () => {
    const { f, connection, service } = await setUp()
    const closing = connection.close()
    await settle()
    f.clock.advance(249)
    await settle()
    assert.deepEqual(service.asked('close'), [])
    f.clock.advance(1)
    await settle()
    assert.deepEqual(service.asked('close'), [{ connId: connection.connId, abort: false, code: 0 }])
    service.closed(connection.connId)
    await closing
    await stop(f)
  })

  test('without a signal it gives up after closeTimeoutMs and aborts', async () => {
    const { f, connection, stream } = await setUp(undefined, { closeTimeoutMs: 5_000 })
    const closing = connection.close()
    closing.catch(() => {})
    await settle()
    f.clock.advance(5_000)
    await assert.rejects(closing, { code: 'ERR_XTP_DEADLINE_EXCEEDED' })
    await settle()
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    assert.equal(connection.status, 'aborted')
    await stop(f)
  })

  test('with a signal it rejects with the reason, and the caller may abort', async () => {
    const { f, connection, stream } = await setUp()
    const controller = new AbortController()
    const closing = connection.close({ signal: controller.signal })
    closing.catch(() => {})
    await settle()
    controller.abort(new Error('too slow'))
    await assert.rejects(closing, /too slow/)
    assert.equal(connection.status, 'closing')
    connection.abort(new Error('too slow'))
    await settle()
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    await stop(f)
  })

  test('a stream that the service lets go, because it was asked to close, is no error', async () => {
    const { f, connection, stream, service } = await setUp()
    const closing = connection.close()
    await settle()
    f.clock.advance(250)
    await settle()
    stream.stream?.reset(STATUS.CONNECTION_CLOSED)
    await settle()
    assert.equal(connection.status, 'closing')
    service.closed(connection.connId)
    await closing
    assert.equal(connection.status, 'closed')
    await stop(f)
  })

  test('a reset while it is waiting rejects it with the typed error', async () => {
    const { f, connection, stream } = await setUp()
    const closing = connection.close()
    closing.catch(() => {})
    await settle()
    stream.stream?.reset(STATUS.CONNECTION_RESET)
    await assert.rejects(closing, { code: 'ERR_XTP_CONNECTION_RESET' })
    await stop(f)
  })

  test('an end by the remote before everything was sent rejects it', async () => {
    const { f, connection, stream, service } = await setUp()
    stream.greedy = false
    connection.send(Buffer.alloc(3 * WINDOW))
    const closing = connection.close()
    closing.catch(() => {})
    await settle()
    stream.stream?.end()
    service.closed(connection.connId)
    await assert.rejects(closing, { code: 'ERR_XTP_CONNECTION_CLOSED' })
    await stop(f)
  })

  test('an abort while it waits for a drain that cannot come rejects it', async () => {
    const { f, connection, stream } = await setUp()
    stream.greedy = false
    connection.send(Buffer.alloc(3 * WINDOW))
    const closing = connection.close()
    closing.catch(() => {})
    await settle()
    connection.abort(new Error('changed my mind'))
    await assert.rejects(closing, /changed my mind/)
    await stop(f)
  })

  test('what nobody reads does not keep the stream alive after the end', async () => {
    const { f, connection, stream, service } = await setUp()
    let sent = 0
    for (let turn = 0; turn < 60; turn++) {
      sent += stream.stream?.write(Buffer.alloc(64 * KIB)).sentBytes ?? 0
      await settle()
    }
    assert.equal(sent, WINDOW)
    const closing = connection.close()
    await settle()
    service.closed(connection.connId)
    await closing
    await settle()
    assert.equal(stream.resetCode, STATUS.CONNECTION_CLOSED)
    assert.equal(service.mux.streamCount, 0)
    await stop(f)
  })

  test('bytes that come while it closes are taken where they are read', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    const closing = connection.close()
    let sent = 0
    for (let turn = 0; turn < 60; turn++) {
      sent += stream.stream?.write(Buffer.alloc(64 * KIB)).sentBytes ?? 0
      await settle()
    }
    assert.ok(sent > 2 * WINDOW, `${sent} bytes`)
    assert.equal(seen.bytes, sent)
    stream.stream?.end()
    service.closed(connection.connId)
    await closing
    assert.equal(service.mux.streamCount, 0)
    await stop(f)
  })
})

describe('inactivity', () => {
  test('a connection without a byte is aborted, one with bytes either way is not', async () => {
    const { f, connection, stream } = await setUp({ inactivityTimeoutMs: 1_000 })
    const seen = watch(connection)
    for (let turn = 0; turn < 5; turn++) {
      f.clock.advance(900)
      connection.send(Buffer.from('out'))
      await settle()
      f.clock.advance(900)
      stream.stream?.write(Buffer.from('in'))
      await settle()
    }
    assert.equal(connection.status, 'open')
    f.clock.advance(2_000)
    await settle()
    assert.equal(codeOf(seen.error), 'ERR_XTP_CONNECTION_TIMED_OUT')
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    assert.equal(f.clock.pending, 1)
    await stop(f)
  })
})

describe('abrupt ends', () => {
  test('abort resets the stream and says so locally', async () => {
    const { f, connection, stream, service } = await setUp()
    const seen = watch(connection)
    connection.abort(new Error('enough'))
    await settle()
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    assert.match(String(seen.error), /enough/)
    assert.equal(f.client.status().connections, 1)
    service.closed(connection.connId, STATUS.CONNECTION_ABORTED)
    await connection.ended
    assert.equal(f.client.status().connections, 0)
    await stop(f)
  })

  for (const [code, expected] of [
    [STATUS.CONNECTION_RESET, 'ERR_XTP_CONNECTION_RESET'],
    [STATUS.CONNECTION_TIMED_OUT, 'ERR_XTP_CONNECTION_TIMED_OUT'],
    [STATUS.OK, 'ERR_XTP_CONNECTION_RESET'],
    [STATUS.SERVICE_LOST, 'ERR_XTP_CONNECTION_RESET'],
    [4_000_000_000, 'ERR_XTP_STATUS_4000000000']
  ] as const) {
    test(`a stream reset with code ${code} is ${expected}`, async () => {
      const { f, connection, stream } = await setUp()
      const seen = watch(connection)
      stream.stream?.reset(code)
      await settle()
      assert.equal(codeOf(seen.error), expected)
      assert.equal(connection.status, 'aborted')
      await stop(f)
    })
  }

  test('Closed with an error comes with its message, whether or not the stream was reset', async () => {
    const { f, connection, service, stream } = await setUp()
    const seen = watch(connection)
    service.closed(connection.connId, STATUS.CONNECTION_RESET, 'ST_RESET received')
    await settle()
    assert.equal(codeOf(seen.error), 'ERR_XTP_CONNECTION_RESET')
    assert.match(String(seen.error), /ST_RESET received/)
    assert.equal(stream.resetCode, STATUS.CONNECTION_ABORTED)
    await stop(f)
  })

  test('a service that closes its link in order loses its connections as well', async () => {
    const { f, connection, service } = await setUp()
    const seen = watch(connection)
    service.mux.close()
    await settle()
    f.clock.advance(250)
    await settle()
    assert.equal(codeOf(seen.error), 'ERR_XTP_SERVICE_LOST')
    await stop(f)
  })
})
