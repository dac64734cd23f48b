// uTP over a bad path: what half-close, abort and bytes mean must not depend on the weather.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { XtpClient, XtpConnection } from 'xtp'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { createClient } from '../support/clients.ts'
import { counts } from '../support/counts.ts'
import { Relay } from '../support/relay.ts'

describe('raw connections through 25 ms, 1 % loss, 1 % duplication and 2 ms jitter', () => {
  let server: XtpClient
  let client: XtpClient
  let relay: Relay
  let inbound: (connection: XtpConnection) => void = () => {}

  before(async () => {
    server = createClient()
    client = createClient()
    const listener = server.createListener({
      allowHalfOpen: true,
      onConnection: connection => inbound(connection)
    })
    await listener.listen(multiaddr('/ip4/127.0.0.1/udp/0/utp'))
    const port = Number(listener.getAddrs()[0]?.getComponents()[1]?.value)
    relay = await Relay.start({
      target: port,
      delayMs: 25,
      jitterMs: 2,
      loss: 0.01,
      duplication: 0.01
    })
  })
  after(async () => {
    await client.stop()
    await server.stop()
    await relay.close()
  })

  async function connect(): Promise<[XtpConnection, XtpConnection]> {
    const accepted = new Promise<XtpConnection>(resolve => {
      inbound = resolve
    })
    const outbound = await client.dial(multiaddr(`/ip4/127.0.0.1/udp/${relay.port}/utp`), {
      allowHalfOpen: true
    })
    return [outbound, await accepted]
  }

  it(`carries ${counts.lossyBytes} bytes both ways`, async () => {
    const [a, b] = await connect()
    const [up, down] = [new Pattern(1), new Pattern(2)]
    await Promise.all([
      receivePattern(b, up, counts.lossyBytes),
      receivePattern(a, down, counts.lossyBytes),
      sendPattern(a, up, counts.lossyBytes),
      sendPattern(b, down, counts.lossyBytes)
    ])
    const { datagrams, lost, duplicated } = relay.stats
    assert.ok(lost > datagrams * 0.005, `the relay lost only ${lost} of ${datagrams}`)
    assert.ok(duplicated > datagrams * 0.005, `only ${duplicated} of ${datagrams} came twice`)
    await Promise.all([a.close(), b.close()])
  })

  it('half-close ends one direction and leaves the other', async () => {
    const [a, b] = await connect()
    const question = receiveAll(b)
    const answer = receiveAll(a)
    a.send(Buffer.from('what is left to say?'))
    await a.closeWrite()
    assert.equal(Buffer.from(await question).toString(), 'what is left to say?')
    // long after the question's end, more than a window of answer
    const pattern = new Pattern(4)
    await sendPattern(b, pattern, 3 * 2 ** 20)
    await b.closeWrite()
    const got = await answer
    assert.equal(got.length, 3 * 2 ** 20)
    for (let at = 0; at < got.length; at += 65536) {
      assert.ok(Buffer.from(pattern.at(at, 65536)).equals(got.subarray(at, at + 65536)))
    }
    await Promise.all([a.ended, b.ended])
    assert.deepEqual([a.status, b.status], ['closed', 'closed'])
  })

  it('abort ends both directions at the other end with a typed error', async () => {
    const [a, b] = await connect()
    const end = new Promise<Error | undefined>(resolve => {
      b.addEventListener('close', event => resolve(event.error))
    })
    b.addEventListener('message', () => {})
    a.send(new Uint8Array(100_000))
    a.abort(new Error('enough'))
    const error = (await end) as (Error & { code?: string }) | undefined
    assert.equal(error?.code, 'ERR_XTP_CONNECTION_RESET')
  })
})
