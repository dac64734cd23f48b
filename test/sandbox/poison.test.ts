// A service that was taken over tries to spoil its kept socket for those that come after it. Whatever it
// did, the next incarnation serves on the same port.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { XtpClient } from 'xtp'
import { type AttackPackage, attackPackage } from '../support/attack-package.ts'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { tier } from '../support/counts.ts'
import { enemyClient, type Said } from '../support/enemy.ts'
import { until } from '../support/processes.ts'
import { type Channel, WIRES } from '../support/wires.ts'
import { cannotRun } from './must-work.ts'

const ADDON = '../../build/native/native/attacks/xtp_attacks.node'
const poisons: string[] = createRequire(import.meta.url)(
  path.resolve(import.meta.dirname, ADDON)
).poisons()
/** What the filter leaves to a service; all else must have been refused. */
const PERMITTED = new Set([
  'IP_MTU_DISCOVER',
  'IP_RECVERR',
  'UDP_SEGMENT',
  'UDP_GRO',
  'permitted options at 0',
  'permitted options at 1',
  'permitted options at 65535',
  'blocking by ioctl',
  'blocking',
  'asynchronous',
  'flood',
  'flood others',
  'copies',
  'copies and close',
  'close'
])
/** An IPv6 socket has options of its own. */
const ALSO_IPV6 = /option|shutdown|^connect|^bind|^close/
const CASES = poisons.flatMap((kind, index) => [
  { kind, index, family: 4 as const, title: kind },
  ...(ALSO_IPV6.test(kind) ? [{ kind, index, family: 6 as const, title: `${kind}, IPv6` }] : [])
])

for (const wire of WIRES) {
  describe(`a socket poisoned by the service of ${wire.name}`, { timeout: 240_000 }, () => {
    let enemy: AttackPackage
    let dialer: XtpClient
    /** The filter is the same for all services: in short, the second one does what is left to it. */
    const cases = CASES.filter(
      ({ kind }) =>
        wire === WIRES[0] || tier === 'full' || PERMITTED.has(kind) || kind === 'shutdown'
    )

    before(async () => {
      enemy = await attackPackage(wire)
      dialer = await wire.createClient()
    })
    after(async () => {
      await dialer.stop()
      enemy.remove()
    })

    for (const { kind, index, family, title } of cases) {
      test(title, async t => {
        enemy.arm(true)
        const did = Promise.withResolvers<Said>()
        const client = enemyClient(
          wire,
          enemy.entry,
          { settings: { test_poison: index }, restart: { initialDelayMs: 1, budget: 1000 } },
          said => said.name !== undefined && did.resolve(said)
        )
        try {
          const inbound = Promise.withResolvers<Channel>()
          const listener = await wire.listen(client, inbound.resolve, wire.address(0, family))
          const { level } = client.status().sandbox as { level: string }
          if (level === 'L0') {
            cannotRun(t, 'no sandbox here, and so no kept socket')
            return
          }
          client.addEventListener('service:lost', ({ detail }) =>
            did.resolve({ name: kind, possible: false, detail: detail.message })
          )
          const { possible, detail } = await did.promise
          assert.equal(possible, PERMITTED.has(kind), `${kind}: ${detail}`)
          if (!possible) {
            // by the filter: some would fail anyhow, and shutdown works although it says ENOTCONN
            assert.equal(detail, kind.endsWith('ioctl') ? 'ENOTTY' : 'EPERM')
          }
          const [address] = listener.getAddrs()
          const { pid } = client.status()
          enemy.arm(false)
          if (pid !== undefined && client.status().crashes === 0) {
            process.kill(pid, 'SIGKILL')
          }
          await until('the next incarnation', () => {
            const now = client.status()
            return now.state === 'running' && now.pid !== pid && now.listeners === 1
          })
          assert.deepEqual(listener.getAddrs(), [address])
          const out = await wire.dial(dialer, address as Multiaddr)
          const pattern = new Pattern(index)
          const sent = sendPattern(out.stream, pattern, 300_000)
          const { stream } = await inbound.promise
          await Promise.all([sent, receivePattern(stream, pattern, 300_000)])
          out.connection.abort(new Error('enough'))
        } finally {
          await client.stop()
        }
      })
    }
  })
}
