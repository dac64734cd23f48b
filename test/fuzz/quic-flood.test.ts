// A flood of handshakes from addresses that are not the sender's: a transfer goes on, and others can dial.
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { transportOf } from '../support/nodes.ts'
import { rss, until } from '../support/processes.ts'
import { initialPacket } from '../support/quic-initial.ts'
import {
  addressOf,
  createQuicNode,
  ECHO,
  echo,
  portOf,
  QUIC4,
  type QuicNode
} from '../support/quic-nodes.ts'
import { measuresMemory } from '../support/sanitized.ts'

const ROUND_BYTES = 4 * 2 ** 20
const WAVES = 8
/** Addresses and ports of a wave; each sends several Initials. */
const SOURCES = 100
const MAX_GROWTH_BYTES = 64e6

const KINDS = [
  {
    what: 'Initials that begin a ClientHello',
    waits: true,
    make: () => initialPacket(randomBytes(randomInt(8, 21)), randomBytes(8), randomBytes(32))
  },
  {
    what: 'Initials with random contents',
    waits: false,
    make: () => {
      const packet = initialPacket(randomBytes(8), randomBytes(8), randomBytes(32))
      randomBytes(packet.length - 30).copy(packet, 30)
      return packet
    }
  }
]

describe('a flood of handshakes that nobody completes', () => {
  let listener: QuicNode
  let dialer: QuicNode
  let connection: Connection

  before(async () => {
    listener = await createQuicNode({ listen: [QUIC4] })
    dialer = await createQuicNode()
    await listener.handle(ECHO, echo)
    connection = await dialer.dial(addressOf(listener))
  })
  after(async () => {
    await dialer?.stop()
    await listener?.stop()
  })

  const stat = async (name: string) =>
    Number((await transportOf(listener).stats()).get(name) as bigint)

  async function transfer(over: Connection) {
    const stream = await over.newStream(ECHO)
    const pattern = new Pattern(ROUND_BYTES)
    const back = receivePattern(stream, pattern, ROUND_BYTES)
    await sendPattern(stream, pattern, ROUND_BYTES)
    await stream.close()
    await back
  }

  async function honestDial() {
    const other = await createQuicNode()
    try {
      await transfer(await other.dial(addressOf(listener)))
    } finally {
      await other.stop()
    }
  }

  async function wave(datagrams: number, make: () => Uint8Array) {
    const sockets: Socket[] = []
    for (let i = 0; i < SOURCES; i++) {
      const socket = createSocket('udp4').on('error', () => {})
      socket.bind(0, `127.${randomInt(1, 256)}.${randomInt(256)}.${randomInt(1, 255)}`)
      await once(socket, 'listening')
      sockets.push(socket)
    }
    for (let i = 0; i < datagrams; i++) {
      sockets[i % SOURCES]?.send(make(), portOf(listener), '127.0.0.1')
      // so that the kernel does not drop everything
      if (i % 16 === 15) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    await Promise.all(sockets.map(socket => new Promise<void>(done => socket.close(done))))
  }

  for (const { what, waits, make } of KINDS) {
    it(`goes on, and can be dialled, during and after ${counts.spoofedInitials} ${what}`, async t => {
      const { pid } = transportOf(listener).status()
      const memory = rss(pid)
      const [initials, retries] = [await stat('initials'), await stat('retries_sent')]
      let mostHalfOpen = 0
      for (let i = 0; i < WAVES; i++) {
        await Promise.all([wave(counts.spoofedInitials / WAVES, make), transfer(connection)])
        mostHalfOpen = Math.max(mostHalfOpen, await stat('half_open'))
      }
      await Promise.all([wave(counts.spoofedInitials / WAVES, make), honestDial()])
      await honestDial()
      await transfer(connection)
      const seen = (await stat('initials')) - initials
      const proofs = (await stat('retries_sent')) - retries
      t.diagnostic(
        `${seen} Initials seen, ${proofs} Retries, at most ${mostHalfOpen} half-open, ` +
          `${((rss(pid) - memory) / 1e6).toFixed(1)} MB more`
      )
      assert.ok(seen > counts.spoofedInitials / 2, `only ${seen} arrived`)
      // the attack is one: without proofs of address it would take every place
      assert.equal(mostHalfOpen > 0, waits)
      assert.equal(proofs > seen / 2, waits)
      if (measuresMemory) {
        assert.ok(rss(pid) - memory < MAX_GROWTH_BYTES, `it costs ${rss(pid) - memory} bytes`)
      }
      await until('nothing is half-open', async () => (await stat('half_open')) === 0, 20_000)
      await until('only the honest are left', () => listener.getConnections().length === 1)
      const status = transportOf(listener).status()
      assert.deepEqual([status.pid, status.restarts, status.connections], [pid, 0, 1])
    })
  }
})
