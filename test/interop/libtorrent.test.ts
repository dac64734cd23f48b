// Interoperability with an independent uTP: libtorrent-rasterbar's own, which shares no code with
// libutp. BitTorrent is spoken on the raw byte streams of the client.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import type { MessageStream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { XtpClient } from 'xtp'
import { Pattern } from '../support/bytes.ts'
import { createClient } from '../support/clients.ts'
import { counts } from '../support/counts.ts'
import { Relay } from '../support/relay.ts'
import { leech, makeTorrent, seed } from './torrent-peer.ts'

const PEER = path.join(import.meta.dirname, 'libtorrent-peer.py')
const LOSSY = { delayMs: 25, jitterMs: 2, loss: 0.01, duplication: 0.01 }
const address = (port: number) => multiaddr(`/ip4/127.0.0.1/udp/${port}/utp`)

class LibtorrentPeer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(...args: string[]) {
    this.#child = spawn('/usr/bin/python3', [PEER, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    const input = this.#child.stdout as NodeJS.ReadableStream
    this.#lines = createInterface({ input })[Symbol.asyncIterator]()
  }

  async line<T>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done) {
      throw new Error('libtorrent ended early')
    }
    return JSON.parse(value) as T
  }

  async end(): Promise<void> {
    this.#child.stdin?.end()
    if (this.#child.exitCode === null) {
      await once(this.#child, 'exit')
    }
  }
}

describe('libtorrent-rasterbar', () => {
  let work: string
  let client: XtpClient

  before(() => {
    work = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-interop-'))
    client = createClient()
  })
  after(async () => {
    await client.stop()
    fs.rmSync(work, { recursive: true, force: true })
  })

  function prepare(name: string, bytes: number) {
    const pattern = new Pattern(bytes)
    const content = Buffer.alloc(bytes)
    for (let at = 0; at < bytes; at += 65536) {
      content.set(pattern.at(at, 65536), at)
    }
    const { torrent, file } = makeTorrent(name, content)
    const folder = path.join(work, `${name}-${Math.random().toString(36).slice(2)}`)
    fs.mkdirSync(folder)
    fs.writeFileSync(path.join(folder, 'x.torrent'), file)
    return { torrent, content, folder, file: path.join(folder, 'x.torrent') }
  }

  async function downloads(bytes: number, lossy: boolean) {
    const { torrent, content, folder, file } = prepare('down.bin', bytes)
    fs.writeFileSync(path.join(folder, 'down.bin'), content)
    const peer = new LibtorrentPeer('seed', file, folder)
    const { port } = await peer.line<{ port: number }>()
    const relay = lossy ? await Relay.start({ target: port, ...LOSSY }) : undefined
    try {
      const connection = await client.dial(address(relay?.port ?? port))
      const got = await leech(connection, torrent)
      assert.equal(
        createHash('sha256').update(got).digest('hex'),
        createHash('sha256').update(content).digest('hex')
      )
      connection.abort(new Error('done'))
      if (relay !== undefined) {
        assert.ok(relay.stats.lost > 0, 'the relay lost nothing')
      }
    } finally {
      await relay?.close()
      await peer.end()
    }
  }

  async function uploads(bytes: number, lossy: boolean) {
    const { torrent, content, folder, file } = prepare('up.bin', bytes)
    const served = Promise.withResolvers<void>()
    const onConnection = (stream: MessageStream) => {
      seed(stream, torrent, content).then(served.resolve, served.reject)
    }
    const listener = client.createListener({ onConnection })
    await listener.listen(address(0))
    const port = Number(listener.getAddrs()[0]?.getComponents()[1]?.value)
    const relay = lossy ? await Relay.start({ target: port, ...LOSSY }) : undefined
    const peer = new LibtorrentPeer('leech', file, folder, String(relay?.port ?? port))
    try {
      await peer.line()
      // a failure of the seed is told before the leech's silence is
      const report = peer.line<{ done: number }>()
      await Promise.race([report, served.promise])
      assert.deepEqual(await report, { done: bytes })
      assert.ok(fs.readFileSync(path.join(folder, 'up.bin')).equals(content))
    } finally {
      await peer.end()
      await relay?.close()
      await listener.close()
    }
  }

  it(`seeds ${counts.torrentBytes} bytes to us`, () => downloads(counts.torrentBytes, false))
  it(`leeches ${counts.torrentBytes} bytes from us`, () => uploads(counts.torrentBytes, false))
  it(`seeds ${counts.torrentLossyBytes} bytes through the lossy relay`, () =>
    downloads(counts.torrentLossyBytes, true))
  it(`leeches ${counts.torrentLossyBytes} bytes through the lossy relay`, () =>
    uploads(counts.torrentLossyBytes, true))
})
