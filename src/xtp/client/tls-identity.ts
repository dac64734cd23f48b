// Lends the identity of the host to the TLS key of a service: the one thing that the host key signs for a
// child. It is no signing oracle: what is signed is built here, from a key that was checked byte by byte.
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { InvalidArgumentError, type Sign, type Signed } from '../ctl/index.ts'

/** In front of what is signed (libp2p TLS specification). */
export const HANDSHAKE_PREFIX = new TextEncoder().encode('libp2p-tls-handshake:')

const PURPOSE_TLS_CERTIFICATE = 1

/** SubjectPublicKeyInfo of an uncompressed point of P-256 (RFC 5480), up to the point's coordinates. */
const P256_PREFIX = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08],
  ...[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04]
)
const COORDINATE_BYTES = 32
const SPKI_BYTES = P256_PREFIX.byteLength + 2 * COORDINATE_BYTES

// y² = x³ − 3x + b over the field of p (SEC 2)
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

function coordinate(bytes: Uint8Array, at: number): bigint {
  let value = 0n
  for (const byte of bytes.subarray(at, at + COORDINATE_BYTES)) {
    value = (value << 8n) | BigInt(byte)
  }
  return value
}

function isP256Key(spki: Uint8Array): boolean {
  if (spki.byteLength !== SPKI_BYTES || P256_PREFIX.some((byte, i) => spki[i] !== byte)) {
    return false
  }
  const x = coordinate(spki, P256_PREFIX.byteLength)
  const y = coordinate(spki, P256_PREFIX.byteLength + COORDINATE_BYTES)
  return x < P && y < P && (y * y - (x * x * x - 3n * x + B)) % P === 0n
}

export class TlsIdentity {
  readonly #privateKey: PrivateKey

  constructor(privateKey: PrivateKey) {
    this.#privateKey = privateKey
  }

  /**
   * Signs the TLS key of a service.
   *
   * @throws InvalidArgumentError for any other purpose, and for what is not exactly a P-256 key
   */
  async sign({ purpose, spki }: Sign): Promise<Signed> {
    if (purpose !== PURPOSE_TLS_CERTIFICATE) {
      throw new InvalidArgumentError(`nothing is signed for purpose ${purpose}`)
    }
    if (!isP256Key(spki)) {
      throw new InvalidArgumentError('only a P-256 key in its 91-byte form is signed')
    }
    const signed = new Uint8Array(HANDSHAKE_PREFIX.byteLength + spki.byteLength)
    signed.set(HANDSHAKE_PREFIX)
    signed.set(spki, HANDSHAKE_PREFIX.byteLength)
    return {
      publicKey: publicKeyToProtobuf(this.#privateKey.publicKey),
      signature: await this.#privateKey.sign(signed)
    }
  }
}
