// The line protocol of the real xtp-jail against lines that nobody should send, and connections that
// nobody should make: never a crash or a hang, at most one answer per line.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openFds } from '../support/processes.ts'
import { JailDriver, tag } from './jail-driver.ts'

const LINES = Number(process.env.XTP_FUZZ_COUNT ?? 20_000)
const BATCH = 200

/** Random numbers that can be repeated (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const seed = Number(process.env.XTP_FUZZ_SEED ?? Date.now() % 2 ** 31)
const below = random(seed)
const some = <T>(list: readonly T[]): T => list[below(list.length)] as T

const WORDS = [
  'bind',
  'close',
  'start',
  'give',
  'kill',
  'probe',
  'a',
  'b',
  'c-1',
  'udp4',
  'udp6',
  '127.0.0.1',
  '::1',
  '::1%lo',
  '::%0',
  '0',
  '1',
  '2',
  '4294967296',
  '-1',
  'L0',
  'L2',
  'L3',
  'L4',
  'L9',
  'TERM',
  'KILL',
  '9',
  '',
  ' ',
  'x'.repeat(300),
  '\0',
  'é',
  '%n%s'
]

let number = 0
/** Every number that some line, mutated or not, may have started. */
const started = new Set<string>()

/** A line that the grammar has; none starts a program that would live on. */
function valid(): string {
  return some([
    () => `bind ${some(['a', 'b', 'c-1'])} udp4 127.0.0.1 0 ${below(100_000)} 0`,
    () => `bind ${some(['a', 'b', 'c-1'])} udp6 ::1 ${below(70_000)} 0 0`,
    () => `close ${some(['a', 'b', 'c-1'])}`,
    () => `start ${below(20) === 0 ? ++number : below(number + 9) + 1} ${some(['L0', 'L2'])}`,
    () => `give ${below(number + 3)} ${some(['a', 'b', 'c-1'])}`,
    () => `kill ${below(number + 9)} ${some(['15', '9', '19'])}`,
    () => (below(50) === 0 ? `probe ${some(['L0', 'L2', 'L3', 'L4'])}` : 'probe L7')
  ])()
}

function mutated(): Buffer {
  const bytes = Buffer.from(valid())
  for (let n = 1 + below(3); n > 0 && bytes.length > 0; n--) {
    bytes[below(bytes.length)] = below(256)
  }
  return below(4) === 0 ? bytes.subarray(0, below(bytes.length + 1)) : bytes
}

const line = (): Buffer =>
  some([
    () => Buffer.from(valid()),
    mutated,
    () => Buffer.from(Array.from({ length: below(9) }, () => some(WORDS)).join(' ')),
    () => Buffer.from(Array.from({ length: below(below(20) === 0 ? 3000 : 60) }, () => below(256)))
  ])()

it(`${LINES.toLocaleString('en')} lines and wrong links leave the jail as it was (seed ${seed})`, async t => {
  const jail = new JailDriver({ command: ['/bin/true'], ro: [] })
  t.after(() => jail.end())
  await jail.hello
  const before = openFds(jail.pid)
  const bound = new Set<string>()
  for (let sent = 0; sent < LINES; sent += BATCH) {
    const lines = Array.from({ length: BATCH }, line)
    for (const text of lines.map(String)) {
      const of = /^start (\d+) L\d$/.exec(text)?.[1]
      if (of !== undefined) {
        started.add(of)
      }
    }
    const bytes = Buffer.concat(lines.flatMap(l => [l, Buffer.from('\n')]))
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + below(5000)
      jail.write(bytes.subarray(at, at + length))
      at += length
      if (below(3) === 0) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    // links between the lines, with tags that are wrong, early, late, in part or right
    for (let n = below(4); n > 0; n--) {
      const link = await jail.connect()
      const wanted = tag(some(['c', 'd', 'l', 'x', '\0']), below(number + 5))
      if (below(4) === 0) {
        wanted[below(8)] = below(256)
      }
      link.resume()
      const length = below(3) === 0 ? below(9) : 8
      link.write(wanted.subarray(0, length))
      // the jail waits for one that says nothing
      if (length === 0 || below(2) === 0) {
        link.destroy()
      }
    }
    jail.send(`close end-${sent}`)
    await jail.expect(new RegExp(`^error close end-${sent} ENOENT$`), { timeoutMs: 60_000 })
    const answered = bytes.reduce((count, byte) => count + (byte === 10 ? 1 : 0), 1)
    // an answer for each line; a start is answered twice; links are refused or let in starts
    assert.ok(jail.events.length <= 3 * answered + 64, `${jail.events.length} events`)
    for (const event of jail.events) {
      assert.ok(event.length < 512 && /^[ -~]+$/.test(event), event)
      const [word, id] = event.split(' ') as [string, string]
      if (word === 'bound') {
        bound.add(id)
      } else if (word === 'closed') {
        bound.delete(id)
      }
    }
    jail.forget()
  }
  // everything is given back
  jail.disconnect()
  jail.send(...[...bound].map(id => `close ${id}`))
  jail.send(...[...started].map(n => `kill ${n} 9`))
  await jail.ask('close last', /^error close last ENOENT$/)
  const end = performance.now() + 20_000
  while (openFds(jail.pid) > before && performance.now() < end) {
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  assert.equal(openFds(jail.pid), before)
  assert.deepEqual(await jail.end(), [0, null])
  assert.equal(jail.stderr, '')
})
