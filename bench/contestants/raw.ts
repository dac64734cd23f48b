// Byte streams without libp2p: our uTP and UDT clients, utp-native, and Node's TCP. A stream is a connection.
import { createRequire } from 'node:module'
import net, { type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { XtpClient } from 'xtp'
import { udtClient } from 'xtp-udt'
import { utpClient } from 'xtp-utp'
import { fromMessageStream } from './libp2p.ts'
import type { Client, Contestant, Duplex } from './types.ts'

/** A client whose streams are connections. */
function perStream(
  open: () => Promise<{ duplex: Duplex; close(): Promise<void> }>,
  stop: () => Promise<void>
): Client {
  return {
    open: async () => (await open()).duplex,
    async connect() {
      const { duplex, close } = await open()
      return { open: async () => duplex, close }
    },
    stop
  }
}

/** One of our clients, whose addresses end in `/suffix`. */
function xtpRaw(title: string, suffix: string, makeClient: () => XtpClient): Contestant {
  return {
    title,
    async serve(onDuplex) {
      const listener = makeClient().createListener({
        onConnection: connection => onDuplex(fromMessageStream(connection))
      })
      await listener.listen(multiaddr(`/ip4/127.0.0.1/udp/0/${suffix}`))
      return { address: String(listener.getAddrs()[0]) }
    },
    async connect(address) {
      const client = makeClient()
      return perStream(
        async () => {
          const connection = await client.dial(multiaddr(address))
          return { duplex: fromMessageStream(connection), close: () => connection.close() }
        },
        () => client.stop()
      )
    }
  }
}

export const xtpUtpRaw = xtpRaw('xtp-utp, raw', 'utp', utpClient)
export const xtpUdtRaw = xtpRaw('xtp-udt, raw', 'udt', udtClient)

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

const loadUtpNative = () => createRequire(import.meta.url)('utp-native') as UtpNative
/** As large as xtp-utp asks for: with the system's default its throughput collapses. */
const UDP_BUFFER_BYTES = 4 << 20

function grow(socket: UtpNativeSocket): void {
  socket.setRecvBufferSize(UDP_BUFFER_BYTES)
  socket.setSendBufferSize(UDP_BUFFER_BYTES)
}

export const utpNativeRaw: Contestant = {
  title: 'utp-native, raw, in the process',
  async serve(onDuplex) {
    const server = loadUtpNative().createServer({ allowHalfOpen: true }, socket =>
      onDuplex(fromSocket(socket))
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    grow(server)
    return { address: String((server.address() as net.AddressInfo).port) }
  },
  async connect(address) {
    const UtpNative = loadUtpNative()
    const sockets = new Set<Socket>()
    return perStream(
      async () => {
        // it connects when the first byte is written
        const udp = new UtpNative({ allowHalfOpen: true })
        udp.bind()
        grow(udp)
        const socket = udp.connect(Number(address), '127.0.0.1')
        sockets.add(socket)
        return { duplex: fromSocket(socket), close: async () => void socket.destroy() }
      },
      async () => sockets.forEach(socket => void socket.destroy())
    )
  }
}

const SOCKET_OPTIONS = { noDelay: true, allowHalfOpen: true }

export const tcpRaw: Contestant = {
  title: 'node:net TCP, raw',
  async serve(onDuplex) {
    const server = net.createServer(SOCKET_OPTIONS, socket => onDuplex(fromSocket(socket)))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { address: String((server.address() as net.AddressInfo).port) }
  },
  async connect(address) {
    const open = () =>
      new Promise<Socket>((resolve, reject) => {
        const to = { ...SOCKET_OPTIONS, port: Number(address), host: '127.0.0.1' }
        const socket = net.connect(to, () => resolve(socket)).on('error', reject)
      })
    return perStream(
      async () => {
        const socket = await open()
        return { duplex: fromSocket(socket), close: async () => void socket.destroy() }
      },
      async () => {}
    )
  }
}
