// What is in spec/vectors/control-frames.json: messages by hand, bytes from the code.
import { encodeFrame } from 'xtp/ctl'
import { framed, frameFromJson, type Json, toHex } from './vector-json.ts'

export interface FrameVector {
  name: string
  from: 'client' | 'service'
  frame: Json
  hex: string
  /** The bytes have more than `frame`, so encoding gives others. */
  decodeOnly?: true
}

const ADDR = '047f00000191020fa1ae02' // /ip4/127.0.0.1/udp/4001/utp
const MAX = 0xffff_ffff

const FRAMES: Array<[string, FrameVector['from'], Json]> = [
  [
    'Hello, request',
    'client',
    {
      id: 1,
      deadline_ms: 10_000,
      hello: {
        implementation: 'xtp/0.1.0',
        features: ['a', 'b'],
        options: [{ key: 'k', value: 'v' }, { key: 'empty' }],
        limits: { max_frame_bytes: 65_536, max_requests: 1_024 }
      }
    }
  ],
  [
    'Hello, answer',
    'service',
    {
      id: 1,
      reply: true,
      hello: {
        implementation: 'xtp-utp/0.1.0',
        limits: {
          max_frame_bytes: 65_536,
          max_connections: 3_000,
          max_listeners: 16,
          max_requests: 1_024
        },
        transports: [{ name: 'utp', protocols: [302], capabilities: 19 }],
        pid: 4_242
      }
    }
  ],
  [
    'Hello, answer with two transports',
    'service',
    {
      id: 1,
      reply: true,
      hello: {
        implementation: 'x/1',
        transports: [
          { name: 'utp', protocols: [302] },
          { name: 'udt', protocols: [301, 302], capabilities: 3 }
        ]
      }
    }
  ],
  [
    'Listen',
    'client',
    { id: 2, deadline_ms: 10_000, listen: { listener_id: 1, addr: ADDR, accept: 128 } }
  ],
  [
    'Listen without credit',
    'client',
    { id: 2, deadline_ms: 10_000, listen: { listener_id: MAX, addr: ADDR } }
  ],
  ['Listening', 'service', { id: 2, reply: true, listening: { addr: ADDR } }],
  [
    'an answer with an error',
    'service',
    {
      id: 2,
      reply: true,
      status: { code: 16, message: 'bind: Address already in use', errno: 'EADDRINUSE' }
    }
  ],
  [
    'an answer with a retryable error',
    'service',
    { id: 2, reply: true, status: { code: 7, retryable: true } }
  ],
  ['Unlisten', 'client', { id: 3, deadline_ms: 10_000, unlisten: { listener_id: 1 } }],
  ['an answer without body', 'service', { id: 3, reply: true }],
  ['Dial', 'client', { id: 4, deadline_ms: 30_000, dial: { conn_id: 1, addr: ADDR } }],
  [
    'Dial, the largest numbers',
    'client',
    { id: MAX, deadline_ms: MAX, dial: { conn_id: MAX, addr: ADDR } }
  ],
  [
    'Connected',
    'service',
    { id: 4, reply: true, connected: { conn_id: 1, local_addr: ADDR, remote_addr: ADDR } }
  ],
  [
    'Connected, with a certificate',
    'service',
    {
      id: 4,
      reply: true,
      connected: { conn_id: 1, local_addr: ADDR, remote_addr: ADDR, remote_certificate: '3000' }
    }
  ],
  ['Close, orderly', 'client', { id: 5, deadline_ms: 10_000, close: { conn_id: 1 } }],
  [
    'Close, abrupt',
    'client',
    { id: 5, deadline_ms: 10_000, close: { conn_id: 2, abort: true, code: 24 } }
  ],
  ['Ping', 'client', { id: 6, deadline_ms: 5_000, ping: { nonce: '18446744073709551615' } }],
  ['Ping, answer', 'service', { id: 6, reply: true, ping: { nonce: '18446744073709551615' } }],
  ['Ping with nonce 0', 'client', { id: 6, deadline_ms: 5_000, ping: {} }],
  ['Stats of the service', 'client', { id: 7, deadline_ms: 10_000, stats: {} }],
  ['Stats of a connection', 'client', { id: 7, deadline_ms: 10_000, stats: { conn_id: 1 } }],
  [
    'StatsResult',
    'service',
    {
      id: 7,
      reply: true,
      stats_result: { stats: [{ key: 'bytes_in', value: '9007199254740993' }, { key: 'zero' }] }
    }
  ],
  ['Drain', 'client', { id: 8, deadline_ms: 10_000, drain: {} }],
  ['Shutdown', 'client', { id: 9, deadline_ms: 2_000, shutdown: {} }],
  ['Sign', 'service', { id: 1, deadline_ms: 10_000, sign: { purpose: 1, spki: '3059' } }],
  ['Signed', 'client', { id: 1, reply: true, signed: { public_key: '0801', signature: 'ff' } }],
  ['Cancel', 'client', { cancel: { id: 4 } }],
  ['Accept', 'client', { accept: { listener_id: 1, count: 16 } }],
  [
    'Incoming',
    'service',
    { incoming: { conn_id: 2, listener_id: 1, local_addr: ADDR, remote_addr: ADDR } }
  ],
  [
    'Incoming, with a certificate',
    'service',
    {
      incoming: {
        conn_id: 2,
        listener_id: 1,
        local_addr: ADDR,
        remote_addr: ADDR,
        remote_certificate: '3000'
      }
    }
  ],
  [
    'Refused',
    'service',
    {
      refused: {
        listener_id: 1,
        remote_addr: ADDR,
        status: { code: 27, message: 'none of its protocols is libp2p' }
      }
    }
  ],
  [
    'Closed, orderly',
    'service',
    {
      closed: { conn_id: 2, status: { code: 23 }, bytes_in: '5', bytes_out: '18446744073709551615' }
    }
  ],
  [
    'Closed, reset by the remote',
    'service',
    {
      closed: {
        conn_id: 1,
        status: { code: 20, message: 'reset', errno: 'ECONNRESET', retryable: true }
      }
    }
  ],
  ['Addrs', 'service', { addrs: { listener_id: 1, addrs: [ADDR, ADDR] } }],
  ['Addrs, none', 'service', { addrs: { listener_id: 1 } }],
  ['Log', 'service', { log: { level: 2, scope: 'utp', message: 'grüße' } }],
  ['Log, nothing in it', 'service', { log: {} }]
]

const DECODE_ONLY: Array<[string, Json, string]> = [
  ['a request of a later version (field 1000)', { id: 5 }, '0805 c23e010a'],
  [
    'an unknown field of every wire type',
    { id: 1 },
    '0801 a00601 a1060102030405060708 a2060400000000 a50601020304'
  ],
  ['numbers with more bytes than needed', { id: 1, ping: {} }, '08 8180808000 ba01 8000']
]

export function frameVectors(): FrameVector[] {
  const encoded = FRAMES.map(([name, from, frame]): FrameVector => {
    return { name, from, frame, hex: toHex(encodeFrame(frameFromJson(frame))) }
  })
  const decodeOnly = DECODE_ONLY.map(([name, frame, body]): FrameVector => {
    return { name, from: 'client', frame, hex: framed(body), decodeOnly: true }
  })
  return [...encoded, ...decodeOnly]
}
