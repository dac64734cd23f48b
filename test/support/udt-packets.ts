// Packets of UDT 4 (draft-gg-udt-03, section 2), for tests that speak to a service by datagrams.

export const CONTROL = {
  HANDSHAKE: 0,
  KEEP_ALIVE: 1,
  ACK: 2,
  NAK: 3,
  WARNING: 4,
  SHUTDOWN: 5,
  ACK_OF_ACK: 6,
  DROP: 7,
  ERROR: 8,
  USER: 0x7fff
}

export interface Handshake {
  version?: number
  socketType?: number
  sequence?: number
  segmentBytes?: number
  flightPackets?: number
  requestType?: number
  socketId?: number
  cookie?: number
}

export function control(
  type: number,
  destination: number,
  words: readonly number[] = [],
  info = 0
): Buffer {
  const packet = Buffer.alloc(16 + 4 * words.length)
  packet.writeUInt32BE((0x80000000 | (type << 16)) >>> 0, 0)
  packet.writeUInt32BE(info >>> 0, 4)
  packet.writeUInt32BE(destination >>> 0, 12)
  for (const [i, word] of words.entries()) {
    packet.writeUInt32BE(word >>> 0, 16 + 4 * i)
  }
  return packet
}

/** To a listener: what a dialer sends first, or with the cookie of the answer. */
export function request(handshake: Handshake = {}): Buffer {
  const {
    version = 4,
    socketType = 1,
    sequence = 1,
    segmentBytes = 1500,
    flightPackets = 8192,
    requestType = 1,
    socketId = 1,
    cookie = 0
  } = handshake
  const fields = [version, socketType, sequence, segmentBytes, flightPackets, requestType]
  return control(CONTROL.HANDSHAKE, 0, [...fields, socketId, cookie, 0x0100007f, 0, 0, 0])
}

export function data(destination: number, sequence: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32BE(sequence >>> 0, 0)
  header.writeUInt32BE(0xe0000001, 4)
  header.writeUInt32BE(destination >>> 0, 12)
  return Buffer.concat([header, payload])
}

/** Of a handshake: what kind of answer it is, to whom, and what it gives. */
export function answer(packet: Buffer) {
  if (packet.length !== 64 || packet.readUInt32BE(0) !== 0x80000000) {
    return undefined
  }
  return {
    destination: packet.readUInt32BE(12),
    requestType: packet.readInt32BE(36),
    socketId: packet.readUInt32BE(40),
    cookie: packet.readUInt32BE(44)
  }
}
