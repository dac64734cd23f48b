// The promise that the application never loads native code, and that nothing is left behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { isAlive, mappedFiles, processes, until } from '../support/processes.ts'

const FIXTURE = path.resolve(import.meta.dirname, '../fixtures/node-in-a-process.ts')

interface Report {
  pid: number
  service: number
  /** `L0` and so on. */
  level: string
}

/** The launcher and what it started. */
function launched({ pid }: Report): number[] {
  const all = processes()
  const below = (parent: number): number[] =>
    all.filter(info => info.parent === parent).flatMap(info => [info.pid, ...below(info.pid)])
  return below(pid)
}

async function start(kind: string, env = process.env) {
  const child = spawn(process.execPath, [FIXTURE, kind], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, report: JSON.parse(String(line)) as Report }
}

const KINDS = [
  { name: 'xtp-utp', kind: 'utp' },
  { name: 'xtp-quic', kind: 'quic' },
  { name: 'xtp-udt', kind: 'udt' }
]

for (const { name, kind } of KINDS) {
  describe(`processes of ${name}`, () => {
    it('maps the addon in the service and no .node file in the parent', async () => {
      const { child, report } = await start(kind)
      const addons = (pid: number) => mappedFiles(pid).filter(name => name.endsWith('.node'))
      assert.equal(addons(report.service).length, 1, 'the service has the addon')
      assert.deepEqual(addons(report.pid), [])
      child.stdin.end()
      await once(child, 'exit')
    })

    it('gives the service no ipc channel, no environment of the parent, and cwd /', async () => {
      const { child, report } = await start(kind)
      const environment = fs.readFileSync(`/proc/${report.service}/environ`, 'utf8').split('\0')
      const names = environment.map(entry => entry.split('=')[0]).filter(name => name !== '')
      assert.deepEqual(
        names.filter(name => name !== 'TZ'),
        // node reads the system's file otherwise, and cannot
        report.level === 'L0' ? [] : ['OPENSSL_CONF']
      )
      // of a tree that is gone the kernel tells it with this mark
      assert.match(fs.readlinkSync(`/proc/${report.service}/cwd`), /^(\(unreachable\))?\/$/)
      const command = fs.readFileSync(`/proc/${report.service}/cmdline`, 'utf8').split('\0')
      assert.equal(
        command.filter(word => word !== '').length,
        2,
        'node and the bundled file, nothing else'
      )
      child.stdin.end()
      await once(child, 'exit')
    })

    it('exits by itself after libp2p.stop(), and leaves no process and no temporary file', async () => {
      const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-layout-'))
      const { child, report } = await start(kind, { ...process.env, TMPDIR: temporary })
      const all = launched(report)
      assert.ok(all.includes(report.service))
      child.stdin.end()
      const [code, signal] = await once(child, 'exit')
      assert.deepEqual([code, signal], [0, null])
      assert.deepEqual(all.filter(isAlive), [])
      assert.deepEqual(fs.readdirSync(temporary), [])
      fs.rmdirSync(temporary)
    })

    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const) {
      it(`the service ends when its parent dies of ${signal}`, async () => {
        const { child, report } = await start(kind)
        const all = launched(report)
        process.kill(report.pid, signal)
        await once(child, 'exit')
        await until('the service and its launcher are gone', () => !all.some(isAlive), 3000)
      })
    }

    it('the service ends when its parent dies while its JavaScript thread hangs', async () => {
      const { child, report } = await start(kind)
      // a stopped JavaScript thread answers nothing; the I/O thread and the kernel are what is left
      process.kill(report.service, 'SIGSTOP')
      process.kill(report.pid, 'SIGKILL')
      await once(child, 'exit')
      await until('the service is gone', () => !isAlive(report.service), 3000)
    })
  })
}
