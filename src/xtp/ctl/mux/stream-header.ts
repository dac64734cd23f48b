// First bytes of every data stream, from its opener: uvarint length, then a StreamHeader.
import { InvalidArgumentError, ProtocolViolationError } from '../errors.ts'
import { MAX_STREAM_HEADER_BYTES } from '../limits.ts'
import { StreamHeader } from '../proto/xtp-ctl.js'
import { STREAM_HEADER_SCHEMA } from '../schema.ts'
import { checkWire } from '../wire-check.ts'

/**
 * A header with its length prefix.
 *
 * @throws InvalidArgumentError where conn_id is 0
 */
export function encodeStreamHeader(header: Partial<StreamHeader>): Uint8Array {
  const body = StreamHeader.encode(header)
  try {
    checkWire(STREAM_HEADER_SCHEMA, body)
  } catch (err) {
    throw new InvalidArgumentError(`cannot open: ${(err as Error).message}`, { cause: err })
  }
  const bytes = new Uint8Array(1 + body.byteLength) // never above 64: two numbers
  bytes[0] = body.byteLength
  bytes.set(body, 1)
  return bytes
}

/** A header without its length prefix; throws ProtocolViolationError. */
export function decodeStreamHeader(bytes: Uint8Array): StreamHeader {
  checkWire(STREAM_HEADER_SCHEMA, bytes)
  return StreamHeader.decode(bytes)
}

/** Collects a header that may come in pieces. */
export class StreamHeaderReader {
  header?: StreamHeader
  /** Bytes that the header and its prefix took. */
  byteLength = 0
  #body: Uint8Array | null = null
  #filled = 0

  /** Takes what belongs to the header off the front of `bytes`; gives how many bytes that were. */
  push(bytes: Uint8Array): number {
    let pos = 0
    if (this.#body == null) {
      if (bytes.byteLength === 0) return 0
      const length = bytes[pos++] as number
      if (length === 0 || length > MAX_STREAM_HEADER_BYTES) {
        throw new ProtocolViolationError(
          `stream header with length byte ${length}: 1 to ${MAX_STREAM_HEADER_BYTES} are allowed`
        )
      }
      this.#body = new Uint8Array(length)
    }
    const count = Math.min(this.#body.byteLength - this.#filled, bytes.byteLength - pos)
    this.#body.set(bytes.subarray(pos, pos + count), this.#filled)
    this.#filled += count
    pos += count
    this.byteLength += pos
    if (this.#filled === this.#body.byteLength) this.header = decodeStreamHeader(this.#body)
    return pos
  }
}
