// ChaCha20-Poly1305 by Node's OpenSSL, for the noise of libp2p.
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  getCiphers,
  type KeyObject
} from 'node:crypto'
import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { Uint8ArrayList } from 'uint8arraylist'
import { TAG_BYTES } from './message-reader.ts'

const CIPHER = 'chacha20-poly1305'
/** Those that are shorter are faster in WebAssembly. */
const MIN_BYTES = 1_200
const OPTIONS = { authTagLength: TAG_BYTES }

/** A key that is given as bytes is made anew for each message, in a way that throws and catches an error. */
const keys = new WeakMap<Uint8Array, KeyObject>()

function keyOf(bytes: Uint8Array): KeyObject {
  const known = keys.get(bytes)
  if (known !== undefined) {
    return known
  }
  const key = createSecretKey(bytes)
  keys.set(bytes, key)
  return key
}

/** Of the version of uint8arraylist that libp2p's noise has; they know each other's lists. */
type Bytes = ReturnType<ICryptoInterface['chaCha20Poly1305Encrypt']>

function encrypt(plaintext: Bytes, nonce: Uint8Array, ad: Uint8Array, key: Uint8Array): Bytes {
  if (plaintext.byteLength < MIN_BYTES) {
    return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key)
  }
  const cipher = createCipheriv(CIPHER, keyOf(key), nonce, OPTIONS)
  cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
  const output = new Uint8ArrayList()
  for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) {
    output.append(cipher.update(part))
  }
  cipher.final()
  output.append(cipher.getAuthTag())
  return output as unknown as Bytes
}

function decrypt(ciphertext: Bytes, nonce: Uint8Array, ad: Uint8Array, key: Uint8Array): Bytes {
  if (ciphertext.byteLength < MIN_BYTES) {
    return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key)
  }
  const bytes = ciphertext.subarray()
  const end = bytes.byteLength - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, keyOf(key), nonce, OPTIONS)
  decipher.setAAD(ad, { plaintextLength: end })
  decipher.setAuthTag(bytes.subarray(end))
  const plaintext = decipher.update(bytes.subarray(0, end))
  // throws where the tag is not that of the message
  decipher.final()
  return plaintext
}

/** libp2p's own where Node has no ChaCha20-Poly1305, as Electron's has not. */
export const noiseCrypto: ICryptoInterface = getCiphers().includes(CIPHER)
  ? { ...defaultCrypto, chaCha20Poly1305Encrypt: encrypt, chaCha20Poly1305Decrypt: decrypt }
  : defaultCrypto
