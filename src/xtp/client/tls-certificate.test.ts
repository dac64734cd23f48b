import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { generateCertificate, verifyPeerCertificate as verifyOfLibp2p } from '@libp2p/tls/utils'
import fc from 'fast-check'
import { base58btc as base58 } from 'multiformats/bases/base58'
import type { CertificateVector } from '../../../test/conformance/generate-certificates.ts'
import { PeerCertificateError, type PeerCertificateReason } from '../ctl/index.ts'
import {
  type Bytes,
  type CertificateInit,
  der,
  ECDSA_SHA256,
  ecdsaHost,
  extension,
  flipped,
  hex,
  LIBP2P_OID,
  makeCertificate,
  newTlsKey,
  octets,
  sequence,
  time
} from './testing/certificates.ts'
import { verifyPeerCertificate } from './tls-certificate.ts'

const HOUR_MS = 3_600_000
const FUZZ_RUNS = Number(process.env.XTP_FUZZ_FRAMES ?? 25_000) / 10

async function refused(
  certificate: Bytes,
  reason: PeerCertificateReason,
  pattern = /./
): Promise<void> {
  await assert.rejects(verifyPeerCertificate(certificate), (error: unknown) => {
    assert.ok(error instanceof PeerCertificateError, String((error as Error).stack))
    assert.equal(`${error.reason} ${error.code}`, `${reason} ERR_XTP_PEER_CERTIFICATE`)
    assert.match(error.message, pattern)
    return true
  })
}

function peerOf(hostKey: PrivateKey): string {
  if (hostKey.type !== 'ECDSA') {
    return String(peerIdFromPrivateKey(hostKey))
  }
  const digest = createHash('sha256').update(publicKeyToProtobuf(hostKey.publicKey)).digest()
  return String(
    peerIdFromString(`${base58.baseEncode(Buffer.concat([Buffer.of(0x12, 32), digest]))}`)
  )
}

/** @libp2p/tls has the same opinion. */
async function agreed(certificate: Bytes): Promise<void> {
  assert.equal(
    String(await verifyOfLibp2p(certificate)),
    String(await verifyPeerCertificate(certificate))
  )
}

describe('certificates of peers', () => {
  const hosts = {
    Ed25519: () => generateKeyPair('Ed25519'),
    secp256k1: () => generateKeyPair('secp256k1'),
    ECDSA: () => generateKeyPair('ECDSA'),
    RSA: () => generateKeyPair('RSA', 2048)
  }
  for (const [type, generate] of Object.entries(hosts)) {
    it(`knows a peer with an ${type} host key, from our generator and from libp2p's`, async () => {
      const hostKey = await generate()
      const peer = peerOf(hostKey)
      const own = await makeCertificate({ hostKey })
      assert.equal(String(await verifyPeerCertificate(own)), peer)
      const { cert } = await generateCertificate(hostKey)
      const theirs = new X509Certificate(cert).raw
      assert.equal(String(await verifyPeerCertificate(theirs)), peer)
      if (type !== 'ECDSA') {
        // whose peer ids js-libp2p does not know
        await agreed(own)
        await agreed(theirs)
      }
    })
  }

  for (const curve of ['P-256', 'P-384', 'P-521']) {
    it(`knows a peer with an ECDSA host key on ${curve} in the form of the specification`, async () => {
      const host = ecdsaHost(curve)
      const digest = createHash('sha256').update(host.protobuf).digest()
      const id = base58.baseEncode(Buffer.concat([Buffer.of(0x12, 32), digest]))
      assert.equal(String(await verifyPeerCertificate(await makeCertificate({ host }))), id)
      const { sign } = ecdsaHost(curve)
      await refused(await makeCertificate({ host: { ...host, sign } }), 'bad-host-signature')
      const { protobuf } = host
      for (const wrong of [protobuf.subarray(0, -1), Buffer.concat([protobuf, hex('00')])]) {
        await refused(await makeCertificate({ host: { ...host, protobuf: wrong } }), 'bad-host-key')
      }
    })
  }

  it('refuses an ECDSA host key whose length is not in its shortest form', async () => {
    const { protobuf, sign } = ecdsaHost()
    const spki = protobuf.subarray(4)
    const long = Buffer.concat([hex('080312'), Buffer.of(0x80 | spki.byteLength, 0), spki])
    await refused(await makeCertificate({ host: { protobuf: long, sign } }), 'bad-host-key')
  })

  const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
  const RSA_SHA512 = hex('300d 0609 2a864886f70d01010d 0500')
  const kinds: Record<string, () => CertificateInit> = {
    'P-384 with SHA-384': () => ({
      tlsKey: newTlsKey('P-384'),
      algorithm: hex('300a 0608 2a8648ce3d040303'),
      hash: 'sha384'
    }),
    'P-521 with SHA-512': () => ({
      tlsKey: newTlsKey('P-521'),
      algorithm: hex('300a 0608 2a8648ce3d040304'),
      hash: 'sha512'
    }),
    'RSA with SHA-512': () => ({ tlsKey: rsa(2048), algorithm: RSA_SHA512, hash: 'sha512' }),
    Ed25519: () => ({
      tlsKey: generateKeyPairSync('ed25519').privateKey,
      algorithm: hex('3005 0603 2b6570'),
      hash: null
    })
  }
  for (const [name, init] of Object.entries(kinds)) {
    it(`takes a certificate key of ${name}`, async () => {
      const certificate = await makeCertificate(init())
      await verifyPeerCertificate(certificate)
      await refused(await makeCertificate({ ...init(), signature: flipped }), 'not-self-signed')
    })
  }

  it('takes what the specification leaves open', async () => {
    const other = extension(hex('0603 550e0f'), octets(hex('00')))
    await agreed(await makeCertificate({ critical: true }))
    await agreed(await makeCertificate({ after: [other] }))
    // the library of libp2p finds the extension in the first place only
    await verifyPeerCertificate(await makeCertificate({ before: [other] }))
    await verifyPeerCertificate(await makeCertificate({ critical: false }))
    await agreed(await makeCertificate({ notAfter: time(Date.UTC(4096, 0)) }))
    await agreed(await makeCertificate({ notBefore: time(Date.UTC(1975, 0)) }))
  })

  for (const file of ['certificates.json', 'certificates-libp2p.json']) {
    describe(`of spec/vectors/${file}`, () => {
      const url = new URL(`../../../spec/vectors/${file}`, import.meta.url)
      const { vectors } = JSON.parse(fs.readFileSync(url, 'utf8')) as {
        vectors: CertificateVector[]
      }
      for (const { name, certificate, peer, reason } of vectors) {
        it(name, async () => {
          if (reason === undefined) {
            assert.equal(String(await verifyPeerCertificate(hex(certificate))), peer)
          } else {
            await refused(hex(certificate), reason)
          }
        })
      }
    })
  }

  it('takes the time that it is given', async () => {
    const certificate = await makeCertificate()
    await assert.rejects(verifyPeerCertificate(certificate, Date.now() + 2 * HOUR_MS), {
      reason: 'expired'
    })
    await assert.rejects(verifyPeerCertificate(certificate, Date.now() - 2 * HOUR_MS), {
      reason: 'not-yet-valid'
    })
  })

  describe('refuses, and says why', () => {
    const cases: Record<
      string,
      [CertificateInit, PeerCertificateReason] | [CertificateInit, PeerCertificateReason, RegExp]
    > = {
      'a signature by another key': [{ signer: newTlsKey() }, 'not-self-signed'],
      'a signature that was changed': [{ signature: flipped }, 'not-self-signed'],
      'a signature of another shape': [{ signature: () => hex('0011') }, 'malformed'],
      'a signature with a needless zero': [
        { signature: () => sequence(hex('02020001'), hex('020101')) },
        'malformed'
      ],
      'another issuer': [{ issuer: sequence() }, 'not-self-signed', /issuer/],
      'one that has expired': [
        { notAfter: time(Date.now() - HOUR_MS / 2) },
        'expired',
        /valid until \d{4}-.*clocks/
      ],
      'one that is not valid yet': [{ notBefore: time(Date.now() + HOUR_MS / 2) }, 'not-yet-valid'],
      'a time without seconds': [{ notAfter: der(0x17, Buffer.from('9912312359Z')) }, 'malformed'],
      'the 30th of February': [{ notAfter: der(0x17, Buffer.from('300230000000Z')) }, 'malformed'],
      'no extension at all': [{ libp2p: null }, 'no-libp2p-extension'],
      'another extension only': [
        { libp2p: extension(hex('0603 550e0f'), hex('00')) },
        'no-libp2p-extension'
      ],
      'the extension twice': [{ after: [extension(LIBP2P_OID, hex('3000'))] }, 'malformed'],
      'an unknown critical extension': [
        { after: [extension(hex('0603 550e0f'), hex('00'), true)] },
        'critical-extension',
        /550e0f/
      ],
      'an empty libp2p extension': [{ libp2p: extension(LIBP2P_OID, hex('')) }, 'bad-host-key'],
      'a host key of unknown type': [
        { libp2p: extension(LIBP2P_OID, sequence(octets(hex('0809120100')), octets(hex('00')))) },
        'bad-host-key'
      ],
      'a host key that is too short': [
        { libp2p: extension(LIBP2P_OID, sequence(octets(hex('0801120100')), octets(hex('00')))) },
        'bad-host-key'
      ],
      'something behind the host signature': [
        {
          libp2p: extension(LIBP2P_OID, sequence(octets(hex('00')), octets(hex('00')), hex('0500')))
        },
        'bad-host-key'
      ],
      'a host signature that was changed': [{ hostSignature: flipped }, 'bad-host-signature'],
      'a host signature that is cut off': [
        { hostSignature: s => s.subarray(1) },
        'bad-host-signature'
      ],
      'an RSA key of 1024 bits': [
        { tlsKey: rsa(1024), algorithm: RSA_SHA512, hash: 'sha512' },
        'unsupported-key',
        /1024 bits/
      ],
      'a signature with SHA-1': [
        { algorithm: hex('3009 0607 2a8648ce3d0401'), hash: 'sha1' },
        'unsupported-key'
      ],
      'a signature of another kind than the key': [{ algorithm: RSA_SHA512 }, 'unsupported-key'],
      'two algorithms for one signature': [{ innerAlgorithm: RSA_SHA512 }, 'malformed', /two/],
      'a key on a curve that libp2p does not name': [
        { tlsKey: newTlsKey('secp256k1') },
        'unsupported-key'
      ],
      'version 1': [{ version: hex('a003 020100') }, 'malformed', /version 3/],
      'something behind the extensions': [{ tail: [hex('0500')] }, 'malformed', /behind the end/]
    }
    for (const [name, [init, reason, pattern]] of Object.entries(cases)) {
      it(name, async () => refused(await makeCertificate(init), reason, pattern))
    }

    it('none, two, and one that is too large', async () => {
      await refused(new Uint8Array(0), 'missing')
      const one = await makeCertificate()
      await refused(Buffer.concat([one, one]), 'malformed', /behind the end/)
      const padding = extension(hex('0603 550e0f'), new Uint8Array(16_384))
      await refused(await makeCertificate({ after: [padding] }), 'too-large', /16,?384/)
    })

    it('what is no DER, or not the shortest', async () => {
      const one = await makeCertificate()
      await refused(one.subarray(0, -1), 'malformed')
      await refused(Buffer.concat([one, hex('00')]), 'malformed')
      await refused(hex('3080 0000'), 'malformed', /form 128/)
      await refused(hex('3084 00000001 00'), 'malformed')
      await refused(hex('308101 00'), 'malformed', /shortest/)
      await refused(hex('30820080'), 'malformed', /shortest/)
      await refused(hex('30'), 'malformed')
      const inner = one.subarray(4)
      const long = Buffer.concat([hex('3083 00'), one.subarray(2, 4), inner])
      await refused(long, 'malformed', /shortest/)
    })
  })

  it('takes or refuses random bytes in the certificate, and never breaks', async () => {
    const hostKey = await generateKeyPair('Ed25519')
    const peer = String(peerIdFromPrivateKey(hostKey))
    const right = await makeCertificate({ hostKey })
    const verdict = async (certificate: Bytes) => {
      try {
        return String(await verifyPeerCertificate(certificate))
      } catch (error) {
        assert.ok(error instanceof PeerCertificateError, String((error as Error).stack))
        assert.ok(error.reason !== undefined)
        return 'refused'
      }
    }
    const change = fc.tuple(fc.nat(right.byteLength - 1), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async changes => {
        const bytes = Uint8Array.from(right)
        for (const [at, bits] of changes) {
          bytes[at] = (bytes[at] as number) ^ bits
        }
        // every byte is covered by one of the signatures, or is part of one
        const unchanged = Buffer.compare(bytes, right) === 0
        assert.equal(await verdict(bytes), unchanged ? peer : 'refused')
      }),
      { numRuns: Math.ceil(FUZZ_RUNS) }
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => {
        const certificate = await makeCertificate({ hostKey, libp2p: extension(LIBP2P_OID, bytes) })
        assert.equal(await verdict(certificate), 'refused')
        assert.equal(await verdict(bytes), 'refused')
        await verdict(sequence(sequence(bytes), ECDSA_SHA256, der(3, bytes)))
      }),
      { numRuns: Math.ceil(FUZZ_RUNS / 10) }
    )
  })
})
