import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { isStartable, isTransport } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { ManualClock } from '../ctl/testing/manual-clock.ts'
import { silentLogger } from './log.ts'
import { FakeRunner, settle } from './testing/fake-service.ts'
import { definition, REMOTE, stop } from './testing/fixture.ts'
import { createTransport } from './transport.ts'

function setUp(upgrader: Partial<Upgrader> = {}) {
  const clock = new ManualClock()
  const runner = new FakeRunner(clock)
  const counters: Record<string, Record<string, number>> = {}
  const gauges: Record<string, () => Record<string, number>> = {}
  const metrics = {
    registerMetricGroup: (
      name: string,
      { calculate }: { calculate: () => Record<string, number> }
    ) => {
      gauges[name] = calculate
    },
    registerCounterGroup: (name: string) => {
      const group: Record<string, number> = {}
      counters[name] = group
      return {
        increment: (values: Record<string, unknown>) => {
          for (const key of Object.keys(values)) {
            group[key] = (group[key] ?? 0) + 1
          }
        }
      }
    }
  }
  const make = createTransport(definition, {
    clock,
    runner,
    restart: { jitter: 0 }
  })
  const transport = make({ logger: silentLogger, metrics: metrics as never })
  const end = () => stop({ client: transport.client, clock })
  return { clock, runner, transport, upgrader: upgrader as Upgrader, counters, gauges, end }
}

test('is a transport with hooks, whose tag is the package', () => {
  const { transport } = setUp()
  assert.ok(isTransport(transport))
  assert.ok(isStartable(transport))
  assert.equal(transport[Symbol.toStringTag], 'xtp-utp')
})

test('filters its own addresses', () => {
  const { transport } = setUp()
  const peer = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
  const all = [
    '/ip4/1.2.3.4/udp/1/utp',
    `/dns4/x.org/udp/1/utp/p2p/${peer}`,
    '/ip4/1.2.3.4/tcp/1',
    '/ip4/1.2.3.4/udp/1/quic-v1',
    `/ip4/1.2.3.4/udp/1/utp/p2p/${peer}/p2p-circuit`
  ].map(text => multiaddr(text))
  assert.deepEqual(transport.dialFilter(all), all.slice(0, 2))
  assert.deepEqual(transport.listenFilter(all), all.slice(0, 2))
})

test('a dial is upgraded, without half-close, with libp2p’s own options', async () => {
  const connection = { upgraded: true }
  let taken: MultiaddrConnection | undefined
  const { transport, upgrader, counters, gauges, end } = setUp({
    upgradeOutbound: (async (maConn: MultiaddrConnection) => {
      taken = maConn
      return connection
    }) as never
  })
  const { signal } = new AbortController()
  assert.equal(await transport.dial(multiaddr(REMOTE), { upgrader, signal }), connection)
  assert.equal(taken?.remoteAddr.toString(), REMOTE)
  await assert.rejects((taken as never as { closeWrite(): Promise<void> }).closeWrite())
  assert.deepEqual(gauges.libp2p_xtp_utp_open?.(), { connections: 1, listeners: 0 })
  assert.equal(counters.libp2p_xtp_utp_events_total?.connect, 1)
  assert.equal(counters.libp2p_xtp_utp_service_events_total?.start, 1)
  await end()
})

test('a failed upgrade aborts the connection and rejects the dial with its error', async () => {
  const { transport, upgrader, runner, counters, end } = setUp({
    upgradeOutbound: () => Promise.reject(new Error('no common muxer'))
  })
  const { signal } = new AbortController()
  await assert.rejects(transport.dial(multiaddr(REMOTE), { upgrader, signal }), /no common muxer/)
  await settle()
  assert.equal(runner.last.streams.get(1)?.resetCode, 24)
  assert.equal(counters.libp2p_xtp_utp_errors_total?.['upgrade_outbound Error'], 1)
  await end()
})

test('inbound connections are upgraded; closing the listener aborts upgrades that are under way', async () => {
  const signals: AbortSignal[] = []
  const { transport, upgrader, runner, clock, end } = setUp({
    upgradeInbound: (async (_maConn: MultiaddrConnection, { signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')))
      })
    }) as never
  })
  const listener = transport.createListener({ upgrader })
  let closed = 0
  listener.addEventListener('close', () => {
    closed += 1
  })
  await listener.listen(multiaddr('/ip4/127.0.0.1/udp/0/utp'))
  const stream = runner.last.incoming(2, 1)
  await settle()
  assert.equal(signals.length, 1)
  const closing = listener.close()
  await settle()
  clock.advance(1_000)
  await closing
  assert.equal(signals[0]?.aborted, true)
  assert.equal(stream.resetCode, 24)
  assert.equal(closed, 1)
  await end()
})

test('stop() leaves the owners of connections time to close them, then ends everything', async () => {
  const { transport, upgrader, runner, clock } = setUp({
    upgradeOutbound: (async (maConn: MultiaddrConnection) => maConn) as never
  })
  const { signal } = new AbortController()
  await transport.dial(multiaddr(REMOTE), { upgrader, signal })
  await transport.dial(multiaddr(REMOTE), { upgrader, signal })
  await settle()
  const [first, second] = [runner.last.streams.get(1), runner.last.streams.get(3)]
  const stopping = transport.stop()
  await settle()
  // libp2p closes the first itself meanwhile
  assert.equal(first?.ended, false)
  first?.stream?.end()
  runner.last.closed(1)
  clock.advance(999)
  await settle()
  assert.equal(second?.ended, false)
  assert.equal(transport.status().state, 'running')
  clock.advance(1)
  await settle()
  assert.equal(second?.ended, true)
  clock.advance(500)
  await stopping
  assert.equal(transport.status().state, 'stopped')
  assert.equal(clock.pending, 0)
})
