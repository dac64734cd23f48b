// A service without a process: speaks the real protocol over memory links, and does what a test says.
import { multiaddr } from '@multiformats/multiaddr'
import {
  type Clock,
  CONTROL_PROTOCOL,
  ControlSession,
  DATA_PROTOCOL,
  type EventBody,
  Mux,
  type MuxStream,
  type MuxStreamHandler,
  Negotiation,
  type ReplyBody,
  type RequestBody,
  type RequestContext,
  type Signed,
  STATUS
} from '../../ctl/index.ts'
import type {
  ExitInfo,
  Incarnation,
  LinkHandler,
  Runner,
  SandboxReport,
  SocketAddress,
  SocketKeeper,
  StartRequest
} from '../../runner/index.ts'
import { MemoryEnd } from './memory-link.ts'

export const bytesOf = (address: string): Uint8Array => multiaddr(address).bytes

/** One stream as the service sees it; remembers everything. */
export class FakeStream implements MuxStreamHandler {
  readonly connId: number
  stream?: MuxStream
  readonly received: Uint8Array[] = []
  ended = false
  resetCode?: number
  drains = 0
  /** Credit goes back at once. */
  greedy = true

  constructor(connId: number) {
    this.connId = connId
  }

  get receivedBytes(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  }

  get text(): string {
    return Buffer.concat(this.received).toString()
  }

  onData(bytes: Uint8Array): void {
    this.received.push(bytes.slice())
    if (this.greedy) {
      this.stream?.consumed(bytes.byteLength)
    }
  }

  onEnd(): void {
    this.ended = true
  }

  onReset(code: number): void {
    this.resetCode = code
  }

  onDrain(): void {
    this.drains += 1
  }
}

/** What a fake service with native security has and tells. */
export interface NativePeer {
  /** TLS key that it wants signed; without: it asks for nothing. */
  spki?: Uint8Array
  /** Default 1. */
  purpose?: number
  /** Default 15. */
  capabilities?: number
  /** Certificate of every peer. */
  certificate?: Uint8Array
}

export class FakeService implements Incarnation {
  static lastPid = 1000
  readonly pid = ++FakeService.lastPid
  sandbox: SandboxReport = { level: 'L0', reason: 'not even a process' }
  /** What it says in its Hello that it reached. */
  reached?: string
  verify?: () => Promise<void>
  readonly logTail: string[] = []
  readonly signals: string[] = []
  readonly requests: RequestBody[] = []
  readonly events: EventBody[] = []
  readonly streams = new Map<number, FakeStream>()
  readonly control: MemoryEnd
  readonly data: MemoryEnd
  readonly ownControl: MemoryEnd
  readonly ownData: MemoryEnd
  readonly session: ControlSession
  readonly mux: Mux
  readonly exited: Promise<ExitInfo>
  exit?: ExitInfo
  /** Signals that end it; a hung process takes SIGKILL only. */
  diesOf = new Set(['SIGTERM', 'SIGKILL'])
  port = 40_000
  /** A service that secures and multiplexes: what it tells of itself, and of its peers. */
  native?: NativePeer
  /** Streams of kind 1, in the order in which they opened. */
  readonly muxed: FakeStream[] = []
  signed?: Signed
  /** Answers instead of the service; undefined leaves it to the service. */
  answer?: (body: RequestBody, ctx: RequestContext) => Promise<ReplyBody> | undefined
  readonly #exited = Promise.withResolvers<ExitInfo>()

  constructor(clock: Clock) {
    this.exited = this.#exited.promise
    ;[this.control, this.ownControl] = MemoryEnd.pair()
    ;[this.data, this.ownData] = MemoryEnd.pair()
    this.session = new ControlSession({
      role: 'service',
      clock,
      send: bytes => this.ownControl.write(bytes),
      onRequest: (body, ctx) => this.#onRequest(body, ctx),
      onEvent: body => this.events.push(body)
    })
    this.mux = new Mux({
      role: 'server',
      sink: this.ownData,
      onStream: (stream, { connId, kind }) => {
        const fake = new FakeStream(connId)
        fake.stream = stream
        stream.handler = fake
        if (kind === 1) {
          this.muxed.push(fake)
        }
        this.streams.set(connId, fake)
      }
    })
    this.ownControl.attach(
      this.#responder(this.ownControl, CONTROL_PROTOCOL, bytes => this.session.receive(bytes))
    )
    this.ownData.attach(
      this.#responder(this.ownData, DATA_PROTOCOL, bytes => this.mux.receive(bytes))
    )
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.exit === undefined) {
      this.signals.push(signal)
      if (this.diesOf.has(signal)) {
        this.die({ signal })
      }
    }
  }

  die(exit: ExitInfo): void {
    if (this.exit === undefined) {
      this.exit = exit
      this.session.close(new Error('dead'))
      this.ownControl.destroy()
      this.ownData.destroy()
      this.#exited.resolve(exit)
    }
  }

  /** The peer of a muxed connection opens a stream. */
  openStream(connId: number, kind = 1): FakeStream {
    const fake = new FakeStream(connId)
    fake.stream = this.mux.open({ connId, kind }, fake)
    return fake
  }

  /** A peer connects, natively secured. */
  incomingNative(connId: number, listenerId: number): void {
    this.session.event({
      incoming: {
        connId,
        listenerId,
        localAddr: bytesOf(`/ip4/127.0.0.1/udp/${this.port}/utp`),
        remoteAddr: bytesOf('/ip4/192.0.2.7/udp/999/utp'),
        remoteCertificate: this.native?.certificate
      }
    })
  }

  /** A peer connects: the announcement, the stream, or both, in this order. */
  incoming(connId: number, listenerId: number, order = ['event', 'stream']): FakeStream {
    const fake = new FakeStream(connId)
    for (const half of order) {
      if (half === 'stream') {
        fake.stream = this.mux.open({ connId, kind: 0 }, fake)
      } else {
        this.session.event({
          incoming: {
            connId,
            listenerId,
            localAddr: bytesOf(`/ip4/127.0.0.1/udp/${this.port}/utp`),
            remoteAddr: bytesOf('/ip4/192.0.2.7/udp/999/utp')
          }
        })
      }
    }
    this.streams.set(connId, fake)
    return fake
  }

  /** The handshake of a peer has failed. */
  refused(listenerId: number, code: number): void {
    this.session.event({
      refused: {
        listenerId,
        remoteAddr: bytesOf('/ip4/192.0.2.7/udp/999/utp'),
        status: { code, message: 'failed', errno: '', retryable: false }
      }
    })
  }

  closed(connId: number, code: number = STATUS.CONNECTION_CLOSED, message = 'over'): void {
    this.session.event({
      closed: {
        connId,
        status: { code, message, errno: '', retryable: false },
        bytesIn: 0n,
        bytesOut: 0n
      }
    })
  }

  /** Requests of one kind, in order. */
  asked<K extends string>(kind: K): Array<Extract<RequestBody, Record<K, unknown>>[K]> {
    return this.requests.flatMap(body => (kind in body ? [(body as never)[kind]] : []))
  }

  async #onRequest(body: RequestBody, ctx: RequestContext): Promise<ReplyBody> {
    this.requests.push(body)
    const answer = this.answer?.(body, ctx)
    if (answer !== undefined) {
      return answer
    }
    if ('hello' in body) {
      if (this.native?.spki !== undefined) {
        const sign = { purpose: this.native.purpose ?? 1, spki: this.native.spki }
        this.signed = (await this.session.request({ sign })).signed
      }
      const capabilities = this.native?.capabilities ?? (this.native === undefined ? 3 : 15)
      const transports = [{ name: 'utp', protocols: [302], capabilities }]
      const options = [{ key: 'sandbox_level', value: this.reached ?? this.sandbox.level.slice(1) }]
      const hello = { implementation: 'fake', features: [], options, transports, pid: this.pid }
      return { hello }
    }
    if ('ping' in body) {
      return { ping: body.ping }
    }
    if ('listen' in body) {
      return { listening: { addr: bytesOf(`/ip4/127.0.0.1/udp/${this.port}/utp`) } }
    }
    if ('dial' in body) {
      const localAddr = bytesOf('/ip4/127.0.0.1/udp/5/utp')
      const { connId, addr: remoteAddr } = body.dial
      const remoteCertificate = this.native?.certificate
      return { connected: { connId, localAddr, remoteAddr, remoteCertificate } }
    }
    if ('shutdown' in body) {
      setImmediate(() => this.die({ exitCode: 0 }))
    }
    return {}
  }

  #responder(end: MemoryEnd, protocol: string, receive: (b: Uint8Array) => void): LinkHandler {
    let negotiation: Negotiation | undefined = new Negotiation({
      role: 'responder',
      protocols: [protocol]
    })
    return {
      onData: bytes => {
        if (negotiation === undefined) {
          receive(bytes)
          return
        }
        const { send, done } = negotiation.push(bytes)
        if (send !== undefined) {
          end.write(send)
        }
        if (done !== undefined) {
          negotiation = undefined
          receive(done.rest)
        }
      },
      onDrain: () => {
        if (end === this.ownData) {
          this.mux.onSinkDrain()
        }
      },
      onEnd: () => {}
    }
  }
}

/** Keeps no sockets; remembers what it was asked for. */
export class FakeKeeper implements SocketKeeper {
  readonly calls: string[] = []
  readonly kept = new Map<string, number>()
  #lastPort = 41_000
  /** What the next call has to wait for, or to fail with. */
  before: () => Promise<void> = async () => {}

  async bind(id: string, { family, ip, port }: SocketAddress): Promise<{ port: number }> {
    this.calls.push(`bind ${id} udp${family} ${ip} ${port}`)
    await this.before()
    const kept = this.kept.get(id) ?? (port === 0 ? ++this.#lastPort : port)
    this.kept.set(id, kept)
    return { port: kept }
  }

  async lend({ pid }: Incarnation, id: string): Promise<void> {
    this.calls.push(`lend ${id} to ${pid}`)
    await this.before()
  }

  async release(id: string): Promise<void> {
    this.calls.push(`release ${id}`)
    this.kept.delete(id)
  }
}

export class FakeRunner implements Runner {
  readonly name = 'fake'
  sockets?: FakeKeeper
  readonly services: FakeService[] = []
  readonly #clock: Clock
  /** Called with each service before it gets its first byte. */
  onStart: (service: FakeService, request: StartRequest) => void = () => {}
  closes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get last(): FakeService {
    return this.services.at(-1) as FakeService
  }

  async start(request: StartRequest): Promise<Incarnation> {
    const service = new FakeService(this.#clock)
    this.onStart(service, request)
    this.services.push(service)
    return service
  }

  diagnose({ exitCode }: ExitInfo): string | undefined {
    return exitCode === 78 ? 'install matching versions' : undefined
  }

  async close(): Promise<void> {
    this.closes += 1
  }
}

/** Until everything that is under way without the clock has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => setImmediate(resolve))
  }
}
