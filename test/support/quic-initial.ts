// Initial packets of QUIC v1 as anybody can make them: RFC 9001, section 5.2.
import { createCipheriv, createHmac } from 'node:crypto'

const SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const DATAGRAM_BYTES = 1200
const TAG_BYTES = 16
const PACKET_NUMBER_BYTES = 4

const hmac = (key: Uint8Array, ...data: Uint8Array[]) =>
  data.reduce((hash, part) => hash.update(part), createHmac('sha256', key)).digest()

/** HKDF-Expand-Label of TLS 1.3, for at most one block. */
function expand(secret: Uint8Array, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = [Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]
  return hmac(secret, ...info).subarray(0, length)
}

/** The beginning of a ClientHello whose end never comes: whoever answers it has to remember it. */
function clientHello(random: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([1, 0, 1, 0x40, 3, 3]), random])
}

/**
 * A client's first datagram, with valid protection.
 *
 * @param destination - 8 to 20 bytes that the client chooses; `source` 0 to 20
 * @param random - 32 bytes of its ClientHello
 */
export function initialPacket(
  destination: Uint8Array,
  source: Uint8Array,
  random: Uint8Array
): Buffer {
  const secret = expand(hmac(SALT, destination), 'client in', 32)
  const hello = clientHello(random)
  const header = Buffer.concat([
    Buffer.from([0xc0 | (PACKET_NUMBER_BYTES - 1), 0, 0, 0, 1, destination.length]),
    destination,
    Buffer.from([source.length]),
    source,
    // no token; the length, in two bytes; the packet number
    Buffer.from([0, 0, 0]),
    Buffer.alloc(PACKET_NUMBER_BYTES)
  ])
  header.writeUInt16BE(
    0x4000 | (DATAGRAM_BYTES - header.length + PACKET_NUMBER_BYTES),
    header.length - PACKET_NUMBER_BYTES - 2
  )
  // CRYPTO at offset 0, then PADDING
  const payload = Buffer.alloc(DATAGRAM_BYTES - header.length - TAG_BYTES)
  Buffer.concat([Buffer.from([6, 0, hello.length]), hello]).copy(payload)
  // packet number 0: the nonce is the IV itself
  const cipher = createCipheriv(
    'aes-128-gcm',
    expand(secret, 'quic key', 16),
    expand(secret, 'quic iv', 12)
  )
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  const mask = createCipheriv('aes-128-ecb', expand(secret, 'quic hp', 16), null).update(
    sealed.subarray(0, 16)
  )
  header[0] = (header[0] as number) ^ ((mask[0] as number) & 0x0f)
  for (let i = 0; i < PACKET_NUMBER_BYTES; i++) {
    const at = header.length - PACKET_NUMBER_BYTES + i
    header[at] = (header[at] as number) ^ (mask[1 + i] as number)
  }
  return Buffer.concat([header, sealed])
}
