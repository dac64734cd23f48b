// A heartbeat that is shorter than the sleep of an idle service: nobody hangs, so nobody is killed.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Multiaddr } from '@multiformats/multiaddr'
import { WIRES } from '../support/wires.ts'

const HEARTBEAT = { heartbeatIntervalMs: 50, heartbeatTimeoutMs: 750 }
/** Threads of an idle service sleep for a second at most. */
const IDLE_MS = 2000

describe('an idle service lives on, with a connection and without', { concurrency: true }, () => {
  for (const wire of WIRES) {
    it(wire.name, async t => {
      const server = await wire.createClient(HEARTBEAT)
      t.after(() => server.stop())
      const client = await wire.createClient(HEARTBEAT)
      t.after(() => client.stop())
      const { promise: accepted, resolve } = Promise.withResolvers<void>()
      const listener = await wire.listen(server, () => resolve())
      const { connection, stream } = await wire.dial(client, listener.getAddrs()[0] as Multiaddr)
      stream.send(new Uint8Array(1))
      await accepted
      await delay(IDLE_MS)
      assert.equal(connection.status, 'open')
      await connection.close()
      await delay(IDLE_MS)
      for (const each of [server, client]) {
        const { crashes, lastError } = each.status()
        assert.equal(crashes, 0, lastError?.message)
      }
    })
  }
})
