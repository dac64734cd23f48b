// Small collections free what has been sent, also on connections that have been there for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNKS, kept } from '../client/testing/young.ts'
import { frames } from '../ctl/testing/mux-end.ts'
import { MuxerEnd } from './testing/muxer-end.ts'

test('what is sent', async () => {
  const end = new MuxerEnd('client')
  const stream = await end.muxer.createStream()
  end.receive(frames.credit(stream.streamId, 2 ** 30))
  let sent = 0
  // a connection that keeps nothing itself
  Object.assign(end.connection, {
    send({ byteLength }: Uint8Array) {
      sent += byteLength
      return true
    }
  })
  let all = 0
  const chunks = await kept(async chunk => {
    stream.send(chunk)
    all += chunk.byteLength
  })
  assert.ok(sent > all, `${sent} of ${all} bytes`)
  assert.ok(chunks < CHUNKS / 4, `${chunks} of ${CHUNKS} chunks are kept`)
})
