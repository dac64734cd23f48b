// What is measured. Every contestant gives a server and a client the same four things, so that the
// numbers differ by the transport only.
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import net from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { quic as quinn } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { XtpClient } from 'xtp'
import { quic } from 'xtp-quic'
import { utp, utpClient } from 'xtp-utp'
import { atLevel, LEVELS, type Level } from './sandbox-level.ts'

/** One byte stream, both ways. */
export interface Duplex {
  /** False: wait for onDrain. */
  write(bytes: Uint8Array): boolean
  end(): void
  onData?: (bytes: Uint8Array) => void
  onDrain?: () => void
  onEnd?: (error?: Error) => void
}

export interface Server {
  address: string
}

export interface Client {
  open(): Promise<Duplex>
  /** A connection of its own with one stream; for connections per second. */
  connect(): Promise<{ duplex: Duplex; close(): Promise<void> }>
  stop(): Promise<void>
}

export interface Contestant {
  title: string
  serve(onDuplex: (duplex: Duplex) => void): Promise<Server>
  connect(address: string): Promise<Client>
}

const PROTOCOL = '/xtp-bench/1.0.0'

function fromMessageStream(stream: MessageStream & { closeWrite?(): unknown }): Duplex {
  const duplex: Duplex = {
    write: bytes => stream.send(bytes),
    end: () => {
      stream.close().catch(() => {})
    }
  }
  stream.addEventListener('message', event => {
    for (const bytes of event.data instanceof Uint8Array ? [event.data] : event.data) {
      duplex.onData?.(bytes)
    }
  })
  stream.addEventListener('drain', () => duplex.onDrain?.())
  stream.addEventListener('remoteCloseWrite', () => duplex.onEnd?.())
  stream.addEventListener('close', event => duplex.onEnd?.(event.error))
  return duplex
}

type Kind = 'tcp' | 'utp' | 'quic' | 'quic-bbr' | 'quinn'

const TRANSPORTS = {
  tcp: () => tcp(),
  utp: () => utp(),
  quic: () => quic(),
  'quic-bbr': () => quic({ settings: { congestion: 1 } }),
  quinn: () => quinn()
}
/** Where servers of libp2p listen. */
const HOST = process.env.XTP_BENCH_HOST ?? '127.0.0.1'
const LISTEN: Record<Kind, string> = {
  tcp: `/ip4/${HOST}/tcp/0`,
  utp: `/ip4/${HOST}/udp/0/utp`,
  quic: `/ip4/${HOST}/udp/0/quic-v1`,
  'quic-bbr': `/ip4/${HOST}/udp/0/quic-v1`,
  quinn: `/ip4/${HOST}/udp/0/quic-v1`
}

async function libp2pNode(kind: Kind, listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [TRANSPORTS[kind]()],
    // QUIC uses neither
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      inboundConnectionThreshold: Number.POSITIVE_INFINITY,
      maxIncomingPendingConnections: 10_000,
      maxConnections: 10_000
    }
  })
}

function libp2p(kind: Kind, title: string): Contestant {
  return {
    title,
    async serve(onDuplex) {
      const node = await libp2pNode(kind, [LISTEN[kind]])
      await node.handle(PROTOCOL, stream => onDuplex(fromMessageStream(stream)), {
        maxInboundStreams: 10_000
      })
      return { address: String(node.getMultiaddrs()[0]) }
    },
    async connect(address) {
      const node = await libp2pNode(kind, [])
      const to = multiaddr(address)
      const connection = await node.dial(to)
      const options = { maxOutboundStreams: 10_000 }
      return {
        open: async () => fromMessageStream(await connection.newStream(PROTOCOL, options)),
        async connect() {
          const own = await node.dial(to, { force: true })
          const duplex = fromMessageStream(await own.newStream(PROTOCOL, options))
          return { duplex, close: () => own.close() }
        },
        stop: async () => node.stop()
      }
    }
  }
}

/** What is measured must be what was asked for. */
function assertLevel(client: XtpClient, level: Level | undefined): void {
  const reached = client.status().sandbox?.level
  if (level !== undefined && reached !== level) {
    throw new Error(`asked for ${level}, got ${reached}`)
  }
}

const xtpRaw = (title: string, level?: Level): Contestant => ({
  title,
  async serve(onDuplex) {
    const client = utpClient(level && atLevel(level))
    const listener = client.createListener({
      onConnection: connection => onDuplex(fromMessageStream(connection))
    })
    await listener.listen(multiaddr('/ip4/127.0.0.1/udp/0/utp'))
    assertLevel(client, level)
    return { address: String(listener.getAddrs()[0]) }
  },
  async connect(address) {
    const client = utpClient(level && atLevel(level))
    const open = async () => {
      const connection = await client.dial(multiaddr(address))
      assertLevel(client, level)
      return connection
    }
    return {
      open: async () => fromMessageStream(await open()),
      async connect() {
        const connection = await open()
        return { duplex: fromMessageStream(connection), close: () => connection.close() }
      },
      stop: () => client.stop()
    }
  }
})

function fromSocket(socket: Socket): Duplex {
  const duplex: Duplex = { write: bytes => socket.write(bytes), end: () => socket.end() }
  socket.on('data', bytes => duplex.onData?.(bytes))
  socket.on('drain', () => duplex.onDrain?.())
  socket.on('end', () => duplex.onEnd?.())
  socket.on('error', error => duplex.onEnd?.(error))
  return duplex
}

interface UtpNativeSocket extends net.Server {
  bind(): void
  connect(port: number, host: string): Socket
  setRecvBufferSize(bytes: number): void
  setSendBufferSize(bytes: number): void
}
interface UtpNative {
  new (options: object): UtpNativeSocket
  createServer(options: object, onConnection: (socket: Socket) => void): UtpNativeSocket
}

/** As large as xtp-utp asks for: with the system's default its throughput collapses. */
const UDP_BUFFER_BYTES = 4 << 20

function grow(socket: UtpNativeSocket): void {
  socket.setRecvBufferSize(UDP_BUFFER_BYTES)
  socket.setSendBufferSize(UDP_BUFFER_BYTES)
}

const utpNative: Contestant = {
  title: 'utp-native 2.5.3, raw, in the process',
  async serve(onDuplex) {
    const UtpNative = createRequire(import.meta.url)('utp-native') as UtpNative
    const server = UtpNative.createServer({ allowHalfOpen: true }, socket =>
      onDuplex(fromSocket(socket))
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    grow(server)
    return { address: String((server.address() as net.AddressInfo).port) }
  },
  async connect(address) {
    const UtpNative = createRequire(import.meta.url)('utp-native') as UtpNative
    const sockets = new Set<Socket>()
    // it connects when the first byte is written
    const open = () => {
      const udp = new UtpNative({ allowHalfOpen: true })
      udp.bind()
      grow(udp)
      const socket = udp.connect(Number(address), '127.0.0.1')
      sockets.add(socket)
      return socket
    }
    return {
      open: async () => fromSocket(open()),
      async connect() {
        const socket = open()
        return { duplex: fromSocket(socket), close: async () => void socket.destroy() }
      },
      async stop() {
        for (const socket of sockets) {
          socket.destroy()
        }
      }
    }
  }
}

const rawTcp: Contestant = {
  title: 'node:net TCP, raw',
  async serve(onDuplex) {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, socket =>
      onDuplex(fromSocket(socket))
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { address: String((server.address() as net.AddressInfo).port) }
  },
  async connect(address) {
    const open = () =>
      new Promise<Socket>((resolve, reject) => {
        const options = {
          port: Number(address),
          host: '127.0.0.1',
          noDelay: true,
          allowHalfOpen: true
        }
        const socket = net.connect(options, () => resolve(socket)).on('error', reject)
      })
    return {
      open: async () => fromSocket(await open()),
      async connect() {
        const socket = await open()
        return { duplex: fromSocket(socket), close: async () => void socket.destroy() }
      },
      async stop() {}
    }
  }
}

export const contestants: Record<string, Contestant> = {
  'xtp-utp-raw': xtpRaw('xtp-utp, raw bytes of the client’s connection'),
  'utp-native-raw': utpNative,
  'tcp-raw': rawTcp,
  'libp2p-xtp-utp': libp2p('utp', 'xtp-utp + noise + yamux'),
  'libp2p-tcp': libp2p('tcp', '@libp2p/tcp + noise + yamux'),
  'libp2p-xtp-quic': libp2p('quic', 'xtp-quic'),
  'libp2p-quinn': libp2p('quinn', '@chainsafe/libp2p-quic 2.1.1, in the process')
}

/** The same transport in every sandbox, for `--levels`. */
export const levelContestants: Record<string, Contestant> = Object.fromEntries(
  LEVELS.map(level => [`xtp-utp-raw@${level}`, xtpRaw(level, level)])
)

/** On other networks than loopback, for `--networks`. */
export const networkContestants: Record<string, Contestant> = {
  'libp2p-xtp-utp': contestants['libp2p-xtp-utp'] as Contestant,
  'libp2p-xtp-quic': contestants['libp2p-xtp-quic'] as Contestant,
  'libp2p-xtp-quic-bbr': libp2p('quic-bbr', 'xtp-quic, BBR'),
  'libp2p-tcp': contestants['libp2p-tcp'] as Contestant,
  'libp2p-quinn': contestants['libp2p-quinn'] as Contestant
}
