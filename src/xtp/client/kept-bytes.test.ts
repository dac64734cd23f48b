// A remote that sends single bytes to a reader that has paused: what is kept is little more than the bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { frames } from '../ctl/testing/mux-end.ts'
import { MuxerEnd } from '../yamux/testing/muxer-end.ts'
import { type FakeStream, settle } from './testing/fake-service.ts'
import { connected, fixture, stop } from './testing/fixture.ts'
import { muxed, nativeFixture } from './testing/native-fixture.ts'

const BYTES = 20_000
/** More than are joined at a time, less than there are bytes. */
const MOST_PIECES = 2_000
const MOST_MEMORY = 1 << 20
/** What a link, or a connection, brings at a time. */
const CHUNK_BYTES = 1 << 16

const expected = Uint8Array.from({ length: BYTES }, (_, i) => i % 251)

const kept = (stream: MessageStream) => [
  ...(stream as unknown as { readBuffer: Uint8ArrayList }).readBuffer
]

/** @param send - one byte, which the stream has when it resolves */
async function check(
  stream: MessageStream,
  send: (bytes: Uint8Array) => void | Promise<void>
): Promise<void> {
  const got = new Uint8ArrayList()
  stream.addEventListener('message', ({ data }) => got.append(data))
  stream.pause()
  for (let i = 0; i < BYTES; i++) {
    await send(expected.subarray(i, i + 1))
  }
  const pieces = kept(stream)
  assert.ok(pieces.length < MOST_PIECES, `${pieces.length} pieces`)
  const memory = [...new Set(pieces.map(({ buffer }) => buffer))].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0
  )
  assert.ok(memory < MOST_MEMORY, `${memory} bytes of memory for ${BYTES}`)
  stream.unshift(Uint8Array.of(252, 253))
  stream.resume()
  await settle()
  await send(Uint8Array.of(254))
  await settle()
  assert.deepEqual(got.subarray(), Uint8Array.of(252, 253, ...expected, 254))
}

/** Over the data link, some hundreds in one turn of the event loop. */
function through(remote: FakeStream) {
  let sent = 0
  return async (bytes: Uint8Array) => {
    remote.stream?.write(bytes)
    if (++sent % 500 === 0 || sent > BYTES) {
      await settle()
    }
  }
}

test('of a connection', async () => {
  const f = fixture({ heartbeatIntervalMs: 1e6 })
  const { connection, stream } = await connected(f)
  await check(connection, through(stream))
  await stop(f)
})

test('of a stream of a natively muxed connection', async () => {
  const f = await nativeFixture()
  const { muxer, service } = await muxed(f)
  const stream = await muxer.createStream()
  stream.protocol = '/test/1.0.0'
  await settle()
  const remote = [...service.streams.values()].at(-1)
  assert.ok(remote)
  await check(stream, through(remote))
  await stop(f)
})

test('of a stream of the muxer for libp2p', async () => {
  const end = new MuxerEnd('server')
  const stream = end.accept(1)
  await check(stream, bytes => {
    const frame = frames.data(1, bytes)
    const chunk = new Uint8Array(CHUNK_BYTES)
    chunk.set(frame)
    end.connection.onData(chunk.subarray(0, frame.byteLength))
  })
  await end.muxer.close()
})
