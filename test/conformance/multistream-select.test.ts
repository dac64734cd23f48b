// Our Negotiation against the stock @libp2p/multistream-select at the other end of the link.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnsupportedProtocolError } from '@libp2p/interface'
import * as mss from '@libp2p/multistream-select'
import { byteStream } from '@libp2p/utils'
import { CONTROL_PROTOCOL, DATA_PROTOCOL, Negotiation, NegotiationError } from 'xtp/ctl'
import { type MemoryLink, memoryLink } from './memory-link.ts'

const signal = (): AbortSignal => AbortSignal.timeout(10_000)

/** Runs our side to its end; early bytes go out right behind the proposal. */
function negotiate(
  link: MemoryLink,
  role: 'initiator' | 'responder',
  protocols: string[],
  early?: Uint8Array
): Promise<{ protocol: string; rest: Uint8Array }> {
  const negotiation = new Negotiation({ role, protocols })
  return new Promise((resolve, reject) => {
    link.onBytes(bytes => {
      try {
        const { send, done } = negotiation.push(bytes)
        if (send != null) link.sink.write(send)
        if (done != null) resolve(done)
      } catch (err) {
        if (err instanceof NegotiationError && err.send != null) link.sink.write(err.send)
        link.close()
        reject(err)
      }
    })
    const first = negotiation.start()
    if (first.byteLength > 0) link.sink.write(first)
    if (early != null) link.sink.write(early)
  })
}

describe('multistream-select against the stock library', () => {
  it('agrees with a stock responder', async () => {
    const link = memoryLink('inbound')
    const theirs = mss.handle(link.stock, ['/other/1.0.0', CONTROL_PROTOCOL], { signal: signal() })
    const ours = await negotiate(link, 'initiator', [CONTROL_PROTOCOL])
    assert.equal(ours.protocol, CONTROL_PROTOCOL)
    assert.equal(await theirs, CONTROL_PROTOCOL)
  })

  it('agrees with a stock responder on the second proposal', async () => {
    const link = memoryLink('inbound')
    const theirs = mss.handle(link.stock, [CONTROL_PROTOCOL], { signal: signal() })
    const ours = await negotiate(link, 'initiator', ['/xtp-ctl/2.0.0', CONTROL_PROTOCOL])
    assert.equal(ours.protocol, CONTROL_PROTOCOL)
    assert.equal(await theirs, CONTROL_PROTOCOL)
  })

  it('gives up when a stock responder says na', async () => {
    const link = memoryLink('inbound')
    const theirs = mss.handle(link.stock, ['/other/1.0.0'], { signal: signal() })
    theirs.catch(() => {})
    await assert.rejects(negotiate(link, 'initiator', [CONTROL_PROTOCOL]), NegotiationError)
    await assert.rejects(theirs)
  })

  it('may send protocol bytes right behind the proposal', async () => {
    const link = memoryLink('inbound')
    const theirs = mss.handle(link.stock, [DATA_PROTOCOL], { signal: signal() })
    const ours = negotiate(link, 'initiator', [DATA_PROTOCOL], Buffer.from('early'))
    assert.equal(await theirs, DATA_PROTOCOL)
    const bytes = await byteStream(link.stock).read({ bytes: 5, signal: signal() })
    assert.equal(Buffer.from(bytes.subarray()).toString(), 'early')
    assert.equal((await ours).protocol, DATA_PROTOCOL)
  })

  it('agrees with a stock initiator', async () => {
    const link = memoryLink('outbound')
    const ours = negotiate(link, 'responder', ['/other/1.0.0', DATA_PROTOCOL])
    assert.equal(await mss.select(link.stock, DATA_PROTOCOL, { signal: signal() }), DATA_PROTOCOL)
    assert.equal((await ours).protocol, DATA_PROTOCOL)
  })

  it('keeps what a stock initiator sends behind the negotiation', async () => {
    const link = memoryLink('outbound')
    const ours = negotiate(link, 'responder', [DATA_PROTOCOL])
    await mss.select(link.stock, DATA_PROTOCOL, { signal: signal() })
    const { rest } = await ours
    const received: Uint8Array[] = [rest]
    const got = new Promise<void>(resolve => {
      link.onBytes(bytes => {
        received.push(bytes)
        if (Buffer.concat(received).byteLength >= 5) resolve()
      })
    })
    link.stock.send(Buffer.from('later'))
    await got
    assert.equal(Buffer.concat(received).toString(), 'later')
  })

  it('says na to a stock initiator that proposes something else, and closes', async () => {
    const link = memoryLink('outbound')
    const ours = negotiate(link, 'responder', [CONTROL_PROTOCOL])
    ours.catch(() => {})
    await assert.rejects(
      mss.select(link.stock, '/xtp-ctl/2.0.0', { signal: signal() }),
      UnsupportedProtocolError
    )
    await assert.rejects(ours, NegotiationError)
  })
})
