// Real data between libp2p nodes whose uTP, or UDT, runs in real services.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts, tier } from '../support/counts.ts'
import { createNode, loopback, transportOf } from '../support/nodes.ts'
import { openFds, rss, until } from '../support/processes.ts'

const DUPLEX = '/test/duplex/1.0.0'
const ECHO = '/test/echo/1.0.0'
const HOLD = '/test/hold/1.0.0'

for (const transport of ['utp', 'udt'] as const) {
  describe(`transfers over xtp-${transport}`, () => {
    let listener: Libp2p
    let dialer: Libp2p
    let onDuplex: (stream: Stream) => void = () => {}
    let onHold: (stream: Stream) => void = () => {}

    before(async () => {
      listener = await createNode({ transport, listen: [loopback(transport)] })
      dialer = await createNode({ transport })
      const many = { maxInboundStreams: 100_000 }
      await listener.handle(DUPLEX, stream => onDuplex(stream), many)
      await listener.handle(HOLD, stream => onHold(stream), many)
      await listener.handle(
        ECHO,
        stream => {
          stream.addEventListener('message', event => {
            stream.send(event.data)
          })
          stream.addEventListener('remoteCloseWrite', () => {
            stream.close().catch(() => {})
          })
        },
        many
      )
    })

    after(async () => {
      const services = [dialer, listener].map(node => transportOf(node).status())
      await dialer.stop()
      await listener.stop()
      for (const { crashes, lastError } of services) {
        assert.equal(crashes, 0, lastError?.message)
      }
    })

    const dial = async (): Promise<Connection> => {
      const connection = await dialer.dial(listener.getMultiaddrs(), { force: true })
      // streams are not told why: what fails says at least "closed"
      connection.addEventListener('close', event => {
        if ('error' in event && event.error !== undefined) {
          console.error(`a connection over ${transport} ended: ${event.error}`)
        }
      })
      return connection
    }

    it(`carries ${counts.largeTransferBytes} bytes each way, both at once, every byte checked`, async () => {
      const [up, down] = [new Pattern(1), new Pattern(2)]
      const total = counts.largeTransferBytes
      const served = new Promise<void>((resolve, reject) => {
        onDuplex = stream => {
          Promise.all([receivePattern(stream, up, total), sendPattern(stream, down, total)]).then(
            () => resolve(),
            reject
          )
        }
      })
      const connection = await dial()
      const stream = await connection.newStream(DUPLEX)
      await Promise.all([
        receivePattern(stream, down, total),
        sendPattern(stream, up, total),
        served
      ])
      await connection.close()
    })

    it(`serves ${counts.concurrentStreams} concurrent streams over 10 connections`, async () => {
      // one after the other: libp2p joins dials of one peer that are under way at once
      const connections: Connection[] = []
      while (connections.length < 10) {
        connections.push(await dial())
      }
      assert.equal(new Set(connections).size, 10)
      const streams = await Promise.all(
        Array.from({ length: counts.concurrentStreams }, (_, i) =>
          (connections[i % 10] as Connection).newStream(ECHO, { maxOutboundStreams: 100_000 })
        )
      )
      // all are open at once before the first is used
      const size = 20_000
      await Promise.all(
        streams.map(async (stream, i) => {
          const pattern = new Pattern(i)
          const back = receivePattern(stream, pattern, size)
          await sendPattern(stream, pattern, size)
          await back
          await stream.close()
        })
      )
      await Promise.all(connections.map(connection => connection.close()))
    })

    it(`opens and closes ${counts.sequentialConnections} connections without growth`, async () => {
      const services = [listener, dialer].map(node => transportOf(node).status().pid as number)
      const once = async () => {
        const connection = await dial()
        const stream = await connection.newStream(ECHO)
        const pattern = new Pattern(5)
        const back = receivePattern(stream, pattern, 1000)
        await sendPattern(stream, pattern, 1000)
        await back
        await stream.close()
        await connection.close()
      }
      const all = async () => {
        for (let i = 0; i < counts.sequentialConnections; i++) {
          await once()
        }
        await settled()
      }
      // the watchdogs' are open for a moment
      const fds = () => [openFds(), ...services.map(pid => openFds(pid))]
      // AddressSanitizer keeps freed memory back for a while
      const most = tier === 'sanitized' ? 256e6 : 8e6
      // Node's own heap grows over the first few hundred, that of Node 26 over twice as many, and then no more
      await all()
      const fdsBefore = fds()
      let grown: number[] = []
      for (let round = 0; round < 3; round++) {
        const before = services.map(pid => rss(pid))
        await all()
        grown = services.map((pid, i) => rss(pid) - (before[i] as number))
        if (Math.max(...grown) < most) {
          break
        }
      }
      await until('descriptors are given back', () =>
        fds().every((count, i) => count <= (fdsBefore[i] as number))
      )
      assert.ok(Math.max(...grown) < most, `the services grew by ${grown} bytes each time`)
    })

    /** The libraries' sockets of both services are gone, too: libutp's linger while the last FIN is acknowledged. */
    async function settled() {
      for (const node of [listener, dialer]) {
        await until(
          'no connection left in the service',
          async () => {
            const stats = await transportOf(node).client.stats()
            return stats.get('connections') === 0n && (stats.get('libutp_sockets') ?? 0n) === 0n
          },
          20_000
        )
      }
    }

    it('keeps at most 8 MiB while a reader pauses, loses nothing, and goes on', async () => {
      const total = counts.pausedReaderBytes
      const pattern = new Pattern(9)
      let resume: () => void = () => {}
      const served = new Promise<void>((resolve, reject) => {
        onHold = stream => {
          stream.pause()
          receivePattern(stream, pattern, total).then(resolve, reject)
          resume = () => stream.resume()
        }
      })
      const connection = await dial()
      const stream = await connection.newStream(HOLD)
      const offered = { bytes: 0 }
      const sending = sendPattern(stream, pattern, total, sent => {
        offered.bytes = sent
      })
      await new Promise(resolve => setTimeout(resolve, 3000))
      const whilePaused = offered.bytes
      await new Promise(resolve => setTimeout(resolve, 300))
      assert.equal(offered.bytes, whilePaused, 'the sender goes on although the reader is paused')
      assert.ok(whilePaused < 8 * 2 ** 20, `${whilePaused} bytes were taken from the sender`)
      resume()
      await Promise.all([sending, served])
      await connection.close()
    })
  })
}
