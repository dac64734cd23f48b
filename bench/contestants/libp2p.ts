// libp2p nodes that differ by their transport, encrypter and muxer only.
import { noise as libp2pNoise } from '@chainsafe/libp2p-noise'
import { quic as quinn } from '@chainsafe/libp2p-quic'
import { yamux as libp2pYamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { plaintext } from '@libp2p/plaintext'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p, type Libp2pOptions } from 'libp2p'
import type { XtpInit } from 'xtp'
import { quic } from 'xtp-quic'
import { udt } from 'xtp-udt'
import { noise, utp, yamux } from 'xtp-utp'
import type { Contestant, Duplex } from './types.ts'

const PROTOCOL = '/xtp-bench/1.0.0'
/** Of connections and streams, so that no limit of libp2p's is what is measured. */
const MANY = 10_000

export function fromMessageStream(stream: MessageStream & { closeWrite?(): unknown }): Duplex {
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

export interface Stack {
  listen: string
  options: Pick<Libp2pOptions, 'transports' | 'connectionEncrypters' | 'streamMuxers'>
  /** Throws where the node is not what it was meant to be. */
  check?(node: Libp2p): void
}

const manyStreams = { maxInboundStreams: MANY, maxOutboundStreams: MANY }
/** Encrypter and muxer that libp2p's users have, and those that README tells XTP's to take. */
const UPGRADES = {
  libp2p: () => ({
    connectionEncrypters: [libp2pNoise()],
    streamMuxers: [libp2pYamux(manyStreams)]
  }),
  xtp: () => ({ connectionEncrypters: [noise()], streamMuxers: [yamux(manyStreams)] })
}
export type Upgrade = keyof typeof UPGRADES

/** Where servers listen. */
const HOST = process.env.XTP_BENCH_HOST ?? '127.0.0.1'
const TCP = `/ip4/${HOST}/tcp/0`
const QUIC = `/ip4/${HOST}/udp/0/quic-v1`

export const stacks = {
  utp: (init: XtpInit = {}, upgrade: Upgrade = 'xtp'): Stack => ({
    listen: `/ip4/${HOST}/udp/0/utp`,
    options: { transports: [utp(init)], ...UPGRADES[upgrade]() }
  }),
  udt: (): Stack => ({
    listen: `/ip4/${HOST}/udp/0/udt`,
    options: { transports: [udt()], ...UPGRADES.xtp() }
  }),
  quic: (init: XtpInit = {}): Stack => ({ listen: QUIC, options: { transports: [quic(init)] } }),
  tcpNoise: (upgrade: Upgrade = 'libp2p'): Stack => ({
    listen: TCP,
    options: { transports: [tcp()], ...UPGRADES[upgrade]() }
  }),
  tcpTls: (): Stack => ({
    listen: TCP,
    options: { transports: [tcp()], ...UPGRADES.libp2p(), connectionEncrypters: [tls()] }
  }),
  tcpPlaintext: (): Stack => ({
    listen: TCP,
    options: {
      transports: [tcp()],
      ...UPGRADES.libp2p(),
      connectionEncrypters: [plaintext()]
    }
  }),
  webSockets: (): Stack => ({
    listen: `${TCP}/ws`,
    options: { transports: [webSockets()], ...UPGRADES.libp2p() }
  }),
  quinn: (): Stack => ({ listen: QUIC, options: { transports: [quinn()] } })
}

async function node({ options }: Stack, listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    ...options,
    addresses: { listen },
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      inboundConnectionThreshold: Number.POSITIVE_INFINITY,
      maxIncomingPendingConnections: MANY,
      maxConnections: MANY,
      maxParallelDials: MANY
    }
  })
}

/** A libp2p node. `make` is called once per process. */
export function libp2p(title: string, make: () => Stack): Contestant {
  return {
    title,
    async serve(onDuplex) {
      const stack = make()
      const server = await node(stack, [stack.listen])
      await server.handle(PROTOCOL, stream => onDuplex(fromMessageStream(stream)), {
        maxInboundStreams: MANY
      })
      stack.check?.(server)
      return { address: String(server.getMultiaddrs()[0]) }
    },
    async connect(address) {
      const stack = make()
      const client = await node(stack, [])
      const connect = async () => {
        const connection = await client.dial(multiaddr(address), { force: true })
        return {
          open: async () =>
            fromMessageStream(await connection.newStream(PROTOCOL, { maxOutboundStreams: MANY })),
          close: () => connection.close()
        }
      }
      const { open } = await connect()
      stack.check?.(client)
      return { open, connect, stop: async () => client.stop() }
    }
  }
}
