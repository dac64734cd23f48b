import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import {
  addressFromService,
  encodeTarget,
  listeningAddresses,
  parseMultiaddr,
  resolveTarget,
  targetOf
} from './addresses.ts'
import { portMatcher } from './port-matcher.ts'
import { definition } from './testing/fixture.ts'

const target = (text: string) => targetOf(multiaddr(text), definition)

test('IP addresses go to the service as they are, without the peer', async () => {
  const peer = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
  for (const text of ['/ip4/1.2.3.4/udp/5/utp', '/ip6/2001:db8::1/udp/65535/utp']) {
    const found = target(`${text}/p2p/${peer}`)
    const [resolved] = await resolveTarget(found, () => assert.fail('nothing to resolve'))
    assert.deepEqual(resolved, found)
    assert.deepEqual(encodeTarget(found, found.port, definition), multiaddr(text).bytes)
  }
})

test('names give the families that they ask for, at most four addresses', async () => {
  const all = ['192.0.2.1', '::1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', 'bogus']
  const resolve = async (text: string) =>
    (await resolveTarget(target(text), async () => all)).map(({ type, host }) => `${type} ${host}`)
  assert.deepEqual(await resolve('/dns/x.org/udp/1/utp'), [
    'ip4 192.0.2.1',
    'ip6 ::1',
    'ip4 192.0.2.2',
    'ip4 192.0.2.3'
  ])
  assert.deepEqual(await resolve('/dns6/x.org/udp/1/utp'), ['ip6 ::1'])
})

test('names that cannot be resolved say whether it is worth another try', async () => {
  const fail = (code: string) => async () => {
    throw Object.assign(new Error(code), { code })
  }
  const found = target('/dns4/x.org/udp/1/utp')
  await assert.rejects(resolveTarget(found, fail('ENOTFOUND')), {
    code: 'ERR_XTP_NOT_FOUND',
    errno: 'ENOTFOUND',
    retryable: false
  })
  await assert.rejects(resolveTarget(found, fail('EAI_AGAIN')), {
    code: 'ERR_XTP_UNAVAILABLE',
    retryable: true
  })
  await assert.rejects(
    resolveTarget(found, async () => []),
    { code: 'ERR_XTP_NOT_FOUND' }
  )
})

test('a multiaddr object is taken as it is, text is parsed with a remedy', () => {
  const ma = multiaddr('/ip4/1.2.3.4/udp/5/utp')
  assert.equal(parseMultiaddr(ma, definition), ma)
  assert.ok(parseMultiaddr(ma.toString(), definition).equals(ma))
  assert.throws(() => parseMultiaddr('/ip4/1.2.3.4/udp/99999/utp', definition), {
    code: 'ERR_XTP_INVALID_ARGUMENT'
  })
})

test('nothing that the service reports is taken on trust', () => {
  const good = multiaddr('/ip4/1.2.3.4/udp/5/utp')
  assert.ok(addressFromService(good.bytes, definition).equals(good))
  for (const bytes of [
    new Uint8Array(),
    Uint8Array.of(4, 1, 2),
    Buffer.alloc(500, 0x80),
    multiaddr('/ip4/1.2.3.4/udp/5').bytes,
    multiaddr('/ip4/1.2.3.4/tcp/5').bytes,
    multiaddr('/dns4/evil.org/udp/5/utp').bytes,
    multiaddr('/ip4/1.2.3.4/udp/5/utp/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')
      .bytes
  ]) {
    assert.throws(() => addressFromService(bytes, definition), {
      code: 'ERR_XTP_PROTOCOL_VIOLATION'
    })
  }
})

test('a listener on a specified address is announced with its true port', () => {
  const ma = multiaddr('/ip6/::1/udp/0/utp')
  assert.deepEqual(listeningAddresses(ma, 77, definition).map(String), ['/ip6/::1/udp/77/utp'])
})

test('a transport over TCP has the port of TCP, and nothing behind it', () => {
  const tcp = {
    ...definition,
    portProtocol: 'tcp' as const,
    multiaddrCode: 6,
    suffix: '',
    matcher: portMatcher('tcp', 6)
  }
  const ma = multiaddr('/ip6/::1/tcp/7')
  const found = targetOf(ma, tcp)
  assert.deepEqual(encodeTarget(found, found.port, tcp), ma.bytes)
  assert.ok(addressFromService(ma.bytes, tcp).equals(ma))
  assert.deepEqual(listeningAddresses(ma, 77, tcp).map(String), ['/ip6/::1/tcp/77'])
  for (const text of ['/ip6/::1/udp/7', '/ip6/::1/tcp/7/ws', '/dnsaddr/x.org/tcp/7']) {
    assert.throws(() => targetOf(multiaddr(text), tcp), /\/tcp\/<port>, with/)
  }
})
