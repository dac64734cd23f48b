// Certificates for tests: right ones, and wrong in every way that a peer could think of.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'

export type Bytes = Uint8Array

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** One DER element. */
export function der(tag: number, ...content: Bytes[]): Buffer {
  const body = Buffer.concat(content)
  const size = body.byteLength
  const length =
    size < 0x80
      ? [size]
      : size < 0x100
        ? [0x81, size]
        : size < 0x10000
          ? [0x82, size >> 8, size & 255]
          : [0x83, size >> 16, (size >> 8) & 255, size & 255]
  return Buffer.concat([Buffer.of(tag, ...length), body])
}

export const sequence = (...content: Bytes[]): Buffer => der(0x30, ...content)
export const octets = (content: Bytes): Buffer => der(0x04, content)

export const LIBP2P_OID = hex('060a 2b0601040183a25a0101')
export const ECDSA_SHA256 = hex('300a 0608 2a8648ce3d040302')
const NAME = sequence(der(0x31, sequence(hex('0603550405'), der(0x13, Buffer.from('1')))))

export function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')}`
  const isUtc = new Date(ms).getUTCFullYear() < 2050
  return der(isUtc ? 0x17 : 0x18, Buffer.from(isUtc ? text.slice(2) : text))
}

export function extension(oid: Bytes, value: Bytes, critical?: boolean): Buffer {
  const flag = critical === undefined ? [] : [der(0x01, Buffer.of(critical ? 0xff : 0))]
  return sequence(oid, ...flag, octets(value))
}

/** What proves who the host is. */
export interface Host {
  /** `PublicKey` of the peer id specification. */
  protobuf: Bytes
  sign(data: Bytes): Bytes | Promise<Bytes>
}

/** With an ECDSA key as the specification has it; js-libp2p has another form of its own. */
export function ecdsaHost(namedCurve = 'P-256'): Host {
  const key = newTlsKey(namedCurve)
  const spki = spkiOf(key)
  const size = spki.byteLength
  const length = size < 0x80 ? [size] : [0x80 | (size & 0x7f), size >> 7]
  return {
    protobuf: Buffer.concat([Buffer.of(0x08, 3, 0x12, ...length), spki]),
    sign: data => sign('sha256', data, key)
  }
}

export interface CertificateInit {
  /** Instead of `hostKey`. */
  host?: Host
  /** Of the host. Default: a new Ed25519 key. */
  hostKey?: PrivateKey
  /** Of the certificate. Default: a new P-256 key. */
  tlsKey?: KeyObject
  /** AlgorithmIdentifier of the signature, and the hash. Default: ECDSA with SHA-256. */
  algorithm?: Bytes
  hash?: string | null
  notBefore?: Bytes
  notAfter?: Bytes
  version?: Bytes
  issuer?: Bytes
  /** In front of, and behind, the libp2p extension. */
  before?: Bytes[]
  after?: Bytes[]
  /** Instead of the libp2p extension; null: none. */
  libp2p?: Bytes | null
  critical?: boolean
  /** Changes the signature of the host, that of the certificate, or what is signed. */
  hostSignature?(signature: Bytes): Bytes
  signature?(signature: Bytes): Bytes
  /** Signs the certificate instead of its own key. */
  signer?: KeyObject
  innerAlgorithm?: Bytes
  /** Behind everything else in what is signed. */
  tail?: Bytes[]
}

export const newTlsKey = (namedCurve = 'P-256'): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey

export function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

export const flipped = (bytes: Bytes): Bytes => {
  const copy = Uint8Array.from(bytes)
  copy[copy.byteLength - 1] = (copy[copy.byteLength - 1] as number) ^ 1
  return copy
}

export async function makeCertificate(init: CertificateInit = {}): Promise<Buffer> {
  const {
    hostKey = await generateKeyPair('Ed25519'),
    tlsKey = newTlsKey(),
    algorithm = ECDSA_SHA256,
    hash = 'sha256',
    hostSignature = (s: Bytes) => s,
    signature = (s: Bytes) => s
  } = init
  const spki = spkiOf(tlsKey)
  const host = init.host ?? {
    protobuf: publicKeyToProtobuf(hostKey.publicKey),
    sign: (data: Bytes) => hostKey.sign(data)
  }
  const signed = await host.sign(Buffer.concat([Buffer.from('libp2p-tls-handshake:'), spki]))
  const value = sequence(octets(host.protobuf), octets(hostSignature(signed)))
  const own = init.libp2p === undefined ? extension(LIBP2P_OID, value, init.critical) : init.libp2p
  const extensions = [...(init.before ?? []), ...(own === null ? [] : [own]), ...(init.after ?? [])]
  const now = Date.now()
  const tbs = sequence(
    init.version ?? hex('a003 020102'),
    hex('0201 05'),
    init.innerAlgorithm ?? algorithm,
    init.issuer ?? NAME,
    sequence(init.notBefore ?? time(now - 3_600_000), init.notAfter ?? time(now + 3_600_000)),
    NAME,
    spki,
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
    ...(init.tail ?? [])
  )
  const bits = sign(hash, tbs, init.signer ?? tlsKey)
  return sequence(tbs, algorithm, der(0x03, Buffer.of(0), signature(bits)))
}
