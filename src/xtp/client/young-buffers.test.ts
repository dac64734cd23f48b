// Small collections free what has been read and sent, also on streams that have been there for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import v8 from 'node:v8'
import vm from 'node:vm'
import type { MessageStream } from '@libp2p/interface'
import { type FakeStream, settle } from './testing/fake-service.ts'
import { connected, fixture, stop } from './testing/fixture.ts'
import { muxed, nativeFixture } from './testing/native-fixture.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as (options: { type: 'minor' }) => void
const CHUNK_BYTES = 64 * 1024
const CHUNKS = 40

/** What survives two small collections is old. */
async function collectYoung(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await settle()
    collect({ type: 'minor' })
  }
}

/** How many of some chunks that went through one by one are still in memory. */
async function kept(pass: (chunk: Uint8Array) => Promise<void>): Promise<number> {
  await collectYoung()
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < CHUNKS; i++) {
    await pass(new Uint8Array(CHUNK_BYTES))
    await collectYoung()
  }
  return Math.round((process.memoryUsage().arrayBuffers - before) / CHUNK_BYTES)
}

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
