// Control frames on a byte stream: uvarint length, then a Frame (spec/xtp-ctl.md, section Framing).
import { InvalidArgumentError, ProtocolViolationError } from './errors.ts'
import { MAX_FRAME_BYTES } from './limits.ts'
import { Frame } from './proto/xtp-ctl.js'
import { FRAME_SCHEMA } from './schema.ts'
import { checkWire } from './wire-check.ts'

/** Longest length prefix that makes sense: 65,536 takes three bytes. */
const MAX_PREFIX_BYTES = 3

/**
 * A frame with its length prefix.
 *
 * @throws InvalidArgumentError where the frame is too long, or a field is outside its limits
 */
export function encodeFrame(frame: Partial<Frame>, maxBytes = MAX_FRAME_BYTES): Uint8Array {
  const body = Frame.encode(frame)
  const length = body.byteLength
  if (length === 0 || length > maxBytes) {
    throw new InvalidArgumentError(
      `cannot send a control frame of ${length} bytes: the limits are 1 and ${maxBytes}`
    )
  }
  try {
    checkWire(FRAME_SCHEMA, body)
  } catch (err) {
    throw new InvalidArgumentError(`cannot send: ${(err as Error).message}`, { cause: err })
  }
  const prefix = length < 0x80 ? 1 : length < 0x4000 ? 2 : 3
  const bytes = new Uint8Array(prefix + length)
  let rest = length
  for (let i = 0; i < prefix; i++) {
    bytes[i] = i === prefix - 1 ? rest : (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes.set(body, prefix)
  return bytes
}

/**
 * Cuts a byte stream into frames. After it has thrown, it throws the same error again: what follows a
 * malformed frame means nothing.
 */
export class FrameDecoder {
  /** Largest frame; may be changed between frames. */
  maxBytes: number
  #chunk: Uint8Array = new Uint8Array(0)
  #pos = 0
  #length = 0
  #prefixBytes = 0
  /** Bytes of the current frame; null while its length is being read. */
  #body: Uint8Array | null = null
  #filled = 0
  #error?: ProtocolViolationError

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.maxBytes = maxBytes
  }

  /**
   * Takes bytes in and gives the frames that are complete.
   *
   * @throws ProtocolViolationError; frames in front of the malformed one are then lost, use `append`
   * and `next` where they matter
   */
  push(chunk: Uint8Array): Frame[] {
    this.append(chunk)
    const frames: Frame[] = []
    for (let frame = this.next(); frame != null; frame = this.next()) frames.push(frame)
    return frames
  }

  /** Takes bytes in. Only after `next` has given undefined. */
  append(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#pos = 0
  }

  /** The next frame; undefined where more bytes are needed. */
  next(): Frame | undefined {
    if (this.#error != null) throw this.#error
    try {
      return this.#next()
    } catch (err) {
      this.#chunk = new Uint8Array(0)
      this.#pos = 0
      this.#error =
        err instanceof ProtocolViolationError
          ? err
          : new ProtocolViolationError('malformed frame', { cause: err })
      throw this.#error
    }
  }

  #next(): Frame | undefined {
    if (this.#body == null && !this.#readLength()) return undefined
    const body = this.#body as unknown as Uint8Array
    // Copied: the caller may reuse its chunk, and decoded fields are views of these bytes.
    const count = Math.min(this.#length - this.#filled, this.#chunk.byteLength - this.#pos)
    body.set(this.#chunk.subarray(this.#pos, this.#pos + count), this.#filled)
    this.#pos += count
    this.#filled += count
    if (this.#filled < this.#length) return undefined
    this.#body = null
    this.#length = 0
    checkWire(FRAME_SCHEMA, body)
    return Frame.decode(body)
  }

  #readLength(): boolean {
    while (this.#pos < this.#chunk.byteLength) {
      const byte = this.#chunk[this.#pos++] as number
      this.#length |= (byte & 0x7f) << (7 * this.#prefixBytes++)
      if (byte >= 0x80 && this.#prefixBytes < MAX_PREFIX_BYTES) continue
      if (byte >= 0x80 || (byte === 0 && this.#prefixBytes > 1)) {
        throw new ProtocolViolationError('frame length is not a shortest uvarint of up to 3 bytes')
      }
      if (this.#length === 0 || this.#length > this.maxBytes) {
        throw new ProtocolViolationError(
          `frame of ${this.#length} bytes, the limits are 1 and ${this.maxBytes}`
        )
      }
      this.#prefixBytes = 0
      this.#filled = 0
      this.#body = new Uint8Array(this.#length)
      return true
    }
    return false
  }
}
