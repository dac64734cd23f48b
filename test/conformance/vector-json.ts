// Control frames as JSON: names as in the .proto file, bytes as hex, 64-bit numbers as decimal strings,
// what is empty or 0 left out.
import type { Frame } from 'xtp/ctl'
import { type Field, FRAME_SCHEMA, type MessageSchema } from '../../src/xtp/ctl/schema.ts'

export type Json = string | number | boolean | Json[] | { [name: string]: Json }

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c) => c.toUpperCase())

function valueToJson({ type }: Field, value: unknown): Json {
  if (typeof type === 'object') return messageToJson(type, value as Record<string, unknown>)
  if (type === 'bytes') return toHex(value as Uint8Array)
  if (type === 'uint64') return String(value)
  return value as Json
}

function messageToJson(schema: MessageSchema, message: Record<string, unknown>): Json {
  const out: { [name: string]: Json } = {}
  for (const field of schema.fields.values()) {
    const value = message[camel(field.name)]
    if (Array.isArray(value)) {
      if (value.length > 0) out[field.name] = value.map(v => valueToJson(field, v))
    } else if (value != null) {
      const json = valueToJson(field, value)
      if (json !== 0 && json !== '0' && json !== '' && json !== false) out[field.name] = json
    }
  }
  return out
}

function valueFromJson({ type }: Field, json: Json): unknown {
  if (typeof type === 'object') return messageFromJson(type, json)
  if (type === 'bytes') return fromHex(json as string)
  if (type === 'uint64') return BigInt(json as string)
  return json
}

function defaultOf({ type, repeated, optional }: Field): unknown {
  if (optional) return undefined
  if (repeated != null) return []
  if (typeof type === 'object') return undefined
  return { uint32: 0, uint64: 0n, bool: false, string: '', bytes: new Uint8Array(0) }[type]
}

function messageFromJson(schema: MessageSchema, json: Json): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  const given = new Map(Object.entries(json as { [name: string]: Json }))
  for (const field of schema.fields.values()) {
    const value = given.get(field.name)
    given.delete(field.name)
    if (value == null) {
      const empty = defaultOf(field)
      if (empty !== undefined) out[camel(field.name)] = empty
    } else {
      out[camel(field.name)] =
        field.repeated != null
          ? (value as Json[]).map(v => valueFromJson(field, v))
          : valueFromJson(field, value)
    }
  }
  if (given.size > 0) throw new Error(`${schema.name} has no ${[...given.keys()].join(', ')}`)
  return out
}

export function frameToJson(frame: Frame): Json {
  return messageToJson(FRAME_SCHEMA, frame as unknown as Record<string, unknown>)
}

export function frameFromJson(json: Json): Frame {
  return messageFromJson(FRAME_SCHEMA, json) as unknown as Frame
}

/** A frame written by hand, with its length in front. */
export function framed(body: string): string {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex')
  return toHex(Buffer.concat([Buffer.of(bytes.byteLength), bytes]))
}
