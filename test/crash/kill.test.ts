// kill -9 of the service at every state of the control protocol: every promise settles with a typed
// error, before a timeout of its own, the parent lives on, and the transport works again.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isXtpError, type ServiceLostError, type XtpClient, type XtpInit } from 'xtp'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { counts } from '../support/counts.ts'
import { children, openFds, until } from '../support/processes.ts'
import { type Channel, WIRES } from '../support/wires.ts'

/**
 * It takes milliseconds, but on a busy machine Linux (6.18) stands still for up to four seconds now and then where it reaps a
 * process whose files in /proc were looked at (proc_invalidate_siblings_dcache). Dials and heartbeats have ten.
 */
const SETTLE_MS = 8000
/** For what takes milliseconds where nothing is lost: a dial, its acceptance, 300 kB over loopback. */
const STEP_MS = 10_000
const ROUNDS = Array.from({ length: counts.kills }, (_, i) => i)

/** The error of a promise that has to fail soon. */
async function failsSoon(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const start = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not settle within ${SETTLE_MS} ms`)), SETTLE_MS)
  })
  try {
    await Promise.race([promise, late])
  } catch (error) {
    assert.ok(performance.now() - start < SETTLE_MS, (error as Error).message)
    return error as Error
  } finally {
    clearTimeout(timer)
  }
  throw new Error('it succeeded although the service was killed')
}

/** Fails where something stands still, for instance because another connection than the dialled one was accepted. */
async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${STEP_MS} ms`)), STEP_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function typed(error: Error & { code?: string }, ...codes: string[]) {
  assert.ok(isXtpError(error), `${error.name}: ${error.message}`)
  assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`)
}

/** Dozens of kills in a row are what this test is about, not the pauses that a real service would get. */
const RESTART = { initialDelayMs: 10, maxDelayMs: 100, budget: 1000 }

for (const wire of WIRES) {
  describe(`kill -9 of the service of ${wire.name}`, () => {
    let server: XtpClient
    let client: XtpClient
    /** Of one test alone. */
    let others: XtpClient[]
    let silent: Socket
    let address: Multiaddr
    let inbound: (channel: Channel) => void
    let fdsAtStart: number

    before(async () => {
      silent = createSocket('udp4')
      silent.bind(0, '127.0.0.1')
      await once(silent, 'listening')
      fdsAtStart = openFds()
    })
    after(() => silent.close())

    beforeEach(async () => {
      inbound = () => {}
      others = []
      server = await wire.createClient({ restart: RESTART })
      client = await wire.createClient({ restart: RESTART })
      const listener = await wire.listen(server, channel => inbound(channel))
      address = listener.getAddrs()[0] as Multiaddr
    })
    afterEach(async () => {
      await Promise.all([client, server, ...others].map(each => each.stop()))
      assert.deepEqual(
        children().filter(child => child.command.includes('service')),
        [],
        'a service is left'
      )
      await until('file descriptors are given back', () => openFds() <= fdsAtStart)
    })

    async function another(init?: XtpInit) {
      const client = await wire.createClient(init)
      others.push(client)
      return client
    }

    function kill(which: XtpClient) {
      process.kill(which.status().pid as number, 'SIGKILL')
    }

    /** A new connection carries data both ways. */
    async function works() {
      await until(
        'a dial succeeds again',
        async () => {
          try {
            const accepted = new Promise<Channel>(resolve => {
              inbound = resolve
            })
            const out = await wire.dial(client, address, { signal: AbortSignal.timeout(1000) })
            const pattern = new Pattern(6)
            const sent = sendPattern(out.stream, pattern, 300_000)
            const into = await inTime('to be accepted', accepted)
            const received = receivePattern(into.stream, pattern, 300_000)
            await inTime('the transfer', Promise.all([sent, received]))
            const closed = [out.connection.close(), into.connection.close()]
            await inTime('to close both ends', Promise.all(closed))
            return true
          } catch (error) {
            if (isXtpError(error) ? error.retryable : (error as Error).name === 'TimeoutError') {
              return false
            }
            throw error
          }
        },
        10_000
      )
    }

    it('before Hello', async () => {
      for (const _ of ROUNDS) {
        const fresh = await another({ restart: { initialDelayMs: 10 } })
        const known = children().map(child => child.pid)
        const dialling = fresh.dial(address)
        dialling.catch(() => {})
        let victim: number | undefined
        await until('the service process', () => {
          victim = children().find(child => !known.includes(child.pid))?.pid
          return victim !== undefined
        })
        process.kill(victim as number, 'SIGKILL')
        typed(await failsSoon(dialling), 'ERR_XTP_SERVICE_START_FAILED', 'ERR_XTP_SERVICE_LOST')
        await fresh.stop()
      }
      await works()
    })

    it('while dialling', async () => {
      for (const _ of ROUNDS) {
        const to = wire.address(silent.address().port)
        const heard = once(silent, 'message')
        const dialling = client.dial(to)
        dialling.catch(() => {})
        await inTime('the first datagram', heard)
        kill(client)
        const error = await failsSoon(dialling)
        typed(error, 'ERR_XTP_SERVICE_LOST')
        assert.equal((error as ServiceLostError).signal, 'SIGKILL')
        await works()
      }
    })

    it('while listening: the same port is served again', async () => {
      for (const _ of ROUNDS) {
        const before = server.status().pid
        kill(server)
        await until('another service runs', () => {
          const { pid, state } = server.status()
          return state === 'running' && pid !== before
        })
        await works()
      }
      assert.equal(server.status().restarts, counts.kills)
    })

    it('mid-transfer, at either end', async () => {
      for (let round = 0; round < counts.transferKills; round++) {
        const victim = round % 2 === 0 ? client : server
        const accepted = new Promise<Channel>(resolve => {
          inbound = resolve
        })
        const out = await inTime('to dial', wire.dial(client, address))
        const pattern = new Pattern(round)
        const total = 2 ** 30
        let killed = false
        const sending = sendPattern(out.stream, pattern, total, sent => {
          if (!killed && sent > 8 * 2 ** 20) {
            killed = true
            kill(victim)
          }
        })
        const into = await inTime('to be accepted', accepted)
        const receiving = receivePattern(into.stream, pattern, total)
        receiving.catch(() => {})
        sending.catch(() => {})
        await until('the kill', () => killed, 20_000)
        const own = await failsSoon(victim === client ? sending : receiving)
        typed(own, 'ERR_XTP_SERVICE_LOST')
        // the other end hears of it from the network, or not at all: it must only be able to give up
        const other = victim === client ? into : out
        other.connection.abort(new Error('the test goes on'))
        await failsSoon(victim === client ? receiving : sending)
        await works()
      }
    })

    it('while closing', async () => {
      for (const round of ROUNDS) {
        const accepted = new Promise<Channel>(resolve => {
          inbound = resolve
        })
        const out = await inTime('to dial', wire.dial(client, address))
        out.stream.send(new Uint8Array(3_000_000))
        const into = await inTime('to be accepted', accepted)
        into.stream.pause()
        const closing = out.stream.close()
        closing.catch(() => {})
        if (round % 2 === 1) {
          await new Promise(resolve => setTimeout(resolve, 20))
        }
        kill(client)
        typed(await failsSoon(closing), 'ERR_XTP_SERVICE_LOST')
        into.connection.abort(new Error('the test goes on'))
        await works()
      }
    })

    it('while stopping', async () => {
      for (const _ of ROUNDS) {
        const fresh = await another()
        await fresh.dial(address)
        const stopping = fresh.stop()
        const { pid } = fresh.status()
        if (pid !== undefined) {
          process.kill(pid, 'SIGKILL')
        }
        const start = performance.now()
        await stopping
        assert.ok(performance.now() - start < SETTLE_MS)
      }
    })

    it('while its JavaScript thread is stopped: the heartbeat finds it', async () => {
      const fresh = await another({
        heartbeatIntervalMs: 100,
        heartbeatTimeoutMs: 300,
        restart: { initialDelayMs: 10 }
      })
      const connection = await fresh.dial(address)
      const ended = new Promise<Error | undefined>(resolve => {
        connection.addEventListener('close', event => resolve(event.error))
      })
      const { pid } = fresh.status()
      process.kill(pid as number, 'SIGSTOP')
      const error = await failsSoon(ended.then(e => Promise.reject(e)))
      typed(error, 'ERR_XTP_SERVICE_LOST')
      await until('it was replaced', () => {
        const status = fresh.status()
        return status.state === 'running' && status.pid !== pid
      })
      await fresh.stop()
    })
  })
}
