// The addon with an OpenSSL of its own, in real services: where Node's is too old, and where it is not and
// must not be mixed up with it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { isXtpError } from 'xtp'
import { cannotRun } from '../sandbox/must-work.ts'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { transportOf } from '../support/nodes.ts'
import { mappedFiles } from '../support/processes.ts'
import { copyQuic, type QuicCopy } from '../support/quic-copy.ts'
import { addressOf, createQuicNode, QUIC4, type QuicNode } from '../support/quic-nodes.ts'

const PROTOCOL = '/test/duplex/1.0.0'
const BYTES = 16 * 2 ** 20
const TOO_OLD = process.versions.openssl.startsWith('3.0.')
/** A name in the symbol table, without its version. */
const NAME = /(\S+?)(@\S+)?$/

describe(`the addon with OpenSSL, on Node ${process.versions.node} with OpenSSL ${process.versions.openssl}`, () => {
  let copy: QuicCopy
  before(async () => {
    // where both are there, the old Node has to choose
    copy = await copyQuic(TOO_OLD ? ['prebuilds', 'static'] : ['static'])
  })
  after(() => copy.remove())

  function addon(): string {
    const dir = path.join(copy.dir, 'static/prebuilds', `${process.platform}-${process.arch}`)
    const [file, ...others] = fs.readdirSync(dir)
    assert.deepEqual(others, [])
    return path.join(dir, file as string)
  }

  const symbols = (which: string): string[] =>
    execFileSync('nm', ['-D', which, addon()], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(line => line.match(NAME)?.[1] as string)

  it('shows nothing but its entry, and takes nothing of the OpenSSL of Node', () => {
    const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
    assert.deepEqual(symbols('--defined-only').sort(), entries)
    const needed = symbols('--undefined-only')
    assert.ok(needed.includes('napi_create_function'), needed.join())
    assert.deepEqual(
      needed.filter(name => /^(SSL|EVP|CRYPTO|OPENSSL|ERR|X509|BIO|RAND|ngtcp2)_/.test(name)),
      []
    )
  })

  for (const level of ['L0', 'L2', 'L3'] as const) {
    it(`carries ${BYTES} bytes each way at ${level}, where any unlisted system call is fatal`, async t => {
      const init = { sandbox: { level, strict: level !== 'L0' } }
      const dialer = await createQuicNode({ quic: copy.quic, init })
      let listener: QuicNode | undefined
      try {
        const nobody = transportOf(dialer).client.dial('/ip4/127.0.0.1/udp/9/quic-v1')
        const error = await nobody.catch(error => error)
        if (isXtpError(error, 'ERR_XTP_SANDBOX_UNAVAILABLE')) {
          return cannotRun(t, error.message)
        }
        listener = await createQuicNode({ listen: [QUIC4], quic: copy.quic, init })
        await transfer(dialer, listener)
        for (const node of [dialer, listener]) {
          const { pid, restarts, sandbox } = transportOf(node).status()
          assert.equal(sandbox?.level, level)
          assert.equal(restarts, 0)
          const addons = mappedFiles(pid).filter(name => name.endsWith('.node'))
          // in a tree that is gone, a name begins at the mount
          assert.ok(addons.length === 1 && addon().endsWith(addons[0] as string), addons.join())
        }
      } finally {
        await dialer.stop()
        await listener?.stop()
      }
    })
  }
})

async function transfer(dialer: QuicNode, listener: QuicNode): Promise<void> {
  const [up, down] = [new Pattern(1), new Pattern(2)]
  const duplex = (stream: Stream, receive: Pattern, send: Pattern) =>
    Promise.all([receivePattern(stream, receive, BYTES), sendPattern(stream, send, BYTES)])
  const served = Promise.withResolvers<unknown>()
  await listener.handle(PROTOCOL, stream => {
    duplex(stream, up, down).then(served.resolve, served.reject)
  })
  const connection = await dialer.dial(addressOf(listener))
  assert.ok(connection.remotePeer.equals(listener.peerId))
  await Promise.all([duplex(await connection.newStream(PROTOCOL), down, up), served.promise])
}
