import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { InvalidArgumentError, ProtocolViolationError } from './errors.ts'
import { encodeFrame, FrameDecoder } from './frame-codec.ts'
import type { Frame } from './proto/xtp-ctl.js'
import { arbitraryFrame } from './testing/arbitraries.ts'
import { concat, cut } from './testing/bytes.ts'

function decodeAll(chunks: Uint8Array[], maxBytes?: number): Frame[] {
  const decoder = new FrameDecoder(maxBytes)
  return chunks.flatMap(chunk => decoder.push(chunk))
}

const ping = (id: number): Partial<Frame> => ({ id, ping: { nonce: BigInt(id), ioAgeMs: 0 } })

describe('frame codec', () => {
  it('gives back every frame that was encoded, whatever the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryFrame(), { maxLength: 6 }),
        fc.array(fc.nat(300), { maxLength: 40 }),
        (frames, cuts) => {
          const bytes = concat(frames.map(frame => encodeFrame(frame)))
          const whole = decodeAll([bytes])
          assert.deepEqual(decodeAll(cut(bytes, cuts)), whole)
          assert.equal(whole.length, frames.length)
          whole.forEach((frame, i) => {
            assert.deepEqual(encodeFrame(frame), encodeFrame(frames[i] as Frame))
          })
        }
      )
    )
  })

  it('carries every size of number', () => {
    for (let bits = 0n; bits <= 64n; bits++) {
      for (const value of [2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n]) {
        if (value < 2n ** 64n) {
          const stats = [{ key: 'bytes_out', value }]
          const [frame] = decodeAll([encodeFrame({ id: 1, statsResult: { stats } })])
          assert.deepEqual(frame?.statsResult?.stats, stats)
        }
      }
    }
  })

  it('takes one byte at a time, and empty chunks', () => {
    const bytes = concat([ping(1), ping(200), ping(70_000)].map(f => encodeFrame(f)))
    const chunks = [...bytes].flatMap(byte => [new Uint8Array(0), Uint8Array.of(byte)])
    assert.deepEqual(
      decodeAll(chunks).map(f => f.id),
      [1, 200, 70_000]
    )
  })

  it('does not look at a chunk again: the caller may reuse it', () => {
    const chunk = encodeFrame({ id: 1, dial: { connId: 1, addr: Uint8Array.of(1, 2, 3) } })
    const [frame] = decodeAll([chunk])
    chunk.fill(0)
    assert.deepEqual(frame?.dial?.addr, Uint8Array.of(1, 2, 3))
  })

  it('takes a frame of the largest size and refuses one more byte', () => {
    const log = (bytes: number): Partial<Frame> => ({
      addrs: {
        listenerId: 1,
        addrs: Array.from({ length: 64 }, (_, i) => new Uint8Array(i === 0 ? bytes : 500))
      }
    })
    const room = 8_192 + 64 * 500
    const frame = encodeFrame(log(400), room)
    assert.equal(decodeAll([frame], room).length, 1)
    const body = frame.byteLength - 3
    assert.doesNotThrow(() => encodeFrame(log(400), body))
    assert.throws(() => encodeFrame(log(400), body - 1), InvalidArgumentError)
    assert.equal(decodeAll([frame], body).length, 1)
    assert.throws(() => decodeAll([frame], body - 1), ProtocolViolationError)
  })

  it('refuses a length of 0, an overlong one and one of four bytes, as early as it can', () => {
    for (const bytes of [
      [0],
      [0x81, 0x00],
      [0x80, 0x80, 0x80],
      [0xff, 0xff, 0xff, 0xff],
      [0x81, 0x80, 0x04]
    ]) {
      assert.throws(() => decodeAll([Uint8Array.from(bytes)]), ProtocolViolationError, `${bytes}`)
    }
  })

  it('does not allocate what a length merely announces beyond the limit', () => {
    const decoder = new FrameDecoder()
    assert.throws(() => decoder.push(Uint8Array.of(0xff, 0xff, 0x7f)), /2097151 bytes/)
  })

  it('refuses to encode what the other end would refuse', () => {
    assert.throws(() => encodeFrame({}), InvalidArgumentError)
    assert.throws(
      () => encodeFrame({ id: 1, dial: { connId: 2, addr: Uint8Array.of(1) } }),
      /cannot send: malformed Dial: conn_id 2 is out of range/
    )
  })

  it('throws the same again after a malformed frame, and gives nothing any more', () => {
    const decoder = new FrameDecoder()
    let first: unknown
    try {
      decoder.push(Uint8Array.of(1, 0xff))
    } catch (err) {
      first = err
    }
    assert.ok(first instanceof ProtocolViolationError)
    assert.throws(() => decoder.push(encodeFrame(ping(1))), first)
    assert.throws(() => decoder.next(), first)
  })

  it('gives the frames in front of a malformed one to who takes them one by one', () => {
    const decoder = new FrameDecoder()
    decoder.append(concat([encodeFrame(ping(1)), Uint8Array.of(1, 0xff), encodeFrame(ping(2))]))
    assert.equal(decoder.next()?.id, 1)
    assert.throws(() => decoder.next(), ProtocolViolationError)
  })

  it('gives a frame or ProtocolViolationError for any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), chunks => {
        try {
          for (const frame of decodeAll(chunks)) encodeFrame(frame)
        } catch (err) {
          assert.ok(
            err instanceof ProtocolViolationError || err instanceof InvalidArgumentError,
            String(err)
          )
        }
      })
    )
  })
})
