// A client of a natively muxed transport over a fake service.
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ManualClock } from '../../ctl/testing/manual-clock.ts'
import type { XtpDialOptions } from '../client.ts'
import type { XtpInit } from '../definition.ts'
import { silentLogger } from '../log.ts'
import type { MuxedConnection } from '../muxed-connection.ts'
import type { NativeStreamMuxer } from '../stream-muxer.ts'
import { createTransport, type XtpTransport } from '../transport.ts'
import { makeCertificate, newTlsKey, spkiOf } from './certificates.ts'
import { FakeRunner, type FakeService, type NativePeer } from './fake-service.ts'
import { definition, REMOTE } from './fixture.ts'

export interface NativeFixture {
  clock: ManualClock
  runner: FakeRunner
  transport: XtpTransport
  client: XtpTransport['client']
  privateKey: PrivateKey
  /** Whom every connection leads to. */
  peer: PeerId
  /** What the services tell; change it before they start. */
  native: NativePeer
}

export async function nativeFixture(init: XtpInit = {}): Promise<NativeFixture> {
  const clock = new ManualClock()
  const runner = new FakeRunner(clock)
  const hostKey = await generateKeyPair('Ed25519')
  const privateKey = await generateKeyPair('Ed25519')
  const native: NativePeer = {
    spki: spkiOf(newTlsKey()),
    certificate: await makeCertificate({ hostKey })
  }
  runner.onStart = service => {
    service.native = native
  }
  const restart = { jitter: 0, ...init.restart }
  const transport = createTransport(
    { ...definition, native: true },
    { clock, runner, ...init, restart }
  )({ logger: silentLogger, privateKey })
  const { client } = transport
  const peer = peerIdFromPrivateKey(hostKey)
  return { clock, runner, transport, client, privateKey, peer, native }
}

/** A dialled connection with its muxer, as libp2p would make it. */
export async function muxed(
  { client, runner }: NativeFixture,
  options: XtpDialOptions = {}
): Promise<{ connection: MuxedConnection; muxer: NativeStreamMuxer; service: FakeService }> {
  const connection = await client.dial<MuxedConnection>(REMOTE, options)
  const muxer = connection.muxerFactory.createStreamMuxer(connection) as NativeStreamMuxer
  return { connection, muxer, service: runner.last }
}
