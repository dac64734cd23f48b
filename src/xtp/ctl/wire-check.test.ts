import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import { ProtocolViolationError } from './errors.ts'
import { Frame, Ping } from './proto/xtp-ctl.js'
import { FRAME_SCHEMA, type MessageSchema, STREAM_HEADER_SCHEMA } from './schema.ts'
import { checkWire } from './wire-check.ts'

/** `message Name { type name = number; … }` of the .proto file, one line per field. */
function protoFields(): Map<string, string[]> {
  const text = fs
    .readFileSync(new URL('../../../spec/xtp-ctl.proto', import.meta.url), 'utf8')
    .replace(/\/\/.*$/gm, '')
  const messages = new Map<string, string[]>()
  for (const [, name = '', body = ''] of text.matchAll(
    /message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}/g
  )) {
    const fields = [...body.matchAll(/(repeated )?(\w+) (\w+) = (\d+)(?: \[[^\]]*\])?;/g)]
    messages.set(
      name,
      fields.map(([, repeated = '', type, field, n]) => `${n} ${repeated}${type} ${field}`).sort()
    )
  }
  return messages
}

function schemaFields(schema: MessageSchema, into = new Map<string, string[]>()): typeof into {
  const lines: string[] = []
  for (const [n, { name, type, repeated }] of schema.fields) {
    const typeName = typeof type === 'string' ? type : type.name
    lines.push(`${n} ${repeated == null ? '' : 'repeated '}${typeName} ${name}`)
    if (typeof type === 'object') schemaFields(type, into)
  }
  return into.set(schema.name, lines.sort())
}

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

function refused(bytes: string, pattern: RegExp): void {
  assert.throws(
    () => checkWire(FRAME_SCHEMA, hex(bytes)),
    (err: unknown) => err instanceof ProtocolViolationError && pattern.test(err.message),
    `${bytes} should be refused: ${pattern}`
  )
}

describe('schema', () => {
  it('has exactly the messages and fields of spec/xtp-ctl.proto', () => {
    const fields = schemaFields(FRAME_SCHEMA)
    schemaFields(STREAM_HEADER_SCHEMA, fields)
    assert.deepEqual(new Map([...fields].sort()), new Map([...protoFields()].sort()))
  })
})

describe('wire check', () => {
  it('lets pass what a later version may add: unknown fields of every wire type', () => {
    checkWire(FRAME_SCHEMA, hex('08 01 a00601 a1060102030405060708 a2060400000000 a50601020304'))
  })

  it('refuses what the decoder would take silently', () => {
    refused('ba01 04 08808080', /nonce is cut off/) // 64-bit number that ends early
    assert.doesNotThrow(() => Frame.decode(hex('ba01 04 08808080')))
    refused('8201 00', /implementation is missing/)
    refused('8001 01', /wire type 0 for hello/)
    refused('08 818080808000', /id has more than 32 bits/) // six bytes: it would skip four more
    checkWire(FRAME_SCHEMA, hex('08 8180808000'))
    assert.equal(Frame.decode(hex('08 8180808000 20 07')).deadlineMs, 7)
    refused('08 01 08 02', /more than 1 of id/)
  })

  it('refuses lengths beyond the enclosing message', () => {
    refused('9a01 03 0801', /longer than the message/)
    refused('ca01 04 0a03 0a01', /longer than the message/)
    // within the frame, but beyond the body: the decoder would read the next field as part of it
    refused('ca01 02 0a03 0a0161', /longer than the message/)
    refused('d202 04 0802 1204 0817 1800', /longer than the message/)
    refused('a206 05 00', /unknown field is longer/)
    refused('a106 00', /unknown field is longer/)
  })

  it('refuses groups, field number 0 and impossible tags', () => {
    refused('a306 a406', /wire type 3/)
    refused('a406', /wire type 4/)
    refused('a606', /wire type 6/)
    refused('00 01', /field number/)
    refused('f8ffffff7f 01', /field number/)
    refused('f8ffffffff01 01', /tag has more than 32 bits/)
  })

  it('refuses numbers out of their range', () => {
    refused('08 ffffffff1f', /id 8589934591/)
    refused('10 02', /reply 2/)
    refused('a201 06 0802 1202 0401', /conn_id 2/) // an even number from the client
    refused('a201 02 1200', /addr has 0 bytes/)
    refused('e202 02 0804', /level 4/)
    refused(`c202 858001 2a 818001 ${'00'.repeat(16_385)}`, /remote_certificate has 16385 bytes/)
  })

  it('takes 64-bit numbers up to the largest, and no larger', () => {
    const nonce = 2n ** 64n - 1n
    const frame = Frame.encode({ id: 1, ping: { nonce, ioAgeMs: 0 } })
    checkWire(FRAME_SCHEMA, frame)
    assert.equal(Frame.decode(frame).ping?.nonce, nonce)
    assert.equal(Ping.decode(hex('08 ffffffffffffffffff01')).nonce, nonce)
    refused('ba01 0b 08 ffffffffffffffffff02', /64 bits/)
    refused('ba01 0c 08 ffffffffffffffffffff01', /64 bits/)
  })

  it('counts repeated elements before anything is decoded', () => {
    const many = Frame.encode({
      id: 1,
      reply: true,
      statsResult: { stats: Array.from({ length: 513 }, () => ({ key: 'a', value: 1n })) }
    })
    assert.throws(() => checkWire(FRAME_SCHEMA, many), /more than 512 of stats/)
  })
})
