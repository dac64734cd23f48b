// Kills of a service under load: the parent lives, its port is never free, what was sent while the
// service was dead is answered, and nothing is left behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import { counts } from '../support/counts.ts'
import { children, openFds, rss, until } from '../support/processes.ts'
import { initialPacket } from '../support/quic-initial.ts'
import { answer, request } from '../support/udt-packets.ts'
import { WIRES, type Wire } from '../support/wires.ts'

const PROCESSES = 2
const PEERS_EACH = 2
const RESTART = { initialDelayMs: 1, maxDelayMs: 20, budget: 100_000 }
/** Ends that come from outside or from a defect; SIGSYS, which means something else, is not among them. */
const SIGNALS = ['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTERM'] as const
/** By test/fixtures/load-peers.ts. */
const TOLD_EVERY_MS = 20

/** A first datagram that nobody repeats, with an id that its answer has, too. */
interface Knock {
  packet(id: number): Buffer
  /** Undefined: this is no answer. */
  idOf(answer: Buffer): number | undefined
}

const KNOCKS: Record<Wire['name'], Knock> = {
  // BEP 29: SYN, and the STATE that accepts it
  'xtp-utp': {
    packet(id) {
      const packet = Buffer.alloc(20)
      packet[0] = 0x41
      packet.writeUInt16BE(id, 2)
      packet.writeUInt32BE(1 << 20, 12)
      packet.writeUInt16BE(1, 16)
      return packet
    },
    idOf: answer => (answer.length >= 20 && answer[0] === 0x21 ? answer.readUInt16BE(2) : undefined)
  },
  // RFC 9000, section 17.2: an Initial, and any packet with a long header to its source connection id
  'xtp-quic': {
    packet(id) {
      const source = Buffer.alloc(4)
      source.writeUInt32BE(id)
      return initialPacket(randomBytes(8), source, randomBytes(32))
    },
    idOf: answer =>
      answer.length > 10 && (answer.readUInt8(0) & 0x80) !== 0 && answer[5] === 4
        ? answer.readUInt32BE(6)
        : undefined
  },
  // a handshake, and the cookie that answers it
  'xtp-udt': {
    packet: id => request({ socketId: id + 1 }),
    idOf(packet) {
      const { requestType, destination } = answer(packet) ?? {}
      return requestType === 1 && destination !== undefined ? destination - 1 : undefined
    }
  }
}

const jails = () =>
  children()
    .filter(({ command }) => command.includes('xtp-jail'))
    .map(({ pid }) => pid)
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Tries to bind the port all the time; tells at its end how often it could, and could not. */
function thief(port: number) {
  const program = `
    import dgram from 'node:dgram'
    let on = true, inUse = 0, bound = 0, other = []
    process.stdin.on('data', () => { on = false })
    while (on) {
      await new Promise(resolve => {
        setTimeout(resolve, 1)
      })
      await new Promise(resolve => {
        const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
        socket.once('error', ({ code }) => {
          if (code === 'EADDRINUSE') inUse++
          else other.push(code)
          socket.close(resolve)
        })
        socket.bind(${port}, '127.0.0.1', () => { bound++; socket.close(resolve) })
      })
    }
    process.stdin.destroy()
    console.log(JSON.stringify({ inUse, bound, other }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  let text = ''
  child.stdout.on('data', bytes => {
    text += bytes
  })
  return async (): Promise<{ inUse: number; bound: number; other: string[] }> => {
    child.stdin.write('end')
    await once(child, 'close')
    return JSON.parse(text)
  }
}

/** Peers in a process of their own. */
function peers(wire: Wire, address: Multiaddr) {
  const program = path.resolve(import.meta.dirname, '../fixtures/load-peers.ts')
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv.filter(arg => !arg.startsWith('--test')),
      program,
      wire.name,
      `${address}`,
      `${PEERS_EACH}`
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] }
  )
  let echoed = 0
  child.stdout.on('data', bytes => {
    echoed = Number(String(bytes).trim().split('\n').at(-1))
  })
  const ended = once(child, 'close')
  return {
    echoed: () => echoed,
    async stop() {
      child.stdin.end()
      assert.deepEqual(await ended, [0, null])
    }
  }
}

/**
 * Dead at this moment, with all of its threads: its first thread is a zombie while the one for input and
 * output may still take a datagram to its grave. Asked without letting the event loop turn, so nothing
 * can have replaced it.
 */
function isDead(pid: number): boolean {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`)
    return (
      threads.length <= 1 && /^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
    )
  } catch {
    return true
  }
}

function waitForDeath(pid: number): void {
  const end = performance.now() + 5_000
  while (!isDead(pid)) {
    assert.ok(performance.now() < end, `service ${pid} does not die`)
  }
}

async function knocker({ packet, idOf }: Knock, port: number) {
  const socket = createSocket('udp4')
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const answered = new Set<number>()
  socket.on('message', bytes => {
    const id = idOf(bytes)
    if (id !== undefined) {
      answered.add(id)
    }
  })
  return {
    answered: (id: number) => answered.has(id),
    knock: (id: number) => socket.send(packet(id)),
    close: () => socket.close()
  }
}

describe('kills under load', { timeout: 600_000 }, () => {
  for (const wire of WIRES) {
    it(`of ${wire.name}, ${counts.loadKills} times, at random moments`, async t => {
      const server = await wire.createClient({ restart: RESTART })
      const listener = await wire.listen(server, ({ stream }) => {
        stream.addEventListener('message', event => {
          try {
            stream.send(event.data)
          } catch {
            // it ended meanwhile
          }
        })
      })
      const [address] = listener.getAddrs() as [Multiaddr]
      const port = Number(address.getComponents()[1]?.value)
      const kept = server.status().sandbox?.level !== 'L0'
      const fds = openFds()
      const memory = rss()
      const stopThief = kept ? thief(port) : undefined
      const { answered, knock, close } = await knocker(KNOCKS[wire.name], port)
      const loads = Array.from({ length: PROCESSES }, () => peers(wire, address))
      const echoed = () => loads.reduce((sum, load) => sum + load.echoed(), 0)
      const keepers = jails()
      const times: number[] = []
      /** All of them, so that none hides another. */
      const failures: Error[] = []
      const check = async (what: () => void | Promise<void>) => {
        try {
          await what()
        } catch (error) {
          failures.push(error as Error)
        }
      }
      await check(async () => {
        await until('the load', () => loads.every(load => load.echoed() > 2e5), 30_000)
        for (let i = 0; i < counts.loadKills; i++) {
          const { pid } = server.status() as { pid: number }
          const signal = SIGNALS[Math.floor(Math.random() * SIGNALS.length)] as NodeJS.Signals
          process.kill(pid, signal)
          waitForDeath(pid)
          const start = performance.now()
          if (kept) {
            knock(i + 1)
            await until(
              `kill ${i} (${signal}): the datagram is answered`,
              () => answered(i + 1),
              20_000
            )
            times.push(performance.now() - start)
          }
          await until(`it listens after kill ${i}`, () => server.status().listeners === 1, 20_000)
          // longer than what came back before the kill takes to be told
          await pause(3 * TOLD_EVERY_MS)
          const before = echoed()
          await until(`echoes after kill ${i} (${signal})`, () => echoed() > before, 20_000)
          await pause(Math.random() * 100)
        }
        assert.deepEqual(listener.getAddrs(), [address])
        assert.equal(server.status().crashes, counts.loadKills)
      })
      await check(() => assert.deepEqual(jails(), keepers, 'another launcher keeps the port'))
      close()
      await check(() => Promise.all(loads.map(load => load.stop())).then(() => {}))
      const stolen = await stopThief?.()
      if (stolen !== undefined) {
        t.diagnostic(`${stolen.inUse} attempts to take the port, ${stolen.bound} successful`)
        await check(() => assert.deepEqual([stolen.bound, stolen.other], [0, []]))
        await check(() => assert.ok(stolen.inUse > 100))
      }
      await check(() => until('descriptors are given back', () => openFds() <= fds, 20_000))
      await check(() => until('memory is given back', () => rss() < memory + 150e6, 30_000))
      await server.stop()
      if (failures.length > 0) {
        throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
      }
      times.sort((a, b) => a - b)
      const median = times[times.length >> 1]
      t.diagnostic(
        `from death to the first answered packet: median ${median?.toFixed(0) ?? '–'} ms`
      )
    })
  }
})
