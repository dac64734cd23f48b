// One channel of bytes between two raw clients, whatever the transport: a connection of uTP, or the first stream
// of a connection of QUIC.
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type {
  MuxedConnection,
  ServiceConnection,
  XtpClient,
  XtpConnection,
  XtpDialOptions,
  XtpInit
} from 'xtp'
import { quic } from 'xtp-quic'
import { createClient } from './clients.ts'
import { testInit } from './sandbox.ts'

export interface Channel {
  connection: ServiceConnection
  /** Its bytes. */
  stream: MessageStream
}

export interface Wire {
  /** Of the package. */
  name: string
  createClient(init?: XtpInit): Promise<XtpClient>
  /** The address of a port on 127.0.0.1. */
  address(port: number): Multiaddr
  dial(client: XtpClient, address: Multiaddr, options?: XtpDialOptions): Promise<Channel>
  /** Takes channels when their first bytes have come; gives the address. */
  listen(client: XtpClient, take: (channel: Channel) => void): Promise<Multiaddr>
}

const utp: Wire = {
  name: 'xtp-utp',
  createClient: async init => createClient(init),
  address: port => multiaddr(`/ip4/127.0.0.1/udp/${port}/utp`),
  async dial(client, address, options) {
    const connection = await client.dial(address, options)
    return { connection, stream: connection }
  },
  async listen(client, take) {
    const listener = client.createListener<XtpConnection>({
      onConnection: connection => take({ connection, stream: connection })
    })
    await listener.listen(utp.address(0))
    return listener.getAddrs()[0] as Multiaddr
  }
}

const native: Wire = {
  name: 'xtp-quic',
  async createClient(init) {
    const privateKey = await generateKeyPair('Ed25519')
    return quic({ ...testInit('quic'), ...init })({ logger: defaultLogger(), privateKey }).client
  },
  address: port => multiaddr(`/ip4/127.0.0.1/udp/${port}/quic-v1`),
  async dial(client, address, options) {
    const connection = await client.dial<MuxedConnection>(address, options)
    const muxer = connection.muxerFactory.createStreamMuxer(connection)
    return { connection, stream: await muxer.createStream() }
  },
  async listen(client, take) {
    const listener = client.createListener<MuxedConnection>({
      onConnection: connection => {
        const muxer = connection.muxerFactory.createStreamMuxer(connection)
        muxer.addEventListener('stream', ({ detail }) => take({ connection, stream: detail }))
      }
    })
    await listener.listen(native.address(0))
    return listener.getAddrs()[0] as Multiaddr
  }
}

export const WIRES = [utp, native]
