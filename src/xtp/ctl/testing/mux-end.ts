// One Mux under test, with recorded streams, and frames written by hand for it.
import assert from 'node:assert/strict'
import * as errors from '../errors.ts'
import { decodeMuxHeader, encodeMuxHeader, MUX_FLAG, MUX_TYPE } from '../mux/frame.ts'
import { Mux, type MuxInit } from '../mux/mux.ts'
import type { MuxStream, MuxStreamHandler } from '../mux/stream.ts'
import { encodeStreamHeader } from '../mux/stream-header.ts'
import type { StreamHeader } from '../proto/xtp-ctl.js'
import { concat } from './bytes.ts'
import { MemorySink } from './memory-sink.ts'

/** What happened to one stream. */
export class Recorder implements MuxStreamHandler {
  stream!: MuxStream
  header?: StreamHeader
  chunks: Uint8Array[] = []
  log: string[] = []

  onData(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.log.push(`data ${bytes.byteLength}`)
  }

  onEnd(): void {
    this.log.push('end')
  }

  onReset(code: number): void {
    this.log.push(`reset ${code}`)
  }

  onDrain(): void {
    this.log.push('drain')
  }

  get bytes(): Uint8Array {
    return concat(this.chunks)
  }
}

export class MuxEnd {
  readonly sink = new MemorySink()
  readonly mux: Mux
  /** Streams that the remote opened. */
  readonly opened: Recorder[] = []
  readonly closed: Array<Error | undefined> = []

  constructor(role: 'client' | 'server', init: Partial<MuxInit> = {}) {
    this.mux = new Mux({
      role,
      sink: this.sink,
      onStream: (stream, header) => {
        const recorder = this.recorder()
        stream.handler = recorder
        recorder.stream = stream
        recorder.header = header
        this.opened.push(recorder)
      },
      onClose: err => this.closed.push(err),
      ...init
    })
  }

  recorder(): Recorder {
    return new Recorder()
  }

  open(connId = 1): Recorder {
    const recorder = this.recorder()
    recorder.stream = this.mux.open({ connId, kind: 0 }, recorder)
    return recorder
  }

  /** What has been sent since the last call, as text: `DATA SYN|FIN #1 12 68656c6c6f`. */
  async sent(): Promise<string[]> {
    await Promise.resolve()
    return describeFrames(this.sink.take())
  }
}

/** Frames as text; payloads up to 16 bytes in hex. */
export function describeFrames(bytes: Uint8Array): string[] {
  const out: string[] = []
  for (let pos = 0; pos < bytes.byteLength; ) {
    const { type, flags, streamId, length } = decodeMuxHeader(bytes.subarray(pos))
    pos += 12
    const names = Object.entries(MUX_FLAG).filter(([, bit]) => (flags & bit) !== 0)
    const typeName = Object.entries(MUX_TYPE).find(([, n]) => n === type)?.[0]
    const parts = [typeName, names.map(([name]) => name).join('|'), `#${streamId}`, `${length}`]
    if (type === MUX_TYPE.DATA) {
      const payload = bytes.subarray(pos, pos + length)
      if (length > 0 && length <= 16) parts.push(Buffer.from(payload).toString('hex'))
      pos += length
    }
    out.push(parts.filter(part => part !== '').join(' '))
  }
  return out
}

const { DATA, WINDOW_UPDATE, PING, GO_AWAY } = MUX_TYPE

/** A frame of any kind, also of none that exists. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  length: number,
  payload?: Uint8Array
): Uint8Array {
  const header = encodeMuxHeader({ type, flags, streamId, length })
  return payload == null ? header : concat([header, payload])
}

export const frames = {
  data: (id: number, payload: Uint8Array | number = 0, flags = 0): Uint8Array => {
    const bytes = typeof payload === 'number' ? new Uint8Array(payload) : payload
    return frame(DATA, flags, id, bytes.byteLength, bytes)
  },
  credit: (id: number, length: number, flags = 0): Uint8Array =>
    frame(WINDOW_UPDATE, flags, id, length),
  ping: (flags: number, value: number): Uint8Array => frame(PING, flags, 0, value),
  goAway: (reason: number): Uint8Array => frame(GO_AWAY, 0, 0, reason),
  /** SYN, then the header in a DATA frame. */
  open: (id: number, connId = 2): Uint8Array =>
    concat([
      frame(WINDOW_UPDATE, MUX_FLAG.SYN, id, 0),
      frames.data(id, encodeStreamHeader({ connId, kind: 0 }))
    ])
}

/** Everything that each has sent goes to the other, until nothing is left. */
export async function exchange(client: MuxEnd, server: MuxEnd): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await Promise.resolve()
    const there = client.sink.take()
    const back = server.sink.take()
    if (there.byteLength + back.byteLength === 0) return
    server.mux.receive(there)
    client.mux.receive(back)
    client.mux.onSinkDrain()
    server.mux.onSinkDrain()
  }
}

export function violates(end: MuxEnd, bytes: Uint8Array, pattern: RegExp): void {
  const behind = concat([bytes, frames.ping(MUX_FLAG.SYN, 7)])
  assert.throws(
    () => end.mux.receive(behind),
    (err: unknown) => err instanceof errors.ProtocolViolationError && pattern.test(err.message),
    `expected ${pattern} for ${Buffer.from(bytes.subarray(0, 64)).toString('hex')}`
  )
  assert.equal(end.closed.length, 1)
  assert.ok(end.closed[0] instanceof errors.ProtocolViolationError)
  assert.equal(end.mux.streamCount, 0)
  assert.deepEqual(describeFrames(end.sink.take()).at(-1), 'GO_AWAY #0 1', 'the remote is told')
  end.mux.receive(frames.ping(MUX_FLAG.SYN, 7))
  assert.equal(end.sink.writableLength, 0, 'nothing is processed any more')
}
