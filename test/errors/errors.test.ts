// Mistakes and misfortunes that users meet: each gives an error of its own class with a remedy, and
// costs nothing else.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { isXtpError, type XtpClient } from 'xtp'
import { UTP, utp } from 'xtp-utp'
import { createClient } from '../support/clients.ts'
import { createNode, UTP4 } from '../support/nodes.ts'

const root = path.resolve(import.meta.dirname, '../..')
const UTP_ENTRY = path.join(root, 'src/xtp-utp/dist/index.js')

async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** Looks into what libp2p wraps around the errors of its transports. */
function xtpErrors(error: unknown): Array<Error & { code?: string }> {
  const { errors, cause } = error as { errors?: unknown[]; cause?: unknown }
  return [
    ...(isXtpError(error) ? [error] : []),
    ...[...(errors ?? []), ...(cause === undefined ? [] : [cause])].flatMap(xtpErrors)
  ]
}

describe('errors', () => {
  let client: XtpClient
  before(() => {
    client = createClient()
  })
  after(() => client.stop())

  const listen = (address: string) => client.createListener({ onConnection() {} }).listen(address)

  async function failsWith(promise: Promise<unknown>, code: string, remedy: RegExp) {
    const error = await rejection(promise)
    assert.equal(error.code, code, `${error.name}: ${error.message}`)
    assert.match(error.message, remedy)
    assert.equal(client.status().restarts, 0, 'the service was lost over it')
  }

  it('address in use', async () => {
    const other: Socket = createSocket('udp4')
    other.bind(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address()
    await failsWith(
      listen(`/ip4/127.0.0.1/udp/${port}/utp`),
      'ERR_XTP_ADDRESS_IN_USE',
      new RegExp(`${port}`)
    )
    other.close()
  })

  it('address not available', () =>
    failsWith(listen('/ip4/192.0.2.1/udp/0/utp'), 'ERR_XTP_ADDRESS_NOT_AVAILABLE', /192\.0\.2\.1/))

  it('a privileged port without the privilege', () => {
    const sysctl = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
    const port = Number(fs.readFileSync(sysctl, 'utf8')) - 1
    assert.ok(port > 0, `this machine has no privileged ports (${sysctl})`)
    const source = `
      import { utpClient } from ${JSON.stringify(UTP_ENTRY)}
      const client = utpClient()
      try {
        await client.createListener({ onConnection() {} }).listen('/ip4/127.0.0.1/udp/${port}/utp')
      } catch (error) {
        console.log(error.code, error.message)
      }
      await client.stop()`
    const program = [process.execPath, '--input-type=module', '-e', source]
    // root keeps its files readable and loses the one capability
    const [command = '', ...args] =
      os.userInfo().uid === 0
        ? ['setpriv', '--bounding-set=-net_bind_service', ...program]
        : program
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 })
    assert.match(stdout, /^ERR_XTP_PERMISSION_DENIED .*(port|privilege)/, stderr)
  })

  it('nothing listens there: refused, at once', async () => {
    const other = createSocket('udp4')
    other.bind(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address()
    other.close()
    await once(other, 'close')
    const start = performance.now()
    await failsWith(
      client.dial(`/ip4/127.0.0.1/udp/${port}/utp`),
      'ERR_XTP_CONNECTION_REFUSED',
      /refused|nothing listens/
    )
    assert.ok(performance.now() - start < 1000)
  })

  it('a silent address: the signal is honoured within 50 ms', async () => {
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    await client
      .dial(`/ip4/127.0.0.1/udp/${silent.address().port}/utp`, { signal: AbortSignal.timeout(50) })
      .catch(() => {})
    const controller = new AbortController()
    const dialling = client.dial(`/ip4/127.0.0.1/udp/${silent.address().port}/utp`, {
      signal: controller.signal
    })
    await new Promise(resolve => setTimeout(resolve, 100))
    const start = performance.now()
    controller.abort()
    const error = await rejection(dialling)
    assert.ok(performance.now() - start < 50, `${performance.now() - start} ms`)
    assert.equal(error.name, 'AbortError')
    silent.close()
  })

  it('not a multiaddr, not a uTP address, port 0, a name that does not exist', async () => {
    await failsWith(client.dial('127.0.0.1:4001'), 'ERR_XTP_INVALID_ARGUMENT', /udp\/.*utp/)
    await failsWith(client.dial('/ip4/127.0.0.1/tcp/4001'), 'ERR_XTP_INVALID_ARGUMENT', /utp/)
    await failsWith(client.dial('/ip4/127.0.0.1/udp/0/utp'), 'ERR_XTP_INVALID_ARGUMENT', /port 0/)
    await failsWith(listen('/ip4/127.0.0.1/udp/0/quic-v1'), 'ERR_XTP_INVALID_ARGUMENT', /utp/)
    const name = 'no-such-host.invalid'
    await failsWith(client.dial(`/dns4/${name}/udp/1/utp`), 'ERR_XTP_NOT_FOUND', /no-such-host/)
  })

  it('a name of this machine is resolved in the parent', async () => {
    const server = createClient()
    const listener = server.createListener({ onConnection() {} })
    await listener.listen('/ip4/127.0.0.1/udp/0/utp')
    const port = listener.getAddrs()[0]?.getComponents()[1]?.value
    const connection = await client.dial(`/dns4/localhost/udp/${port}/utp`)
    await connection.close()
    await server.stop()
  })

  it('addresses that are uTP and that are not', () => {
    const id = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf'
    const yes = [
      '/ip4/1.2.3.4/udp/5/utp',
      '/ip6/::1/udp/5/utp',
      '/dns4/a.b/udp/5/utp',
      '/dns6/a.b/udp/5/utp',
      '/dns/a.b/udp/5/utp',
      `/ip4/1.2.3.4/udp/5/utp/p2p/${id}`
    ]
    const no = [
      '/ip4/1.2.3.4/udp/5',
      '/ip4/1.2.3.4/tcp/5',
      '/ip4/1.2.3.4/udp/5/quic-v1',
      '/ip4/1.2.3.4/udp/5/utp/ws'
    ]
    for (const address of yes) {
      assert.ok(UTP.exactMatch(multiaddr(address)), address)
    }
    for (const address of no) {
      assert.ok(!UTP.exactMatch(multiaddr(address)), address)
    }
  })

  it('an option that is out of range, and a setting that does not exist', async () => {
    assert.throws(() => utp({ startTimeoutMs: -1 })({} as never), /startTimeoutMs/)
    const wrong = createClient({ settings: { no_such_setting: 1 } })
    const error = await rejection(wrong.dial('/ip4/127.0.0.1/udp/9/utp'))
    assert.ok(isXtpError(error, 'ERR_XTP_SERVICE_START_FAILED'), `${error.name}: ${error.message}`)
    assert.match(error.message, /no_such_setting/)
    await wrong.stop()
  })

  it('libp2p passes the typed errors on', async () => {
    const node = await createNode()
    const error = await rejection(node.dial(multiaddr('/ip4/127.0.0.1/udp/1/utp')))
    assert.deepEqual(
      xtpErrors(error).map(e => e.code),
      ['ERR_XTP_CONNECTION_REFUSED']
    )
    await node.stop()
    const bad = await rejection(createNode({ listen: ['/ip4/192.0.2.1/udp/0/utp'] }))
    assert.match(String(bad.message), /192\.0\.2\.1/)
  })

  it('too many open files in the service', async () => {
    const script = `ulimit -n 40; exec "$0" "$@"`
    const source = `
      import { utpClient } from ${JSON.stringify(UTP_ENTRY)}
      const client = utpClient()
      const codes = new Set()
      for (let i = 0; i < 40; i++) {
        try { await client.createListener({ onConnection() {} }).listen('/ip4/127.0.0.1/udp/0/utp') }
        catch (error) { codes.add(error.code + ' ' + error.errno) }
      }
      console.log([...codes].join(), client.status().restarts)
      await client.stop()`
    const { stdout, stderr } = spawnSync(
      'sh',
      ['-c', script, process.execPath, '--input-type=module', '-e', source],
      {
        encoding: 'utf8',
        timeout: 20_000
      }
    )
    assert.equal(stdout.trim(), 'ERR_XTP_RESOURCE_EXHAUSTED EMFILE 0', stderr)
  })

  it('more listeners than the launcher has places for', async t => {
    const crowd = createClient()
    try {
      const open = () => crowd.createListener({ onConnection() {} }).listen(UTP4)
      await open()
      if (crowd.status().sandbox?.level === 'L0') {
        t.skip('there is no launcher at L0')
        return
      }
      await Promise.all(Array.from({ length: 63 }, open))
      const error = await rejection(open())
      assert.ok(isXtpError(error, 'ERR_XTP_RESOURCE_EXHAUSTED'), error.message)
      assert.equal(error.errno, 'ENFILE')
      assert.match(error.message, /64 sockets .*close a listener/)
      assert.doesNotMatch(error.message, /ulimit/)
    } finally {
      await crowd.stop()
    }
  })

  it('a Node that is too old', t => {
    const old = ['/usr/bin/node', '/usr/local/bin/node'].find(file => fs.existsSync(file))
    const version = old && execFileSync(old, ['--version'], { encoding: 'utf8' }).trim()
    if (version === undefined || Number(version.slice(1).split('.')[0]) >= 22) {
      t.skip(`the system's own node is ${version ?? 'not there'}: nothing older than 22 to try`)
      return
    }
    const source = `const { utp } = await import(${JSON.stringify(UTP_ENTRY)}); utp()`
    const { stderr } = spawnSync(old as string, ['--input-type=module', '-e', source], {
      encoding: 'utf8'
    })
    assert.match(stderr, /Node 22/)
  })

  it('missing cmake and compiler at build', () => {
    const bin = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-no-tools-'))
    fs.symlinkSync(process.execPath, path.join(bin, 'node'))
    const source = `
      import { checkTools } from ${JSON.stringify(path.join(root, 'scripts/build-addon.mjs'))}
      try { checkTools() } catch (error) { console.log(error.message) }`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
      env: { PATH: bin }
    })
    fs.rmSync(bin, { recursive: true })
    assert.match(stdout, /cmake \(3\.18 or newer\) and a C\+\+17 compiler/)
    assert.match(stdout, /apt install g\+\+ make cmake/)
  })

  it('listening twice on one port fails, and the first listener goes on', async () => {
    const node = await createNode({ listen: [UTP4] })
    const address = node.getMultiaddrs()[0]?.decapsulate('/p2p')
    await failsWith(listen(String(address)), 'ERR_XTP_ADDRESS_IN_USE', /in use/)
    const connection = await client.dial(String(address))
    await connection.close()
    await node.stop()
  })
})
