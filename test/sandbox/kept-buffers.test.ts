// The buffers of kept sockets are those of the service's settings, although a service must not change them.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { describe, it } from 'node:test'
import type { Multiaddr } from '@multiformats/multiaddr'
import { until } from '../support/processes.ts'
import { WIRES } from '../support/wires.ts'
import { cannotRun } from './must-work.ts'

const DATAGRAM = Buffer.alloc(1_000)

/** Bytes that wait in the receive buffer of a socket, with what the kernel needs for each datagram. */
function waiting(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const line = fs
    .readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .find(line => line.includes(local))
  return Number.parseInt(line?.trim().split(/\s+/)[4]?.split(':')[1] ?? '', 16)
}

/** Every thread is. */
function isStopped(pid: number): boolean {
  return fs.readdirSync(`/proc/${pid}/task`).every(task => {
    const stat = fs.readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  })
}

describe('a kept socket', () => {
  for (const wire of WIRES) {
    it(`of ${wire.name} has room for settings.udp_buffer_bytes`, async t => {
      const sender = createSocket('udp4')
      const room: number[] = []
      const sizes = [32_768, 131_072]
      try {
        for (const udp_buffer_bytes of sizes) {
          const client = await wire.createClient({ settings: { udp_buffer_bytes } })
          try {
            const listener = await wire.listen(client)
            const { pid, sandbox } = client.status()
            if (sandbox?.level === 'L0') {
              cannotRun(t, 'no sandbox here, and so no kept socket')
              return
            }
            process.kill(pid as number, 'SIGSTOP')
            // a thread that runs goes on for a moment, and might read all of it
            await until('all threads are stopped', () => isStopped(pid as number))
            const [address] = listener.getAddrs() as [Multiaddr]
            const port = Number(address.getComponents()[1]?.value)
            sender.connect(port, '127.0.0.1')
            await once(sender, 'connect')
            for (let sent = 0; sent < 3 * udp_buffer_bytes; sent += DATAGRAM.length) {
              await new Promise(resolve => sender.send(DATAGRAM, resolve))
            }
            sender.disconnect()
            room.push(waiting(port))
            process.kill(pid as number, 'SIGCONT')
          } finally {
            await client.stop()
          }
        }
      } finally {
        sender.close()
      }
      for (const [i, bytes] of sizes.entries()) {
        // the kernel doubles what it is asked for, and takes one datagram more than fits
        const most = 2 * bytes
        const taken = room[i] as number
        assert.ok(taken > most - 4_096 && taken < most + 4_096, `${taken} instead of ${most}`)
      }
    })
  }
})
