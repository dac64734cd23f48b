// The libp2p node of both demo processes: the only line that differs from TCP is the transport. QUIC needs
// neither the encrypter nor the muxer.
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { quic } from 'xtp-quic'
import { udt } from 'xtp-udt'
import { noise, utp, yamux } from 'xtp-utp'

/** What can be shown; TCP is for comparison. */
export type TransportName = 'utp' | 'quic' | 'udt'

export const TRANSPORTS = { utp, quic, udt }

export const LISTEN: Record<TransportName | 'tcp', string> = {
  utp: '/ip4/127.0.0.1/udp/0/utp',
  quic: '/ip4/127.0.0.1/udp/0/quic-v1',
  udt: '/ip4/127.0.0.1/udp/0/udt',
  tcp: '/ip4/127.0.0.1/tcp/0'
}

export async function createNode(name: TransportName, listen: string[] = []) {
  return createLibp2p({
    addresses: { listen },
    transports: [TRANSPORTS[name](), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false }
  })
}
