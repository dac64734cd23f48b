import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventBody } from '../ctl/index.ts'
import { type Binding, NATIVE_EVENT, type NativeEvent } from './binding.ts'
import { NativeBackend } from './native-backend.ts'

const CERTIFICATE = Uint8Array.of(0x30, 0)
const ADDRESSES = {
  localIp: '127.0.0.1',
  localPort: 1,
  remoteIp: '127.0.0.2',
  remotePort: 2
}

/** An addon that answers every dial, and remembers what it is told. */
function setUp(extra: Partial<Binding> = {}) {
  const events: EventBody[] = []
  let emit: (event: NativeEvent) => void = () => {}
  const event = (kind: number, fields: Partial<NativeEvent>): void =>
    emit({ kind, request: 0, code: 0, message: '', errno: 0, ...fields } as NativeEvent)
  const binding = {
    version: 'test',
    start: (_options: object, onEvent: typeof emit) => {
      emit = onEvent
    },
    stop() {},
    dial: (request: number, connection: number) =>
      event(NATIVE_EVENT.CONNECTED, {
        ...ADDRESSES,
        request,
        connection,
        certificate: CERTIFICATE
      }),
    ...extra
  } as unknown as Binding
  const backend = new NativeBackend({
    binding,
    suffix: '/quic-v1',
    suffixCode: 461,
    onEvent: body => events.push(body),
    onLinkLost() {}
  })
  backend.start(4, {})
  return { backend, events, event }
}

describe('native backend: security of the transport', () => {
  it('has the key of the addon signed, and gives it the signature', async () => {
    const told: unknown[] = []
    const spki = Uint8Array.of(1)
    const { backend } = setUp({
      generateKey: () => spki,
      setCertificate: (...args) => told.push(...args)
    })
    const signed = { publicKey: Uint8Array.of(2), signature: Uint8Array.of(3) }
    await backend.certify(async key => {
      told.push(key)
      return signed
    })
    assert.deepEqual(told, [spki, signed.publicKey, signed.signature])
  })

  it('makes no certificate where nothing was signed, or the addon cannot', async () => {
    let made = 0
    const { backend } = setUp({
      generateKey: () => Uint8Array.of(1),
      setCertificate: () => {
        made += 1
      }
    })
    await assert.rejects(
      backend.certify(async () => {
        throw new Error('not this key')
      }),
      /not this key/
    )
    assert.equal(made, 0)
    await assert.rejects(
      setUp().backend.certify(async () => assert.fail()),
      { code: 'ERR_XTP_UNSUPPORTED' }
    )
  })

  it('passes the certificates of peers on', async () => {
    const { backend, events, event } = setUp()
    const addr = Uint8Array.of(4, 127, 0, 0, 2, 0x91, 2, 0, 2, 0xcd, 3)
    const { signal } = new AbortController()
    const { remoteCertificate } = await backend.dial(1, addr, 1_000, signal)
    assert.deepEqual(remoteCertificate, CERTIFICATE)
    event(NATIVE_EVENT.INCOMING, {
      ...ADDRESSES,
      connection: 2,
      listener: 1,
      certificate: CERTIFICATE
    })
    assert.deepEqual(
      events.map(body => 'incoming' in body && body.incoming.remoteCertificate),
      [CERTIFICATE]
    )
  })
})
