// Checks that bytes are one well-formed protobuf message of a schema, within its limits, before they
// are decoded. The decoder by itself accepts wrong wire types, lengths beyond the enclosing message,
// truncated 64-bit numbers and repeated elements without end.
import { ProtocolViolationError } from './errors.ts'
import type { Field, MessageSchema } from './schema.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

const MAX_UINT32 = 0xffff_ffff

/** Throws ProtocolViolationError where `bytes[start, end)` is not a message of `schema`. */
export function checkWire(
  schema: MessageSchema,
  bytes: Uint8Array,
  start = 0,
  end = bytes.byteLength
): void {
  new WireCheck(bytes).message(schema, start, end)
}

class WireCheck {
  #bytes: Uint8Array
  #pos = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  message(schema: MessageSchema, start: number, end: number): void {
    const counts = new Map<number, number>()
    let bodies = 0
    this.#pos = start
    while (this.#pos < end) {
      const tag = this.#varint(end, schema.name, 'tag')
      const number = Math.floor(tag / 8)
      if (number === 0 || tag > MAX_UINT32) throw broken(schema.name, 'field number out of range')
      const field = schema.fields.get(number)
      if (field == null) {
        this.#skip(tag % 8, end, schema.name)
        continue
      }
      const count = (counts.get(number) ?? 0) + 1
      counts.set(number, count)
      if (count > (field.repeated ?? 1)) {
        throw broken(schema.name, `more than ${field.repeated ?? 1} of ${field.name}`)
      }
      // The decoder would drop all but one.
      if (number >= schema.oneOfFrom && ++bodies > 1) throw broken(schema.name, 'several bodies')
      this.#field(schema.name, field, tag % 8, end)
    }
    for (const number of schema.required) {
      if (!counts.has(number)) {
        throw broken(schema.name, `${schema.fields.get(number)?.name} is missing`)
      }
    }
  }

  #field(owner: string, field: Field, wireType: number, end: number): void {
    const isVarint = field.type === 'uint32' || field.type === 'uint64' || field.type === 'bool'
    if (wireType !== (isVarint ? VARINT : LENGTH_DELIMITED)) {
      throw broken(owner, `wire type ${wireType} for ${field.name}`)
    }
    const value = this.#varint(end, owner, field.name, field.type === 'uint64' ? 10 : 5)
    if (isVarint) {
      if (field.type !== 'uint64') this.#number(owner, field, value)
      return
    }
    if (value > end - this.#pos) throw broken(owner, `${field.name} is longer than the message`)
    const last = this.#pos + value
    if (typeof field.type === 'object') {
      this.message(field.type, this.#pos, last)
    } else if (value < (field.min ?? 0) || value > (field.max ?? MAX_UINT32)) {
      throw broken(owner, `${field.name} has ${value} bytes`)
    }
    this.#pos = last
  }

  #number(owner: string, field: Field, value: number): void {
    const max = field.type === 'bool' ? 1 : (field.max ?? MAX_UINT32)
    const odd = value % 2 === 1
    if (
      value < (field.min ?? 0) ||
      value > max ||
      (field.parity != null && odd !== (field.parity === 'odd'))
    ) {
      throw broken(owner, `${field.name} ${value} is out of range`)
    }
  }

  #skip(wireType: number, end: number, owner: string): void {
    let length: number
    if (wireType === VARINT) {
      this.#varint(end, owner, 'unknown field', 10)
      return
    } else if (wireType === LENGTH_DELIMITED) {
      length = this.#varint(end, owner, 'unknown field')
    } else if (wireType === FIXED64 || wireType === FIXED32) {
      length = wireType === FIXED64 ? 8 : 4
    } else {
      throw broken(owner, `wire type ${wireType}`)
    }
    if (length > end - this.#pos) throw broken(owner, 'unknown field is longer than the message')
    this.#pos += length
  }

  // Padding is allowed, but only as far as the decoder follows: five bytes for 32 bits, ten for 64.
  // Numbers above 2^53 lose digits, which no caller looks at.
  #varint(end: number, owner: string, what: string, maxBytes = 5): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < maxBytes; i++) {
      if (this.#pos >= end) throw broken(owner, `${what} is cut off`)
      const byte = this.#bytes[this.#pos++] as number
      value += (byte & 0x7f) * scale
      if (i === 9 && byte > 1) throw broken(owner, `${what} has more than 64 bits`)
      if (byte < 0x80) return value
      scale *= 128
    }
    throw broken(owner, `${what} has more than ${maxBytes === 5 ? 32 : 64} bits`)
  }
}

function broken(owner: string, what: string): ProtocolViolationError {
  return new ProtocolViolationError(`malformed ${owner}: ${what}`)
}
