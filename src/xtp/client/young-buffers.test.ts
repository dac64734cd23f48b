// Small collections free what has been read and sent, also on streams that have been there for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageStream } from '@libp2p/interface'
import { type FakeStream, settle } from './testing/fake-service.ts'
import { connected, fixture, stop } from './testing/fixture.ts'
import { muxed, nativeFixture } from './testing/native-fixture.ts'
import { CHUNKS, kept } from './testing/young.ts'

async function check(stream: MessageStream, remote: FakeStream): Promise<void> {
  // it would keep what it got
  remote.onData = ({ byteLength }) => remote.stream?.consumed(byteLength)
  let bytes = 0
  stream.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
  })
  const receive = async (chunk: Uint8Array) => {
    const before = bytes
    remote.stream?.write(chunk)
    await settle()
    assert.equal(bytes - before, chunk.byteLength)
  }
  const send = async (chunk: Uint8Array) => {
    assert.ok(stream.send(chunk))
    await settle()
  }
  for (const [what, pass] of Object.entries({ receive, send })) {
    const chunks = await kept(pass)
    assert.ok(chunks < CHUNKS / 4, `${what}: ${chunks} of ${CHUNKS} chunks are kept`)
  }
}

test('of a connection', async () => {
  const f = fixture({ heartbeatIntervalMs: 1e6 })
  const { connection, stream } = await connected(f)
  await check(connection, stream)
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
  await check(stream, remote)
  await stop(f)
})
