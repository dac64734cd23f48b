// Sends one file over one libp2p stream; the receiver answers with the SHA-256 of what arrived.
import { createHash } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'

export const FILE_PROTOCOL = '/xtp-demo/file/1.0.0'
const CHUNK_BYTES = 64 * 1024

/** Waits until the stream takes more, or rejects when it ends. */
function drained(stream: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      stream.removeEventListener('close', onClose)
      resolve()
    }
    const onClose = (event: Event & { error?: Error }) => {
      stream.removeEventListener('drain', onDrain)
      reject(event.error ?? new Error('the stream ended'))
    }
    stream.addEventListener('drain', onDrain, { once: true })
    stream.addEventListener('close', onClose as (event: Event) => void, { once: true })
  })
}

/** Bytes of the stream until its end; rejects when it ends abruptly. */
function collect(stream: Stream, onBytes: (bytes: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.addEventListener('message', event => {
      for (const bytes of event.data instanceof Uint8Array ? [event.data] : event.data) {
        onBytes(bytes)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => resolve())
    stream.addEventListener('close', event =>
      event.error === undefined ? resolve() : reject(event.error)
    )
  })
}

export async function sendFile(
  connection: Connection,
  read: (offset: number, length: number) => Uint8Array,
  size: number,
  onProgress: (sent: number) => void
): Promise<string> {
  const stream = await connection.newStream(FILE_PROTOCOL)
  const answer: Uint8Array[] = []
  const answered = collect(stream, bytes => answer.push(bytes))
  answered.catch(() => {})
  for (let offset = 0; offset < size; offset += CHUNK_BYTES) {
    if (!stream.send(read(offset, Math.min(CHUNK_BYTES, size - offset)))) {
      await drained(stream)
    }
    onProgress(Math.min(offset + CHUNK_BYTES, size))
  }
  await stream.close()
  await answered
  return Buffer.concat(answer).toString()
}

export async function receiveFile(stream: Stream): Promise<void> {
  const hash = createHash('sha256')
  try {
    await collect(stream, bytes => hash.update(bytes))
    stream.send(Buffer.from(hash.digest('hex')))
    await stream.close()
  } catch (error) {
    stream.abort(error as Error)
  }
}
