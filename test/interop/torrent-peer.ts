// A minimal BitTorrent peer (BEP 3) on a raw byte stream: enough to seed and to leech one torrent.
import { createHash } from 'node:crypto'
import type { MessageStream } from '@libp2p/interface'
import { drained } from '../support/bytes.ts'

const BLOCK_BYTES = 16 * 1024
const PIPELINE = 256
const HANDSHAKE_BYTES = 68
const MESSAGE = { CHOKE: 0, UNCHOKE: 1, INTERESTED: 2, HAVE: 4, BITFIELD: 5, REQUEST: 6, PIECE: 7 }

export interface Torrent {
  infoHash: Uint8Array
  pieceBytes: number
  pieces: Uint8Array[]
  length: number
}

export function makeTorrent(name: string, content: Uint8Array, pieceBytes = 256 * 1024) {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < content.length; at += pieceBytes) {
    pieces.push(
      createHash('sha1')
        .update(content.subarray(at, at + pieceBytes))
        .digest()
    )
  }
  // bencoding sorts keys
  const info = Buffer.concat([
    Buffer.from(`d6:lengthi${content.length}e4:name${name.length}:${name}`),
    Buffer.from(`12:piece lengthi${pieceBytes}e6:pieces${pieces.length * 20}:`),
    ...pieces,
    Buffer.from('e')
  ])
  const infoHash = createHash('sha1').update(info).digest()
  const file = Buffer.concat([Buffer.from('d4:info'), info, Buffer.from('e')])
  return { torrent: { infoHash, pieceBytes, pieces, length: content.length } as Torrent, file }
}

function uint32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4)
  })
  return bytes
}

/** Splits the stream into the handshake and length-prefixed messages. */
class Wire {
  readonly #stream: MessageStream
  #rest = Buffer.alloc(0)
  #shaken = false
  onHandshake: (infoHash: Uint8Array) => void = () => {}
  onMessage: (id: number, payload: Buffer) => void = () => {}

  constructor(stream: MessageStream) {
    this.#stream = stream
    stream.addEventListener('message', event => {
      const parts = event.data instanceof Uint8Array ? [event.data] : [...event.data]
      this.#rest = Buffer.concat([this.#rest, ...parts])
      this.#parse()
    })
  }

  handshake(infoHash: Uint8Array): void {
    const protocol = Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\0', 'latin1')
    this.#stream.send(Buffer.concat([protocol, infoHash, Buffer.from('-XT0001-abcdefghijkl')]))
  }

  send(id: number, ...payload: Uint8Array[]): boolean {
    const body = Buffer.concat(payload)
    return this.#stream.send(Buffer.concat([uint32s(body.length + 1), Uint8Array.of(id), body]))
  }

  #parse(): void {
    if (!this.#shaken && this.#rest.length >= HANDSHAKE_BYTES) {
      this.#shaken = true
      const infoHash = this.#rest.subarray(28, 48)
      this.#rest = this.#rest.subarray(HANDSHAKE_BYTES)
      this.onHandshake(infoHash)
    }
    while (this.#shaken && this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0)
      if (this.#rest.length < 4 + length) {
        return
      }
      const message = this.#rest.subarray(4, 4 + length)
      this.#rest = this.#rest.subarray(4 + length)
      if (length > 0) {
        this.onMessage(message[0] as number, message.subarray(1))
      }
    }
  }
}

/** Downloads the whole torrent from one seeding peer, checking every piece. */
export function leech(stream: MessageStream, torrent: Torrent): Promise<Uint8Array> {
  const wire = new Wire(stream)
  const content = Buffer.alloc(torrent.length)
  let asked = 0
  let got = 0
  const ask = (n: number) => {
    for (let i = 0; i < n && asked < torrent.length; i++) {
      const length = Math.min(BLOCK_BYTES, torrent.length - asked)
      const piece = Math.floor(asked / torrent.pieceBytes)
      wire.send(MESSAGE.REQUEST, uint32s(piece, asked % torrent.pieceBytes, length))
      asked += length
    }
  }
  return new Promise((resolve, reject) => {
    stream.addEventListener('close', event =>
      reject(event.error ?? new Error(`the seed closed after ${got} of ${torrent.length} bytes`))
    )
    wire.onHandshake = () => wire.send(MESSAGE.INTERESTED)
    wire.onMessage = (id, payload) => {
      if (id === MESSAGE.UNCHOKE) {
        ask(PIPELINE)
      } else if (id === MESSAGE.PIECE) {
        const [piece, begin] = [payload.readUInt32BE(0), payload.readUInt32BE(4)]
        payload.copy(content, piece * torrent.pieceBytes + begin, 8)
        got += payload.length - 8
        ask(1)
        if (got === torrent.length) {
          const wrong = torrent.pieces.findIndex((hash, i) => {
            const bytes = content.subarray(i * torrent.pieceBytes, (i + 1) * torrent.pieceBytes)
            return !createHash('sha1').update(bytes).digest().equals(hash)
          })
          wrong < 0 ? resolve(content) : reject(new Error(`piece ${wrong} is corrupt`))
        }
      }
    }
    wire.handshake(torrent.infoHash)
  })
}

/** Serves the content to one leeching peer; resolves when it has been asked for every byte. */
export function seed(stream: MessageStream, torrent: Torrent, content: Uint8Array): Promise<void> {
  const wire = new Wire(stream)
  const requests: Buffer[] = []
  let sending = false
  let sent = 0
  return new Promise((resolve, reject) => {
    const pump = async () => {
      sending = true
      while (requests.length > 0) {
        const request = requests.shift() as Buffer
        const at = request.readUInt32BE(0) * torrent.pieceBytes + request.readUInt32BE(4)
        const length = request.readUInt32BE(8)
        const more = wire.send(
          MESSAGE.PIECE,
          request.subarray(0, 8),
          content.subarray(at, at + length)
        )
        sent += length
        if (!more) {
          await drained(stream)
        }
      }
      sending = false
      if (sent >= torrent.length) {
        resolve()
      }
    }
    stream.addEventListener('close', event => {
      if (sent < torrent.length) {
        reject(
          event.error ?? new Error(`the leech closed after ${sent} of ${torrent.length} bytes`)
        )
      }
    })
    wire.onHandshake = () => {
      wire.handshake(torrent.infoHash)
      const bits = Buffer.alloc(Math.ceil(torrent.pieces.length / 8))
      torrent.pieces.forEach((_, i) => {
        bits[i >> 3] = (bits[i >> 3] as number) | (0x80 >> (i & 7))
      })
      wire.send(MESSAGE.BITFIELD, bits)
    }
    wire.onMessage = (id, payload) => {
      if (id === MESSAGE.INTERESTED) {
        wire.send(MESSAGE.UNCHOKE)
      } else if (id === MESSAGE.REQUEST) {
        requests.push(Buffer.from(payload))
        if (!sending) {
          pump().catch(reject)
        }
      }
    }
  })
}
