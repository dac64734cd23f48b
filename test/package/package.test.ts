// The tarballs that users get: installed into an empty folder, with an empty HOME and no compiler.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'

const root = path.resolve(import.meta.dirname, '../..')
const TRANSPORTS = [
  { name: 'xtp-utp', licence: 'LICENSE-libutp', protocol: 'utp' },
  { name: 'xtp-quic', licence: 'LICENSE-libquic', protocol: 'quic-v1' },
  { name: 'xtp-udt', licence: 'LICENSE-libudt', protocol: 'udt' }
]
const PACKAGES = ['xtp', ...TRANSPORTS.map(({ name }) => name)]

const PROGRAM = `
import { createLibp2p } from 'libp2p'
import { quic } from 'xtp-quic'
import { udt } from 'xtp-udt'
import { noise, utp, yamux } from 'xtp-utp'

const protocol = process.argv[2]
const node = listen => createLibp2p({
  addresses: { listen },
  transports: [{ utp, udt, 'quic-v1': quic }[protocol]()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false }
})
const listener = await node(['/ip4/127.0.0.1/udp/0/' + protocol])
const dialer = await node([])
await listener.handle('/double/1.0.0', stream => {
  stream.addEventListener('message', event => { stream.send(event.data); stream.send(event.data) })
  stream.addEventListener('remoteCloseWrite', () => { stream.close() })
})
const stream = await dialer.dialProtocol(listener.getMultiaddrs(), '/double/1.0.0')
const parts = []
stream.addEventListener('message', event => parts.push(...(event.data instanceof Uint8Array ? [event.data] : event.data)))
stream.send(new TextEncoder().encode('packaged'))
await stream.close()
while (Buffer.concat(parts).length < 16) await new Promise(resolve => setTimeout(resolve, 5))
console.log(Buffer.concat(parts).toString())
await dialer.stop()
await listener.stop()
`

const TYPES = `
import { QUIC, quic, type QuicInit } from 'xtp-quic'
import { UDT, type UdtInit, udt } from 'xtp-udt'
import { type UtpInit, UTP, utp, yamux, type YamuxInit } from 'xtp-utp'
import { yamux as ofClient } from 'xtp/yamux'
import { isXtpError, type TransportStatus, type XtpTransport } from 'xtp'
const init: UtpInit = { startTimeoutMs: 1000 }
const factory = utp(init)
const another: QuicInit = { startTimeoutMs: 1000 }
const third: UdtInit = { startTimeoutMs: 1000 }
const muxer: YamuxInit = { maxInboundStreams: 10 }
export function pid(transport: XtpTransport): number | undefined {
  const status: TransportStatus = transport.status()
  return status.pid
}
export const test = [factory, quic(another), udt(third), UTP.matches, QUIC.matches, UDT.matches, isXtpError, yamux(muxer), ofClient()]
`

describe('published packages', () => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-package-'))
  const home = path.join(work, 'home')
  const app = path.join(work, 'app')
  const bin = path.join(work, 'bin')
  const tarballs: string[] = []
  let env: NodeJS.ProcessEnv

  before(() => {
    for (const dir of [home, app, bin]) {
      fs.mkdirSync(dir)
    }
    for (const name of PACKAGES) {
      const out = execFileSync('npm', ['pack', '--pack-destination', work, '--silent'], {
        cwd: path.join(root, 'src', name),
        encoding: 'utf8'
      })
      tarballs.push(path.join(work, out.trim().split('\n').at(-1) as string))
    }
    // node, npm and a shell, and nothing that compiles
    const which = (name: string) =>
      fs.realpathSync(execFileSync('which', [name], { encoding: 'utf8' }).trim())
    fs.symlinkSync(process.execPath, path.join(bin, 'node'))
    for (const name of ['npm', 'sh', 'env']) {
      fs.symlinkSync(which(name), path.join(bin, name))
    }
    const { NODE_EXTRA_CA_CERTS, HTTPS_PROXY, https_proxy, SSL_CERT_FILE } = process.env
    env = { NODE_EXTRA_CA_CERTS, HTTPS_PROXY, https_proxy, SSL_CERT_FILE, PATH: bin, HOME: home }
    env = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
    fs.writeFileSync(path.join(app, 'package.json'), '{"type":"module","private":true}')
    const others = ['libp2p@3.3.11']
    execFileSync('npm', ['install', '--no-audit', '--no-fund', ...tarballs, ...others], {
      cwd: app,
      env,
      stdio: ['ignore', 'ignore', 'inherit']
    })
  })

  after(() => fs.rmSync(work, { recursive: true, force: true }))

  const installed = (name: string, ...parts: string[]) =>
    path.join(app, 'node_modules', name, ...parts)

  it('have no compiler at hand while they are installed and run', () => {
    for (const tool of ['gcc', 'g++', 'cc', 'c++', 'make', 'cmake', 'python3']) {
      assert.throws(
        () => execFileSync('sh', ['-c', `command -v ${tool}`], { env, stdio: 'ignore' }),
        tool
      )
    }
  })

  it('have types, the bundled service, a prebuilt addon, licences, and no install script', () => {
    for (const name of PACKAGES) {
      const manifest = JSON.parse(fs.readFileSync(installed(name, 'package.json'), 'utf8'))
      assert.equal(manifest.scripts, undefined)
      for (const file of ['dist/index.js', 'dist/index.d.ts', 'LICENSE-MIT', 'LICENSE-APACHE']) {
        assert.ok(fs.existsSync(installed(name, file)), `${name}/${file}`)
      }
    }
    for (const { name, licence } of TRANSPORTS) {
      assert.ok(fs.existsSync(installed(name, 'dist/service.cjs')))
      assert.ok(fs.existsSync(installed(name, licence)))
      const prebuilds = installed(name, 'prebuilds', `${process.platform}-${process.arch}`)
      assert.equal(fs.readdirSync(prebuilds).filter(file => file.endsWith('.node')).length, 1)
    }
  })

  it('have no test, no native source and no build folder', () => {
    for (const name of PACKAGES) {
      const all = fs.readdirSync(installed(name), { recursive: true }).map(String)
      assert.deepEqual(
        all.filter(
          file => !file.includes('node_modules') && /\.test\.|\.cc$|\.h$|testing|^build/.test(file)
        ),
        []
      )
    }
  })

  const carry = (protocol: string) =>
    execFileSync(path.join(bin, 'node'), ['program.mjs', protocol], {
      cwd: app,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: 60_000
    })

  for (const { name, protocol } of TRANSPORTS) {
    it(`carry data between two libp2p nodes: ${name}`, () => {
      fs.writeFileSync(path.join(app, 'program.mjs'), PROGRAM)
      assert.equal(carry(protocol).trim(), 'packagedpackaged')
    })
  }

  it('have the program xtp, which finds them and their service', () => {
    const program = path.join(app, 'node_modules/.bin/xtp')
    const { status, stdout, stderr } = spawnSync(program, ['doctor', '--json'], {
      cwd: app,
      env,
      encoding: 'utf8',
      timeout: 60_000
    })
    assert.equal(stderr, '')
    const { schema, transports, ok } = JSON.parse(stdout)
    assert.equal(schema, 1)
    assert.equal(status, ok ? 0 : 1)
    assert.deepEqual(
      transports.map((t: { package: string; state: string }) => [t.package, t.state]),
      TRANSPORTS.map(({ name }) => [name, 'ok'])
    )
    assert.equal(transports[0].directory, fs.realpathSync(installed('xtp-utp')))
  })

  it('have types that compile strictly', () => {
    fs.writeFileSync(path.join(app, 'types.ts'), TYPES)
    const tsc = path.join(root, 'node_modules/.bin/tsc')
    const compilerOptions = {
      noEmit: true,
      strict: true,
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2024', 'dom'],
      types: [],
      skipLibCheck: true
    }
    const config = { compilerOptions, files: ['types.ts'] }
    fs.writeFileSync(path.join(app, 'tsconfig.json'), JSON.stringify(config))
    execFileSync(tsc, ['-p', app], { cwd: app, stdio: 'inherit' })
  })

  for (const { name, protocol } of TRANSPORTS) {
    it(`tell what is missing where the addon is: ${name}`, () => {
      for (const folder of ['prebuilds', 'static']) {
        fs.rmSync(installed(name, folder), { recursive: true, force: true })
      }
      assert.throws(
        () => carry(protocol),
        (error: Error & { stderr: string }) => {
          assert.match(error.stderr, new RegExp(`no addon for ${process.platform}-${process.arch}`))
          assert.match(error.stderr, /prebuilds/)
          assert.match(error.stderr, new RegExp(`Reinstall ${name}`))
          return true
        }
      )
    })
  }
})
