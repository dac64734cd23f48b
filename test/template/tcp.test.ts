// The template transport against the kernel's TCP in node:net, an end that shares no code with it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Server, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import type { XtpClient, XtpConnection } from 'xtp'
import { tcpClient } from '../../examples/xtp-tcp/index.ts'
import { Pattern, receiveAll, receivePattern, sendPattern } from '../support/bytes.ts'
import { until } from '../support/processes.ts'

const FAMILIES = [
  { name: 'IPv4', ip: '127.0.0.1', prefix: '/ip4/127.0.0.1' },
  { name: 'IPv6', ip: '::1', prefix: '/ip6/::1' }
]
const MANY_BYTES = 16 * 2 ** 20

/** How a connection has ended: the code of its error, or nothing. */
const ended = (connection: XtpConnection) =>
  new Promise<string | undefined>(resolve =>
    connection.addEventListener('close', event =>
      resolve((event.error as { code?: string } | undefined)?.code)
    )
  )

const portOf = (server: Server) => (server.address() as net.AddressInfo).port

for (const { name, ip, prefix } of FAMILIES) {
  describe(`xtp-tcp and the kernel's TCP, ${name}`, () => {
    let client: XtpClient
    let server: Server

    before(async () => {
      client = tcpClient()
      server = net.createServer({ allowHalfOpen: true }).listen(0, ip)
      await once(server, 'listening')
    })
    after(async () => {
      await client.stop()
      server.close()
    })

    /** A connection that the template has dialled. */
    async function outbound(): Promise<[XtpConnection, Socket]> {
      const [connection, [socket]] = await Promise.all([
        client.dial(`${prefix}/tcp/${portOf(server)}`),
        once(server, 'connection') as Promise<[Socket]>
      ])
      return [connection, socket]
    }

    async function listen(take: (connection: XtpConnection) => void, port = 0) {
      const listener = client.createListener({ onConnection: take })
      await listener.listen(`${prefix}/tcp/${port}`)
      const address = listener.getAddrs()[0]
      assert.match(String(address), new RegExp(`^${prefix}/tcp/\\d+$`))
      return { listener, port: Number(address?.getComponents()[1]?.value) }
    }

    /** A connection that the template has accepted. */
    async function inbound(): Promise<[XtpConnection, Socket]> {
      const { promise, resolve } = Promise.withResolvers<XtpConnection>()
      const { listener, port } = await listen(resolve)
      const socket = net.connect({ host: ip, port, allowHalfOpen: true })
      const connection = await promise
      await listener.close()
      return [connection, socket]
    }

    for (const [how, open] of [
      ['dialled', outbound],
      ['accepted', inbound]
    ] as const) {
      it(`${how}: tells the addresses of both ends`, async () => {
        const [connection, socket] = await open()
        if (socket.connecting) {
          await once(socket, 'connect')
        }
        assert.equal(String(connection.localAddr), `${prefix}/tcp/${socket.remotePort}`)
        assert.equal(String(connection.remoteAddr), `${prefix}/tcp/${socket.localPort}`)
        socket.destroy()
        await connection.close()
      })

      it(`${how}: each side ends its own direction alone`, async () => {
        const [connection, socket] = await open()
        const over = ended(connection)
        const got = buffer(socket)
        connection.send(Buffer.from('question'))
        await connection.closeWrite()
        assert.equal(String(await got), 'question')
        const answer = receiveAll(connection)
        socket.write('answer')
        // long enough for whoever would close because the other side has ended
        await new Promise(resolve => setTimeout(resolve, 400))
        socket.end(', all of it')
        assert.equal(String(await answer), 'answer, all of it')
        assert.equal(await over, undefined)
      })

      it(`${how}: an abort reaches the peer as a reset`, async () => {
        for (const atOnce of [false, true]) {
          const [connection, socket] = await open()
          socket.resume()
          if (!atOnce) {
            socket.write('hello')
            await once(connection as unknown as EventTarget, 'message')
          }
          const [error] = await Promise.all([
            once(socket, 'error').then(([error]) => error as NodeJS.ErrnoException),
            connection.abort(new Error('enough'))
          ])
          assert.equal(error.code, 'ECONNRESET')
        }
      })

      it(`${how}: a reset of the peer is an error, also while nobody reads`, async () => {
        for (const paused of [false, true]) {
          const [connection, socket] = await open()
          const over = ended(connection)
          if (paused) {
            connection.pause()
          }
          connection.send(Buffer.from('hello'))
          await once(socket, 'readable')
          socket.resetAndDestroy()
          assert.equal(await over, 'ERR_XTP_CONNECTION_RESET')
        }
      })

      // the family makes no difference to these, and they take a while
      if ((how === 'dialled') !== (name === 'IPv4')) {
        continue
      }

      it(`${how}: what the peer sent before it ended is answered to the last byte`, async () => {
        const [connection, socket] = await open()
        const over = ended(connection)
        const [up, down] = [new Pattern(1), new Pattern(2)]
        const received = receivePattern(connection, up, MANY_BYTES)
        for (let sent = 0; sent < MANY_BYTES; sent += 65536) {
          socket.write(up.at(sent, 65536))
        }
        socket.end()
        const back = buffer(socket)
        await received
        await sendPattern(connection, down, MANY_BYTES)
        await connection.closeWrite()
        const bytes = await back
        assert.equal(bytes.length, MANY_BYTES)
        for (let at = 0; at < MANY_BYTES; at += 65536) {
          assert.ok(bytes.subarray(at, at + 65536).equals(down.at(at, 65536)), `block at ${at}`)
        }
        assert.equal(await over, undefined)
      })

      it(`${how}: a paused peer stops the sender, and a paused reader the peer`, async () => {
        const [connection, socket] = await open()
        const pattern = new Pattern(3)
        let offered = 0
        const sending = sendPattern(connection, pattern, MANY_BYTES, sent => {
          offered = sent
        })
        await steady(() => offered)
        assert.ok(offered < MANY_BYTES, 'everything was taken for a peer that reads nothing')
        connection.pause()
        let written = 0
        while (socket.write(pattern.at(written, 65536)) || (await drains(socket))) {
          written += 65536
          assert.ok(written < 2 * MANY_BYTES, 'the peer was never stopped')
        }
        let read = 0
        for await (const part of socket) {
          read += (part as Buffer).length
          if (read === MANY_BYTES) {
            break
          }
        }
        await sending
        connection.abort(new Error('enough'))
      })

      // the kernel tells the writer, and the reader only of an end
      it(`${how}: a reset is none of a peer's ends for a paused reader that writes`, async () => {
        const [connection, socket] = await open()
        const over = ended(connection)
        let ends = 0
        connection.addEventListener('message', () => {})
        connection.addEventListener('remoteCloseWrite', () => ends++)
        connection.pause()
        let written = 0
        while (socket.write(new Uint8Array(65536)) || (await drains(socket))) {
          written += 65536
          assert.ok(written < 2 * MANY_BYTES, 'the peer was never stopped')
        }
        socket.resetAndDestroy()
        connection.send(Buffer.from('hello'))
        await new Promise(resolve => setTimeout(resolve, 100))
        connection.resume()
        assert.equal(await over, 'ERR_XTP_CONNECTION_RESET')
        assert.equal(ends, 0)
      })
    }

    if (name === 'IPv6') {
      it('a listener on every address of IPv6 is none on those of IPv4', async () => {
        const listener = client.createListener({ onConnection: () => {} })
        await listener.listen('/ip6/::/tcp/0')
        const port = Number(listener.getAddrs()[0]?.getComponents()[1]?.value)
        const [error] = await once(net.connect({ host: '127.0.0.1', port }), 'error')
        assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
        const other = net.createServer().listen(port, '0.0.0.0')
        await once(other, 'listening')
        other.close()
        await listener.close()
      })
    }

    it('a dial that nobody answers, and a port that is taken, say so', async () => {
      const closed = net.createServer().listen(0, ip)
      await once(closed, 'listening')
      const port = portOf(closed)
      closed.close()
      await once(closed, 'close')
      await assert.rejects(client.dial(`${prefix}/tcp/${port}`), {
        code: 'ERR_XTP_CONNECTION_REFUSED',
        errno: 'ECONNREFUSED'
      })
      await assert.rejects(
        listen(() => {}, portOf(server)),
        { code: 'ERR_XTP_ADDRESS_IN_USE' }
      )
    })

    it('a listener that was closed refuses, and its port can be had again at once', async () => {
      const { promise, resolve } = Promise.withResolvers<XtpConnection>()
      const first = await listen(resolve)
      const socket = net.connect({ host: ip, port: first.port })
      const connection = await promise
      await first.listener.close()
      const [error] = await once(net.connect({ host: ip, port: first.port }), 'error')
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
      const second = await listen(other => other.abort(new Error('enough')), first.port)
      assert.equal(second.port, first.port)
      const echoed = receiveAll(connection)
      socket.end('still there')
      assert.equal(String(await echoed), 'still there')
      await second.listener.close()
      await connection.close()
    })

    it('nothing is left in the service when all connections are over', async () => {
      await until('no connection, no socket', async () => {
        const stats = await client.stats()
        return stats.get('connections') === 0n && stats.get('sockets') === 0n
      })
      assert.equal(client.status().restarts, 0)
    })
  })
}

/** Waits until a number has not changed for a while. */
async function steady(number: () => number): Promise<void> {
  for (let last = -1; last !== number(); ) {
    last = number()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}

/** Whether a socket takes more within a while. */
function drains(socket: Socket): Promise<boolean> {
  return Promise.race([
    once(socket, 'drain').then(() => true),
    new Promise<boolean>(resolve => setTimeout(() => resolve(false), 500))
  ])
}
