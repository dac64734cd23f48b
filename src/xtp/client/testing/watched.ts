// What tests of natively muxed connections note of their streams.
import assert from 'node:assert/strict'
import type { StreamCloseEvent } from '@libp2p/interface'
import type { MuxedStream } from '../muxed-stream.ts'

export const PROTOCOL = '/test/1.0.0'

export interface Watched {
  stream: MuxedStream
  bytes: Uint8Array[]
  events: string[]
  error?: Error
}

/** Records what a stream says; reads where told to. */
export function watch(stream: MuxedStream, read = true): Watched {
  const watched: Watched = { stream, bytes: [], events: [] }
  stream.protocol = PROTOCOL
  if (read) {
    readFrom(watched)
  }
  for (const event of ['remoteCloseWrite', 'end', 'drain'] as const) {
    stream.addEventListener(event, () => watched.events.push(event))
  }
  stream.addEventListener('close', (event: StreamCloseEvent) => {
    watched.events.push(`close ${event.error?.name ?? 'in order'}`)
    watched.error = event.error
  })
  return watched
}

function readFrom(watched: Watched): void {
  watched.stream.addEventListener('message', ({ data }) => {
    watched.bytes.push(data.slice())
  })
}

export const text = ({ bytes }: Watched) => Buffer.concat(bytes).toString()
export const bytes = (of: string) => new TextEncoder().encode(of)

export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < 1_000_000, `${what} did not happen`)
    await new Promise(resolve => setImmediate(resolve))
  }
}
