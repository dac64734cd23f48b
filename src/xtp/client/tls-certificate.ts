// Who a peer is, from the certificate that it has shown in TLS: the libp2p TLS specification
// (https://github.com/libp2p/specs/blob/master/tls/tls.md). The service has checked that the peer has the
// private key of the certificate; everything else is checked here, since a service is not trusted.
//
// @libp2p/tls has a function for this. It finds the extension in the first place only, lets unknown critical
// extensions, trailing bytes and BER pass, throws TypeErrors for what is malformed, and loads an ASN.1
// library of 20 MB that changes globals. A test compares the two.
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromMultihash, peerIdFromPublicKey } from '@libp2p/peer-id'
import {
  MAX_CERTIFICATE_BYTES,
  PeerCertificateError,
  type PeerCertificateReason
} from '../ctl/index.ts'
import { bitStringBytes, DER, DerError, DerReader, positiveInteger, timeMs } from './der.ts'
import { HANDSHAKE_PREFIX } from './tls-identity.ts'

/** 1.3.6.1.4.1.53594.1.1, content of the OBJECT IDENTIFIER. */
const LIBP2P_EXTENSION = '2b0601040183a25a0101'

/** How a `PublicKey` in protobuf begins whose type is ECDSA, up to the length of its data. */
const ECDSA_HOST_KEY = Uint8Array.of(0x08, 0x03, 0x12)

const VERSION_3 = '020102'
const [CONTEXT_0, ISSUER_ID, SUBJECT_ID, CONTEXT_3] = [0xa0, 0x81, 0x82, 0xa3] as const
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

/** Keys of certificates by their AlgorithmIdentifier in DER: named curves only, as libp2p wants it. */
const KEYS: Record<string, { name: string; namedCurve?: string; bytes?: number }> = {
  '301306072a8648ce3d020106082a8648ce3d030107': {
    name: 'ECDSA',
    namedCurve: 'P-256',
    bytes: 32
  },
  '301006072a8648ce3d020106052b81040022': { name: 'ECDSA', namedCurve: 'P-384', bytes: 48 },
  '301006072a8648ce3d020106052b81040023': { name: 'ECDSA', namedCurve: 'P-521', bytes: 66 },
  '300d06092a864886f70d0101010500': { name: 'RSASSA-PKCS1-v1_5' },
  '300506032b6570': { name: 'Ed25519' }
}

/** Signatures of certificates, in the same way; MD5 and SHA-1 are not among them. */
const SIGNATURES: Record<string, { name: string; hash: string }> = {
  '300a06082a8648ce3d040302': { name: 'ECDSA', hash: 'SHA-256' },
  '300a06082a8648ce3d040303': { name: 'ECDSA', hash: 'SHA-384' },
  '300a06082a8648ce3d040304': { name: 'ECDSA', hash: 'SHA-512' },
  '300d06092a864886f70d01010b0500': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  '300d06092a864886f70d01010c0500': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  '300d06092a864886f70d01010d0500': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  '300506032b6570': { name: 'Ed25519', hash: '' }
}

interface Certificate {
  /** What is signed. */
  signed: Uint8Array
  signatureAlgorithm: string
  signature: Uint8Array
  notBefore: number
  notAfter: number
  /** SubjectPublicKeyInfo. */
  spki: Uint8Array
  keyAlgorithm: string
  /** Value of the libp2p extension. */
  extension: Uint8Array
}

/**
 * Verifies the certificate of a peer and gives the peer's id.
 *
 * @param der - exactly one certificate
 * @param now - milliseconds since 1970, for its period. Default: the system's time
 * @throws PeerCertificateError with `reason`
 */
export async function verifyPeerCertificate(
  der: Uint8Array,
  now: number = Date.now()
): Promise<PeerId> {
  if (der.byteLength === 0) {
    refuse('missing', 'the peer has shown no certificate')
  }
  if (der.byteLength > MAX_CERTIFICATE_BYTES) {
    refuse('too-large', `it has ${der.byteLength} bytes, ${MAX_CERTIFICATE_BYTES} are allowed`)
  }
  const certificate = parse(der)
  if (now < certificate.notBefore) {
    refuse('not-yet-valid', `it is valid from ${date(certificate.notBefore)}: check both clocks`)
  }
  if (now > certificate.notAfter) {
    refuse('expired', `it was valid until ${date(certificate.notAfter)}: check both clocks`)
  }
  await checkSelfSignature(certificate)
  return hostOf(certificate)
}

function refuse(reason: PeerCertificateReason, why: string, cause?: unknown): never {
  throw new PeerCertificateError(`the certificate of the peer was refused: ${why}`, {
    reason,
    ...(cause !== undefined && { cause })
  })
}

const date = (ms: number): string => new Date(ms).toISOString()

function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    text += byte.toString(16).padStart(2, '0')
  }
  return text
}

// ---- structure: RFC 5280, section 4.1 ----

function parse(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (error instanceof DerError) {
      refuse('malformed', error.message, error)
    }
    throw error
  }
}

function parseCertificate(der: Uint8Array): Certificate {
  const file = new DerReader(der)
  const outer = file.enter(DER.SEQUENCE)
  // a second certificate is something behind the first
  file.end()
  const signed = outer.read(DER.SEQUENCE)
  const signatureAlgorithm = hex(outer.read(DER.SEQUENCE).whole)
  const signature = bitStringBytes(outer.read(DER.BIT_STRING))
  outer.end()

  const fields = new DerReader(signed.content)
  if (hex(fields.read(CONTEXT_0).content) !== VERSION_3) {
    throw new DerError('it is not of version 3')
  }
  fields.read(DER.INTEGER)
  if (hex(fields.read(DER.SEQUENCE).whole) !== signatureAlgorithm) {
    throw new DerError('it names two algorithms for one signature')
  }
  const issuer = hex(fields.read(DER.SEQUENCE).whole)
  const validity = fields.enter(DER.SEQUENCE)
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)]
  validity.end()
  const subject = hex(fields.read(DER.SEQUENCE).whole)
  const key = fields.read(DER.SEQUENCE)
  for (const tag of [ISSUER_ID, SUBJECT_ID]) {
    if (fields.nextTag === tag) {
      fields.read(tag)
    }
  }
  if (issuer !== subject) {
    refuse('not-self-signed', 'its issuer is not its subject')
  }
  const extension = libp2pExtension(fields)
  fields.end()
  return {
    signed: signed.whole,
    signatureAlgorithm,
    signature,
    notBefore,
    notAfter,
    spki: key.whole,
    keyAlgorithm: hex(new DerReader(key.content).read(DER.SEQUENCE).whole),
    extension
  }
}

function readTime(reader: DerReader): number {
  const isUtc = reader.nextTag === DER.UTC_TIME
  return timeMs(reader.read(isUtc ? DER.UTC_TIME : DER.GENERALIZED_TIME))
}

function libp2pExtension(fields: DerReader): Uint8Array {
  if (fields.isAtEnd) {
    refuse('no-libp2p-extension', 'it has no extension, so says nothing about a libp2p peer')
  }
  const wrapper = fields.enter(CONTEXT_3)
  const extensions = wrapper.enter(DER.SEQUENCE)
  wrapper.end()
  const seen = new Map<string, Uint8Array>()
  while (!extensions.isAtEnd) {
    const extension = extensions.enter(DER.SEQUENCE)
    const oid = hex(extension.read(DER.OBJECT_IDENTIFIER).content)
    const isCritical =
      extension.nextTag === DER.BOOLEAN && hex(extension.read(DER.BOOLEAN).content) !== '00'
    const { content } = extension.read(DER.OCTET_STRING)
    extension.end()
    if (seen.has(oid)) {
      throw new DerError('it has an extension twice')
    }
    if (isCritical && oid !== LIBP2P_EXTENSION) {
      refuse('critical-extension', `it has a critical extension that libp2p does not know (${oid})`)
    }
    seen.set(oid, content)
  }
  return (
    seen.get(LIBP2P_EXTENSION) ??
    refuse('no-libp2p-extension', 'it has no libp2p extension, so says nothing about a libp2p peer')
  )
}

// ---- signatures ----

async function checkSelfSignature(certificate: Certificate): Promise<void> {
  const { signed, signatureAlgorithm, spki, keyAlgorithm } = certificate
  const key = KEYS[keyAlgorithm]
  const signature = SIGNATURES[signatureAlgorithm]
  if (key === undefined || signature === undefined || key.name !== signature.name) {
    refuse('unsupported-key', 'its key, or the algorithm of its signature, is not supported')
  }
  const { name, namedCurve, bytes } = key
  const { hash } = signature
  let isValid: boolean
  try {
    const imported = await crypto.subtle.importKey(
      'spki',
      spki as Uint8Array<ArrayBuffer>,
      { name, namedCurve, hash },
      false,
      ['verify']
    )
    const { modulusLength } = imported.algorithm as { modulusLength?: number }
    if (
      modulusLength !== undefined &&
      (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS)
    ) {
      refuse('unsupported-key', `its RSA key has ${modulusLength} bits`)
    }
    const raw =
      bytes === undefined ? certificate.signature : ecdsaSignature(certificate.signature, bytes)
    isValid = await crypto.subtle.verify(
      { name, hash },
      imported,
      raw as Uint8Array<ArrayBuffer>,
      signed as Uint8Array<ArrayBuffer>
    )
  } catch (error) {
    if (error instanceof PeerCertificateError) {
      throw error
    }
    refuse('malformed', 'its key or its signature cannot be read', error)
  }
  if (!isValid) {
    refuse('not-self-signed', 'its signature is not by its own key')
  }
}

/** ASN.1 `SEQUENCE { r, s }` as the two numbers of `bytes` bytes each that Web Cryptography takes. */
function ecdsaSignature(der: Uint8Array, bytes: number): Uint8Array {
  const file = new DerReader(der)
  const sequence = file.enter(DER.SEQUENCE)
  file.end()
  const raw = new Uint8Array(2 * bytes)
  for (const end of [bytes, 2 * bytes]) {
    const number = positiveInteger(sequence.read(DER.INTEGER))
    if (number.byteLength > bytes) {
      throw new DerError('a number of the signature is too large')
    }
    raw.set(number, end - number.byteLength)
  }
  sequence.end()
  return raw
}

// ---- the host ----

/** What the signature in the extension is checked with. */
interface HostKey {
  verify(signed: Uint8Array, signature: Uint8Array): Promise<boolean>
  peerId(): Promise<PeerId>
}

/** Whose signature in the extension covers the key of the certificate. */
async function hostOf({ extension, spki }: Certificate): Promise<PeerId> {
  let key: HostKey
  let signature: Uint8Array
  try {
    const value = new DerReader(extension)
    const sequence = value.enter(DER.SEQUENCE)
    value.end()
    const { content } = sequence.read(DER.OCTET_STRING)
    signature = sequence.read(DER.OCTET_STRING).content
    sequence.end()
    key = await readHostKey(content)
  } catch (error) {
    refuse('bad-host-key', 'the host key in its libp2p extension cannot be read', error)
  }
  const signed = new Uint8Array(HANDSHAKE_PREFIX.byteLength + spki.byteLength)
  signed.set(HANDSHAKE_PREFIX)
  signed.set(spki, HANDSHAKE_PREFIX.byteLength)
  let isValid = false
  let cause: unknown
  try {
    isValid = await key.verify(signed, signature)
  } catch (error) {
    cause = error
  }
  if (!isValid) {
    refuse('bad-host-signature', 'the host key has not signed the key of the certificate', cause)
  }
  return key.peerId()
}

/** @param protobuf - `PublicKey` of the peer id specification */
async function readHostKey(protobuf: Uint8Array): Promise<HostKey> {
  const spki = ecdsaHostKey(protobuf)
  if (spki !== undefined) {
    return readEcdsaKey(protobuf, spki)
  }
  const key = publicKeyFromProtobuf(protobuf)
  return {
    verify: async (signed, signature) => key.verify(signed, signature),
    peerId: async () =>
      key.type === 'ECDSA' ? hashedPeerId(publicKeyToProtobuf(key)) : peerIdFromPublicKey(key)
  }
}

/**
 * The SubjectPublicKeyInfo of an ECDSA host key. Undefined: it is of another type, or in js-libp2p's own form, which
 * no other implementation has.
 */
function ecdsaHostKey(protobuf: Uint8Array): Uint8Array | undefined {
  if (!ECDSA_HOST_KEY.every((byte, i) => byte === protobuf[i])) {
    return undefined
  }
  const [low = 0, high = 0] = protobuf.subarray(ECDSA_HOST_KEY.byteLength)
  const isLong = low >= 0x80
  const data = protobuf.subarray(ECDSA_HOST_KEY.byteLength + (isLong ? 2 : 1))
  const length = isLong ? (low & 0x7f) + 0x80 * high : low
  if (length !== data.byteLength || (isLong && high === 0)) {
    return undefined
  }
  return new DerReader(data).enter(DER.SEQUENCE).nextTag === DER.SEQUENCE ? data : undefined
}

async function readEcdsaKey(protobuf: Uint8Array, spki: Uint8Array): Promise<HostKey> {
  const file = new DerReader(spki)
  const algorithm = hex(file.enter(DER.SEQUENCE).read(DER.SEQUENCE).whole)
  file.end()
  const { name, namedCurve, bytes } = KEYS[algorithm] ?? {}
  if (name !== 'ECDSA' || bytes === undefined) {
    throw new DerError(`a host key of ECDSA on another curve (${algorithm})`)
  }
  const key = await crypto.subtle.importKey(
    'spki',
    spki as Uint8Array<ArrayBuffer>,
    { name, namedCurve },
    false,
    ['verify']
  )
  return {
    verify: (signed, signature) =>
      crypto.subtle.verify(
        { name, hash: 'SHA-256' },
        key,
        ecdsaSignature(signature, bytes) as Uint8Array<ArrayBuffer>,
        signed as Uint8Array<ArrayBuffer>
      ),
    peerId: () => hashedPeerId(protobuf)
  }
}

/** Of a key that is too long to be a peer id itself; js-libp2p has none of ECDSA keys. */
async function hashedPeerId(protobuf: Uint8Array): Promise<PeerId> {
  const bytes = protobuf as Uint8Array<ArrayBuffer>
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const [code, size] = [0x12, digest.byteLength] as const
  return peerIdFromMultihash({ code, size, digest, bytes: Uint8Array.of(code, size, ...digest) })
}
