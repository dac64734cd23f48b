// Writes spec/vectors/certificates.json:
//   node -C xtp:source test/conformance/generate-certificates.ts
// Apart from the other vectors, because keys and signatures are new each time. What others have published is in
// certificates-libp2p.json, which nothing writes.
import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { base58btc } from 'multiformats/bases/base58'
import type { PeerCertificateReason } from 'xtp/ctl'
import {
  type CertificateInit,
  ecdsaHost,
  extension,
  flipped,
  type Host,
  hex,
  LIBP2P_OID,
  makeCertificate,
  newTlsKey,
  octets,
  sequence,
  time
} from '../../src/xtp/client/testing/certificates.ts'
import { toHex } from './vector-json.ts'
import { VECTORS } from './vectors.ts'

/** Of certificates.json and certificates-libp2p.json. */
export interface CertificateVector {
  name: string
  /** DER. */
  certificate: string
  /** Peer id of one that is to be taken. */
  peer?: string
  /** Why it is to be refused otherwise. */
  reason?: PeerCertificateReason
}

const ALWAYS = { notBefore: time(Date.UTC(1975, 0)), notAfter: time(Date.UTC(4096, 0)) }
const SHA1 = { algorithm: hex('3009 0607 2a8648ce3d0401'), hash: 'sha1' }
const OTHER_EXTENSION = hex('0603 550e0f')

async function hostOf(type: 'Ed25519' | 'secp256k1' | 'RSA'): Promise<Host> {
  const key = await generateKeyPair(type as 'Ed25519')
  return { protobuf: publicKeyToProtobuf(key.publicKey), sign: data => key.sign(data) }
}

const HOSTS: Record<string, () => Host | Promise<Host>> = {
  Ed25519: () => hostOf('Ed25519'),
  secp256k1: () => hostOf('secp256k1'),
  ECDSA: () => ecdsaHost(),
  'ECDSA on P-521': () => ecdsaHost('P-521'),
  RSA: () => hostOf('RSA')
}

/** By the peer id specification: short keys are their own id, others are hashed. */
function peerIdOf({ protobuf }: Host): string {
  const size = protobuf.byteLength
  const digest = createHash('sha256').update(protobuf).digest()
  return base58btc.baseEncode(
    size <= 42
      ? Buffer.concat([Buffer.of(0, size), protobuf])
      : Buffer.concat([Buffer.of(0x12, 32), digest])
  )
}

const VALID: Record<string, () => CertificateInit> = {
  'certificate key on P-384': () => ({
    tlsKey: newTlsKey('P-384'),
    algorithm: hex('300a 0608 2a8648ce3d040303'),
    hash: 'sha384'
  }),
  'Ed25519 certificate key': () => ({
    tlsKey: generateKeyPairSync('ed25519').privateKey,
    algorithm: hex('3005 0603 2b6570'),
    hash: null
  }),
  'libp2p extension is critical': () => ({ critical: true }),
  'unknown extension in front, not critical': () => ({
    before: [extension(OTHER_EXTENSION, octets(hex('00')))]
  })
}

const INVALID: Record<string, [PeerCertificateReason, CertificateInit]> = {
  'host signature is another': ['bad-host-signature', { hostSignature: flipped }],
  'certificate signature is another': ['not-self-signed', { signature: flipped }],
  'signed by another key': ['not-self-signed', { signer: newTlsKey() }],
  'expired in 2000': ['expired', { notAfter: time(Date.UTC(2000, 0)) }],
  'not valid before 4000': ['not-yet-valid', { notBefore: time(Date.UTC(4000, 0)) }],
  'no extension': ['no-libp2p-extension', { libp2p: null }],
  'unknown critical extension': [
    'critical-extension',
    { after: [extension(OTHER_EXTENSION, hex('00'), true)] }
  ],
  'libp2p extension twice': ['malformed', { after: [extension(LIBP2P_OID, hex('3000'))] }],
  'host key of unknown type': [
    'bad-host-key',
    { libp2p: extension(LIBP2P_OID, sequence(octets(hex('0809120100')), octets(hex('00')))) }
  ],
  'host signature of ECDSA is another': [
    'bad-host-signature',
    { host: { ...ecdsaHost(), sign: ecdsaHost().sign } }
  ],
  'host key of ECDSA on secp256k1': ['bad-host-key', { host: ecdsaHost('secp256k1') }],
  'signature with SHA-1': ['unsupported-key', SHA1],
  'certificate key on secp256k1': ['unsupported-key', { tlsKey: newTlsKey('secp256k1') }],
  'bytes behind the extensions': ['malformed', { tail: [hex('0500')] }]
}

async function certificateVectors(): Promise<CertificateVector[]> {
  const vectors: CertificateVector[] = []
  const valid = async (name: string, host: Host, init: CertificateInit = {}) => {
    const der = await makeCertificate({ ...ALWAYS, host, ...init })
    vectors.push({ name, certificate: toHex(der), peer: peerIdOf(host) })
  }
  for (const [type, generate] of Object.entries(HOSTS)) {
    await valid(`host key ${type}`, await generate())
  }
  for (const [name, init] of Object.entries(VALID)) {
    await valid(name, await hostOf('Ed25519'), init())
  }
  for (const [name, [reason, init]] of Object.entries(INVALID)) {
    const der = await makeCertificate({ ...ALWAYS, ...init })
    vectors.push({ name, certificate: toHex(der), reason })
  }
  return vectors
}

if (process.argv[1] === import.meta.filename) {
  const file = fileURLToPath(new URL('certificates.json', VECTORS))
  const content = { about: 'certificates of peers', vectors: await certificateVectors() }
  fs.writeFileSync(file, JSON.stringify(content))
  const biome = new URL('../../node_modules/.bin/biome', import.meta.url)
  execFileSync(fileURLToPath(biome), ['format', '--write', file])
}
