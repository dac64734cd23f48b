// The two links of one incarnation: negotiation as initiator, then control frames and the mux.
import {
  type Clock,
  CONTROL_PROTOCOL,
  ControlSession,
  DATA_PROTOCOL,
  type EventBody,
  Mux,
  type MuxStream,
  Negotiation,
  ProtocolViolationError,
  type ReplyBody,
  type RequestBody,
  ResourceExhaustedError,
  type Sign,
  type Signed,
  type StreamHeader,
  UnsupportedError
} from '../ctl/index.ts'
import type { ByteLink } from '../runner/index.ts'

/** Control frames that a service may leave unread before it counts as hung. */
const MAX_QUEUED_CONTROL_BYTES = 16 << 20

export interface ServiceLinkInit {
  control: ByteLink
  data: ByteLink
  clock: Clock
  /** A throw is a violation. */
  onEvent(body: EventBody): void
  onStream(stream: MuxStream, header: StreamHeader): void
  /** Streams that there may be at most, those included that have not said what they are for. */
  expectedStreams(): number
  /** A request that was given up has succeeded all the same. */
  onLateReply(request: RequestBody, reply: ReplyBody): void
  /** Answers the service's one request; without it nothing is signed. */
  onSign?(sign: Sign): Promise<Signed>
  /** Once: a link ended (no error), or the service broke the protocol. Nothing works any more. */
  onBroken(error?: Error): void
}

export class ServiceLink {
  readonly control: ControlSession
  readonly mux: Mux
  /** Resolves when the service has agreed to both protocols; never rejects. */
  readonly negotiated: Promise<void>
  readonly #init: ServiceLinkInit
  #broken = false

  constructor(init: ServiceLinkInit) {
    this.#init = init
    this.control = new ControlSession({
      role: 'client',
      clock: init.clock,
      send: bytes => this.#sendControl(bytes),
      onRequest: async body => {
        if ('sign' in body && init.onSign !== undefined) {
          return { signed: await init.onSign(body.sign) }
        }
        throw new UnsupportedError('this client takes no such request')
      },
      onEvent: init.onEvent,
      onLateReply: init.onLateReply,
      queuedBytes: () => init.control.sink.writableLength
    })
    this.mux = new Mux({
      role: 'client',
      sink: init.data.sink,
      onStream: init.onStream,
      onClose: error => this.break(error)
    })
    const both = [
      this.#attach(init.control, CONTROL_PROTOCOL, bytes => this.control.receive(bytes)),
      this.#attach(init.data, DATA_PROTOCOL, bytes => {
        this.mux.receive(bytes)
        if (this.mux.streamCount > init.expectedStreams()) {
          violation(`the service opened ${this.mux.streamCount} streams`)
        }
      })
    ]
    this.negotiated = Promise.all(both).then(() => {})
  }

  /** Ends everything: requests and streams fail with `error`. */
  close(error: Error): void {
    this.#broken = true
    this.control.close(error)
    this.mux.close(error)
    this.#init.control.destroy()
    this.#init.data.destroy()
  }

  /** Proposes at once; what the protocol sends may follow before the answer is here. */
  #attach(link: ByteLink, protocol: string, receive: (bytes: Uint8Array) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let negotiation: Negotiation | undefined = new Negotiation({
      role: 'initiator',
      protocols: [protocol]
    })
    link.attach({
      onData: bytes => {
        if (this.#broken) {
          return
        }
        try {
          if (negotiation === undefined) {
            receive(bytes)
            return
          }
          const { send, done } = negotiation.push(bytes)
          if (send !== undefined) {
            link.sink.write(send)
          }
          if (done !== undefined) {
            negotiation = undefined
            resolve()
            if (done.rest.byteLength > 0) {
              receive(done.rest)
            }
          }
        } catch (error) {
          this.break(error as Error)
        }
      },
      onDrain: () => {
        if (link === this.#init.data) {
          this.mux.onSinkDrain()
        }
      },
      onEnd: () => this.break()
    })
    link.sink.write(negotiation.start())
    return promise
  }

  #sendControl(bytes: Uint8Array): void {
    const { sink } = this.#init.control
    if (sink.writableLength > MAX_QUEUED_CONTROL_BYTES) {
      const error = new ResourceExhaustedError('the service does not read its control link')
      this.break(error)
      throw error
    }
    sink.write(bytes)
  }

  /** Nothing that comes later counts. */
  break(error?: Error): void {
    if (!this.#broken) {
      this.#broken = true
      this.#init.onBroken(error)
    }
  }
}

/** For the checks that the protocol's table of allowed messages cannot make. */
export function violation(message: string): never {
  throw new ProtocolViolationError(message)
}
