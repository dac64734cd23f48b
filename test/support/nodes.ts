// libp2p nodes for the tests.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ComponentLogger } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import type { XtpTransport } from 'xtp'
import { type UtpInit, utp } from 'xtp-utp'
import { testInit } from './sandbox.ts'

const MANY_STREAMS = {
  maxInboundStreams: 100_000,
  maxOutboundStreams: 100_000,
  maxEarlyStreams: 100_000
}

export interface NodeOptions {
  listen?: string[]
  init?: UtpInit
  logger?: ComponentLogger
}

export const UTP4 = '/ip4/127.0.0.1/udp/0/utp'
export const UTP6 = '/ip6/::1/udp/0/utp'

/** A node on xtp-utp, with limits that let a test open what it wants. */
export async function createNode({ listen = [], init, logger }: NodeOptions = {}): Promise<Libp2p> {
  return createLibp2p({
    ...(logger && { logger }),
    addresses: { listen },
    transports: [utp({ ...testInit('utp'), ...init }), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(MANY_STREAMS)],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      inboundConnectionThreshold: Number.POSITIVE_INFINITY,
      maxIncomingPendingConnections: 10_000,
      maxConnections: 10_000,
      maxParallelDials: 1000
    }
  })
}

interface Components {
  transportManager: { getTransports(): object[] }
}

/** The xtp-utp transport of a node. */
export function transportOf(node: Libp2p): XtpTransport {
  const { transportManager } = (node as unknown as { components: Components }).components
  const found = transportManager.getTransports().find(transport => 'status' in transport)
  if (found === undefined) {
    throw new Error('the node has no XTP transport')
  }
  return found as XtpTransport
}
