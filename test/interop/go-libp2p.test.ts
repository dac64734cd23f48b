// xtp-quic against go-libp2p on quic-go.
import { foreignPeers } from './foreign-peers.ts'

foreignPeers({
  name: 'go-libp2p',
  missing:
    'needs Go 1.26 or newer to build the peer: install it from go.dev, or your package manager',
  keys: ['Ed25519', 'secp256k1', 'ECDSA', 'RSA'],
  givesCodes: true
})
