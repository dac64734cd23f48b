// The libp2p transport compliance suite, whole and unpatched: TCP is the yardstick, uTP, QUIC, UDT and the template
// transport on IPv4 and IPv6 are what is measured. Plain JavaScript, so that every supported Node runs it as it is;
// XTP_TEST_PACKAGES=1 leaves yardstick and template out.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import transportCompliance from '@libp2p/interface-compliance-tests/transport'
import { tcp } from '@libp2p/tcp'
import { TCP } from '@multiformats/multiaddr-matcher'
import { QUIC, quic } from 'xtp-quic'
import { UDT, udt } from 'xtp-udt'
import { UTP, utp } from 'xtp-utp'
import { TCP as TEMPLATE_TCP, tcp as templateTcp } from '../../examples/xtp-tcp/dist/index.js'

/** QUIC brings encryption and a muxer of its own. */
const plain = { connectionEncrypters: [noise()], streamMuxers: [yamux()] }

function suite(name, transport, matcher, listen, options = plain) {
  describe(name, () => {
    transportCompliance({
      async setup() {
        const dialer = {
          transports: [transport()],
          ...options,
          connectionMonitor: { enabled: false },
          connectionGater: { denyDialMultiaddr: () => false }
        }
        return {
          dialer,
          listener: { ...dialer, addresses: { listen: [listen, listen] } },
          dialMultiaddrMatcher: matcher,
          listenMultiaddrMatcher: matcher
        }
      },
      async teardown() {}
    })
  })
}

// as test/support/sandbox.ts does it
const sandbox = {
  level: process.env.XTP_TEST_SANDBOX_LEVEL ?? 'auto',
  strict: process.env.XTP_TEST_STRICT === '1'
}
const sandboxed = () => utp({ sandbox })
const sandboxedQuic = () => quic({ sandbox })
const sandboxedUdt = () => udt({ sandbox })

const others = process.env.XTP_TEST_PACKAGES !== '1'

if (others) {
  suite('@libp2p/tcp, IPv4', tcp, TCP, '/ip4/127.0.0.1/tcp/0')
}

suite('xtp-utp, IPv4', sandboxed, UTP, '/ip4/127.0.0.1/udp/0/utp')
suite('xtp-utp, IPv6', sandboxed, UTP, '/ip6/::1/udp/0/utp')

suite('xtp-quic, IPv4', sandboxedQuic, QUIC, '/ip4/127.0.0.1/udp/0/quic-v1', {})
suite('xtp-quic, IPv6', sandboxedQuic, QUIC, '/ip6/::1/udp/0/quic-v1', {})

suite('xtp-udt, IPv4', sandboxedUdt, UDT, '/ip4/127.0.0.1/udp/0/udt')
suite('xtp-udt, IPv6', sandboxedUdt, UDT, '/ip6/::1/udp/0/udt')

if (others) {
  // makes its sockets itself, so that it is never sandboxed
  suite('examples/xtp-tcp, IPv4', templateTcp, TEMPLATE_TCP, '/ip4/127.0.0.1/tcp/0')
  suite('examples/xtp-tcp, IPv6', templateTcp, TEMPLATE_TCP, '/ip6/::1/tcp/0')
}
