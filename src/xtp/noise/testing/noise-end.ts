// One end of a noise connection under test, and what a remote would send it, encrypted by hand.
import { ScriptedConnection, turn } from '../../client/testing/scripted-connection.ts'
import { concat } from '../../ctl/testing/bytes.ts'
import { noiseCrypto } from '../aead.ts'
import { MessageBuffers } from '../message-buffers.ts'
import { MessageReader } from '../message-reader.ts'
import { type NoiseSession, NoiseStream } from '../stream.ts'

const NO_AD = new Uint8Array(0)

type Bytes = Parameters<typeof noiseCrypto.chaCha20Poly1305Encrypt>[0]

/** The cipher states of two ends, as a handshake would leave them. */
export function sessions(): [NoiseSession, NoiseSession] {
  const end = (send: number, receive: number): NoiseSession => {
    const state = (fill: number) => {
      const [key, nonce] = [new Uint8Array(32).fill(fill), new Uint8Array(12)]
      const view = new DataView(nonce.buffer)
      const next = () => view.setUint32(4, view.getUint32(4, true) + 1, true)
      return { key, nonce, next }
    }
    const [out, into] = [state(send), state(receive)]
    return {
      encrypt(plaintext) {
        const bytes = plaintext as unknown as Bytes
        const ciphertext = noiseCrypto.chaCha20Poly1305Encrypt(bytes, out.nonce, NO_AD, out.key)
        out.next()
        return ciphertext.subarray()
      },
      decrypt(ciphertext) {
        const text = noiseCrypto.chaCha20Poly1305Decrypt(ciphertext, into.nonce, NO_AD, into.key)
        into.next()
        return text.subarray()
      }
    }
  }
  return [end(1, 2), end(2, 1)]
}

export class NoiseEnd {
  readonly connection: ScriptedConnection
  readonly stream: NoiseStream
  /** What happens to the stream. */
  readonly log: string[] = []
  readonly counts = { encryptedPackets: 0, decryptedPackets: 0, decryptErrors: 0 }
  /** How it ended. */
  error?: Error
  readonly #remote: NoiseSession
  readonly #got: Uint8Array[] = []

  constructor(capacityBytes?: number) {
    this.connection = new ScriptedConnection('outbound', capacityBytes)
    const [here, there] = sessions()
    this.#remote = there
    const counter = (name: keyof typeof this.counts) => ({
      increment: () => {
        this.counts[name]++
      }
    })
    this.stream = new NoiseStream(this.connection, here, {
      encryptedPackets: counter('encryptedPackets'),
      decryptedPackets: counter('decryptedPackets'),
      decryptErrors: counter('decryptErrors')
    })
    for (const type of ['drain', 'remoteCloseWrite', 'end'] as const) {
      this.stream.addEventListener(type, () => this.log.push(type))
    }
    this.stream.addEventListener('close', ({ error }) => {
      this.log.push(error === undefined ? 'close' : `close ${error.name}`)
      if (error !== undefined) {
        this.error = error
      }
    })
  }

  /** Begins to read. */
  listen(): this {
    this.stream.addEventListener('message', ({ data }) => {
      this.log.push(`message ${data.byteLength}`)
      this.#got.push(data.subarray())
    })
    return this
  }

  get received(): Uint8Array {
    return concat(this.#got)
  }

  /** What a remote sends: a message, and its length in front. */
  message(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#remote.encrypt(plaintext as never)
    const { byteLength } = ciphertext
    return concat([Uint8Array.of(byteLength >> 8, byteLength), ciphertext.subarray()])
  }

  /** Of messages that were sent since the last call, the plaintext of each. */
  async sent(): Promise<Uint8Array[]> {
    await turn()
    const messages: Uint8Array[] = []
    new MessageReader(new MessageBuffers()).push(this.connection.take(), ciphertext => {
      messages.push(this.#remote.decrypt(ciphertext).subarray())
    })
    return messages
  }
}
