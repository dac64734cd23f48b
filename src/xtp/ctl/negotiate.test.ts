import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { NegotiationError, XtpError } from './errors.ts'
import { Negotiation, type NegotiationResult } from './negotiate.ts'
import { concat, cut, toHex } from './testing/bytes.ts'

const P = '/xtp-ctl/1.0.0'

/** Lines as they travel; the length prefix fits a byte. */
function lines(...texts: string[]): Uint8Array {
  return concat(texts.map(t => Buffer.concat([Buffer.of(t.length), Buffer.from(t)])))
}

const HEADER = '/multistream/1.0.0\n'

/** Feeds chunks until the negotiation is done; sums up what it wants to send. */
function run(negotiation: Negotiation, chunks: Uint8Array[]): NegotiationResult {
  const sent: Uint8Array[] = []
  for (const [i, chunk] of chunks.entries()) {
    const { send, done } = negotiation.push(chunk)
    if (send != null) sent.push(send)
    if (done != null) {
      return {
        send: concat(sent),
        done: { ...done, rest: concat([done.rest, ...chunks.slice(i + 1)]) }
      }
    }
  }
  return { send: concat(sent) }
}

function failure(fn: () => unknown): NegotiationError {
  try {
    fn()
  } catch (err) {
    assert.ok(err instanceof NegotiationError, String(err))
    assert.equal(err.code, 'ERR_XTP_NEGOTIATION')
    return err
  }
  throw new assert.AssertionError({ message: 'no NegotiationError' })
}

describe('negotiation', () => {
  it('sends header and proposal in one go', () => {
    const initiator = new Negotiation({ role: 'initiator', protocols: [P] })
    assert.equal(toHex(initiator.start()), toHex(lines(HEADER, `${P}\n`)))
    assert.equal(new Negotiation({ role: 'responder', protocols: [P] }).start().byteLength, 0)
  })

  it('succeeds on both sides, with bytes behind it kept, whatever the chunks', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 20 }),
        fc.uint8Array({ maxLength: 20 }),
        fc.array(fc.nat(12), { maxLength: 12 }),
        (early, late, cuts) => {
          const initiator = new Negotiation({ role: 'initiator', protocols: [P] })
          const responder = new Negotiation({ role: 'responder', protocols: ['/other', P] })
          const there = run(responder, cut(concat([initiator.start(), early]), cuts))
          assert.equal(there.done?.protocol, P)
          assert.deepEqual(there.done?.rest, early)
          const back = run(initiator, cut(concat([there.send as Uint8Array, late]), cuts))
          assert.equal(back.done?.protocol, P)
          assert.deepEqual(back.done?.rest, late)
        }
      )
    )
  })

  it('answers header and proposal together when they come together', () => {
    const { send, done } = new Negotiation({ role: 'responder', protocols: [P] }).push(
      lines(HEADER, `${P}\n`)
    )
    assert.equal(toHex(send as Uint8Array), toHex(lines(HEADER, `${P}\n`)))
    assert.ok(done)
  })

  it('tells the responder to say na and to close', () => {
    const err = failure(() =>
      new Negotiation({ role: 'responder', protocols: [P] }).push(lines(HEADER, '/xtp-ctl/2.0.0\n'))
    )
    assert.equal(toHex(err.send as Uint8Array), toHex(lines(HEADER, 'na\n')))
    assert.match(err.message, /\/xtp-ctl\/2\.0\.0.*\/xtp-ctl\/1\.0\.0/)
    const late = new Negotiation({ role: 'responder', protocols: [P] })
    late.push(lines(HEADER))
    assert.equal(
      toHex(failure(() => late.push(lines('ls\n'))).send as Uint8Array),
      toHex(lines('na\n'))
    )
  })

  it('has the initiator go on to its next proposal, and give up after the last', () => {
    const initiator = new Negotiation({ role: 'initiator', protocols: ['/a', '/b'] })
    initiator.start()
    const next = initiator.push(lines(HEADER, 'na\n'))
    assert.equal(toHex(next.send as Uint8Array), toHex(lines('/b\n')))
    assert.match(failure(() => initiator.push(lines('na\n'))).message, /none of \/a, \/b/)
    const lucky = new Negotiation({ role: 'initiator', protocols: ['/a', '/b'] })
    lucky.start()
    lucky.push(lines(HEADER, 'na\n'))
    assert.equal(lucky.push(lines('/b\n')).done?.protocol, '/b')
  })

  it('refuses what is not multistream-select, on both sides', () => {
    const bad: Array<[string, Uint8Array]> = [
      ['HTTP', Buffer.from(`GET / HTTP/1.1\r\nHost: ${'x'.repeat(80)}\r\n\r\n`)],
      ['length 0', Uint8Array.of(0)],
      ['length 1025', Uint8Array.of(0x81, 0x08)],
      ['length of three bytes', Uint8Array.of(0x80, 0x80, 0x01)],
      ['no newline', lines('/multistream/1.0.0')],
      ['another header', lines('/multistream/2.0.0\n')],
      ['no header', lines(`${P}\n`)],
      ['control characters', lines('\u0000\u001b[2J\n')]
    ]
    for (const role of ['initiator', 'responder'] as const) {
      for (const [what, bytes] of bad) {
        const negotiation = new Negotiation({ role, protocols: [P] })
        negotiation.start()
        const err = failure(() => negotiation.push(bytes))
        assert.equal(err.send, undefined, what)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
        assert.doesNotMatch(err.message, /[\x00-\x1f]/, what)
        assert.throws(() => negotiation.push(lines(HEADER)), XtpError, `${what}: over`)
      }
    }
    const initiator = new Negotiation({ role: 'initiator', protocols: [P] })
    failure(() => initiator.push(lines(HEADER, '/never-proposed\n')))
  })

  it('takes a line of 1,024 bytes', () => {
    const protocol = `/${'x'.repeat(1_022)}`
    const initiator = new Negotiation({ role: 'initiator', protocols: [protocol] })
    const responder = new Negotiation({ role: 'responder', protocols: [protocol] })
    const { send } = responder.push(initiator.start())
    assert.equal(initiator.push(send as Uint8Array).done?.protocol, protocol)
    assert.throws(
      () => new Negotiation({ role: 'initiator', protocols: [`${protocol}x`] }).start(),
      XtpError
    )
  })

  it('ends in done or NegotiationError for any bytes, after at most two answers', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('initiator' as const, 'responder' as const),
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 30 }),
            fc.constantFrom(HEADER, `${P}\n`, 'na\n', 'ls\n', '\n').map(text => lines(text))
          ),
          { maxLength: 10 }
        ),
        (role, chunks) => {
          const negotiation = new Negotiation({ role, protocols: [P] })
          negotiation.start()
          try {
            const { send } = run(negotiation, chunks)
            assert.ok((send?.byteLength ?? 0) <= lines(HEADER, `${P}\n`).byteLength)
          } catch (err) {
            assert.ok(err instanceof NegotiationError, String(err))
          }
        }
      )
    )
  })
})
