// The libp2p muxer compliance suite, whole and unpatched: libp2p's yamux is the yardstick, xtp/yamux is what is measured. Plain
// JavaScript, as transports.spec.mjs.
import { yamux as libp2pYamux } from '@chainsafe/libp2p-yamux'
import muxerCompliance from '@libp2p/interface-compliance-tests/stream-muxer'
import { yamux } from 'xtp/yamux'

function suite(name, makeMuxer) {
  describe(name, () => {
    muxerCompliance({
      async setup() {
        return makeMuxer()()
      },
      async teardown() {}
    })
  })
}

if (process.env.XTP_TEST_PACKAGES !== '1') {
  suite('@chainsafe/libp2p-yamux', libp2pYamux)
}

suite('xtp/yamux', yamux)
