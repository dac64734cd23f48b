// What native code can do that has taken over a service: everything at L0; at L2 and L3 nothing but
// what SECURITY.md says. UPDATE_SECURITY=1 writes its table.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type AttackPackage, attackPackage } from '../support/attack-package.ts'
import { cannotRun } from './must-work.ts'

const SECURITY = path.resolve(import.meta.dirname, '../../SECURITY.md')
const MARKS = ['<!-- attacks -->', '<!-- /attacks -->'] as const
const NOBODY = 65_534
const LEVELS = ['L0', 'L2', 'L3'] as const
/** Promised to nobody: see SECURITY.md. */
const DOCUMENTED = new Set([
  'send anywhere from the lent socket',
  'writable and executable memory',
  'start a thread'
])

type Results = Record<string, { possible: boolean; detail: string }>

let enemy: AttackPackage
const tcp = net.createServer()
const unix = net.createServer()
const abstract = net.createServer()
const udp = createSocket('udp4')
const columns = new Map<string, Results>()

before(async () => {
  const abstractName = `xtp-attack-${process.pid}`
  tcp.listen(0, '127.0.0.1')
  abstract.listen(`\0${abstractName}`)
  udp.bind(0, '127.0.0.1')
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  const unixPath = `/tmp/xtp-attack-${process.pid}.sock`
  unix.listen({ path: unixPath, writableAll: true, readableAll: true })
  await once(unix, 'listening')
  enemy = await attackPackage({
    unixPath,
    abstractName,
    tcpPort: (tcp.address() as net.AddressInfo).port,
    udpPort: udp.address().port
  })
})
after(() => {
  enemy.remove()
  for (const server of [tcp, unix, abstract, udp]) {
    server.close()
  }
})

async function run(level: string, uid?: number): Promise<Results> {
  const program = path.resolve(import.meta.dirname, '../fixtures/attack-run.ts')
  const child = spawn(process.execPath, [program, enemy.entry, level], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: uid })
  })
  let text = ''
  child.stdout.on('data', bytes => {
    text += bytes
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  return JSON.parse(text)
}

const possible = (results: Results) => Object.keys(results).filter(name => results[name]?.possible)

describe('attacks from inside a service', { timeout: 300_000 }, () => {
  for (const [who, uid] of [
    ['root', undefined],
    ['ordinary user', NOBODY]
  ] as const) {
    for (const level of LEVELS) {
      test(`${who}, ${level}`, async t => {
        if (process.getuid?.() !== 0) {
          cannotRun(t, 'only root can try both as root and as an ordinary user')
          return
        }
        const results = await run(level, uid)
        columns.set(`${who}, ${level}`, results)
        const names = Object.keys(results)
        assert.ok(names.length >= 60, `only ${names.length} were tried`)
        // a crash of the attempt itself would look as if it had been stopped
        const deaths = Object.values(results).filter(({ detail }) => detail.startsWith('killed'))
        assert.deepEqual(
          deaths.filter(({ detail }) => level === 'L0' || detail !== 'killed (SIGSYS)'),
          []
        )
        if (level === 'L0') {
          // or the battery proves nothing
          const least = who === 'root' ? 55 : 25
          assert.ok(possible(results).length >= least, `possible: ${possible(results).length}`)
        } else {
          assert.deepEqual(new Set(possible(results)), DOCUMENTED)
        }
      })
    }
  }

  test('the table of SECURITY.md is what was found', t => {
    if (columns.size < 6) {
      cannotRun(t, 'not all levels were tried')
      return
    }
    const titles = [...columns.keys()]
    const names = Object.keys(columns.get('root, L0') as Results)
    const rows = names.map(name => [
      name,
      ...titles.map(title => (columns.get(title)?.[name]?.possible ? 'works' : '–'))
    ])
    const table = [['attempt', ...titles], titles.concat('').map(() => '---'), ...rows]
      .map(row => `| ${row.join(' | ')} |`)
      .join('\n')
    console.log(table)
    const text = fs.readFileSync(SECURITY, 'utf8')
    const [begin, end] = MARKS.map(mark => text.indexOf(mark)) as [number, number]
    assert.ok(begin >= 0 && end > begin, 'SECURITY.md has no place for the table')
    if (process.env.UPDATE_SECURITY === '1') {
      fs.writeFileSync(
        SECURITY,
        `${text.slice(0, begin + MARKS[0].length)}\n${table}\n${text.slice(end)}`
      )
      return
    }
    // what works without a sandbox depends on the kernel; what works inside does not
    const promised = (row: string) => {
      const cells = row.split('|').map(cell => cell.trim())
      return [cells[1], cells[3], cells[4], cells[6], cells[7]].join(' | ')
    }
    const written = text.slice(begin + MARKS[0].length, end).trim()
    assert.deepEqual(written.split('\n').map(promised), table.split('\n').map(promised))
  })
})
