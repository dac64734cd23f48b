// Hostile datagrams at a listening UDT service: it keeps serving others, and it keeps living.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { createNode, loopback, transportOf } from '../support/nodes.ts'
import { rss, until } from '../support/processes.ts'
import { answer, CONTROL, control, data, request } from '../support/udt-packets.ts'

const ECHO = '/test/echo/1.0.0'
const TRANSFER_BYTES = 2 ** 20
/** What XTP puts above UDT (spec/udt.md). */
const PREFACE = Buffer.from('XTP-UDT\x01', 'latin1')

describe('hostile datagrams at UDT', () => {
  let listener: Libp2p
  let dialer: Libp2p
  let attacker: Socket
  let port: number
  let pid: number
  let state = 0x1234567

  before(async () => {
    const init = { settings: { handshake_timeout_ms: 500 } }
    listener = await createNode({ transport: 'udt', listen: [loopback('udt')], init })
    dialer = await createNode({ transport: 'udt' })
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
  after(async () => {
    attacker.close()
    await dialer.stop()
    await listener.stop()
  })

  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    return (state >>> 8) / 2 ** 24
  }
  const below = (n: number) => Math.floor(random() * n)
  const bytes = (n: number) => Uint8Array.from({ length: n }, () => below(256))
  const word = () =>
    [0, 1, 5, 1000, 0x7fffffff, 0x80000000, 0xffffffff, below(2 ** 32)][below(8)] as number
  const send = (packet: Uint8Array) => attacker.send(packet, port, '127.0.0.1')

  /** Sends with a pause now and then, so that the kernel does not drop everything. */
  async function attack(datagrams: number, make: (i: number) => Uint8Array) {
    for (let i = 0; i < datagrams; i++) {
      send(make(i))
      if (i % 64 === 63) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
  }

  /** A fresh connection carries data both ways; the service is the same process. */
  async function serves() {
    const connection = await dialer.dial(multiaddr(`/ip4/127.0.0.1/udp/${port}/udt`), {
      force: true,
      signal: AbortSignal.timeout(15_000)
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

  /** The next answer to a handshake. */
  async function nextAnswer() {
    for (;;) {
      const [message] = (await once(attacker, 'message', {
        signal: AbortSignal.timeout(5000)
      })) as [Buffer]
      const parsed = answer(message)
      if (parsed !== undefined) {
        return parsed
      }
    }
  }

  /** A connection of the attacker's; gives the socket's id at the service. */
  async function connect(socketId: number): Promise<number> {
    const challenge = nextAnswer()
    send(request({ socketId }))
    const { cookie } = await challenge
    const response = nextAnswer()
    send(request({ socketId, cookie, requestType: -1 }))
    const { requestType, socketId: theirs } = await response
    assert.equal(requestType, -1)
    return theirs
  }

  it(`survives ${counts.hostileDatagrams} random datagrams while it serves`, async () => {
    await Promise.all([attack(counts.hostileDatagrams, () => bytes(below(1500))), serves()])
    await serves()
  })

  it('survives control packets with absurd values, to anybody', async () => {
    const types = Object.values(CONTROL)
    const make = () =>
      control(
        types[below(types.length)] as number,
        below(3) === 0 ? 0 : below(2 ** 32),
        Array.from({ length: below(16) }, word),
        word()
      )
    await Promise.all([attack(counts.hostileDatagrams, make), serves()])
    await serves()
  })

  it('makes no connection of handshakes that nobody concludes, nor of guessed cookies', async () => {
    const before = rss(pid)
    await Promise.all([
      attack(counts.spoofedSyns, i =>
        request({ socketId: i, cookie: i % 2 ? below(2 ** 32) : 0, requestType: i % 2 ? -1 : 1 })
      ),
      serves()
    ])
    assert.ok(rss(pid) - before < 64e6, `the flood costs ${rss(pid) - before} bytes`)
    await until('nothing is left', () => transportOf(listener).status().connections === 0, 5000)
  })

  it('limits what handshakes make it allocate', async () => {
    const before = rss(pid)
    for (let i = 1; i <= 20; i++) {
      const socketId = 7000 + i
      const challenge = nextAnswer()
      send(request({ socketId, flightPackets: 0x7fffffff, segmentBytes: 0x7fffffff }))
      const { cookie } = await challenge
      const response = nextAnswer()
      send(
        request({
          socketId,
          cookie,
          requestType: -1,
          flightPackets: 0x7fffffff,
          segmentBytes: 0x7fffffff
        })
      )
      await response
    }
    assert.ok(rss(pid) - before < 64e6, `20 connections cost ${rss(pid) - before} bytes`)
    await serves()
  })

  it('survives anything on connections that are set up, and cuts off what is not XTP', async () => {
    const types = [CONTROL.ACK, CONTROL.NAK, CONTROL.ACK_OF_ACK, CONTROL.DROP, CONTROL.ERROR]
    for (let i = 0; i < 10; i++) {
      const theirs = await connect(8000 + i)
      if (i % 2 === 0) {
        send(data(theirs, 1, PREFACE))
      }
      await attack(300, () =>
        below(2) === 0
          ? data(theirs, below(4) === 0 ? word() : 2 + below(64), bytes(1 + below(1400)))
          : control(
              types[below(types.length)] as number,
              theirs,
              Array.from({ length: below(40) }, word),
              word()
            )
      )
    }
    await serves()
    await until(
      'the parent has none of them',
      () => transportOf(listener).status().connections === 0,
      15_000
    )
  })

  it('is told to nobody before the preface has come', async () => {
    const { connections } = transportOf(listener).status()
    await connect(9000)
    await new Promise(resolve => setTimeout(resolve, 200))
    assert.equal(transportOf(listener).status().connections, connections)
    const stats = async (name: string) => (await transportOf(listener).client.stats()).get(name)
    assert.ok(((await stats('half_open')) ?? 0n) > 0n)
    await until('its time is over', async () => (await stats('half_open')) === 0n, 5000)
  })

  it('answers what it does not know with little, and not each time', async () => {
    let received = 0
    const onMessage = (message: Buffer) => {
      received += message.length
    }
    attacker.on('message', onMessage)
    let sent = 0
    await attack(1000, i => {
      const question = data(2 ** 20 + i, 1, bytes(8))
      sent += question.length
      return question
    })
    await new Promise(resolve => setTimeout(resolve, 300))
    attacker.off('message', onMessage)
    assert.ok(received <= sent, `${received} bytes in answer to ${sent}`)
  })
})
