// What is in spec/vectors/mux-*: frames of the data link, what an end makes of them, and for which
// bytes it closes the link.
import { encodeMuxHeader, encodeStreamHeader, MUX_FLAG, MUX_TYPE } from 'xtp/ctl'
import { toHex } from './vector-json.ts'

const { DATA, WINDOW_UPDATE, PING, GO_AWAY } = MUX_TYPE
const { SYN, ACK, FIN, RST } = MUX_FLAG
const MAX = 0xffff_ffff
/** What both ends raise their window by, from the 256 KiB of yamux to 1 MiB. */
const RAISE = 786_432

export interface MuxFrameVector {
  name: string
  type: number
  flags: number
  streamId: number
  length: number
  payload: string
  hex: string
}

const FRAMES: Array<[string, number, number, number, number, string?]> = [
  ['open with the raised window', WINDOW_UPDATE, SYN, 1, RAISE],
  ['accept with the raised window', WINDOW_UPDATE, ACK, 1, RAISE],
  ['stream header, connection 1', DATA, 0, 1, 3, '020801'],
  ['stream header, the largest numbers', DATA, 0, 1, 13, '0c08ffffffff0f10ffffffff0f'],
  ['data', DATA, 0, 1, 5, '68656c6c6f'],
  ['data on the largest stream id', DATA, 0, MAX, 1, '00'],
  ['data that opens a stream', DATA, SYN, 3, 3, '020803'],
  ['data and FIN', DATA, FIN, 1, 1, 'ff'],
  ['FIN alone', WINDOW_UPDATE, FIN, 1, 0],
  ['FIN on DATA without payload', DATA, FIN, 1, 0],
  ['credit', WINDOW_UPDATE, 0, 2, 524_288],
  ['credit of 0', WINDOW_UPDATE, 0, 2, 0],
  ['credit, the largest', WINDOW_UPDATE, 0, 2, 0x7fff_ffff],
  ['reset, CONNECTION_RESET', WINDOW_UPDATE, RST, 1, 20],
  ['reset, the largest code', WINDOW_UPDATE, RST, 1, MAX],
  ['reset on DATA', DATA, RST, 1, 0],
  ['ping', PING, SYN, 0, 0xdead_beef],
  ['answer to a ping', PING, ACK, 0, 0xdead_beef],
  ['go away, normal', GO_AWAY, 0, 0, 0],
  ['go away, protocol error', GO_AWAY, 0, 0, 1],
  ['go away, internal error', GO_AWAY, 0, 0, 2]
]

export function muxFrameVectors(): MuxFrameVector[] {
  return FRAMES.map(([name, type, flags, streamId, length, payload = '']) => {
    const hex = toHex(encodeMuxHeader({ type, flags, streamId, length })) + payload
    return { name, type, flags, streamId, length, payload, hex }
  })
}

/** What an end that has opened nothing receives, and what comes of it. */
export interface MuxExchangeVector {
  name: string
  /** Of the receiver. */
  role: 'client' | 'server'
  receive: string
  streams: Array<{ id: number; connId: number; data: string; ended?: true; resetCode?: number }>
  /** Frames that answer; those of different streams in any order, with an ACK before an RST or not. */
  send: string[]
}

const frame = (type: number, flags: number, streamId: number, length: number): string =>
  toHex(encodeMuxHeader({ type, flags, streamId, length }))
const data = (id: number, payload: string, flags = 0): string =>
  frame(DATA, flags, id, payload.length / 2) + payload
const credit = (id: number, length: number, flags = 0): string =>
  frame(WINDOW_UPDATE, flags, id, length)
const header = (connId: number, kind = 0): string => toHex(encodeStreamHeader({ connId, kind }))
const open = (id: number, connId = 5): string => credit(id, 0, SYN) + data(id, header(connId))
const ack = (id: number): string => credit(id, RAISE, ACK)

type Exchange = Omit<MuxExchangeVector, 'role' | 'send'>

/** All to a server, which accepts every stream that it hears of in full. */
const EXCHANGES: Exchange[] = [
  {
    name: 'a stream with data',
    receive: open(1, 7) + data(1, '0102') + data(1, '03'),
    streams: [{ id: 1, connId: 7, data: '010203' }]
  },
  {
    name: 'SYN, header and data in one frame',
    receive: data(1, `${header(4, 1)}0102`, SYN),
    streams: [{ id: 1, connId: 4, data: '0102' }]
  },
  {
    name: 'a header in two frames',
    receive: data(1, header(300).slice(0, 4), SYN) + data(1, `${header(300).slice(4)}ff`),
    streams: [{ id: 1, connId: 300, data: 'ff' }]
  },
  {
    name: 'a header with a field of a later version',
    receive: data(1, '0608057a027878', SYN),
    streams: [{ id: 1, connId: 5, data: '' }]
  },
  {
    name: 'half-close on DATA',
    receive: open(1) + data(1, 'aa', FIN) + credit(1, 9),
    streams: [{ id: 1, connId: 5, data: 'aa', ended: true }]
  },
  {
    name: 'half-close on WINDOW_UPDATE',
    receive: open(1) + credit(1, 9, FIN),
    streams: [{ id: 1, connId: 5, data: '', ended: true }]
  },
  {
    name: 'a second FIN',
    receive: open(1) + data(1, '', FIN) + credit(1, 0, FIN) + data(1, '', FIN),
    streams: [{ id: 1, connId: 5, data: '', ended: true }]
  },
  {
    name: 'reset with a code',
    receive: open(1) + data(1, 'aa') + credit(1, 24, RST),
    streams: [{ id: 1, connId: 5, data: 'aa', resetCode: 24 }]
  },
  {
    name: 'reset on DATA',
    receive: open(1) + data(1, '', RST),
    streams: [{ id: 1, connId: 5, data: '', resetCode: 0 }]
  },
  {
    name: 'frames for a stream that is over',
    receive:
      open(1) +
      credit(1, 24, RST) +
      data(1, 'aabb', FIN) +
      credit(1, MAX) +
      credit(1, 1, RST) +
      open(3, 3),
    streams: [
      { id: 1, connId: 5, data: '', resetCode: 24 },
      { id: 3, connId: 3, data: '' }
    ]
  },
  {
    name: 'ids with gaps',
    receive: open(1, 1) + open(9, 9) + data(5, 'aa'),
    streams: [
      { id: 1, connId: 1, data: '' },
      { id: 9, connId: 9, data: '' }
    ]
  },
  {
    name: 'credit up to 2^31-1',
    receive: open(1) + credit(1, 0x7fff_ffff - 262_144),
    streams: [{ id: 1, connId: 5, data: '' }]
  },
  {
    name: 'flags that mean nothing',
    receive: credit(1, 0, SYN | 0x30) + data(1, header(5), 0x40),
    streams: [{ id: 1, connId: 5, data: '' }]
  },
  { name: 'an answer to a ping that nobody sent', receive: frame(PING, ACK, 0, 7), streams: [] }
]

export function muxExchangeVectors(): MuxExchangeVector[] {
  return [
    ...EXCHANGES.map((exchange): MuxExchangeVector => {
      const { name, receive, streams } = exchange
      return { name, role: 'server', receive, streams, send: streams.map(({ id }) => ack(id)) }
    }),
    {
      name: 'an end before the header and one within it',
      role: 'server',
      receive: credit(1, 0, SYN | FIN) + data(3, '0208', SYN | FIN) + credit(1, 1) + data(3, 'aa'),
      streams: [],
      send: [credit(1, 5, RST), credit(3, 5, RST)]
    },
    {
      name: 'a ping',
      role: 'client',
      receive: frame(PING, SYN, 0, 7),
      streams: [],
      send: [frame(PING, ACK, 0, 7)]
    }
  ]
}

/** What a fresh end receives, and closes the link for. */
export interface MuxInvalidVector {
  name: string
  /** Of the receiver. */
  role: 'client' | 'server'
  hex: string
}

/** @param first - the lowest id that the sender may open: 1 towards a server, 2 towards a client */
function invalidFor(first: 1 | 2): Array<[string, string]> {
  const [a, b, c] = [first, first + 2, first + 4]
  const foreign = 3 - first
  return [
    ['version 1', `01${credit(a, 0, SYN).slice(2)}`],
    ['type 4', frame(4, 0, 0, 0)],
    ['a ping on a stream', frame(PING, SYN, a, 0)],
    ['a go-away on a stream', frame(GO_AWAY, 0, a, 0)],
    ['data on stream 0', data(0, 'aa')],
    ['SYN on stream 0', credit(0, 0, SYN)],
    ['SYN of the wrong parity', credit(foreign, 0, SYN)],
    ['SYN of an id in use', open(a) + credit(a, 0, SYN)],
    ['SYN of a lower id', open(c) + credit(b, 0, SYN)],
    ['data for a stream that never was', data(a, 'aa')],
    ['credit for a stream that never was', credit(a, 1)],
    ['reset of a stream that never was', credit(a, 1, RST)],
    ['data for a stream that the receiver never opened', data(foreign, 'aa')],
    ['data frame above 16 MiB', frame(DATA, SYN, a, 16_777_217)],
    ['data beyond the window', open(a) + frame(DATA, 0, a, 1_048_576 - 2)],
    ['credit above 2^31-1', open(a) + credit(a, 0x7fff_ffff - 262_143)],
    ['data after FIN', open(a) + credit(a, 0, FIN) + data(a, 'aa')],
    ['header of length 0', data(a, '00', SYN)],
    ['header of length 65', data(a, '41', SYN)],
    ['header that is no protobuf', data(a, '01ff', SYN)],
    ['header without connection', data(a, '021001', SYN)],
    ['header with connection 0', data(a, '020800', SYN)]
  ]
}

export function muxInvalidVectors(): MuxInvalidVector[] {
  const forRole = (role: MuxInvalidVector['role'], first: 1 | 2): MuxInvalidVector[] =>
    invalidFor(first).map(([name, hex]) => ({ name, role, hex }))
  return [...forRole('server', 1), ...forRole('client', 2)]
}

/** The same for tests that read no JSON: words, a line each. */
export function muxText(): string {
  const word = (name: string): string => name.replaceAll(/[^A-Za-z0-9^-]+/g, '_')
  const frames = muxFrameVectors().map(v =>
    ['frame', word(v.name), v.type, v.flags, v.streamId, v.length, v.payload || '-', v.hex].join(
      ' '
    )
  )
  const invalid = muxInvalidVectors().map(v => `invalid ${word(v.name)} ${v.role} ${v.hex}`)
  return [
    '# The vectors of mux-frames.json and mux-invalid.json:',
    '# frame NAME TYPE FLAGS STREAM_ID LENGTH PAYLOAD FRAME (payload - is none)',
    '# invalid NAME ROLE_OF_RECEIVER BYTES',
    ...frames,
    ...invalid,
    ''
  ].join('\n')
}
