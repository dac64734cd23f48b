// Peers whose TLS is not what it should be: QUIC services with an addon of the native tests
// (native/quic/testing/hostile_addon.cc) and whatever certificate a test makes.
import type { KeyObject } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Multiaddr } from '@multiformats/multiaddr'
import { raceSignal } from 'race-signal'
import { createTransport, type MuxedConnection, type XtpClient } from 'xtp'
import { QUIC } from 'xtp-quic'
import { bundleService } from './bundle.ts'
import { quicClient } from './quic-nodes.ts'

const ADDON = path.resolve(
  import.meta.dirname,
  '../../build/native/native/quic/xtp_quic_hostile.node'
)

/** Whoever is still connected after this long was not refused. */
const END_MS = 5_000

export interface Disguise {
  /** As in TLS, each name with its length in front; empty: none. */
  alpn: string
  /** DER and its key; absent: none is shown. */
  certificate?: { der: Uint8Array; key: KeyObject }
  /** Bytes of a TLS message, and what the peer sends instead of them. */
  wire?: { from: Uint8Array; to: Uint8Array }
}

export interface HostilePeer {
  address: Multiaddr
  /** Why its dial, or the connection that it got, was ended; undefined: it was not. */
  dial(address: Multiaddr): Promise<Error | undefined>
  stop(): Promise<void>
}

export class HostilePackage {
  readonly #dir: string

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async create(): Promise<HostilePackage> {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-hostile-'))
    fs.mkdirSync(path.join(dir, 'prebuilds'))
    fs.copyFileSync(ADDON, path.join(dir, 'prebuilds/hostile.node'))
    fs.writeFileSync(path.join(dir, 'package.json'), '{ "type": "module" }')
    await bundleService('hostile-quic-main.ts', path.join(dir, 'dist/service.cjs'))
    return new HostilePackage(dir)
  }

  remove(): void {
    fs.rmSync(this.#dir, { recursive: true, force: true })
  }

  /** A peer that listens, and can dial. */
  async start({ alpn, certificate, wire }: Disguise): Promise<HostilePeer> {
    const { der, key } = certificate ?? {}
    const pkcs8 = key?.export({ type: 'pkcs8', format: 'der' })
    const parts = [Buffer.from(alpn), der, pkcs8, wire?.from, wire?.to]
    fs.writeFileSync(
      path.join(this.#dir, 'prebuilds/disguise.json'),
      JSON.stringify(parts.map(part => Buffer.from(part ?? []).toString('hex')))
    )
    const definition = {
      name: 'quic',
      packageName: 'xtp-hostile-quic',
      multiaddrCode: 461,
      suffix: '/quic-v1',
      matcher: QUIC,
      native: true,
      serviceEntry: path.join(this.#dir, 'dist/service.cjs')
    }
    const client = quicClient(
      await generateKeyPair('Ed25519'),
      createTransport(definition, { sandbox: { level: 'L0' } })
    )
    const listener = client.createListener<MuxedConnection>({ onConnection() {} })
    await listener.listen('/ip4/127.0.0.1/udp/0/quic-v1')
    return {
      address: listener.getAddrs()[0] as Multiaddr,
      dial: address => endOf(client, address),
      stop: () => client.stop()
    }
  }
}

async function endOf(client: XtpClient, address: Multiaddr): Promise<Error | undefined> {
  try {
    const connection = await client.dial<MuxedConnection>(address)
    await raceSignal(connection.ended, AbortSignal.timeout(END_MS))
    return connection.failure
  } catch (error) {
    return error as Error
  }
}
