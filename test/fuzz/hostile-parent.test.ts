// A parent that breaks the protocol: the service ends with the exit code that says so, never by a
// signal, and says why on its log.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import path from 'node:path'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { CONTROL_PROTOCOL, DATA_PROTOCOL, encodeFrame, Negotiation } from 'xtp/ctl'
import { counts } from '../support/counts.ts'
import { sanitizedService } from '../support/sanitized.ts'

const SERVICE = path.resolve(import.meta.dirname, '../../src/xtp-utp/dist/service.cjs')
const FRAMES_PER_PROCESS = 500
const EXIT = { OK: 0, PROTOCOL: 76, CONFIG: 78 }

interface Service {
  child: ChildProcess
  control: Socket
  data: Socket
  ended: Promise<{ code: number | null; signal: string | null; log: string }>
}

function start(): Service {
  const { entry, env } = sanitizedService('utp') ?? { entry: SERVICE, env: {} }
  const child = spawn(process.execPath, [entry], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env
  })
  const [, , stderr, control, data] = child.stdio as unknown as Socket[]
  let log = ''
  stderr?.on('data', chunk => {
    log += chunk
  })
  for (const link of [control, data]) {
    link?.on('error', () => {})
    link?.resume()
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, log }))
  return { child, control: control as Socket, data: data as Socket, ended }
}

const proposal = (protocol: string) =>
  new Negotiation({ role: 'initiator', protocols: [protocol] }).start()

/** Negotiated, Hello said and answered. */
async function ready(): Promise<Service> {
  const service = start()
  service.control.write(proposal(CONTROL_PROTOCOL))
  service.data.write(proposal(DATA_PROTOCOL))
  const hello = { implementation: 'test', features: [], options: [], transports: [], pid: 0 }
  const limits = { maxFrameBytes: 65536, maxConnections: 9, maxListeners: 9, maxRequests: 9 }
  const answered = new Promise<void>(resolve => {
    let got = 0
    service.control.on('data', chunk => {
      got += chunk.length
      if (got > 60) {
        resolve()
      }
    })
  })
  service.control.write(
    encodeFrame({ id: 1, reply: false, deadlineMs: 5000, hello: { ...hello, limits } })
  )
  await answered
  return service
}

async function endsWith(service: Service, ...codes: number[]) {
  const timer = setTimeout(() => service.child.kill('SIGKILL'), 5000)
  const { code, signal, log } = await service.ended
  clearTimeout(timer)
  assert.equal(signal, null, `ended by ${signal}: ${log}`)
  assert.ok(codes.includes(code as number), `exit code ${code}: ${log}`)
  return log
}

function generator(seed: number) {
  let state = seed | 1
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (((state >>> 8) / 2 ** 24) * below) | 0
  }
  return { random, bytes: (n: number) => Uint8Array.from({ length: n }, () => random(256)) }
}

function yamux(
  type: number,
  flags: number,
  id: number,
  length: number,
  payload?: Uint8Array
): Uint8Array {
  const frame = Buffer.alloc(12)
  frame[1] = type
  frame.writeUInt16BE(flags, 2)
  frame.writeUInt32BE(id >>> 0, 4)
  frame.writeUInt32BE(length >>> 0, 8)
  return payload ? Buffer.concat([frame, payload]) : frame
}

const onData: Record<string, Uint8Array> = {
  'a wrong version': Uint8Array.from({ length: 12 }, () => 9),
  'an unknown type': yamux(9, 0, 1, 0),
  'a stream id of the other side': yamux(0, 1, 2, 0),
  'a stream id used twice': Buffer.concat([yamux(1, 1, 1, 0), yamux(1, 1, 1, 0)]),
  'a frame longer than any may be': yamux(0, 1, 1, 0xfffffff0),
  'a window beyond 2^31': Buffer.concat([yamux(1, 1, 1, 0x7fffffff), yamux(1, 0, 1, 0x7fffffff)]),
  'a stream header that is too long': yamux(0, 1, 1, 2, Uint8Array.of(0xff, 0x7f)),
  'a stream header that is no protobuf': yamux(0, 1, 1, 3, Uint8Array.of(2, 0xff, 0xff))
}

const onControl: Record<string, Uint8Array> = {
  'a frame that is too long': Uint8Array.of(0xff, 0xff, 0xff, 0x7f),
  'an endless varint': new Uint8Array(64).fill(0x80),
  'no protobuf': Uint8Array.of(3, 0xff, 0xff, 0xff),
  'a reply that nobody asked for': encodeFrame({ id: 77, reply: true, deadlineMs: 0 }),
  'an event of the service': encodeFrame({
    id: 0,
    reply: false,
    deadlineMs: 0,
    log: { level: 0, scope: '', message: 'no' }
  }),
  'a second Hello': encodeFrame({
    id: 2,
    reply: false,
    deadlineMs: 0,
    hello: { implementation: 'test', features: [], options: [], transports: [], pid: 0 }
  })
}

describe('a hostile parent', () => {
  for (const [what, bytes] of Object.entries(onControl)) {
    it(`control: ${what}`, async () => {
      const service = await ready()
      service.control.write(bytes)
      await endsWith(service, EXIT.PROTOCOL)
    })
  }
  for (const [what, bytes] of Object.entries(onData)) {
    it(`data: ${what}`, async () => {
      const service = await ready()
      service.data.write(bytes)
      await endsWith(service, EXIT.PROTOCOL)
    })
  }
  it('data: more than the credit of a connection', async () => {
    const service = await ready()
    const address = (port: number) => multiaddr(`/ip4/127.0.0.1/udp/${port}/utp`).bytes
    // a peer that takes the connection and then acknowledges nothing
    const peer = createSocket('udp4')
    peer.bind(0, '127.0.0.1')
    await once(peer, 'listening')
    const dialled = once(peer, 'message') as Promise<[Buffer, { port: number }]>
    service.control.write(
      encodeFrame({
        id: 2,
        reply: false,
        deadlineMs: 0,
        dial: { connId: 1, addr: address(peer.address().port) }
      })
    )
    const [syn, from] = await dialled
    const synAck = Buffer.from(syn)
    synAck[0] = 0x21
    synAck.writeUInt32BE(1 << 20, 12)
    synAck.writeUInt16BE(500, 16)
    synAck.writeUInt16BE(syn.readUInt16BE(16), 18)
    peer.send(synAck, from.port, '127.0.0.1')
    await once(service.control, 'data')
    const chunk = new Uint8Array(65536)
    service.data.write(yamux(0, 1, 1, 3, Uint8Array.of(2, 8, 1)))
    for (let i = 0; i < 100; i++) {
      service.data.write(yamux(0, 0, 1, chunk.length, chunk))
    }
    const log = await endsWith(service, EXIT.PROTOCOL)
    assert.match(log, /credit|window/)
    peer.close()
  })
  it('another protocol on control: exit code 78', async () => {
    const service = start()
    service.control.write(proposal('/xtp-ctl/99.0.0'))
    await endsWith(service, EXIT.CONFIG)
  })
  it('another protocol on data: exit code 78', async () => {
    const service = start()
    service.control.write(proposal(CONTROL_PROTOCOL))
    service.data.write(proposal('/mplex/6.7.0'))
    const hello = { implementation: 'test', features: [], options: [], transports: [], pid: 0 }
    service.control.write(encodeFrame({ id: 1, reply: false, deadlineMs: 0, hello }))
    await endsWith(service, EXIT.CONFIG)
  })
  it('a request before Hello', async () => {
    const service = start()
    service.control.write(proposal(CONTROL_PROTOCOL))
    service.control.write(
      encodeFrame({ id: 1, reply: false, deadlineMs: 0, ping: { nonce: 1n, ioAgeMs: 0 } })
    )
    await endsWith(service, EXIT.PROTOCOL)
  })
  it('links that are closed at once', async () => {
    const service = start()
    service.control.destroy()
    service.data.destroy()
    await endsWith(service, EXIT.OK)
  })
  it('no links at all: exit code 78 and a sentence that says what to do', async () => {
    const child = spawn(process.execPath, [SERVICE], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    child.stderr.on('data', chunk => {
      log += chunk
    })
    const [code] = await once(child, 'close')
    assert.equal(code, EXIT.CONFIG)
    assert.match(log, /Use the package from your program/)
  })

  const rounds = Math.ceil(counts.fuzzFrames / FRAMES_PER_PROCESS)
  for (const link of ['control', 'data'] as const) {
    it(`${rounds * FRAMES_PER_PROCESS} random frames on ${link}`, async () => {
      for (let seed = 1; seed <= rounds; seed++) {
        const { random, bytes } = generator(seed)
        const service = await ready()
        const frames: Uint8Array[] = []
        for (let i = 0; i < FRAMES_PER_PROCESS; i++) {
          const payload = bytes(random(100))
          frames.push(
            link === 'control'
              ? Buffer.concat([Uint8Array.of(payload.length), payload])
              : yamux(random(4), random(16), random(12), payload.length, payload)
          )
        }
        service[link].write(Buffer.concat(frames))
        service[link].end()
        await endsWith(service, EXIT.PROTOCOL, EXIT.OK)
      }
    })
  }
})
