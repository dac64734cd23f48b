// The libp2p node of both demo processes: the only line that differs from TCP is the transport.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { utp } from 'xtp-utp'

export type TransportName = 'utp' | 'tcp'

export const LISTEN: Record<TransportName, string> = {
  utp: '/ip4/127.0.0.1/udp/0/utp',
  tcp: '/ip4/127.0.0.1/tcp/0'
}

export async function createNode(listen: string[] = []) {
  return createLibp2p({
    addresses: { listen },
    transports: [utp(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false }
  })
}
