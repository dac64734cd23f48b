// Random frames that keep to every limit, for fast-check.
import fc, { type Arbitrary } from 'fast-check'
import type { Frame } from '../proto/xtp-ctl.js'
import { type Field, FRAME_SCHEMA, type MessageSchema } from '../schema.ts'

const uint32 = (min = 0, max = 0xffff_ffff): Arbitrary<number> =>
  fc.oneof(fc.integer({ min, max: Math.min(max, 300) }), fc.integer({ min, max }))

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c) => c.toUpperCase())

function ofField(field: Field): Arbitrary<unknown> {
  const { type, min = 0, max = 40, parity } = field
  if (typeof type === 'object') return ofMessage(type)
  if (type === 'bool') return fc.boolean()
  if (type === 'uint64') return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  if (type === 'bytes') return fc.uint8Array({ minLength: min, maxLength: Math.min(max, 40) })
  if (type === 'string') {
    return fc.string({ minLength: min, maxLength: Math.min(max, 32) }) // ASCII: a byte a character
  }
  const number = uint32(field.min, field.max)
  if (parity == null) return number
  return number.map(n => (parity === 'odd' ? n | 1 : (n & ~1) >>> 0 || 2) >>> 0)
}

function ofMessage(schema: MessageSchema): Arbitrary<unknown> {
  const fields: Record<string, Arbitrary<unknown>> = {}
  for (const field of schema.fields.values()) {
    const one = ofField(field)
    const isSubMessage = typeof field.type === 'object'
    const mayMiss = isSubMessage && field.repeated == null && field.required !== true
    fields[camel(field.name)] =
      field.repeated != null
        ? fc.array(one, { maxLength: Math.min(3, field.repeated) })
        : mayMiss
          ? fc.option(one, { nil: undefined })
          : one
  }
  return fc.record(fields)
}

/** A frame with one body of any kind; whether it may be sent now is another matter. */
export function arbitraryFrame(): Arbitrary<Partial<Frame>> {
  const bodies: Arbitrary<object>[] = []
  for (const [number, field] of FRAME_SCHEMA.fields) {
    if (number < 16) continue
    bodies.push(ofField(field).map(body => ({ [camel(field.name)]: body })))
  }
  return fc
    .tuple(uint32(), fc.boolean(), uint32(), fc.oneof(...bodies))
    .map(([id, reply, deadlineMs, body]) => ({ id, reply, deadlineMs, ...body }))
}
