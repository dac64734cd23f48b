import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isXtpError } from '../ctl/index.ts'
import {
  JailLineReader,
  jailCommand,
  linkTag,
  MAX_JAIL_LINE_BYTES,
  parseJailEvent
} from './jail-lines.ts'

const RUNS = Number(process.env.XTP_FUZZ_FRAMES ?? 20_000)
const VIOLATION = { code: 'ERR_XTP_PROTOCOL_VIOLATION' }

/** Every form of every event of the specification. */
const EVENTS: Array<[string, object]> = [
  [
    'hello 3 4711 0001f landlock=7 uid=1000',
    { kind: 'hello', pid: 4711, socketName: '0001f', landlockAbi: 7, uid: 1000 }
  ],
  [
    'bound listen-1 4001 4194304 1048576',
    { kind: 'bound', id: 'listen-1', port: 4001, receiveBytes: 4_194_304, sendBytes: 1_048_576 }
  ],
  ['closed dial4', { kind: 'closed', id: 'dial4' }],
  [
    'error bind listen-1 98',
    { kind: 'error', command: 'bind', id: 'listen-1', errno: 'EADDRINUSE' }
  ],
  ['error close a 2', { kind: 'error', command: 'close', id: 'a', errno: 'ENOENT' }],
  ['error give 3 a 3', { kind: 'error', command: 'give', number: 3, id: 'a', errno: 'ESRCH' }],
  ['error - 22', { kind: 'error', command: '-', errno: 'EINVAL' }],
  ['error bind a 133', { kind: 'error', command: 'bind', id: 'a', errno: 'E133' }],
  ['started 4294967295 77', { kind: 'started', number: 4_294_967_295, pid: 77 }],
  ['failed 2 namespaces 28', { kind: 'failed', number: 2, step: 'namespaces', errno: 'ENOSPC' }],
  [
    'exit 2 code 255 60000 12',
    { kind: 'exit', number: 2, how: 'code', value: 255, maxRssKb: 60_000, cpuMs: 12 }
  ],
  [
    'exit 2 signal 31 0 0',
    { kind: 'exit', number: 2, how: 'signal', value: 31, maxRssKb: 0, cpuMs: 0 }
  ],
  ['given 2 listen-1', { kind: 'given', number: 2, id: 'listen-1' }],
  ['probed L3 ok', { kind: 'probed', level: 'L3' }],
  [
    'probed L3 uid_map 1',
    { kind: 'probed', level: 'L3', failure: { step: 'uid_map', errno: 'EPERM' } }
  ],
  ['refused peer', { kind: 'refused', reason: 'peer' }],
  ['fatal poll 22', { kind: 'fatal', step: 'poll', errno: 'EINVAL' }]
]

describe('events', () => {
  for (const [line, event] of EVENTS) {
    it(line, () => assert.deepEqual(parseJailEvent(line), event))
  }

  const wrong = [
    '',
    ' ',
    'hello',
    'hello 2 4711 0001f landlock=7 uid=0',
    'hello 3 0 0001f landlock=7 uid=0',
    'hello 3 4711 ../x landlock=7 uid=0',
    'hello 3 4711 0001f uid=0 landlock=7',
    'hello 3 4711 0001f landlock=x uid=0',
    'bound a 0 0 0',
    'bound a 65536 0 0',
    'bound A 1 0 0',
    `bound ${'a'.repeat(24)} 1 0 0`,
    'bound a 01 0 0',
    'started 0 1',
    'started 4294967296 1',
    'started -1 1',
    'started 1 1 1',
    'started 1 ',
    'exit 1 code 256 0 0',
    'exit 1 signal 0 0 0',
    'exit 1 signal 65 0 0',
    'exit 1 core 1 0 0',
    'probed L1 ok',
    'probed L3 fine',
    'probed L3',
    'refused',
    'error bind a',
    'error - 22 x',
    'error - EINVAL',
    'error - 0',
    'error - 4096',
    'constructor 1',
    '__proto__ 1',
    'toString'
  ]
  for (const line of wrong) {
    it(`"${line}" is none`, () => assert.throws(() => parseJailEvent(line), VIOLATION))
  }

  it('any text is an event or a violation, and nothing else', () => {
    const words = fc.constantFrom(
      ...EVENTS.flatMap(([line]) => line.split(' ')),
      '',
      '0',
      '-1',
      '1e9',
      '0x1',
      'E',
      '99999999999999999999'
    )
    const near = fc.array(words, { maxLength: 8 }).map(list => list.join(' '))
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), line => {
        try {
          assert.equal(parseJailEvent(line).kind, line.split(' ')[0])
        } catch (error) {
          assert.ok(isXtpError(error, VIOLATION.code), String(error))
        }
      }),
      { numRuns: RUNS }
    )
  })
})

describe('lines', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1')

  it('come out whole, however they are cut', () => {
    const text = EVENTS.map(([line]) => `${line}\n`).join('')
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 1 }), sizes => {
        const reader = new JailLineReader()
        const lines: string[] = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = 1 + (sizes[i % sizes.length] as number)
          lines.push(...reader.push(bytes(text.slice(at, at + size))))
          at += size
        }
        assert.deepEqual(
          lines,
          EVENTS.map(([line]) => line)
        )
      }),
      { numRuns: 200 }
    )
  })

  it('are bounded, with and without their end', () => {
    const longest = 'a'.repeat(MAX_JAIL_LINE_BYTES - 1)
    assert.deepEqual(new JailLineReader().push(bytes(`${longest}\n`)), [longest])
    assert.throws(() => new JailLineReader().push(bytes(`${longest}a\n`)), VIOLATION)
    const reader = new JailLineReader()
    reader.push(bytes(longest))
    assert.throws(() => reader.push(bytes('a')), VIOLATION)
  })

  it('are printable ASCII', () => {
    for (const text of ['a\0b\n', 'a\tb\n', '\x1b[2J', 'ä\n', '\r\n']) {
      assert.throws(() => new JailLineReader().push(bytes(text)), VIOLATION)
    }
  })
})

describe('commands', () => {
  const sizes = { receiveBytes: 4, sendBytes: 5 }

  it('are lines', () => {
    const address = { family: 6, ip: 'fe80::1%eth0', port: 7 } as const
    assert.equal(
      jailCommand.bind('listen-1', address, sizes),
      'bind listen-1 udp6 fe80::1%eth0 7 4 5\n'
    )
    assert.equal(jailCommand.close('a'), 'close a\n')
    assert.equal(jailCommand.start(3, 'L3'), 'start 3 L3\n')
    assert.equal(jailCommand.give(3, 'a'), 'give 3 a\n')
    assert.equal(jailCommand.kill(3, 'SIGKILL'), 'kill 3 9\n')
    assert.equal(jailCommand.probe('L2'), 'probe L2\n')
  })

  it('take no word that would be two', () => {
    for (const ip of ['127.0.0.1\nkill', '127.0.0.1 1', 'fe80::1%a b', '', 'localhost']) {
      const address = { family: 4, ip, port: 0 } as const
      assert.throws(() => jailCommand.bind('a', address, sizes), VIOLATION)
    }
    for (const id of ['', 'a b', 'A', 'a\n', 'a'.repeat(24)]) {
      assert.throws(() => jailCommand.give(1, id), VIOLATION)
    }
  })

  it('a link begins with its tag', () => {
    assert.deepEqual([...linkTag('log', 0x01020304)], [...Buffer.from('XTPl'), 4, 3, 2, 1])
  })
})
