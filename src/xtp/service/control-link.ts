// fd 3 of the service: negotiates /xtp-ctl/1.0.0 as responder, then feeds the control session.
import { Socket } from 'node:net'
import { CONTROL_PROTOCOL, Negotiation, NegotiationError } from '../ctl/index.ts'

export interface ControlLinkInit {
  fd: number
  onBytes(bytes: Uint8Array): void
  /** The parent closed its end, or is gone. */
  onEnd(): void
  /** The parent speaks something else. */
  onMismatch(error: Error): void
}

export class ControlLink {
  readonly #socket: Socket
  readonly #init: ControlLinkInit
  #negotiation?: Negotiation = new Negotiation({
    role: 'responder',
    protocols: [CONTROL_PROTOCOL]
  })

  constructor(init: ControlLinkInit) {
    this.#init = init
    this.#socket = new Socket({ fd: init.fd, readable: true, writable: true })
    this.#socket.on('data', bytes => this.#onData(bytes))
    // a parent that was killed shows as an error or as an end, depending on what was in flight
    this.#socket.on('error', () => init.onEnd())
    this.#socket.on('end', () => init.onEnd())
    this.#socket.on('close', () => init.onEnd())
  }

  /** Bytes that the parent has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) {
      this.#socket.write(bytes)
    }
  }

  /** Calls back when everything sent is with the kernel. */
  flush(done: () => void): void {
    if (this.#socket.writableLength === 0 || !this.#socket.writable) {
      done()
    } else {
      this.#socket.write(new Uint8Array(0), done)
    }
  }

  #onData(bytes: Uint8Array): void {
    if (this.#negotiation === undefined) {
      this.#init.onBytes(bytes)
      return
    }
    try {
      const { send, done } = this.#negotiation.push(bytes)
      if (send !== undefined) {
        this.send(send)
      }
      if (done !== undefined) {
        this.#negotiation = undefined
        if (done.rest.byteLength > 0) {
          this.#init.onBytes(done.rest)
        }
      }
    } catch (error) {
      if (error instanceof NegotiationError && error.send !== undefined) {
        this.send(error.send)
      }
      this.#init.onMismatch(error as Error)
    }
  }
}
