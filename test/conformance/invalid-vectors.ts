// What is in spec/vectors/control-invalid.json: bytes for which a control link is closed.
import { encodeFrame } from 'xtp/ctl'
import { framed, frameFromJson, type Json, toHex } from './vector-json.ts'

export interface InvalidVector {
  name: string
  receiver: 'client' | 'service'
  /** Of the receiver, before the bytes come. Except in `new`, request 1 was Hello. */
  state: 'new' | 'ready' | 'draining'
  /** A request in flight with id 2: sent by a client as receiver, received by a service. */
  inFlight?: Json
  hex: string
}

type Content = { hex: string } | { body: string } | { frame: Json }
type Case = [name: string, content: Content]

const ADDR = '047f00000191020fa1ae02'
const PING = { ping: { nonce: '1' } }
const DIAL = { dial: { conn_id: 1, addr: ADDR } }
const CONNECTED = { conn_id: 1, local_addr: ADDR, remote_addr: ADDR }
const hello = (limits: Json = {}): Json => ({ id: 1, hello: { implementation: 'x/1', limits } })
const answer = (rest: { [name: string]: Json }): Json => ({ id: 2, reply: true, ...rest })

const TO_A_READY_SERVICE: Case[] = [
  ['length 0', { hex: '00' }],
  ['length of four bytes', { hex: '80808001' }],
  ['length with a byte too many', { hex: '810000' }],
  ['length 65537', { hex: '818004' }],
  ['a field that is cut off', { body: '08' }],
  ['a 64-bit number that is cut off', { body: '0802 ba01 04 08808080' }],
  ['a body that is longer than the frame', { body: '0802 ba01 05 0801' }],
  ['a field with the wrong wire type', { body: '0802 b80101' }],
  ['a group', { body: '0802 ba0100 a306a406' }],
  ['field number 0', { body: '0001' }],
  ['a 32-bit number of 33 bits', { body: '08 8080808010 ba0100' }],
  ['a 64-bit number of 65 bits', { body: '0802 ba01 0b 08 ffffffffffffffffff02' }],
  ['a boolean of 2', { body: '0802 1002 ba0100' }],
  ['the same field twice', { body: '0802 0803 ba0100' }],
  ['two bodies', { body: '0802 e20100 ea0100' }],
  ['Dial without conn_id', { body: '0802 a201 03 120104' }],
  ['Dial with an even conn_id', { body: '0802 a201 05 0802 120104' }],
  ['Dial without address', { body: '0802 a201 02 0801' }],
  ['Listen without listener_id', { body: '0802 8a01 03 120104' }],
  ['Accept of 0', { body: '8a02 02 0801' }],
  ['Cancel of id 0', { body: '8202 00' }],
  ['a second Hello', { frame: { id: 2, hello: { implementation: 'x/1' } } }],
  ['an event of the wrong side', { frame: { log: {} } }],
  ['the body of an answer in a request', { frame: { id: 2, connected: CONNECTED } }],
  ['the body of a request in an event', { frame: DIAL }],
  ['the body of an event in a request', { frame: { id: 2, cancel: { id: 1 } } }],
  ['a status in a request', { frame: { id: 2, status: { code: 1 }, ...PING } }],
  ['a deadline in an event', { frame: { deadline_ms: 1, cancel: { id: 1 } } }]
]

const TO_A_READY_CLIENT: Case[] = [
  ['a string that is longer than its message', { body: 'e202 04 12050000' }],
  ['a message that reaches into the next field', { body: 'd202 04 0802 1204 0817 1800' }],
  ['Incoming with an odd conn_id', { body: 'c202 0a 0801 1001 1a0104 220104' }],
  ['Incoming without remote address', { body: 'c202 07 0802 1001 1a0104' }],
  ['Closed without status', { body: 'd202 02 0802' }],
  ['Log of level 4', { body: 'e202 02 0804' }],
  ['a request of the wrong side', { frame: { id: 1, ...DIAL } }],
  ['an answer that nobody asked for', { frame: answer({}) }],
  ['an answer to request 0', { body: '1001' }],
  ['Sign after the answer to Hello', { frame: { id: 1, sign: { purpose: 1, spki: '3059' } } }]
]

const TO_A_NEW_SERVICE: Case[] = [
  ['a request before Hello', { frame: { id: 1, ...PING } }],
  ['an unknown request before Hello', { body: '0801' }],
  ['an event before Hello', { frame: { accept: { listener_id: 1, count: 1 } } }],
  ['max_frame_bytes below 32768', { frame: hello({ max_frame_bytes: 32_767 }) }]
]

const TO_A_DRAINING_SERVICE: Case[] = [
  ['Dial while draining', { frame: { id: 3, ...DIAL } }],
  ['Listen while draining', { frame: { id: 3, listen: { listener_id: 1, addr: ADDR } } }]
]

/** What a client has asked as request 2, and what is wrong about the answer. */
const ANSWERS: Array<[string, Json, Json]> = [
  ['an answer without its body', DIAL, answer({})],
  ['an answer with another body', DIAL, answer({ listening: { addr: ADDR } })],
  ['an error with a body', DIAL, answer({ status: { code: 19 }, connected: CONNECTED })],
  ['a body where none belongs', { drain: {} }, answer({ drain: {} })],
  ['a status that is local', DIAL, answer({ status: { code: 32 } })],
  ['another conn_id', DIAL, answer({ connected: { ...CONNECTED, conn_id: 3 } })],
  ['another nonce', PING, answer({ ping: { nonce: '2' } })]
]

function toBytes(content: Content): string {
  if ('hex' in content) return content.hex
  if ('body' in content) return framed(content.body)
  return toHex(encodeFrame(frameFromJson(content.frame)))
}

export function invalidVectors(): InvalidVector[] {
  const all = (
    receiver: InvalidVector['receiver'],
    state: InvalidVector['state'],
    cases: Case[]
  ): InvalidVector[] =>
    cases.map(([name, content]) => ({ name, receiver, state, hex: toBytes(content) }))
  return [
    ...all('service', 'ready', TO_A_READY_SERVICE),
    ...all('client', 'ready', TO_A_READY_CLIENT),
    ...all('service', 'new', TO_A_NEW_SERVICE),
    ...all('client', 'new', [['a log before the answer to Hello', { frame: { log: {} } }]]),
    ...all('service', 'draining', TO_A_DRAINING_SERVICE),
    {
      name: 'a request id that is in flight',
      receiver: 'service',
      state: 'ready',
      inFlight: PING,
      hex: toBytes({ frame: { id: 2, ...PING } })
    },
    ...ANSWERS.map(([name, inFlight, frame]): InvalidVector => {
      return { name, receiver: 'client', state: 'ready', inFlight, hex: toBytes({ frame }) }
    })
  ]
}
