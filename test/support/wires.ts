// One channel of bytes between two raw clients, whatever the transport: a connection of uTP or UDT, or the first
// stream of a connection of QUIC.
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { MultiaddrMatcher } from '@multiformats/multiaddr-matcher'
import type {
  MuxedConnection,
  ServiceConnection,
  TransportDefinition,
  XtpClient,
  XtpConnection,
  XtpDialOptions,
  XtpInit,
  XtpListener
} from 'xtp'
import { QUIC, quic } from 'xtp-quic'
import { UDT } from 'xtp-udt'
import { UTP } from 'xtp-utp'
import { type ByteTransport, createClient } from './clients.ts'
import { testInit } from './sandbox.ts'

export interface Channel {
  connection: ServiceConnection
  /** Its bytes. */
  stream: MessageStream
}

export interface Wire {
  /** Of the package. */
  name: 'xtp-utp' | 'xtp-quic' | 'xtp-udt'
  /** For a client of the same transport with another service. */
  transport: Omit<TransportDefinition, 'serviceEntry'>
  createClient(init?: XtpInit): Promise<XtpClient>
  /** The address of a port on loopback. */
  address(port: number, family?: 4 | 6): Multiaddr
  dial(client: XtpClient, address: Multiaddr, options?: XtpDialOptions): Promise<Channel>
  /** On a port of its own unless `at` names one. Takes channels when their first bytes have come. */
  listen(client: XtpClient, take?: (channel: Channel) => void, at?: Multiaddr): Promise<XtpListener>
}

function addressOf(suffix: string) {
  return (port: number, family: 4 | 6 = 4) =>
    multiaddr(`${family === 4 ? '/ip4/127.0.0.1' : '/ip6/::1'}/udp/${port}${suffix}`)
}

/** Of a transport whose connections are streams of bytes. */
function byteWire(name: ByteTransport, multiaddrCode: number, matcher: MultiaddrMatcher): Wire {
  const suffix = `/${name}`
  const address = addressOf(suffix)
  return {
    name: `xtp-${name}`,
    transport: { name, packageName: `xtp-${name}`, multiaddrCode, suffix, matcher },
    createClient: async init => createClient(init, name),
    address,
    async dial(client, at, options) {
      const connection = await client.dial(at, options)
      return { connection, stream: connection }
    },
    async listen(client, take = () => {}, at = address(0)) {
      const listener = client.createListener<XtpConnection>({
        onConnection: connection => take({ connection, stream: connection })
      })
      await listener.listen(at)
      return listener
    }
  }
}

const native: Wire = {
  name: 'xtp-quic',
  transport: {
    name: 'quic',
    packageName: 'xtp-quic',
    multiaddrCode: 461,
    suffix: '/quic-v1',
    matcher: QUIC,
    native: true
  },
  async createClient(init) {
    const privateKey = await generateKeyPair('Ed25519')
    return quic({ ...testInit('quic'), ...init })({ logger: defaultLogger(), privateKey }).client
  },
  address: addressOf('/quic-v1'),
  async dial(client, address, options) {
    const connection = await client.dial<MuxedConnection>(address, options)
    const muxer = connection.muxerFactory.createStreamMuxer(connection)
    return { connection, stream: await muxer.createStream() }
  },
  async listen(client, take = () => {}, at = native.address(0)) {
    const listener = client.createListener<MuxedConnection>({
      onConnection: connection => {
        const muxer = connection.muxerFactory.createStreamMuxer(connection)
        muxer.addEventListener('stream', ({ detail }) => take({ connection, stream: detail }))
      }
    })
    await listener.listen(at)
    return listener
  }
}

export const WIRES = [
  byteWire('utp', 302, UTP),
  native,
  // its library is there for one platform (vendor/libudt)
  ...(process.platform === 'linux' && process.arch === 'x64' ? [byteWire('udt', 301, UDT)] : [])
]

/** The one that a program of test/fixtures was told. */
export function wireOf(name: string | undefined): Wire {
  const wire = WIRES.find(wire => wire.name === name)
  if (wire === undefined) {
    throw new Error(`${name} is no package of a transport`)
  }
  return wire
}
