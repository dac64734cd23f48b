// Reads spec/vectors as another implementation would, and checks both directions of every one.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import {
  ControlSession,
  decodeMuxHeader,
  encodeFrame,
  encodeMuxHeader,
  FrameDecoder,
  Mux,
  Negotiation,
  NegotiationError,
  ProtocolViolationError,
  type RequestBody,
  type Role
} from 'xtp/ctl'
import { ManualClock } from '../../src/xtp/ctl/testing/manual-clock.ts'
import type { ExampleStep } from './example-session.ts'
import type { FrameVector } from './frame-vectors.ts'
import type { InvalidVector } from './invalid-vectors.ts'
import type { MuxExchangeVector, MuxFrameVector, MuxInvalidVector } from './mux-vectors.ts'
import type { NegotiationVector } from './negotiation-vectors.ts'
import { exampleBytes, exampleText, SPEC, withExample } from './spec-example.ts'
import { frameFromJson, frameToJson, fromHex, type Json, toHex } from './vector-json.ts'
import { CERTIFICATE_FILES, VECTORS, vectorFiles } from './vectors.ts'

function read<T>(name: string): T[] {
  const { vectors } = JSON.parse(fs.readFileSync(new URL(name, VECTORS), 'utf8'))
  assert.ok(vectors.length > 0, `${name} has vectors`)
  return vectors
}

/** All at once, and byte by byte: the same must come of both. */
const CUTS: Array<[string, (bytes: Uint8Array) => Uint8Array[]]> = [
  ['at once', bytes => [bytes]],
  ['byte by byte', bytes => [...bytes].map(byte => Uint8Array.of(byte))]
]

describe('vectors: files', () => {
  it('are what the code gives, every one (run test/conformance/generate-vectors.ts)', async () => {
    const files = await vectorFiles()
    for (const [name, content] of files) {
      const text = fs.readFileSync(new URL(name, VECTORS), 'utf8')
      if (typeof content === 'string') assert.equal(text, content, name)
      else assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(content)), name)
    }
    assert.deepEqual(fs.readdirSync(VECTORS).sort(), [...files.keys(), ...CERTIFICATE_FILES].sort())
  })
})

describe('vectors: negotiation.json', () => {
  for (const { name, role, protocols, start, steps } of read<NegotiationVector>(
    'negotiation.json'
  )) {
    it(name, () => {
      const negotiation = new Negotiation({ role, protocols })
      assert.equal(toHex(negotiation.start()), start)
      for (const step of steps) {
        const seen: Partial<typeof step> = {}
        try {
          const { send, done } = negotiation.push(fromHex(step.receive))
          if (send != null) seen.send = toHex(send)
          if (done != null) Object.assign(seen, { protocol: done.protocol, rest: toHex(done.rest) })
        } catch (err) {
          assert.ok(err instanceof NegotiationError)
          if (err.send != null) seen.send = toHex(err.send)
          seen.error = true
        }
        assert.deepEqual({ receive: step.receive, ...seen }, step)
      }
    })
  }
})

describe('vectors: control-frames.json', () => {
  const vectors = read<FrameVector>('control-frames.json')

  for (const { name, frame, hex, decodeOnly } of vectors) {
    it(name, () => {
      for (const [how, cut] of CUTS) {
        const decoder = new FrameDecoder()
        const frames = cut(fromHex(hex)).flatMap(chunk => decoder.push(chunk))
        assert.deepEqual(frames.map(frameToJson), [frame], how)
      }
      if (!decodeOnly) assert.equal(toHex(encodeFrame(frameFromJson(frame))), hex)
    })
  }

  it('have every message of the protocol', () => {
    const names = new Set(vectors.flatMap(({ frame }) => Object.keys(frame as object)))
    for (const field of ['id', 'reply', 'status', 'deadline_ms']) names.delete(field)
    assert.equal(names.size, 21, [...names].join(' '))
  })
})

/** A session in the state of the vector; counts what it lets through. */
async function victim(vector: InvalidVector): Promise<{ session: ControlSession; seen: string[] }> {
  const seen: string[] = []
  const role: Role = vector.receiver
  const hello = { implementation: 'x/1', features: [], options: [], transports: [], pid: 0 }
  const session = new ControlSession({
    role,
    clock: new ManualClock(),
    send() {},
    onRequest: body => {
      seen.push(Object.keys(body).join())
      return 'hello' in body ? Promise.resolve({ hello }) : new Promise(() => {})
    },
    onEvent: body => seen.push(Object.keys(body).join())
  })
  const failed = (err: unknown): void => assert.ok(err instanceof ProtocolViolationError)
  if (vector.state !== 'new') {
    if (role === 'client') session.request({ hello }).catch(failed)
    const frame = { id: 1, hello, reply: role === 'client' }
    session.receive(encodeFrame(frame))
    for (let i = 0; i < 10; i++) await Promise.resolve()
  } else if (role === 'client') {
    session.request({ hello }).catch(failed)
  }
  if (vector.state === 'draining') session.receive(encodeFrame({ id: 2, drain: {} }))
  assert.equal(session.state, vector.state)
  if (vector.inFlight != null) {
    const body = frameFromJson(vector.inFlight)
    if (role === 'service') session.receive(encodeFrame({ ...body, id: 2 }))
    else {
      const [kind] = Object.keys(vector.inFlight) as Array<'dial'>
      session.request({ [kind as string]: body[kind as 'dial'] } as RequestBody).catch(failed)
    }
  }
  seen.length = 0
  return { session, seen }
}

describe('vectors: control-invalid.json', () => {
  for (const vector of read<InvalidVector>('control-invalid.json')) {
    it(`${vector.receiver}, ${vector.state}: ${vector.name}`, async () => {
      for (const [how, cut] of CUTS) {
        const { session, seen } = await victim(vector)
        assert.throws(
          () => {
            for (const chunk of cut(fromHex(vector.hex))) session.receive(chunk)
          },
          ProtocolViolationError,
          how
        )
        assert.equal(session.state, 'closed')
        session.receive(encodeFrame({ cancel: { id: 1 } }))
        assert.deepEqual(seen, [])
      }
    })
  }
})

describe('vectors: mux-frames.json', () => {
  for (const vector of read<MuxFrameVector>('mux-frames.json')) {
    it(vector.name, () => {
      const { type, flags, streamId, length, payload, hex } = vector
      const header = { type, flags, streamId, length }
      assert.equal(toHex(encodeMuxHeader(header)) + payload, hex)
      assert.deepEqual(decodeMuxHeader(fromHex(hex)), header)
    })
  }
})

interface Opened {
  id: number
  connId: number
  data: string
  ended?: true
  resetCode?: number
}

function muxVictim(role: 'client' | 'server') {
  const sent: Uint8Array[] = []
  const streams: Opened[] = []
  const closed: Array<Error | undefined> = []
  const mux = new Mux({
    role,
    sink: { write: bytes => sent.push(bytes), cork() {}, uncork() {}, writableLength: 0 },
    onStream: (stream, { connId }) => {
      const opened: Opened = { id: stream.id, connId, data: '' }
      streams.push(opened)
      stream.handler = {
        onData: bytes => {
          opened.data += toHex(bytes)
        },
        onEnd: () => {
          opened.ended = true
        },
        onReset: code => {
          opened.resetCode = code
        },
        onDrain() {}
      }
    },
    onClose: err => closed.push(err)
  })
  return { mux, sent, streams, closed }
}

describe('vectors: mux-exchanges.json', () => {
  for (const vector of read<MuxExchangeVector>('mux-exchanges.json')) {
    it(vector.name, async () => {
      for (const [how, cut] of CUTS) {
        const { mux, sent, streams, closed } = muxVictim(vector.role)
        for (const chunk of cut(fromHex(vector.receive))) mux.receive(chunk)
        await Promise.resolve()
        assert.deepEqual(streams, vector.streams, how)
        assert.equal(toHex(Buffer.concat(sent)), vector.send.join(''), how)
        assert.deepEqual(closed, [])
      }
    })
  }
})

describe('vectors: mux-invalid.json', () => {
  for (const { name, role, hex } of read<MuxInvalidVector>('mux-invalid.json')) {
    it(`${role}: ${name}`, () => {
      for (const [how, cut] of CUTS) {
        const { mux, closed } = muxVictim(role)
        assert.throws(
          () => {
            for (const chunk of cut(fromHex(hex))) mux.receive(chunk)
          },
          ProtocolViolationError,
          how
        )
        assert.equal(closed.length, 1)
      }
    })
  }

  it('say the same in mux-frames.txt', () => {
    const text = fs.readFileSync(new URL('mux-frames.txt', VECTORS), 'utf8')
    const rows = text.split('\n').filter(row => row !== '' && !row.startsWith('#'))
    const last = (kind: string): string[] =>
      rows.filter(row => row.startsWith(`${kind} `)).map(row => row.split(' ').at(-1) as string)
    assert.deepEqual(
      last('frame'),
      read<MuxFrameVector>('mux-frames.json').map(v => v.hex)
    )
    assert.deepEqual(
      last('invalid'),
      read<MuxInvalidVector>('mux-invalid.json').map(v => v.hex)
    )
    assert.ok(rows.every(row => row.split(' ').length === (row.startsWith('frame') ? 8 : 4)))
  })
})

describe('vectors: session.json', () => {
  const steps = read<ExampleStep>('session.json')

  it('is the example of xtp-ctl.md, byte by byte', async () => {
    const spec = fs.readFileSync(SPEC, 'utf8')
    assert.deepEqual(
      exampleBytes(spec),
      steps.map(step => step.hex)
    )
    assert.equal(withExample(spec, await exampleText()), spec)
  })

  it('reads as a session: both sides take what the other sent', () => {
    const decoders = { client: new FrameDecoder(), service: new FrameDecoder() }
    const frames: Json[] = []
    for (const { link, from, hex } of steps) {
      if (link !== 'control' || hex.startsWith('132f')) continue
      frames.push(...decoders[from].push(fromHex(hex)).map(frameToJson))
    }
    const kinds = frames.map(frame => {
      const names = Object.keys(frame as object)
      return names.filter(n => !['id', 'deadline_ms'].includes(n)).join(' ')
    })
    assert.deepEqual(kinds, [
      'hello',
      'reply hello',
      'listen',
      'reply listening',
      'incoming',
      'closed',
      'accept',
      'shutdown',
      'reply'
    ])
  })
})
