// A UDP path emulator: one-way delay, jitter, loss, duplication, in user space on loopback. Each
// client address gets an upstream socket of its own, as behind a NAT, which may rebind. Seeded, so runs can be repeated.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

export interface RelayOptions {
  /** Port on 127.0.0.1 that datagrams are sent on to. */
  target: number
  /** One way, in milliseconds. */
  delayMs?: number
  jitterMs?: number
  /** Probability per datagram and direction. */
  loss?: number
  duplication?: number
  seed?: number
}

interface Waiting {
  due: number
  deliver(): void
}

const BUFFER_BYTES = 4 << 20

export class Relay {
  readonly #options: Required<RelayOptions>
  readonly #front: Socket
  readonly #upstream = new Map<string, Socket>()
  #queue: Waiting[] = []
  #timer?: NodeJS.Timeout
  #random: number
  readonly stats = { datagrams: 0, lost: 0, duplicated: 0 }

  private constructor(options: RelayOptions, front: Socket) {
    this.#options = { delayMs: 0, jitterMs: 0, loss: 0, duplication: 0, seed: 1, ...options }
    this.#random = this.#options.seed
    this.#front = front
    front.on('message', (bytes, from) => {
      // looked up when it is time: the NAT may have rebound meanwhile
      this.#pass(() => {
        const upstream = this.#upstreamOf(from.address, from.port)
        upstream.send(bytes, this.#options.target, '127.0.0.1', () => {})
      })
    })
  }

  static async start(options: RelayOptions): Promise<Relay> {
    const front = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES })
    front.bind(0, '127.0.0.1')
    await once(front, 'listening')
    return new Relay(options, front)
  }

  get port(): number {
    return this.#front.address().port
  }

  /** Ports that the target sees. */
  get upstreamPorts(): number[] {
    return [...this.#upstream.values()].map(socket => socket.address().port)
  }

  /**
   * A NAT that has forgotten: what clients send from now on comes from other ports, and what is sent to the
   * old ones is lost.
   */
  async rebind(): Promise<void> {
    const old = [...this.#upstream]
    // the new ones first, or the system might give the same ports again
    const fresh = await Promise.all(old.map(([client]) => this.#bindUpstream(client)))
    await Promise.all(
      old.map(([client, socket], i) => {
        this.#upstream.set(client, fresh[i] as Socket)
        return new Promise<void>(done => socket.close(() => done()))
      })
    )
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#queue = []
    const sockets = [this.#front, ...this.#upstream.values()]
    await Promise.all(sockets.map(socket => new Promise<void>(done => socket.close(() => done()))))
  }

  #upstreamOf(address: string, port: number): Socket {
    const client = `${address}:${port}`
    let socket = this.#upstream.get(client)
    if (socket === undefined) {
      socket = this.#createUpstream(address, port)
      this.#upstream.set(client, socket)
    }
    return socket
  }

  #createUpstream(address: string, port: number): Socket {
    const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES })
    socket.on('message', bytes =>
      this.#pass(() => this.#front.send(bytes, port, address, () => {}))
    )
    socket.on('error', () => {})
    return socket
  }

  async #bindUpstream(client: string): Promise<Socket> {
    const [address = '', port] = client.split(':')
    const socket = this.#createUpstream(address, Number(port))
    socket.bind()
    await once(socket, 'listening')
    return socket
  }

  /** xorshift32: good enough for loss, the same on every machine. */
  #chance(): number {
    this.#random ^= this.#random << 13
    this.#random ^= this.#random >>> 17
    this.#random ^= this.#random << 5
    return (this.#random >>> 0) / 2 ** 32
  }

  #pass(deliver: () => void): void {
    const { loss, duplication, delayMs, jitterMs } = this.#options
    this.stats.datagrams++
    if (this.#chance() < loss) {
      this.stats.lost++
      return
    }
    const copies = this.#chance() < duplication ? 2 : 1
    this.stats.duplicated += copies - 1
    for (let i = 0; i < copies; i++) {
      this.#enqueue(performance.now() + delayMs + this.#chance() * jitterMs, deliver)
    }
  }

  #enqueue(due: number, deliver: () => void): void {
    // nearly sorted input: insertion from the end is cheap
    let i = this.#queue.length
    while (i > 0 && (this.#queue[i - 1] as Waiting).due > due) {
      i--
    }
    this.#queue.splice(i, 0, { due, deliver })
    this.#timer ??= setTimeout(() => this.#deliverDue(), 1)
  }

  #deliverDue(): void {
    this.#timer = undefined
    const now = performance.now()
    let n = 0
    while (n < this.#queue.length && (this.#queue[n] as Waiting).due <= now) {
      n++
    }
    for (const { deliver } of this.#queue.splice(0, n)) {
      deliver()
    }
    if (this.#queue.length > 0) {
      this.#timer ??= setTimeout(() => this.#deliverDue(), 1)
    }
  }
}
