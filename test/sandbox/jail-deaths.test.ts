// The deaths of the launcher and of the application, at random moments.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { XtpConnection } from 'xtp'
import { Pattern, receivePattern, sendPattern } from '../support/bytes.ts'
import { createClient } from '../support/clients.ts'
import { counts } from '../support/counts.ts'
import { children, isAlive, processes, tree, until } from '../support/processes.ts'
import { cannotRun } from './must-work.ts'

const jails = (pid?: number) => children(pid).filter(({ command }) => command.includes('xtp-jail'))

describe('death', { timeout: 300_000 }, () => {
  it('of the launcher: the service is gone, and another one listens on the same port', async t => {
    const server = createClient({ restart: { initialDelayMs: 10, maxDelayMs: 100, budget: 1000 } })
    const client = createClient()
    try {
      let inbound: (connection: XtpConnection) => void = () => {}
      const listener = server.createListener({ onConnection: c => inbound(c) })
      await listener.listen('/ip4/127.0.0.1/udp/0/utp')
      const [address] = listener.getAddrs()
      if (server.status().sandbox?.level === 'L0') {
        cannotRun(t, 'there is no launcher at L0')
        return
      }
      for (let round = 0; round < counts.kills; round++) {
        const { pid } = server.status()
        // the client has one, too
        const jail = jails().find(jail => tree(jail.pid).includes(pid as number))
        process.kill(jail?.pid as number, 'SIGKILL')
        await until('the service is gone', () => !isAlive(pid as number))
        await until(
          'it listens again',
          () => server.status().pid !== pid && server.status().listeners === 1,
          10_000
        )
        assert.deepEqual(listener.getAddrs(), [address])
        const accepted = new Promise<XtpConnection>(resolve => {
          inbound = resolve
        })
        const out = await client.dial(address as never)
        const pattern = new Pattern(round)
        const sent = sendPattern(out, pattern, 100_000)
        await Promise.all([sent, receivePattern(await accepted, pattern, 100_000)])
        await out.close()
      }
    } finally {
      await client.stop()
      await server.stop()
    }
    assert.deepEqual(jails(), [])
  })

  it('of the application: nothing is left a second later', async () => {
    const program = path.resolve(import.meta.dirname, '../fixtures/node-in-a-process.ts')
    const folders = () => fs.readdirSync(os.tmpdir()).filter(name => name.startsWith('xtp-jail'))
    const before = folders()
    for (let round = 0; round < 3 * counts.kills; round++) {
      const child = spawn(process.execPath, [program], { stdio: ['pipe', 'ignore', 'ignore'] })
      const pid = child.pid as number
      const seen = new Set<number>()
      // from before there is a launcher until long after the service is ready
      const end = performance.now() + 300 + Math.random() * 900
      while (performance.now() < end) {
        for (const below of tree(pid)) {
          seen.add(below)
        }
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      // without one more look: what it starts right now counts as well
      child.kill('SIGKILL')
      await until('all are gone', () => ![...seen].some(isAlive), 1_000)
    }
    const orphans = processes().filter(
      ({ parent, command }) => parent === 1 && /xtp-jail|xtp-utp\/dist\/service/.test(command)
    )
    assert.deepEqual(orphans, [])
    assert.deepEqual(folders(), before)
  })
})
