// What native code can do that has taken over a service: everything at L0; at L2 and L3 nothing but
// what SECURITY.md says, whichever service it is. UPDATE_SECURITY=1 writes its table.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type AttackPackage, attackPackage } from '../support/attack-package.ts'
import { patience, tier } from '../support/counts.ts'
import { WIRES, type Wire } from '../support/wires.ts'
import { cgroupFolder } from './cgroups.ts'
import { cannotRun } from './must-work.ts'

const SECURITY = path.resolve(import.meta.dirname, '../../SECURITY.md')
const MARKS = ['<!-- attacks -->', '<!-- /attacks -->'] as const
const NOBODY = 65_534
/** Each column of the table. In short, a second service is tried in some. */
const BOXES = [
  { who: 'root', level: 'L0', short: false },
  { who: 'root', level: 'L2', short: false },
  { who: 'root', level: 'L3', short: true },
  { who: 'ordinary user', level: 'L0', short: false },
  { who: 'ordinary user', level: 'L2', short: true },
  { who: 'ordinary user', level: 'L3', short: false }
] as const
/** Promised to nobody: see SECURITY.md. */
const DOCUMENTED = new Set([
  'send anywhere from the lent socket',
  'writable and executable memory',
  'start a thread'
])

/** Where it can be had, no more is possible at L4 than at L3. */
const MORE = cgroupFolder() === undefined ? [] : [{ who: 'root', level: 'L4', short: false }]

type Results = Record<string, { possible: boolean; detail: string }>

const [first] = WIRES as [Wire]
const enemies = new Map<Wire, AttackPackage>()
const tcp = net.createServer()
const unix = net.createServer()
const abstract = net.createServer()
const udp = createSocket('udp4')
/** Of the first service. */
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
  const context = {
    unixPath,
    abstractName,
    tcpPort: (tcp.address() as net.AddressInfo).port,
    udpPort: udp.address().port
  }
  for (const wire of WIRES) {
    enemies.set(wire, await attackPackage(wire, context))
  }
})
after(() => {
  for (const enemy of enemies.values()) {
    enemy.remove()
  }
  for (const server of [tcp, unix, abstract, udp]) {
    server.close()
  }
})

async function run(wire: Wire, level: string, uid?: number): Promise<Results> {
  const { entry } = enemies.get(wire) as AttackPackage
  const program = path.resolve(import.meta.dirname, '../fixtures/attack-run.ts')
  const child = spawn(process.execPath, [program, wire.name, entry, level], {
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

describe('attacks from inside a service', { timeout: 300_000 * patience, concurrency: 3 }, () => {
  for (const wire of WIRES) {
    for (const { who, level, short } of [...BOXES, ...MORE]) {
      if (wire !== first && !short && tier !== 'full') {
        continue
      }
      test(`${wire.name}: ${who}, ${level}`, async t => {
        if (process.getuid?.() !== 0) {
          cannotRun(t, 'only root can try both as root and as an ordinary user')
          return
        }
        const results = await run(wire, level, who === 'root' ? undefined : NOBODY)
        if (wire === first) {
          columns.set(`${who}, ${level}`, results)
        }
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
})

describe('SECURITY.md', () => {
  test('has the table of what was found', t => {
    if (columns.size < BOXES.length) {
      cannotRun(t, 'not all levels were tried')
      return
    }
    const titles = BOXES.map(({ who, level }) => `${who}, ${level}`)
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
