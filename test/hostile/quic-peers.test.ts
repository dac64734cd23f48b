// Peers of xtp-quic that break TLS, as servers that we dial and as clients of our listener: each gives the error
// that is its own, none is ever handed to libp2p, and the service goes on.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, afterEach, before, describe, it } from 'node:test'
import { deflateSync } from 'node:zlib'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type {
  ComponentLogger,
  Logger,
  MultiaddrConnection,
  PrivateKey,
  Upgrader
} from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import {
  isXtpError,
  type MuxedConnection,
  type PeerCertificateError,
  type RefusedPeer,
  STATUS,
  type XtpError
} from 'xtp'
import {
  type CertificateInit,
  extension,
  flipped,
  hex,
  LIBP2P_OID,
  makeCertificate,
  newTlsKey,
  octets,
  time
} from '../../src/xtp/client/testing/certificates.ts'
import { type Disguise, HostilePackage, type HostilePeer } from '../support/hostile-quic.ts'
import { transportOf } from '../support/nodes.ts'
import { children, until } from '../support/processes.ts'
import {
  addressOf,
  createQuicNode,
  QUIC4,
  type QuicNode,
  quicClient
} from '../support/quic-nodes.ts'

const HOUR_MS = 3_600_000
const LIBP2P = '\x06libp2p'
const UNKNOWN_OID = hex('0603 550e0f')

/** Three bytes. */
const size = ({ byteLength }: Uint8Array) => Buffer.of(0, byteLength >> 8, byteLength & 255)

/** The message that shows these certificates (RFC 8446, section 4.4.2). */
function certificateMessage(...certificates: Uint8Array[]): Buffer {
  const list = Buffer.concat(
    certificates.flatMap(certificate => [size(certificate), certificate, hex('0000')])
  )
  const body = Buffer.concat([hex('00'), size(list), list])
  return Buffer.concat([hex('0b'), size(body), body])
}

/** The same, compressed with zlib (RFC 8879). */
function compressedMessage(der: Buffer): Buffer {
  const content = certificateMessage(der).subarray(4)
  const zlib = deflateSync(content)
  const body = Buffer.concat([hex('0001'), size(content), size(zlib), zlib])
  return Buffer.concat([hex('19'), size(body), body])
}

async function disguise(init: CertificateInit = {}): Promise<Required<Omit<Disguise, 'wire'>>> {
  const key = newTlsKey()
  return {
    alpn: LIBP2P,
    certificate: { key, der: await makeCertificate({ tlsKey: key, ...init }) }
  }
}

/** TLS has a right certificate, and the peer gets this message for that of it. */
async function swapped(message: (der: Buffer) => Buffer): Promise<Disguise> {
  const right = await disguise()
  const der = Buffer.from(right.certificate.der)
  return { ...right, wire: { from: certificateMessage(der), to: message(der) } }
}

type Role = 'server' | 'client'

interface Case {
  disguise(role: Role): Promise<Disguise>
  /** What our dial fails with: the reason of a PeerCertificateError, or code and message of another error. */
  dial: string | [string, RegExp]
  /** What our service tells the peer that dials us, where it is no PeerCertificateError. */
  told?: [string, RegExp]
}

const FAILED = 'ERR_XTP_HANDSHAKE_FAILED'
const NO_ALPN = 'ERR_XTP_NO_COMMON_ALPN'

const cases: Record<string, Case> = {
  'that speaks another protocol': {
    disguise: async () => ({ ...(await disguise()), alpn: '\x02h3' }),
    dial: [NO_ALPN, /refused the TLS handshake: no application protocol/],
    told: [NO_ALPN, /refused the TLS handshake: no application protocol/]
  },
  'that names no protocol': {
    disguise: async () => ({ ...(await disguise()), alpn: '' }),
    dial: [NO_ALPN, /TLS handshake with .* failed: no application protocol/],
    told: [NO_ALPN, /refused the TLS handshake: no application protocol/]
  },
  'that has no certificate': {
    disguise: async () => ({ alpn: LIBP2P }),
    dial: [FAILED, /refused the TLS handshake: /],
    told: [FAILED, /refused the TLS handshake: certificate required/]
  },
  'that names no transport parameters': {
    // another extension that the other side ignores
    disguise: async role => ({
      ...(await disguise()),
      wire: { from: hex('003900'), to: hex(role === 'server' ? '000a00' : '5a3900') }
    }),
    dial: [FAILED, /TLS handshake with .* failed: missing extension/],
    told: [FAILED, /refused the TLS handshake: missing extension/]
  },
  'that shows an empty list of certificates': {
    disguise: () => swapped(() => certificateMessage()),
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  'that shows two certificates': {
    disguise: () => swapped(one => certificateMessage(one, one)),
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  'whose certificate is no DER': {
    disguise: () => swapped(one => certificateMessage(Buffer.alloc(one.byteLength, 0x30))),
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  'whose certificate is cut off': {
    disguise: () => swapped(one => certificateMessage(one.subarray(0, -1))),
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  // which could say that it has 16 MiB
  'that compresses its certificate': {
    disguise: () => swapped(compressedMessage),
    dial: [FAILED, /TLS handshake with .* failed: unexpected message/],
    told: [FAILED, /refused the TLS handshake: unexpected message/]
  },
  'with a certificate that is too large': {
    disguise: () => disguise({ after: [extension(UNKNOWN_OID, new Uint8Array(17_000))] }),
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  "with somebody else's certificate": {
    disguise: async () => {
      const theirs = await makeCertificate()
      return swapped(() => certificateMessage(theirs))
    },
    dial: [FAILED, /TLS handshake with .* failed: /],
    told: [FAILED, /refused the TLS handshake: /]
  },
  'whose certificate has expired': {
    disguise: () => disguise({ notAfter: time(Date.now() - HOUR_MS / 2) }),
    dial: 'expired'
  },
  'whose certificate is not valid yet': {
    disguise: () => disguise({ notBefore: time(Date.now() + HOUR_MS / 2) }),
    dial: 'not-yet-valid'
  },
  'whose certificate has a signature of another shape': {
    disguise: () => disguise({ signature: () => hex('0011') }),
    dial: 'malformed'
  },
  'whose certificate has a signature that was changed': {
    disguise: () => disguise({ signature: flipped }),
    dial: 'not-self-signed'
  },
  'whose certificate is signed by another key': {
    disguise: () => disguise({ signer: newTlsKey() }),
    dial: 'not-self-signed'
  },
  'whose host signature was changed': {
    disguise: () => disguise({ hostSignature: flipped }),
    dial: 'bad-host-signature'
  },
  'whose certificate has no libp2p extension': {
    disguise: () => disguise({ libp2p: null }),
    dial: 'no-libp2p-extension'
  },
  'whose certificate has the libp2p extension twice': {
    disguise: () => disguise({ after: [extension(LIBP2P_OID, hex('3000'))] }),
    dial: 'malformed'
  },
  'whose libp2p extension is garbage': {
    disguise: () => disguise({ libp2p: extension(LIBP2P_OID, hex('3000')) }),
    dial: 'bad-host-key'
  },
  'whose certificate has an unknown critical extension': {
    disguise: () => disguise({ after: [extension(UNKNOWN_OID, octets(hex('00')), true)] }),
    dial: 'critical-extension'
  }
}

/** Errors of our side, in the order in which they are logged. */
const logged: unknown[] = []
const log: Logger = Object.assign(() => {}, {
  enabled: true,
  error: (_: unknown, ...values: unknown[]) => logged.push(...values),
  trace: () => {},
  newScope: () => log
})
const logger: ComponentLogger = { forComponent: () => log }

function errorsIn(error: unknown): unknown[] {
  const { errors = [] } = error as { errors?: unknown[] }
  return [error, ...errors]
}

describe('hostile peers of xtp-quic', () => {
  let hostile: HostilePackage
  let peer: HostilePeer | undefined
  let ours: QuicNode
  let good: QuicNode
  let pid: number | undefined
  /** What libp2p's upgrader was given. */
  const handed: string[] = []
  /** What the application hears. */
  const refused: RefusedPeer[] = []

  before(async () => {
    hostile = await HostilePackage.create()
    good = await createQuicNode({ listen: [QUIC4] })
    ours = await createQuicNode({ listen: [QUIC4], libp2p: { logger } })
    const { upgrader } = (ours as unknown as { components: { upgrader: Upgrader } }).components
    for (const name of ['upgradeInbound', 'upgradeOutbound'] as const) {
      const upgrade = upgrader[name].bind(upgrader) as (connection: MultiaddrConnection) => never
      upgrader[name] = (connection: MultiaddrConnection, ...rest: []) => {
        handed.push(`${name} ${connection.remoteAddr}`)
        return upgrade(connection, ...rest)
      }
    }
    pid = transportOf(ours).status().pid
    transportOf(ours).events.addEventListener('peer:refused', ({ detail }) => refused.push(detail))
  })

  afterEach(async () => {
    await peer?.stop()
    peer = undefined
  })

  after(async () => {
    await Promise.all([ours?.stop(), good?.stop()])
    hostile?.remove()
    assert.deepEqual(
      children().filter(child => child.command.includes('service.cjs')),
      [],
      'a service is left'
    )
  })

  async function start(what: Disguise): Promise<HostilePeer> {
    peer = await hostile.start(what)
    handed.length = 0
    logged.length = 0
    refused.length = 0
    return peer
  }

  const stat = async (name: string) => (await transportOf(ours).stats()).get(name) ?? 0n

  /** No trace of the hostile peer is left, and a good one is served, in both directions. */
  async function goesOn(): Promise<void> {
    assert.deepEqual(handed, [], 'libp2p was given the connection')
    await until('no connection is left', async () => (await stat('connections')) === 0n)
    for (const [from, to] of [
      [good, ours],
      [ours, good]
    ] as const) {
      const connection = await from.dial(addressOf(to), { force: true })
      assert.ok((await from.services.ping.ping(to.peerId)) >= 0)
      await connection.close()
    }
    assert.equal(handed.length, 2, 'what libp2p is given is seen')
    await until('it is closed', () => ours.getConnections().length === 0)
    const status = transportOf(ours).status()
    assert.deepEqual([status.pid, status.restarts, status.state], [pid, 0, 'running'])
  }

  for (const [name, { disguise, dial, told }] of Object.entries(cases)) {
    it(`refuses a server ${name}`, async () => {
      const { address } = await start(await disguise('server'))
      const error = await ours.dial(address).then(
        () => assert.fail('it was dialled'),
        (error: unknown) => errorsIn(error).find(one => isXtpError(one)) as XtpError
      )
      const [code, pattern] =
        typeof dial === 'string' ? ['ERR_XTP_PEER_CERTIFICATE', /certificate .* refused: ./] : dial
      assert.equal(error?.code, code, error?.stack)
      assert.match(error.message, pattern)
      if (typeof dial === 'string') {
        assert.equal((error as XtpError & { reason?: string }).reason, dial)
      }
      await goesOn()
    })

    it(`refuses a client ${name}`, async () => {
      const { dial: dialUs } = await start(await disguise('client'))
      const failures = await stat('handshakes_failed')
      const end = (await dialUs(addressOf(ours))) as XtpError | undefined
      if (told !== undefined) {
        assert.equal(end?.code, told[0], end?.stack)
        assert.match(end.message, told[1])
        await until('it is counted', async () => (await stat('handshakes_failed')) > failures)
      } else {
        assert.equal(end?.code, 'ERR_XTP_CONNECTION_RESET', end?.stack)
        assert.match(end.message, new RegExp(`with code ${STATUS.PEER_CERTIFICATE}\\b`))
        const refusals = logged.filter(one => isXtpError(one, 'ERR_XTP_PEER_CERTIFICATE'))
        assert.deepEqual(
          refusals.map(one => (one as XtpError & { reason?: string }).reason),
          [dial]
        )
        assert.equal(await stat('handshakes_failed'), failures)
      }
      await until('the application hears of it', () => refused.length > 0)
      const [{ remoteAddr, error, missed }] = refused as [RefusedPeer]
      assert.equal(error.code, told?.[0] ?? 'ERR_XTP_PEER_CERTIFICATE', error.message)
      assert.equal((error as PeerCertificateError).reason, told === undefined ? dial : undefined)
      assert.match(String(remoteAddr), /^\/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1$/)
      assert.deepEqual([refused.length, missed], [1, 0])
      await goesOn()
    })
  }

  it('takes the disguise of an honest peer, both ways', async () => {
    const hostKey = await generateKeyPair('Ed25519')
    const { address, dial } = await start(await disguise({ hostKey }))
    const connection = await ours.dial(address)
    assert.ok(connection.remotePeer.equals(peerIdFromPrivateKey(hostKey)))
    assert.equal(handed.length, 1)
    await connection.close()
    const dialled = dial(addressOf(ours))
    await until('it came', () => ours.getConnections().length > 0)
    assert.ok(ours.getConnections()[0]?.remotePeer.equals(peerIdFromPrivateKey(hostKey)))
    await ours.getConnections()[0]?.close()
    assert.equal(await dialled, undefined)
  })

  for (const type of ['Ed25519', 'secp256k1', 'ECDSA', 'RSA'] as const) {
    it(`knows a peer with a host key of type ${type}, which it dials and which dials it`, async () => {
      const hostKey = await generateKeyPair(type)
      const client = quicClient(hostKey)
      const listener = client.createListener<MuxedConnection>({ onConnection() {} })
      try {
        await listener.listen(QUIC4)
        const id = idOf(hostKey)
        const address = multiaddr(`${listener.getAddrs()[0]}/p2p/${id}`)
        const outbound = await ours.dial(address)
        assert.equal(String(outbound.remotePeer), id)
        await outbound.close()
        const dialled = await client.dial<MuxedConnection>(addressOf(ours))
        assert.ok(dialled.remotePeer.equals(ours.peerId))
        await until('it came', () => ours.getConnections().length > 0)
        const [inbound] = ours.getConnections()
        assert.equal(String(inbound?.remotePeer), id)
        await inbound?.close()
        await dialled.ended
        assert.equal(dialled.failure, undefined)
      } finally {
        await client.stop()
      }
    })
  }
})

/** By the specification, of all types; js-libp2p has no peer ids of ECDSA keys. */
function idOf({ publicKey }: PrivateKey): string {
  const bytes = publicKeyToProtobuf(publicKey)
  const [code, digest] =
    bytes.byteLength <= 42 ? [0, bytes] : [0x12, createHash('sha256').update(bytes).digest()]
  return base58btc.baseEncode(Buffer.concat([Buffer.of(code, digest.byteLength), digest]))
}
