import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { InvalidArgumentError, ProtocolViolationError } from '../errors.ts'
import { concat, cut } from '../testing/bytes.ts'
import { encodeStreamHeader, StreamHeaderReader } from './stream-header.ts'

describe('stream header', () => {
  it('comes out as it went in, in any pieces, and leaves what is behind it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.uint8Array({ maxLength: 10 }),
        fc.array(fc.nat(4), { maxLength: 12 }),
        (connId, kind, behind, cuts) => {
          const header = encodeStreamHeader({ connId, kind })
          const reader = new StreamHeaderReader()
          const rest: Uint8Array[] = []
          for (const piece of cut(concat([header, behind]), cuts)) {
            if (reader.header != null) rest.push(piece)
            else rest.push(piece.subarray(reader.push(piece)))
          }
          assert.deepEqual(reader.header, { connId, kind })
          assert.equal(reader.byteLength, header.byteLength)
          assert.deepEqual(concat(rest), behind)
        }
      )
    )
  })

  it('refuses a length of 0 or above 64, and what is no header', () => {
    const long = new Uint8Array(66)
    long.set([65, 8, 1])
    for (const bytes of [[0], long, [0x80, 0x01], [2, 8, 0], [2, 16, 1], [1, 0xff], [0x7f]]) {
      assert.throws(
        () => new StreamHeaderReader().push(Uint8Array.from(bytes)),
        ProtocolViolationError
      )
    }
  })

  it('takes 64 bytes, with fields of a later version', () => {
    const bytes = new Uint8Array(65)
    bytes.set([64, 8, 5, 0x7a, 60]) // conn_id 5, field 15 with 60 bytes
    const reader = new StreamHeaderReader()
    assert.equal(reader.push(bytes), 65)
    assert.deepEqual(reader.header, { connId: 5, kind: 0 })
  })

  it('refuses to open without a connection', () => {
    assert.throws(() => encodeStreamHeader({ connId: 0, kind: 0 }), InvalidArgumentError)
  })
})
