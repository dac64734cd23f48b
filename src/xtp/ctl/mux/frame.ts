// The 12-byte frame header of yamux (spec/xtp-ctl.md, section Data link). The data path reads and
// writes headers in place; these functions are for everything else.
import { InvalidArgumentError } from '../errors.ts'

export const MUX_VERSION = 0
export const MUX_HEADER_BYTES = 12

export const MUX_TYPE = {
  /** `length` bytes of payload follow. */
  DATA: 0,
  /** `length` is added to the credit; with RST it is the error code instead. */
  WINDOW_UPDATE: 1,
  /** `length` is an opaque value; answered with ACK. */
  PING: 2,
  /** `length` is the reason; the link ends. */
  GO_AWAY: 3
} as const

export const MUX_FLAG = {
  /** Opens a stream; in a PING: asks. */
  SYN: 1,
  /** Accepts a stream; in a PING: answers. */
  ACK: 2,
  /** The sender will send no more data. */
  FIN: 4,
  /** The stream is over at once, both ways. */
  RST: 8
} as const

export const MUX_GO_AWAY = { NORMAL: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2 } as const

export interface MuxHeader {
  type: number
  flags: number
  /** 0 in PING and GO_AWAY. */
  streamId: number
  length: number
}

export function encodeMuxHeader({ type, flags, streamId, length }: MuxHeader): Uint8Array {
  const bytes = new Uint8Array(MUX_HEADER_BYTES)
  writeMuxHeader(bytes, 0, type, flags, streamId, length)
  return bytes
}

/** Reads a header; the version is not looked at. */
export function decodeMuxHeader(bytes: Uint8Array): MuxHeader {
  if (bytes.byteLength < MUX_HEADER_BYTES) throw new InvalidArgumentError('not a whole mux header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, MUX_HEADER_BYTES)
  return {
    type: view.getUint8(1),
    flags: view.getUint16(2),
    streamId: view.getUint32(4),
    length: view.getUint32(8)
  }
}

/** Writes a header into `bytes` at `at`. */
export function writeMuxHeader(
  bytes: Uint8Array,
  at: number,
  type: number,
  flags: number,
  streamId: number,
  length: number
): void {
  bytes[at] = MUX_VERSION
  bytes[at + 1] = type
  bytes[at + 2] = 0 // no flag is above 255
  bytes[at + 3] = flags
  bytes[at + 4] = streamId >>> 24
  bytes[at + 5] = streamId >>> 16
  bytes[at + 6] = streamId >>> 8
  bytes[at + 7] = streamId
  bytes[at + 8] = length >>> 24
  bytes[at + 9] = length >>> 16
  bytes[at + 10] = length >>> 8
  bytes[at + 11] = length
}
