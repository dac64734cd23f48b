// A Node whose OpenSSL is too old for QUIC, and no addon that brings its own: a typed error says so.
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { isXtpError } from 'xtp'
import { transportOf } from '../support/nodes.ts'
import { copyQuic, type QuicCopy } from '../support/quic-copy.ts'
import { createQuicNode } from '../support/quic-nodes.ts'

let copy: QuicCopy
before(async () => {
  copy = await copyQuic(['prebuilds'])
})
after(() => copy.remove())

it(`has no addon for OpenSSL ${process.versions.openssl}, and says where it looked and what to do`, async () => {
  assert.match(process.versions.openssl, /^3\.0\./, 'run this on the old Node of test/runtimes')
  const node = await createQuicNode({ quic: copy.quic })
  try {
    await assert.rejects(transportOf(node).client.dial('/ip4/127.0.0.1/udp/9/quic-v1'), error => {
      assert.ok(isXtpError(error, 'ERR_XTP_SERVICE_START_FAILED'), String(error))
      assert.match(error.message, /no addon for .* and OpenSSL 3\.0\./)
      assert.ok(error.message.includes(`${copy.dir}/static/prebuilds`), error.message)
      assert.match(error.message, /Node ≥ 22\.20, .*npm run build:static-quic/)
      return true
    })
    assert.equal(transportOf(node).status().restarts, 0)
  } finally {
    await node.stop()
  }
})
