// libp2p nodes on QUIC for the tests: ours, and the independent one (rust-libp2p's quinn).
import { type Identify, identify } from '@libp2p/identify'
import type { PrivateKey, Stream } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Ping, ping } from '@libp2p/ping'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p, type Libp2pOptions } from 'libp2p'
import type { XtpClient } from 'xtp'
import { type QuicInit, quic } from 'xtp-quic'
import { CONNECTION_MANAGER } from './connection-manager.ts'
import { testInit } from './sandbox.ts'

export const QUIC4 = '/ip4/127.0.0.1/udp/0/quic-v1'
export const QUIC6 = '/ip6/::1/udp/0/quic-v1'

export type QuicNode = Libp2p<{ identify: Identify; ping: Ping }>

export interface QuicNodeOptions {
  listen?: string[]
  init?: QuicInit
  /** The independent implementation instead of ours. */
  independent?: boolean
  /** Identity key; a new one if absent. */
  privateKey?: PrivateKey
  /** Instead of what is below. */
  libp2p?: Libp2pOptions
  /** Of another copy of the package. */
  quic?: typeof quic
}

/** A node with limits that let a test open what it wants. */
export async function createQuicNode(options: QuicNodeOptions = {}): Promise<QuicNode> {
  const { listen = [], init, independent = false, privateKey, libp2p, quic: ours = quic } = options
  // imported only where it is wanted: it maps an addon into this process
  const transport = independent
    ? (await import('@chainsafe/libp2p-quic')).quic()
    : ours({ ...testInit('quic'), ...init })
  return createLibp2p({
    ...(privateKey && { privateKey }),
    addresses: { listen },
    transports: [transport],
    services: { identify: identify(), ping: ping() },
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: CONNECTION_MANAGER,
    ...libp2p
  }) as unknown as Promise<QuicNode>
}

export function addressOf(node: QuicNode): Multiaddr {
  const [address] = node.getMultiaddrs()
  if (address === undefined) {
    throw new Error('the node does not listen')
  }
  return address
}

/** The transport alone, without libp2p. */
export function quicClient(privateKey: PrivateKey, transport = quic(testInit('quic'))): XtpClient {
  return transport({ logger: defaultLogger(), privateKey }).client
}

/** The UDP port it listens on. */
export function portOf(node: QuicNode): number {
  return Number(addressOf(node).getComponents()[1]?.value)
}

/** Its address behind something that forwards on another port. */
export function addressThrough(node: QuicNode, port: number): Multiaddr {
  return multiaddr(`/ip4/127.0.0.1/udp/${port}/quic-v1/p2p/${node.peerId}`)
}

export const ECHO = '/test/echo/1.0.0'

/** Handles streams of `ECHO`. */
export function echo(stream: Stream): void {
  stream.addEventListener('message', event => {
    stream.send(event.data)
  })
  stream.addEventListener('remoteCloseWrite', () => {
    stream.close().catch(() => {})
  })
}
