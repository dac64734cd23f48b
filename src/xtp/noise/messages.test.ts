// Messages of a noise connection: how they are cut, put together and kept.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pureJsCrypto } from '@chainsafe/libp2p-noise'
import { Uint8ArrayList } from 'uint8arraylist'
import { turn } from '../client/testing/scripted-connection.ts'
import { ProtocolViolationError } from '../ctl/index.ts'
import { concat, cut, Random } from '../ctl/testing/bytes.ts'
import { noiseCrypto } from './aead.ts'
import { MessageBuffers } from './message-buffers.ts'
import { MAX_MESSAGE_BYTES, MessageReader } from './message-reader.ts'
import { NoiseEnd } from './testing/noise-end.ts'

const KiB = 1_024
const MAX_PLAINTEXT_BYTES = 65_519
const random = new Random(7)
const same = (left: Uint8Array, right: Uint8Array) =>
  assert.ok(Buffer.from(left).equals(right), 'other bytes')
const framed = (message: Uint8Array) =>
  concat([Uint8Array.of(message.byteLength >> 8, message.byteLength), message])

describe('the reader of messages', () => {
  const collect = (buffers = new MessageBuffers()) => {
    const messages: Uint8Array[] = []
    const reader = new MessageReader(buffers)
    const push = (bytes: Uint8Array) =>
      reader.push(bytes, message => messages.push(message.slice()))
    return { messages, reader, push }
  }

  it('finds the same messages however the bytes are cut', () => {
    const lengths = [16, 17, 255, 256, 257, 4_096, 4_097, 65_534, 16, 65_535]
    const expected = lengths.map(length => random.bytes(length))
    const bytes = concat(expected.map(framed))
    for (let run = 0; run < 60; run++) {
      const { messages, push } = collect()
      const most = random.pick([1, 3, 40, 5_000, 70_000, bytes.byteLength])
      for (let at = 0; at < bytes.byteLength; ) {
        const count = most === 1 ? 1 : 1 + random.below(most)
        // what was given may be written over as soon as the call is over
        const chunk = bytes.slice(at, at + count)
        push(chunk)
        chunk.fill(0xee)
        at += count
      }
      assert.equal(messages.length, expected.length)
      for (const [i, message] of messages.entries()) same(message, expected[i] as Uint8Array)
    }
  })

  for (const length of [0, 1, 15]) {
    it(`refuses a message of ${length} bytes`, () => {
      const { messages, push } = collect()
      push(framed(new Uint8Array(16)))
      const bytes = Uint8Array.of(0, length, ...new Uint8Array(40))
      assert.throws(() => push(bytes), ProtocolViolationError)
      assert.equal(messages.length, 1)
    })
  }

  it('uses the same buffer again for messages in pieces, also after one that was refused', () => {
    const buffers = new MessageBuffers()
    const seen = new Set<ArrayBufferLike>()
    const reader = new MessageReader(buffers)
    const onMessage = (message: Uint8Array) => {
      seen.add(message.buffer)
      if (message[0] === 1) throw new Error('refused')
    }
    for (let i = 0; i < 20; i++) {
      const [first, second] = cut(framed(random.bytes(9_000).fill(i % 3, 0, 1)), [5_000])
      reader.push(first as Uint8Array, onMessage)
      try {
        reader.push(second as Uint8Array, onMessage)
      } catch {}
    }
    assert.equal(seen.size, 1)
  })

  it('gives back what it holds when it is stopped, once', () => {
    const buffers = new MessageBuffers()
    const { reader, push } = collect(buffers)
    push(framed(new Uint8Array(9_000)).subarray(0, 100))
    reader.stop()
    reader.stop()
    const [one, other] = [buffers.take(9_000), buffers.take(9_000)]
    assert.notEqual(one.buffer, other.buffer)
  })

  it('keeps few buffers that nobody uses', () => {
    const buffers = new MessageBuffers()
    const all = Array.from({ length: 1_000 }, () => buffers.take(60_000))
    assert.equal(new Set(all.map(({ buffer }) => buffer)).size, 1_000)
    for (const buffer of all) buffers.give(buffer)
    const again = Array.from({ length: 1_000 }, () => buffers.take(60_000))
    const known = again.filter(({ buffer }) => all.some(before => before.buffer === buffer))
    assert.equal(known.length, 256)
    assert.ok(again.every(({ byteLength }) => byteLength === MAX_MESSAGE_BYTES))
  })
})

describe('the cipher', () => {
  const [key, nonce, ad] = [random.bytes(32), random.bytes(12), new Uint8Array(0)]
  const inPieces = (bytes: Uint8Array) => new Uint8ArrayList(...cut(bytes, [1, 12, 700]))

  for (const length of [0, 1, 1_183, 1_184, 1_199, 1_200, 1_201, 20_000, MAX_PLAINTEXT_BYTES]) {
    it(`is that of libp2p's noise, of ${length} bytes in one piece and in several`, () => {
      const plaintext = random.bytes(length)
      const expected = pureJsCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key).subarray()
      for (const bytes of [plaintext, inPieces(plaintext)]) {
        const encrypted = noiseCrypto.chaCha20Poly1305Encrypt(bytes as never, nonce, ad, key)
        same(encrypted.subarray(), expected)
      }
      for (const bytes of [expected, inPieces(expected)]) {
        const decrypted = noiseCrypto.chaCha20Poly1305Decrypt(bytes as never, nonce, ad, key)
        same(decrypted.subarray(), plaintext)
      }
    })

    it(`refuses ${length} bytes of which one bit is another, or the tag, the key or the nonce`, () => {
      const [bytes, other] = [random.bytes(length), random.bytes(32)]
      const good = noiseCrypto.chaCha20Poly1305Encrypt(bytes, nonce, ad, key).subarray()
      for (const at of [0, good.byteLength >> 1, good.byteLength - 1]) {
        const bad = good.slice()
        bad[at] = (bad[at] as number) ^ 1
        assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(bad, nonce, ad, key))
      }
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(good, nonce, ad, other))
      const next = other.subarray(0, 12)
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(good, next, ad, key))
    })
  }
})

describe('a noise connection', () => {
  it('sends the fewest messages, each no longer than noise allows', async () => {
    const end = new NoiseEnd()
    const bytes = random.bytes(4 * MAX_PLAINTEXT_BYTES + 1)
    assert.equal(end.stream.send(new Uint8ArrayList(...cut(bytes, [12, 100_000, 7]))), true)
    const messages = await end.sent()
    assert.deepEqual(
      messages.map(({ byteLength }) => byteLength),
      [...new Array(4).fill(MAX_PLAINTEXT_BYTES), 1]
    )
    same(concat(messages), bytes)
    assert.equal(end.counts.encryptedPackets, 5)
  })

  it('encrypts no more than the connection takes, and the rest when there is room', async () => {
    const end = new NoiseEnd(64 * KiB)
    const bytes = random.bytes(5 * MAX_PLAINTEXT_BYTES)
    assert.equal(end.stream.send(bytes), false)
    assert.equal(end.counts.encryptedPackets, 1)
    assert.equal(end.stream.writeBufferLength, 4 * MAX_PLAINTEXT_BYTES)
    const parts = await end.sent()
    for (let sent = 2; sent <= 5; sent++) {
      assert.deepEqual(end.log, [], 'a drain while something waits')
      end.connection.drain()
      await turn()
      assert.equal(end.counts.encryptedPackets, sent)
      parts.push(...(await end.sent()))
    }
    assert.deepEqual(end.log, [])
    end.connection.drain()
    assert.deepEqual(end.log, ['drain'])
    same(concat(parts), bytes)
    // and none that nobody waits for
    end.connection.writableNeedsDrain = true
    end.connection.drain()
    assert.deepEqual(end.log, ['drain'])
  })

  describe('over a connection that says beforehand how much it takes', () => {
    /** @param room - asked before each message */
    const telling = (room: () => number) => {
      const end = new NoiseEnd()
      Object.assign(end.connection, {
        room() {
          const bytes = room()
          end.connection.writableNeedsDrain = bytes === 0
          return bytes
        }
      })
      return end
    }

    it('encrypts nothing where that is nothing', async () => {
      let room = 0
      const end = telling(() => room)
      assert.equal(end.stream.send(random.bytes(1_000)), false)
      assert.equal(end.stream.send(random.bytes(70_000)), false)
      end.connection.drain()
      assert.equal(end.counts.encryptedPackets, 0)
      assert.deepEqual(end.log, [])
      room = 1e6
      end.connection.drain()
      assert.deepEqual(
        (await end.sent()).map(({ byteLength }) => byteLength),
        [MAX_PLAINTEXT_BYTES, 71_000 - MAX_PLAINTEXT_BYTES]
      )
      assert.deepEqual(end.log, ['drain'])
    })

    it('sends no longer message than that, but not many short ones either', async () => {
      const rooms = [20_000, 65_537, 65_538, 2_000, 1_042, 1_041, 1, 131_074, 0]
      const left = [...rooms]
      const end = telling(() => left.shift() as number)
      const bytes = random.bytes(400_000)
      assert.equal(end.stream.send(bytes), false)
      const messages = await end.sent()
      assert.deepEqual(
        messages.map(({ byteLength }) => byteLength),
        [19_982, 65_519, 65_519, 1_982, 1_024, 1_024, 1_024, 65_519]
      )
      const sent = concat(messages)
      same(sent, bytes.subarray(0, sent.byteLength))
      assert.equal(end.stream.writeBufferLength, bytes.byteLength - sent.byteLength)
    })
  })

  it('keeps the order of what is sent while something waits', async () => {
    const end = new NoiseEnd(32 * KiB)
    const bytes = random.bytes(300_000)
    const parts = cut(bytes, [100_000, 1, 30_000, 100, 65_519])
    const sent: Uint8Array[] = []
    for (const part of parts) {
      end.stream.send(part)
      sent.push(...(await end.sent()))
    }
    while (end.stream.writeBufferLength > 0) {
      end.connection.drain()
      sent.push(...(await end.sent()))
    }
    same(concat(sent), bytes)
  })

  it('has all messages of what came at once as one event', () => {
    const end = new NoiseEnd().listen()
    const parts = [random.bytes(1), random.bytes(0), random.bytes(70), random.bytes(65_519)]
    end.connection.onData(concat(parts.map(part => end.message(part))))
    assert.deepEqual(end.log, [`message ${1 + 70 + 65_519}`])
    same(end.received, concat(parts))
    assert.equal(end.counts.decryptedPackets, 4)
  })

  it('does not say anything before a message is whole', () => {
    const end = new NoiseEnd().listen()
    const bytes = end.message(random.bytes(50_000))
    for (const part of cut(bytes, [1, 1, 20_000, bytes.byteLength - 20_003])) {
      assert.deepEqual(end.log, [])
      end.connection.onData(part)
    }
    assert.deepEqual(end.log, ['message 50000'])
  })

  it('keeps little more than the bytes of single ones for a reader that is not there yet', async () => {
    const end = new NoiseEnd()
    const expected = random.bytes(20_000)
    for (const byte of expected) end.connection.onData(end.message(Uint8Array.of(byte)))
    const pieces = [...(end.stream as unknown as { readBuffer: Uint8ArrayList }).readBuffer]
    assert.ok(pieces.length < 2_000, `${pieces.length} pieces`)
    end.listen()
    await turn()
    same(end.received, expected)
  })
})
