// Watches the frames of one direction, and what the other direction grants, and knows by itself what
// the rules are: the tests of Mux do not take its own word for it.
import assert from 'node:assert/strict'
import { decodeMuxHeader, MUX_FLAG, MUX_HEADER_BYTES, MUX_TYPE } from '../mux/frame.ts'
import { concat } from './bytes.ts'

interface Watched {
  /** Bytes that may still be sent. */
  credit: number
  ended: boolean
}

/** What one end sends. Feed it whole or in pieces; it throws where a rule is broken. */
export class WireMonitor {
  readonly streams = new Map<number, Watched>()
  /** The monitor of the other direction. */
  other!: WireMonitor
  #parity: number
  #highest = 0
  #rest = new Uint8Array(0)
  #left = 0
  frames = 0

  constructor(role: 'client' | 'server') {
    this.#parity = role === 'client' ? 1 : 0
  }

  feed(bytes: Uint8Array): void {
    let data = concat([this.#rest, bytes])
    for (;;) {
      // The header counts as soon as it is there: its payload is delivered piece by piece.
      const skip = Math.min(this.#left, data.byteLength)
      this.#left -= skip
      data = data.subarray(skip)
      if (data.byteLength < MUX_HEADER_BYTES) break
      const header = decodeMuxHeader(data)
      this.#frame(header)
      if (header.type === MUX_TYPE.DATA) this.#left = header.length
      data = data.subarray(MUX_HEADER_BYTES)
    }
    this.#rest = Uint8Array.from(data)
  }

  #frame({ type, flags, streamId, length }: ReturnType<typeof decodeMuxHeader>): void {
    this.frames++
    if (type !== MUX_TYPE.DATA && type !== MUX_TYPE.WINDOW_UPDATE) return
    if ((flags & MUX_FLAG.SYN) !== 0) {
      assert.equal(streamId % 2, this.#parity, 'opens ids of its own parity')
      assert.ok(streamId > this.#highest, 'ids grow')
      this.#highest = streamId
      // Both directions start with what yamux grants.
      this.streams.set(streamId, { credit: 262_144, ended: false })
      this.other.streams.set(streamId, { credit: 262_144, ended: false })
    }
    const stream = this.streams.get(streamId)
    assert.ok(stream != null, `stream ${streamId} was opened before`)
    assert.ok(!stream.ended || type === MUX_TYPE.WINDOW_UPDATE, 'no data after FIN or RST')
    if (type === MUX_TYPE.DATA) {
      stream.credit -= length
      assert.ok(stream.credit >= 0, `credit of stream ${streamId} is exceeded`)
    } else if ((flags & MUX_FLAG.RST) === 0) {
      const granted = this.other.streams.get(streamId) as Watched
      granted.credit += length
      assert.ok(granted.credit <= 1_048_576, 'no more is granted than the window')
    }
    if ((flags & (MUX_FLAG.FIN | MUX_FLAG.RST)) !== 0) {
      assert.ok(!stream.ended || (flags & MUX_FLAG.RST) !== 0, 'one FIN')
      stream.ended = true
    }
  }
}
