// Many connections at once whose readers stop: the services keep within their memory, and lose nothing.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { XtpClient } from 'xtp'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { rss, until } from '../support/processes.ts'
import { measuresMemory } from '../support/sanitized.ts'
import { type Channel, WIRES } from '../support/wires.ts'

/** More than any window. */
const OFFERED_BYTES = 4 << 20
/** A service of its own takes 80 MB. The default limit is 1 GiB. */
const MOST_BYTES = 600 << 20

for (const wire of WIRES) {
  // libudt keeps 2.5 MiB for each and each way, whatever there is
  const connections =
    wire.name === 'xtp-udt' ? counts.pausedConnections / 10 : counts.pausedConnections
  describe(`${connections} connections of ${wire.name} whose readers stop`, () => {
    it('stay within the memory of both services, and lose nothing when they go on', async t => {
      const server = await wire.createClient()
      const client = await wire.createClient()
      const pattern = new Pattern(3)
      const inbound: Channel[] = []
      const received: Promise<void>[] = []
      const listener = await wire.listen(server, channel => {
        channel.stream.pause()
        inbound.push(channel)
        received.push(receivePattern(channel.stream, pattern, OFFERED_BYTES))
      })
      try {
        const address = listener.getAddrs()[0]
        assert.ok(address)
        const outbound: Channel[] = []
        let sent = 0
        const sending: Promise<void>[] = []
        for (let i = 0; i < connections; i++) {
          const channel = await wire.dial(client, address)
          outbound.push(channel)
          let before = 0
          sending.push(
            sendPattern(channel.stream, pattern, OFFERED_BYTES, total => {
              sent += total - before
              before = total
            })
          )
        }
        await until('everybody has come', () => inbound.length === connections, 60_000)
        let last = -1
        await until(
          'nobody takes more',
          async () => {
            const stands = sent === last
            last = sent
            await new Promise(resolve => setTimeout(resolve, 1000))
            return stands
          },
          60_000
        )
        const sizes = [server, client].map(peer => rss(peer.status().pid as number))
        t.diagnostic(
          `${Math.round(sent / 2 ** 20)} MiB sent, services of ${sizes.map(size => Math.round(size / 2 ** 20))} MiB`
        )
        if (measuresMemory) {
          assert.ok(Math.max(...sizes) < MOST_BYTES, `${sizes}`)
        }
        for (const { stream } of inbound) {
          stream.resume()
        }
        await Promise.all([...sending, ...received])
        const crashes = (peer: XtpClient) => peer.status().crashes
        assert.deepEqual([server, client].map(crashes), [0, 0])
      } finally {
        await client.stop()
        await server.stop()
      }
    })
  })
}
