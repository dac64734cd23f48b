import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { type AddressForm, bytesFromIpPort, ipPortFromBytes } from './addresses.ts'

const UTP: AddressForm = { suffix: '/utp', suffixCode: 302 }
const QUIC: AddressForm = { suffix: '/quic-v1', suffixCode: 461 }
const TCP: AddressForm = { portProtocol: 'tcp', suffix: '', suffixCode: 6 }

const text = (ip: string, port: number, { portProtocol = 'udp', suffix }: AddressForm) => {
  const [address, zone] = ip.split('%')
  const host = ip.includes(':')
    ? `${zone === undefined ? '' : `/ip6zone/${zone}`}/ip6/${address}`
    : `/ip4/${ip}`
  return `${host}/${portProtocol}/${port}${suffix}`
}

const port = () => fc.integer({ min: 0, max: 65535 })
const form = () => fc.constantFrom(UTP, QUIC, TCP)
const zone = () => fc.constantFrom('', '%eth0', '%1', '%wlp0s20f3')
const ip = () =>
  fc.oneof(
    fc.ipV4(),
    fc.tuple(fc.ipV6(), zone()).map(parts => parts.join(''))
  )

describe('addresses of the service', () => {
  it('are those of @multiformats/multiaddr, both ways', () => {
    fc.assert(
      fc.property(ip(), port(), form(), (host, number, kind) => {
        const expected = multiaddr(text(host, number, kind))
        const bytes = bytesFromIpPort(host, number, kind)
        assert.deepEqual(Buffer.from(bytes), Buffer.from(expected.bytes))
        const back = ipPortFromBytes(bytes, kind)
        assert.equal(back.port, number)
        assert.equal(String(multiaddr(text(back.ip, number, kind))), String(expected))
      }),
      { numRuns: 2000 }
    )
  })

  it('are refused where they are anything else', () => {
    const bytes = (address: string) => multiaddr(address).bytes
    const good = bytes('/ip4/127.0.0.1/udp/4001/utp')
    for (const wrong of [
      new Uint8Array(0),
      good.subarray(0, -1),
      Uint8Array.of(...good, 0),
      bytes('/ip4/127.0.0.1/udp/4001'),
      bytes('/ip4/127.0.0.1/udp/4001/quic-v1'),
      bytes('/ip4/127.0.0.1/tcp/4001'),
      bytes('/ip4/127.0.0.1'),
      bytes('/udp/4001/utp'),
      bytes('/dns4/example.org/udp/4001/utp'),
      bytes('/ip6zone/eth0/udp/4001/utp'),
      // a zone of nothing, an IPv4 with a zone, a code in two bytes that fits one
      Uint8Array.of(42, 0, ...bytes('/ip6/::1/udp/4001/utp')),
      Uint8Array.of(42, 1, 0x61, ...good),
      Uint8Array.of(0x84, 0, ...good.subarray(1))
    ]) {
      assert.throws(() => ipPortFromBytes(wrong, UTP), { code: 'ERR_XTP_INVALID_ARGUMENT' })
    }
    for (const wrong of ['', 'localhost', '1.2.3', '::g', '1.2.3.4%eth0']) {
      assert.throws(() => bytesFromIpPort(wrong, 1, UTP), { code: 'ERR_XTP_INVALID_ARGUMENT' })
    }
  })

  it('of any bytes give what the library gives, or an error', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(ip(), port(), form(), fc.nat(30), fc.nat(255))
        .map(([host, number, kind, at, value]) => {
          const mutant = bytesFromIpPort(host, number, kind)
          mutant[at % mutant.length] = value
          return mutant
        })
    )
    fc.assert(
      fc.property(bytes, form(), (given, kind) => {
        let found: { ip: string; port: number }
        try {
          found = ipPortFromBytes(given, kind)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_XTP_INVALID_ARGUMENT')
          return
        }
        assert.deepEqual(
          Buffer.from(bytesFromIpPort(found.ip, found.port, kind)),
          Buffer.from(given)
        )
      }),
      { numRuns: 5000 }
    )
  })
})
