import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { QUIC } from './index.ts'

const PEER = '/p2p/12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'

describe('addresses of xtp-quic', () => {
  for (const address of [
    '/ip4/127.0.0.1/udp/1/quic-v1',
    `/ip4/127.0.0.1/udp/1/quic-v1${PEER}`,
    '/ip6/::1/udp/1/quic-v1',
    '/ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1',
    '/dns/example.com/udp/1/quic-v1',
    '/dns4/example.com/udp/1/quic-v1',
    '/dns6/example.com/udp/1/quic-v1'
  ]) {
    it(`takes ${address}`, () => assert.ok(QUIC.exactMatch(multiaddr(address))))
  }

  for (const address of [
    '/ip4/127.0.0.1/tcp/1',
    '/ip4/127.0.0.1/udp/1',
    '/ip4/127.0.0.1/udp/1/quic',
    '/ip4/127.0.0.1/udp/1/utp',
    '/ip4/127.0.0.1/udp/1/quic-v1/webtransport',
    `/ip4/127.0.0.1/udp/1/quic-v1${PEER}/p2p-circuit`,
    '/ip4/127.0.0.1/ipcidr/24/udp/1/quic-v1',
    '/dnsaddr/example.com/udp/1/quic-v1'
  ]) {
    it(`does not take ${address}`, () => assert.ok(!QUIC.exactMatch(multiaddr(address))))
  }
})
