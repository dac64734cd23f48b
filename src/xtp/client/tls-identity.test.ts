import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { generateKeyPair, publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import { InvalidArgumentError } from '../ctl/index.ts'
import { newTlsKey, spkiOf } from './testing/certificates.ts'
import { TlsIdentity } from './tls-identity.ts'

describe('identity for a service', () => {
  for (const type of ['Ed25519', 'secp256k1', 'ECDSA', 'RSA'] as const) {
    it(`signs with an ${type} key what libp2p verifies`, async () => {
      const key = await generateKeyPair(type as 'Ed25519')
      for (let i = 0; i < 20; i++) {
        const spki = spkiOf(newTlsKey())
        const { publicKey, signature } = await new TlsIdentity(key).sign({ purpose: 1, spki })
        const parsed = publicKeyFromProtobuf(publicKey)
        assert.ok(parsed.equals(key.publicKey))
        const signed = Buffer.concat([Buffer.from('libp2p-tls-handshake:'), spki])
        assert.equal(await parsed.verify(signed, signature), true)
      }
    })
  }

  it('signs the key of the service, and nothing else', async () => {
    const identity = new TlsIdentity(await generateKeyPair('Ed25519'))
    const right = spkiOf(newTlsKey())
    await identity.sign({ purpose: 1, spki: right })
    const offCurve = Buffer.from(right)
    offCurve[90] = (offCurve[90] as number) ^ 1
    const [x, y] = [right.subarray(27, 59), right.subarray(59)]
    const p = Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex')
    const prefix = right.subarray(0, 27)
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.of(2 + ((y[31] as number) & 1)),
      x
    ])
    const wrong: Record<string, Uint8Array> = {
      nothing: new Uint8Array(0),
      'a text': Buffer.from('libp2p-tls-handshake: or anything'),
      'a byte less': right.subarray(0, 90),
      'a byte more': Buffer.concat([right, Buffer.of(0)]),
      'a point off the curve': offCurve,
      'the point 0, 0': Buffer.concat([prefix, new Uint8Array(64)]),
      'a coordinate outside of the field': Buffer.concat([prefix, p, y]),
      'a compressed point': compressed,
      'P-384': spkiOf(newTlsKey('P-384')),
      secp256k1: spkiOf(newTlsKey('secp256k1')),
      Ed25519: spkiOf(generateKeyPairSync('ed25519').privateKey),
      RSA: spkiOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
    }
    for (const [name, spki] of Object.entries(wrong)) {
      await assert.rejects(identity.sign({ purpose: 1, spki }), InvalidArgumentError, name)
    }
    for (const purpose of [0, 2, 0xffff_ffff]) {
      await assert.rejects(identity.sign({ purpose, spki: right }), InvalidArgumentError)
    }
  })
})
