// libp2p nodes for the tests.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ComponentLogger, StreamMuxerFactory } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { XtpInit, XtpTransport } from 'xtp'
import { udt } from 'xtp-udt'
import { utp } from 'xtp-utp'
import type { ByteTransport } from './clients.ts'
import { CONNECTION_MANAGER } from './connection-manager.ts'
import { testInit } from './sandbox.ts'

const TRANSPORTS = { utp, udt }

const MANY_STREAMS = {
  maxInboundStreams: 100_000,
  maxOutboundStreams: 100_000,
  maxEarlyStreams: 100_000
}

export interface NodeOptions {
  /** Default: uTP. */
  transport?: ByteTransport
  listen?: string[]
  init?: XtpInit
  logger?: ComponentLogger
  /** Default: libp2p's yamux. */
  muxer?: (init: typeof MANY_STREAMS) => () => StreamMuxerFactory
  /** Default: libp2p's noise. */
  encrypter?: typeof noise
}

export const UTP4 = '/ip4/127.0.0.1/udp/0/utp'
export const UTP6 = '/ip6/::1/udp/0/utp'

/** An address to listen on. */
export const loopback = (transport: ByteTransport) => `/ip4/127.0.0.1/udp/0/${transport}`

/** A node on a byte-stream transport, with limits that let a test open what it wants. */
export async function createNode(options: NodeOptions = {}): Promise<Libp2p> {
  const { transport = 'utp', listen = [], init, logger } = options
  const { muxer = yamux, encrypter = noise } = options
  return createLibp2p({
    ...(logger && { logger }),
    addresses: { listen },
    transports: [TRANSPORTS[transport]({ ...testInit(transport), ...init }), tcp()],
    connectionEncrypters: [encrypter()],
    streamMuxers: [muxer(MANY_STREAMS)],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: CONNECTION_MANAGER
  })
}

interface Components {
  transportManager: { getTransports(): object[] }
}

/** The XTP transport of a node. */
export function transportOf(node: Libp2p): XtpTransport {
  const { transportManager } = (node as unknown as { components: Components }).components
  const found = transportManager.getTransports().find(transport => 'status' in transport)
  if (found === undefined) {
    throw new Error('the node has no XTP transport')
  }
  return found as XtpTransport
}
