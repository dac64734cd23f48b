// One muxer under test over a connection that does what the test says, and frames written by hand for it.
import assert from 'node:assert/strict'
import { ScriptedConnection, turn } from '../../client/testing/scripted-connection.ts'
import { ProtocolViolationError } from '../../ctl/index.ts'
import { decodeMuxHeader, MUX_FLAG, MUX_HEADER_BYTES, MUX_TYPE } from '../../ctl/mux/frame.ts'
import { concat } from '../../ctl/testing/bytes.ts'
import { describeFrames, frames } from '../../ctl/testing/mux-end.ts'
import { type YamuxInit, YamuxMuxer } from '../muxer.ts'
import type { YamuxStream } from '../stream.ts'

export class MuxerEnd {
  readonly connection: ScriptedConnection
  readonly muxer: YamuxMuxer
  /** Streams that the remote opened. */
  readonly opened: YamuxStream[] = []

  /** Without PINGs unless `init` says otherwise. */
  constructor(role: 'client' | 'server', init: YamuxInit = {}, capacityBytes?: number) {
    const direction = role === 'client' ? 'outbound' : 'inbound'
    this.connection = new ScriptedConnection(direction, capacityBytes)
    this.muxer = new YamuxMuxer(this.connection, { keepAliveMs: 0, ...init })
    this.muxer.addEventListener('stream', ({ detail }) => this.opened.push(detail as YamuxStream))
  }

  /** At once. */
  receive(...parts: Uint8Array[]): void {
    this.connection.onData(parts.length === 1 ? (parts[0] as Uint8Array) : concat(parts))
  }

  /** What has been sent since the last call, as text: `DATA FIN #1 12 68656c6c6f`. */
  async sent(): Promise<string[]> {
    await turn()
    return describeFrames(this.connection.take())
  }

  /** A stream of the remote's. */
  accept(id: number): YamuxStream {
    this.receive(frames.credit(id, 0, MUX_FLAG.SYN))
    return this.opened.at(-1) as YamuxStream
  }
}

/** What a stream hears. */
export function record(stream: YamuxStream) {
  const heard = { log: [] as string[], bytes: 0, parts: [] as Uint8Array[] }
  stream.addEventListener('message', ({ data }) => {
    heard.bytes += data.byteLength
    heard.parts.push(data.subarray())
    heard.log.push(`message ${data.byteLength}`)
  })
  for (const type of ['drain', 'remoteCloseWrite', 'end'] as const) {
    stream.addEventListener(type, () => heard.log.push(type))
  }
  stream.addEventListener('close', ({ error }) => {
    heard.log.push(error === undefined ? 'close' : `close ${error.name}`)
  })
  return heard
}

/** Payload bytes of each stream in whole frames. */
export function payloads(bytes: Uint8Array): Map<number, number> {
  const sums = new Map<number, number>()
  for (let at = 0; at < bytes.byteLength; at += MUX_HEADER_BYTES) {
    const { type, streamId, length } = decodeMuxHeader(bytes.subarray(at))
    if (type === MUX_TYPE.DATA) {
      sums.set(streamId, (sums.get(streamId) ?? 0) + length)
      at += length
    }
  }
  return sums
}

/** The bytes end everything: the muxer, its streams and the connection, with the error, and nothing after them counts. */
export async function violates(
  end: MuxerEnd,
  pieces: readonly Uint8Array[],
  pattern: RegExp
): Promise<void> {
  await end.sent()
  const errors: (Error | undefined)[] = []
  for (const stream of end.muxer.streams) {
    stream.addEventListener('close', ({ error }) => errors.push(error))
  }
  for (const bytes of pieces) {
    end.connection.onData(bytes)
  }
  end.receive(frames.ping(MUX_FLAG.SYN, 7))
  assert.ok(end.connection.aborted instanceof ProtocolViolationError, 'the connection goes on')
  assert.match(end.connection.aborted.message, pattern)
  assert.equal(end.muxer.status, 'closed')
  assert.equal(end.muxer.streams.length, 0)
  for (const error of errors) {
    assert.equal(error, end.connection.aborted)
  }
  const sent = await end.sent()
  assert.equal(sent.at(-1), 'GO_AWAY #0 1', 'the remote is told')
  assert.ok(!sent.some(frame => frame.startsWith('PING')), 'something is processed after it')
}
