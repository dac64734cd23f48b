// A client over a fake service and a clock that only the test moves.
import { code, fmt, optional, or, value } from '@multiformats/multiaddr-matcher/utils'
import { ManualClock } from '../../ctl/testing/manual-clock.ts'
import { XtpClient, type XtpClientComponents, type XtpDialOptions } from '../client.ts'
import type { XtpConnection } from '../connection.ts'
import type { TransportDefinition, XtpInit } from '../definition.ts'
import { FakeRunner, type FakeService, type FakeStream, settle } from './fake-service.ts'

export const definition: TransportDefinition = {
  name: 'utp',
  packageName: 'xtp-utp',
  multiaddrCode: 302,
  suffix: '/utp',
  matcher: fmt(
    or(value(4), value(41), value(53), value(54), value(55)),
    value(273),
    code(302),
    optional(value(421))
  ),
  serviceEntry: '/nowhere/service.cjs'
}

export interface Fixture {
  clock: ManualClock
  runner: FakeRunner
  client: XtpClient
}

export function fixture(init: XtpInit = {}, components: XtpClientComponents = {}): Fixture {
  const clock = new ManualClock()
  const runner = new FakeRunner(clock)
  const restart = { jitter: 0, ...init.restart }
  const client = new XtpClient(definition, { clock, runner, ...init, restart }, components)
  return { clock, runner, client }
}

export const REMOTE = '/ip4/192.0.2.1/udp/1234/utp'

/** A dialled connection and its other end in the service. */
export async function connected(
  { client, runner }: Fixture,
  options: XtpDialOptions = {}
): Promise<{ connection: XtpConnection; stream: FakeStream; service: FakeService }> {
  const connection = await client.dial(REMOTE, options)
  await settle()
  const service = runner.last
  const stream = service.streams.get(connection.connId) as FakeStream
  return { connection, stream, service }
}

/** Stops the client, however much time that takes on its clock. */
export async function stop({ client, clock }: Pick<Fixture, 'client' | 'clock'>): Promise<void> {
  let stopped = false
  const done = client.stop().then(() => {
    stopped = true
  })
  while (!stopped) {
    await settle()
    clock.advance(100)
  }
  await done
}
