// Hostile datagrams at a listening service: it keeps serving others, and it keeps living.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, beforeEach, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { createNode, transportOf, UTP4 } from '../support/nodes.ts'
import { rss, until } from '../support/processes.ts'

const ECHO = '/test/echo/1.0.0'
const TRANSFER_BYTES = 4 * 2 ** 20

/** Types of BEP 29. */
const ST = { DATA: 0, FIN: 1, STATE: 2, RESET: 3, SYN: 4 }

interface Header {
  type: number
  connectionId: number
  seq: number
  ack: number
  extension?: number
}

function packet(
  { type, connectionId, seq, ack, extension = 0 }: Header,
  rest: Uint8Array = Buffer.alloc(0)
): Buffer {
  const header = Buffer.alloc(20)
  header[0] = (type << 4) | 1
  header[1] = extension
  header.writeUInt16BE(connectionId & 0xffff, 2)
  header.writeUInt32BE(1 << 20, 12)
  header.writeUInt16BE(seq & 0xffff, 16)
  header.writeUInt16BE(ack & 0xffff, 18)
  return Buffer.concat([header, rest])
}

describe('hostile datagrams', () => {
  let listener: Libp2p
  let dialer: Libp2p
  let attacker: Socket
  let port: number
  let pid: number
  let random: () => number

  before(async () => {
    listener = await createNode({ listen: [UTP4] })
    dialer = await createNode()
    await listener.handle(ECHO, stream => {
      stream.addEventListener('message', event => {
        stream.send(event.data)
      })
    })
    port = Number(listener.getMultiaddrs()[0]?.getComponents()[1]?.value)
    pid = transportOf(listener).status().pid as number
    attacker = createSocket('udp4')
    attacker.bind(0, '127.0.0.66')
    await once(attacker, 'listening')
  })
  beforeEach(() => {
    let state = 0x1234567
    random = () => {
      state = (Math.imul(state, 1103515245) + 12345) | 0
      return (state >>> 8) / 2 ** 24
    }
  })
  after(async () => {
    attacker.close()
    await dialer.stop()
    await listener.stop()
  })

  const bytes = (n: number) => Uint8Array.from({ length: n }, () => Math.floor(random() * 256))

  /** Sends with a pause now and then, so that the kernel does not drop everything. */
  async function attack(datagrams: number, make: (i: number) => Uint8Array) {
    for (let i = 0; i < datagrams; i++) {
      attacker.send(make(i), port, '127.0.0.1')
      if (i % 64 === 63) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
  }

  /** A fresh connection carries data both ways; the service is the same process. */
  async function serves() {
    const connection = await dialer.dial(multiaddr(`/ip4/127.0.0.1/udp/${port}/utp`), {
      force: true,
      signal: AbortSignal.timeout(10_000)
    })
    const stream = await connection.newStream(ECHO)
    const pattern = new Pattern(3)
    const back = receivePattern(stream, pattern, TRANSFER_BYTES)
    await sendPattern(stream, pattern, TRANSFER_BYTES)
    await back
    await connection.close()
    const status = transportOf(listener).status()
    assert.equal(status.pid, pid, 'the service was restarted')
    assert.equal(status.restarts, 0)
  }

  it(`survives ${counts.hostileDatagrams} random datagrams while it serves`, async () => {
    await Promise.all([
      attack(counts.hostileDatagrams, () => bytes(Math.floor(random() * 1500))),
      serves()
    ])
    await serves()
  })

  it('survives datagrams with valid headers and random contents', async () => {
    const types = Object.values(ST)
    const make = () => {
      const header = {
        type: types[Math.floor(random() * types.length)] as number,
        connectionId: Math.floor(random() * 65536),
        seq: Math.floor(random() * 65536),
        ack: Math.floor(random() * 65536),
        extension: Math.floor(random() * 4)
      }
      return packet(header, bytes(Math.floor(random() * 64)))
    }
    await Promise.all([attack(counts.hostileDatagrams, make), serves()])
    await serves()
  })

  it(`serves others during and after ${counts.spoofedSyns} SYNs that nobody completes`, async () => {
    const before = rss(pid)
    const syn = (i: number) => packet({ type: ST.SYN, connectionId: i, seq: 1, ack: 0 })
    await Promise.all([attack(counts.spoofedSyns, syn), serves()])
    await serves()
    // random datagrams of the tests before may have guessed an acknowledgement, and so have opened a
    // connection: libp2p gives it ten seconds for its upgrade
    await until(
      'the parent has no connection of the flood',
      () => transportOf(listener).status().connections === 0,
      15_000
    )
    assert.ok(rss(pid) - before < 64e6, `the flood costs ${rss(pid) - before} bytes`)
  })

  it('survives crafted extension headers on a connection that is set up', async () => {
    const synAck = once(attacker, 'message')
    attacker.send(packet({ type: ST.SYN, connectionId: 4000, seq: 1, ack: 0 }), port, '127.0.0.1')
    const [answer] = (await synAck) as [Buffer]
    const seq = answer.readUInt16BE(16)
    const chains = [
      [1, 0], // EACK that is cut off
      [0, 0],
      [0, 255, 1, 2, 3],
      [1, 4, 0xff, 0xff, 0xff, 0xff], // next extension beyond the end
      [0, 4, 0xff, 0xff, 0xff, 0xff],
      [0, 252, ...new Array<number>(252).fill(0xff)],
      [2, 1, 0, 2, 1, 0, 2, 1, 0, 0, 0]
    ]
    await attack(chains.length * 50, i =>
      packet(
        {
          type: i % 2 ? ST.STATE : ST.DATA,
          connectionId: 4001,
          seq: 2,
          ack: seq,
          extension: 1 + (i % 3)
        },
        Uint8Array.from(chains[i % chains.length] as number[])
      )
    )
    attacker.send(
      packet({ type: ST.RESET, connectionId: 4001, seq: 3, ack: seq }),
      port,
      '127.0.0.1'
    )
    await serves()
  })

  it('is not disturbed by replays of a connection that is over, nor by floods of one SYN', async () => {
    const syn = packet({ type: ST.SYN, connectionId: 9, seq: 7, ack: 0 })
    await Promise.all([attack(2000, () => syn), serves()])
    const data = packet({ type: ST.DATA, connectionId: 10, seq: 8, ack: 0 }, bytes(1000))
    await Promise.all([attack(2000, () => data), serves()])
  })

  it('answers what it does not know with nothing larger than the question', async () => {
    let received = 0
    const onMessage = (message: Buffer) => {
      received += message.length
    }
    attacker.on('message', onMessage)
    let sent = 0
    await attack(500, i => {
      const question = packet({ type: ST.DATA, connectionId: 20_000 + i, seq: 1, ack: 1 }, bytes(4))
      sent += question.length
      return question
    })
    await new Promise(resolve => setTimeout(resolve, 300))
    attacker.off('message', onMessage)
    assert.ok(received <= sent, `${received} bytes in answer to ${sent}`)
  })
})
