import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Uint8ArrayList } from 'uint8arraylist'
import { DEFAULT_WINDOW_BYTES, type MuxStream } from '../ctl/index.ts'
import { Backlog } from './backlog.ts'

const KIB = 1024

/** Takes what it has credit for, at most 64 KiB at once as a frame does. */
function streamWith(credit: number) {
  const taken = new Uint8ArrayList()
  const stream = {
    taken,
    bufferedCredit: credit,
    write(data: Uint8ArrayList) {
      const sentBytes = Math.min(data.byteLength, stream.bufferedCredit)
      stream.bufferedCredit -= sentBytes
      taken.append(data.subarray(0, sentBytes))
      return { sentBytes, canSendMore: stream.bufferedCredit > 0 }
    }
  }
  return { stream, mux: stream as unknown as MuxStream }
}

function bytes(first: number, length: number): Uint8ArrayList {
  return new Uint8ArrayList(Uint8Array.from({ length }, (_, i) => (first + i) % 251))
}

describe('the backlog of a connection', () => {
  it('leaves in order, as far as there is credit, whatever the pieces are', () => {
    const backlog = new Backlog()
    const { stream, mux } = streamWith(0)
    let total = 0
    for (const length of [1, 7000, 3, 64 * KIB, 5]) {
      backlog.push(bytes(total, length))
      total += length
    }
    assert.equal(backlog.byteLength, total)
    let sent = 0
    for (const credit of [1, 1, 10_000, 0, total]) {
      stream.bufferedCredit = credit
      sent += backlog.flush(mux)
      assert.equal(stream.taken.byteLength, sent)
      assert.equal(backlog.byteLength, total - sent)
    }
    assert.equal(sent, total)
    assert.deepEqual(stream.taken.subarray(), bytes(0, total).subarray())
  })

  it('is full at once where the window is the usual one', () => {
    const backlog = new Backlog()
    assert.equal(backlog.isFull, true)
    const { mux } = streamWith(DEFAULT_WINDOW_BYTES / 2)
    backlog.push(bytes(0, 10))
    backlog.flush(mux)
    assert.equal(backlog.byteLength, 0)
    assert.equal(backlog.isFull, true)
  })

  it('may be as long as a wide window is wider', () => {
    const backlog = new Backlog()
    backlog.flush(streamWith(DEFAULT_WINDOW_BYTES / 2 + 100).mux)
    backlog.push(bytes(0, 99))
    assert.equal(backlog.isFull, false)
    backlog.push(bytes(0, 1))
    assert.equal(backlog.isFull, true)
    // what was allowed once stays allowed: credit comes and goes
    backlog.flush(streamWith(1).mux)
    assert.equal(backlog.byteLength, 99)
    assert.equal(backlog.isFull, false)
    backlog.clear()
    assert.equal(backlog.byteLength, 0)
  })
})
