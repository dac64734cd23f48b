// The libp2p compliance suite of connection encrypters, whole and unpatched: libp2p's noise is the yardstick, xtp/noise is what
// is measured. Plain JavaScript, as transports.spec.mjs.
import { noise as libp2pNoise } from '@chainsafe/libp2p-noise'
import encrypterCompliance from '@libp2p/interface-compliance-tests/connection-encryption'
import { defaultLogger } from '@libp2p/logger'
import { noise } from 'xtp/noise'

function suite(name, makeEncrypter) {
  describe(name, () => {
    encrypterCompliance({
      async setup({ privateKey }) {
        const upgrader = { getStreamMuxers: () => new Map() }
        return makeEncrypter()({ privateKey, upgrader, logger: defaultLogger() })
      },
      async teardown() {}
    })
  })
}

if (process.env.XTP_TEST_PACKAGES !== '1') {
  suite('@chainsafe/libp2p-noise', libp2pNoise)
}

suite('xtp/noise', noise)
