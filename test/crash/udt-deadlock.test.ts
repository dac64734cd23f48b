// libudt is known for deadlocks. Here is one, of the lock that all of its calls need: the heartbeat finds it,
// whether anything happens at the time or nothing, and the service comes back on the same port.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isXtpError, XtpClient, type XtpConnection } from 'xtp'
import { bundleService } from '../support/bundle.ts'
import { createClient } from '../support/clients.ts'
import { until } from '../support/processes.ts'
import { testSandbox } from '../support/sandbox.ts'
import { wireOf } from '../support/wires.ts'

const ADDON = path.resolve(
  import.meta.dirname,
  '../../build/native/native/udt/xtp_udt_deadlock.node'
)
const HEARTBEAT = { heartbeatIntervalMs: 200, heartbeatTimeoutMs: 1000 }
const wire = wireOf('xtp-udt')

describe('a deadlock in libudt', { skip: sanitizerReason() }, () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-deadlock-'))
  const entry = path.join(dir, 'dist/service.cjs')
  const well = path.join(dir, 'prebuilds/well')

  before(async () => {
    fs.mkdirSync(path.dirname(well))
    fs.chmodSync(dir, 0o755)
    fs.copyFileSync(ADDON, path.join(dir, 'prebuilds/deadlock.node'))
    fs.writeFileSync(path.join(dir, 'package.json'), '{ "type": "module" }')
    await bundleService('udt-deadlock-main.ts', entry)
  })
  after(() => fs.rmSync(dir, { recursive: true }))

  for (const busy of [true, false]) {
    it(busy ? 'in the middle of a transfer' : 'while nothing happens', async t => {
      fs.rmSync(well, { force: true })
      const server = new XtpClient(
        { ...wire.transport, serviceEntry: entry },
        { ...HEARTBEAT, sandbox: testSandbox() }
      )
      t.after(() => server.stop())
      const client = createClient({}, 'udt')
      t.after(() => client.stop())
      const lost: Error[] = []
      server.addEventListener('service:lost', ({ detail }) => lost.push(detail))
      const listener = await wire.listen(server, ({ stream }) => {
        stream.addEventListener('message', () => {})
      })
      const address = listener.getAddrs()[0] as Multiaddr
      const { pid } = server.status()
      fs.writeFileSync(well, '')
      let feeding: NodeJS.Timeout | undefined
      t.after(() => clearInterval(feeding))
      if (busy) {
        const connection = await client.dial<XtpConnection>(address)
        feeding = setInterval(() => {
          while (connection.status === 'open' && connection.send(new Uint8Array(65_536))) {}
        }, 5)
      }
      await until('the heartbeat has found it', () => lost.length > 0, 8000)
      assert.ok(isXtpError(lost[0], 'ERR_XTP_SERVICE_LOST'), String(lost[0]))
      assert.match(lost[0].message, /I\/O thread/)
      await until('it listens again', () => listener.getAddrs().length > 0, 5000)
      assert.notEqual(server.status().pid, pid)
      assert.equal(String(listener.getAddrs()[0]), String(address))
      const again = await client.dial<XtpConnection>(address, {
        signal: AbortSignal.timeout(5000)
      })
      await again.close()
    })
  }
})

function sanitizerReason(): string | false {
  return process.env.XTP_TEST_ADDONS === undefined
    ? false
    : 'the addon that deadlocks has no sanitizer'
}
