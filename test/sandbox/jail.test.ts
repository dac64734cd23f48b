// xtp-jail as spec/xtp-jail.md has it: the real program, with node as its service.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { isAlive, until } from '../support/processes.ts'
import { JAIL_PROGRAM, tag } from './jail-driver.ts'
import { LEVELS, open, processesBelow } from './jails.ts'
import { cannotRun } from './must-work.ts'

describe('the first event', () => {
  it('tells version, pid, socket, Landlock and user', async () => {
    const jail = open()
    const words = (await jail.hello).split(' ')
    assert.deepEqual(words.slice(0, 3), ['hello', '3', String(jail.pid)])
    assert.match(words[3] as string, /^[0-9a-f]{5}$/)
    assert.match(words[4] as string, /^landlock=\d+$/)
    assert.equal(words[5], `uid=${process.getuid?.()}`)
    const names = fs.readFileSync('/proc/net/unix', 'utf8')
    assert.ok(names.includes(`@${words[3]}`), 'an abstract socket, and nothing in the file system')
  })
})

describe('options', () => {
  const wrong: [string, string[]][] = [
    ['unknown', ['--what', 'x', '--', '/bin/true']],
    ['without value', ['--ro']],
    ['no program', ['--']],
    ['no end of options', ['--nofile', '9']],
    ['relative program', ['--', 'node']],
    ['relative path', ['--ro', 'x', '--', '/bin/true']],
    ['number with a sign', ['--nofile', '+9', '--', '/bin/true']],
    ['number 0', ['--data-bytes', '0', '--', '/bin/true']],
    ['number too large', ['--nofile', '9223372036854775808', '--', '/bin/true']],
    ['root as user', ['--uid', '0', '--gid', '0', '--', '/bin/true']],
    ['user without group', ['--uid', '7', '--', '/bin/true']],
    ['group without user', ['--gid', '7', '--', '/bin/true']],
    ['user that means no change', ['--uid', '4294967295', '--gid', '7', '--', '/bin/true']],
    ['relative group', ['--cgroup', 'x', '--', '/bin/true']],
    ['65 paths', [...Array.from({ length: 65 }, () => ['--ro', '/x']).flat(), '--', '/bin/true']]
  ]
  for (const [what, args] of wrong) {
    it(`${what}: exit code 2 and a line on stderr`, () => {
      const { status, stdout, stderr } = spawnSync(JAIL_PROGRAM, args, { encoding: 'utf8' })
      assert.equal(status, 2)
      assert.equal(stdout, '')
      assert.match(stderr, /^xtp-jail: .+\n$/)
    })
  }
})

describe('kept sockets', () => {
  it('are bound to the port asked for, or to a free one, with the buffers told', async () => {
    const jail = open()
    const first = await jail.ask('bind a udp4 127.0.0.1 0 65536 32768', /^bound a /)
    const [, , port, receive, send] = first.split(' ')
    assert.equal(receive, '65536')
    assert.equal(send, '32768')
    assert.equal(
      await jail.ask(`bind b udp6 ::1 ${port} 0 0`, / b /).then(l => l.split(' ')[2]),
      port
    )
    await jail.ask(`bind c udp4 127.0.0.1 ${port} 0 0`, /^error bind c EADDRINUSE$/)
    await jail.ask('bind a udp4 127.0.0.1 0 0 0', /^error bind a EEXIST$/)
    await jail.ask('close a', /^closed a$/)
    await jail.ask('close a', /^error close a ENOENT$/)
    await jail.ask(`bind c udp4 127.0.0.1 ${port} 0 0`, new RegExp(`^bound c ${port} `))
  })

  it('take an IPv6 zone by name and by number', async () => {
    const jail = open()
    await jail.ask('bind a udp6 ::1%lo 0 0 0', /^bound a \d+ \d+ \d+$/)
    await jail.ask('bind b udp6 ::1%1 0 0 0', /^bound b \d+ \d+ \d+$/)
    await jail.ask('bind c udp6 ::1%nowhere 0 0 0', /^error bind c ENODEV$/)
  })

  it('are 64 at most', async () => {
    const jail = open()
    for (let i = 0; i < 64; i++) {
      jail.send(`bind s${i} udp4 127.0.0.1 0 0 0`)
    }
    await jail.expect(/^bound s63 /)
    await jail.ask('bind s64 udp4 127.0.0.1 0 0 0', /^error bind s64 ENFILE$/)
    await jail.ask('close s7', /^closed s7$/)
    await jail.ask('bind s64 udp4 127.0.0.1 0 0 0', /^bound s64 /)
  })

  it('refuse what is not an address, and an address that is not here', async () => {
    const jail = open()
    for (const words of [
      'udp4 ::1 0',
      'udp6 127.0.0.1 0',
      'udp4 localhost 0',
      'udp4 1.2.3 0',
      'udp5 127.0.0.1 0',
      'udp4 127.0.0.1 65536',
      'udp4 127.0.0.1 01'
    ]) {
      await jail.ask(`bind a ${words} 0 0`, /^error bind a EINVAL$/)
    }
    await jail.ask('bind a udp4 127.0.0.1 0 1073741825 0', /^error bind a EINVAL$/)
    await jail.ask('bind a udp4 192.0.2.1 0 0 0', /^error bind a EADDRNOTAVAIL$/)
    for (const zone of ['', '0', 'none-such', 'a-name-that-is-too-long']) {
      await jail.ask(`bind a udp6 fe80::1%${zone} 0 0 0`, /^error bind a ENODEV$/)
    }
  })

  it('survive crashes: datagrams wait, and nobody else gets the port', async () => {
    const jail = open()
    const port = (await jail.ask('bind a udp4 127.0.0.1 0 0 0', /^bound a /)).split(' ')[2]
    const { createSocket } = await import('node:dgram')
    for (let n = 1; n <= 3; n++) {
      const service = await jail.start(n, 'L2')
      await jail.ask(`give ${n} a`, new RegExp(`^given ${n} a$`))
      process.kill(service.pid, 'SIGSEGV')
      assert.equal(await jail.exitOf(n), 'signal 11')
      const other = createSocket('udp4')
      const failed = once(other, 'error')
      other.bind(Number(port), '127.0.0.1')
      assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'EADDRINUSE')
      other.close()
      await jail.ask(`bind b udp4 127.0.0.1 ${port} 0 0`, /^error bind b EADDRINUSE$/)
    }
  })
})

describe('lines', () => {
  it('that are none are answered with error - EINVAL, and do nothing else', async () => {
    const jail = open()
    const wrong = [
      '',
      ' ',
      'x',
      'bind',
      'bind a udp4 127.0.0.1 0 0',
      'close  a',
      ' close a',
      'close a ',
      'CLOSE a',
      'close A',
      'close a.b',
      `close ${'a'.repeat(24)}`,
      'close a\r',
      'close \0',
      'start x L2',
      'start 0 L2',
      'start 4294967296 L2',
      'start 01 L2',
      'start -1 L2',
      'give 1 A',
      'kill 1',
      'kill 1 WHAT',
      'kill 1 65',
      'probe L1',
      'probe L22',
      'close é',
      `close ${'a'.repeat(600)}`,
      'a b c d e f g h i'
    ]
    for (const line of wrong) {
      jail.write(`${line}\n`)
    }
    jail.send('close end')
    await jail.expect(/^error close end ENOENT$/)
    assert.deepEqual(
      jail.events.slice(1, -1),
      wrong.map(() => 'error - EINVAL')
    )
  })

  it('may come in pieces and many at once', async () => {
    const jail = open()
    for (const byte of Buffer.from('close a\nclo')) {
      jail.write(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    jail.write('se b\n')
    await jail.expect(/^error close b ENOENT$/)
    jail.send(...Array.from({ length: 2000 }, (_, i) => `close n${i}`))
    await jail.expect(/^error close n1999 ENOENT$/)
    assert.equal(jail.events.length, 2003)
  })
})

describe('incarnations', () => {
  it('have numbers that only grow', async () => {
    const jail = open()
    await jail.startEcho(5, 'L0')
    for (const n of [5, 4, 1]) {
      await jail.ask(`start ${n} L0`, new RegExp(`^failed ${n} start EEXIST$`))
    }
    await jail.ask('start 6 L1', /^failed 6 start EINVAL$/)
    await jail.startEcho(4294967295, 'L0')
    await jail.ask('start 4294967295 L0', /^failed 4294967295 start EEXIST$/)
  })

  it('wait for their links, in any order, and can be cancelled', async () => {
    const jail = open()
    jail.send('start 1 L0')
    await jail.link('l', 1)
    await jail.link('d', 1)
    await jail.ask('kill 1 15', /^failed 1 start ECANCELED$/)
    const late = await jail.link('c', 1)
    await jail.expect(/^refused tag$/)
    await once(late.resume(), 'close')
    jail.send('start 2 L0')
    await jail.link('d', 2)
    await jail.link('l', 2)
    // what is behind the tag is for the service
    const control = await jail.connect()
    control.write(Buffer.concat([tag('c', 2), Buffer.from('ping\n')]))
    await jail.expect(/^started 2 /)
    let said = ''
    control.on('data', data => {
      said += data
    })
    await until('the answer', () => said === 'ready\npong\n')
  })

  it('are eight at once', async () => {
    const jail = open()
    for (let n = 1; n <= 8; n++) {
      jail.send(`start ${n} L0`)
    }
    await jail.ask('start 9 L0', /^failed 9 start ENFILE$/)
    await jail.ask('probe L0', /^probed L0 start ENFILE$/)
    await jail.ask('kill 3 9', /^failed 3 start ECANCELED$/)
    await jail.ask('probe L0', /^probed L0 ok$/)
    await jail.startEcho(10, 'L0')
  })
})

describe('links', () => {
  const wrong: [string, Buffer][] = [
    ['of another protocol', Buffer.from('GET / HTTP/1.0\r\n\r\n')],
    ['of an unknown kind', tag('x', 9)],
    ['of number 0', tag('c', 0)],
    ['of an old number', tag('c', 1)],
    ['of a number to come', tag('c', 10)],
    ['of one that has all', tag('c', 2)],
    ['a second time', tag('c', 9)],
    ['whose tag is cut', tag('d', 9).subarray(0, 7)]
  ]
  for (const [what, bytes] of wrong) {
    it(`${what} are refused`, async () => {
      const jail = open()
      await jail.startEcho(2, 'L0')
      jail.send('start 9 L0')
      await jail.link('c', 9)
      const link = await jail.connect()
      // with an error where the jail has not read all
      const closed = new Promise(resolve => link.resume().on('close', resolve))
      link.write(bytes)
      await jail.expect(/^refused tag$/)
      await closed
    })
  }

  it('that close before their tag are refused', async () => {
    const jail = open()
    const link = await jail.connect()
    link.write('XTP')
    link.destroy()
    await jail.expect(/^refused tag$/)
  })

  it('of another process are refused, also one of the same user', async () => {
    const jail = open()
    const name = await jail.socketName()
    const program = `require('net').connect('\\x00${name}').on('close', () => process.exit(7)).on('error', () => {}).resume()`
    const other = spawn(process.execPath, ['-e', program], { stdio: 'ignore' })
    await jail.expect(/^refused peer$/)
    assert.deepEqual(await once(other, 'exit'), [7, null])
  })

  it('are waited for one after the other, and commands meanwhile, which are not lost', async () => {
    const jail = open()
    jail.send('start 1 L0')
    const slow = await jail.connect()
    const others = ['d', 'l'].map(kind => jail.link(kind, 1))
    jail.send('close x')
    await new Promise(resolve => setTimeout(resolve, 300))
    slow.write(tag('c', 1))
    await Promise.all(others)
    await jail.expect(/^error close x ENOENT$/)
    await jail.expect(/^started 1 /)
  })
})

describe('ends', () => {
  it('are told, also at the orderly end, which does not wait for a tag', async () => {
    const jail = open()
    const one = await jail.startEcho(1, 'L0')
    await jail.startEcho(2, 'L0')
    one.control.write('exit 5\n')
    await once(one.control.resume(), 'close')
    await jail.connect()
    const begin = performance.now()
    jail.process.stdin?.end()
    assert.deepEqual(await jail.ended, [0, null])
    assert.ok(performance.now() - begin < 4500, 'not the 5 s of a tag')
    assert.match(jail.events.join('\n'), /^exit 1 code 5 /m)
    assert.match(jail.events.join('\n'), /^exit 2 signal 9 /m)
  })

  it('EOF on stdin, and SIGTERM: every service is killed', async () => {
    for (const signal of [undefined, 'SIGTERM'] as const) {
      const jail = open()
      const { pid } = await jail.startEcho(1, 'L2')
      jail.send('start 2 L0')
      if (signal === undefined) {
        jail.process.stdin?.end()
      } else {
        jail.process.kill(signal)
      }
      assert.deepEqual(await jail.ended, signal === undefined ? [0, null] : [null, signal])
      // by the kernel, where the jail had no time
      await until('the service is gone', () => !isAlive(pid))
    }
  })

  for (const level of LEVELS) {
    for (const stopped of ['nobody', 'the jail', 'init', 'the service'] as const) {
      it(`${level}, ${stopped} stopped: the jail is killed, and all is gone`, async t => {
        const jail = open()
        const answer = await jail.ask(`probe ${level}`, /^probed /)
        if (answer !== `probed ${level} ok`) {
          return cannotRun(t, answer)
        }
        const { pid } = await jail.startEcho(1, level)
        const init = processesBelow(jail.pid)[0] as number
        stop({ jail: jail.pid, init, service: pid }, stopped)
        process.kill(jail.pid, 'SIGKILL')
        await until('init and service are gone', () => !isAlive(pid) && !isAlive(init))
      })

      it(`${level}, ${stopped} stopped: the parent is killed, and all is gone`, async t => {
        const parent = spawn(process.execPath, [PARENT, level], {
          stdio: ['pipe', 'pipe', 'inherit']
        })
        const [line] = (await once(parent.stdout, 'data')) as [Buffer]
        const said = JSON.parse(String(line))
        if (said.failed) {
          parent.kill('SIGKILL')
          return cannotRun(t, said.failed)
        }
        const init = processesBelow(said.jail)[0] as number
        stop({ jail: said.jail, init, service: said.service }, stopped)
        parent.kill('SIGKILL')
        await until('everything is gone', () => ![said.jail, init, said.service].some(isAlive))
        // what the killed parent could not remove
        fs.rmSync(said.stage, { recursive: true, force: true })
      })
    }
  }
})

const PARENT = path.resolve(import.meta.dirname, '../fixtures/jail-parent.ts')

function stop(
  pids: { jail: number; init: number; service: number },
  who: 'nobody' | 'the jail' | 'init' | 'the service'
) {
  if (who !== 'nobody') {
    process.kill(
      { 'the jail': pids.jail, init: pids.init, 'the service': pids.service }[who],
      'SIGSTOP'
    )
  }
}
