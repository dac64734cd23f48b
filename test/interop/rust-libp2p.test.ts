// xtp-quic against rust-libp2p on quinn. Its streams have no reset: who lets go of one ends it and stops reading.
import { foreignPeers } from './foreign-peers.ts'

foreignPeers({
  name: 'rust-libp2p',
  missing:
    'needs a peer that Cargo 1.88 or newer builds: install Rust (https://rust-lang.org), and run npm run test:full',
  keys: ['Ed25519', 'secp256k1', 'ECDSA'],
  givesCodes: false
})
