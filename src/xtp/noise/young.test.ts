// Small collections free what has been encrypted and decrypted, also on connections that have been there for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamMessageEvent } from '@libp2p/interface'
import { CHUNKS, kept } from '../client/testing/young.ts'
import { NoiseEnd } from './testing/noise-end.ts'

const HALF_BYTES = 32 * 1024

/** A connection that keeps nothing itself. */
function passing() {
  const end = new NoiseEnd()
  const passed = { sent: 0, received: 0 }
  Object.assign(end.connection, {
    send({ byteLength }: Uint8Array) {
      passed.sent += byteLength
      return true
    }
  })
  end.stream.addEventListener('message', ({ data }) => {
    passed.received += data.byteLength
  })
  return { end, passed }
}

test('what is sent', async () => {
  const { end, passed } = passing()
  const chunks = await kept(async chunk => {
    const before = passed.sent
    assert.ok(end.stream.send(chunk))
    assert.ok(passed.sent > before + HALF_BYTES)
  })
  assert.ok(chunks < CHUNKS / 4, `${chunks} of ${CHUNKS} chunks are kept`)
})

for (const pieces of ['in one piece', 'in two']) {
  test(`what is received ${pieces}`, async () => {
    const { end, passed } = passing()
    const chunks = await kept(async chunk => {
      const before = passed.received
      const message = end.message(chunk.subarray(0, 60_000))
      const at = pieces === 'in two' ? HALF_BYTES : message.byteLength
      for (const part of [message.slice(0, at), message.slice(at)]) {
        if (part.byteLength > 0) {
          end.connection.dispatchEvent(new StreamMessageEvent(part))
        }
      }
      assert.equal(passed.received - before, 60_000)
    })
    assert.ok(chunks < CHUNKS / 4, `${chunks} of ${CHUNKS} chunks are kept`)
  })
}
