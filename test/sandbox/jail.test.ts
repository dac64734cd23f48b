// xtp-jail as spec/xtp-jail.md has it: the real program, with node as its service.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, it, type TestContext } from 'node:test'
import { isAlive, openFds, until } from '../support/processes.ts'
import {
  descriptors,
  ECHO_SERVICE,
  ENVIRONMENT,
  echo,
  JAIL_PROGRAM,
  JailDriver,
  type JailOptions,
  NOBODY,
  NODE,
  order,
  place,
  readablePaths,
  stage,
  status,
  tag
} from './jail-driver.ts'
import { cannotRun } from './must-work.ts'

const root = process.getuid?.() === 0
/** Who runs the jail: this user, and an ordinary one. */
const RUNNERS = root ? [undefined, NOBODY] : [undefined]
const LEVELS = ['L0', 'L2', 'L3']
const SLEEP = '/bin/sleep'

/** Node 22 and 26, as scripts/test-setup.mjs installs them, and the one that runs this. */
const RUNTIMES = [
  ...[22, 26].map(major =>
    path.resolve(
      import.meta.dirname,
      `../runtimes/node_modules/node${major}-${process.platform}-${process.arch}/bin/node`
    )
  ),
  process.execPath
]

const jails: JailDriver[] = []

function open(options: JailOptions = {}): JailDriver {
  const jail = new JailDriver(options)
  jails.push(jail)
  return jail
}

afterEach(async () => {
  for (const jail of jails.splice(0)) {
    await jail.end()
    assert.equal(isAlive(jail.pid), false)
  }
})

function processesBelow(pid: number): number[] {
  const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim() === '' ? [] : text.trim().split(' ').map(Number)
}

/** Type and number of unix sockets, of the network namespace of this process. */
function unixSocketTypes(): Map<string, string> {
  const rows = fs.readFileSync('/proc/net/unix', 'utf8').trim().split('\n').slice(1)
  return new Map(rows.map(row => row.split(/\s+/)).map(f => [f[6] as string, f[4] as string]))
}

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

for (const uid of RUNNERS) {
  const who = uid === undefined && root ? 'root' : 'an ordinary user'
  for (const level of LEVELS) {
    describe(`${level}, started by ${who}`, () => {
      async function run(
        t: TestContext,
        options: JailOptions = {}
      ): Promise<JailDriver | undefined> {
        const jail = open({ ...(uid !== undefined && { uid }), ...options })
        const answer = await jail.ask(`probe ${level}`, /^probed /)
        if (answer === `probed ${level} ok`) {
          return jail
        }
        cannotRun(t, answer)
        return undefined
      }

      it('carries bytes, and dies with its links', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        const service = await jail.startEcho(1, level)
        assert.equal(await echo(service.data, 'x'.repeat(100_000)), 'x'.repeat(100_000))
        const log: string[] = []
        service.log.on('data', data => log.push(String(data)))
        assert.equal(await order(service, 'say hi'), 'said')
        await until(
          'the log',
          () => log.join('').includes('out hi\n') && log.join('').includes('err hi\n')
        )
        assert.equal(await order(service, 'env'), JSON.stringify(ENVIRONMENT))
        assert.equal(await order(service, 'cwd'), '/')
        service.control.end()
        assert.equal(await jail.exitOf(1), 'code 0')
      })

      it('is what the level says, seen from outside', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        const { pid } = await jail.startEcho(1, level)
        const id = uid ?? (root && level !== 'L0' ? NOBODY : process.getuid?.())
        assert.equal(status(pid, 'Uid'), [id, id, id, id].join('\t'))
        assert.equal(
          fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2],
          String(pid),
          'process group'
        )
        if (level === 'L0') {
          return
        }
        assert.equal(
          status(pid, 'Groups'),
          root && uid === undefined ? '' : status(jail.pid, 'Groups')
        )
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) {
          assert.equal(Number(`0x${status(pid, set)}`), 0, set)
        }
        assert.equal(status(pid, 'NoNewPrivs'), '1')
        assert.equal(status(pid, 'Seccomp'), '2')
        const limits = fs.readFileSync(`/proc/${pid}/limits`, 'utf8')
        assert.match(limits, /Max open files +1024 +1024/)
        assert.match(limits, /Max core file size +0 +0/)
        for (const space of ['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup']) {
          const of = (id: number | string) => fs.readlinkSync(`/proc/${id}/ns/${space}`)
          assert.equal(of(pid) !== of('self'), level === 'L3', space)
        }
      })

      it('reads its paths and nothing else, and changes nothing', async t => {
        if (level === 'L0') {
          return
        }
        const folder = fs.mkdtempSync(path.join(stage, 'folder-'))
        fs.chmodSync(folder, 0o777)
        fs.writeFileSync(path.join(folder, 'file'), 'data')
        const absent = path.join(stage, 'absent')
        const jail = await run(t, { ro: [...readablePaths(NODE, ECHO_SERVICE), folder, absent] })
        if (jail === undefined) {
          return
        }
        const service = await jail.startEcho(1, level)
        const refused = /^(EACCES|ENOENT|EROFS|EPERM)$/
        assert.equal(await order(service, `read ${folder}/file`), '4')
        assert.equal(await order(service, `list ${folder}`), 'file')
        for (const what of [
          `write ${folder}/new`,
          `open ${folder}/file`,
          'read /etc/passwd',
          'list /',
          'list /proc',
          'list /e',
          'read /proc/self/status',
          'write /new',
          'write /e/new',
          `list ${absent}`,
          'spawn /bin/true',
          'list /sys',
          'list /dev'
        ]) {
          assert.match(await order(service, what), refused, what)
        }
        assert.match(await order(service, `kill ${jail.pid}`), /^(EPERM|ESRCH)$/)
        assert.match(await order(service, `kill ${process.pid}`), /^(EPERM|ESRCH)$/)
        if (level === 'L3') {
          assert.equal(await order(service, 'hostname'), 'xtp')
          assert.equal(await order(service, 'pid'), '2 1')
          assert.doesNotMatch(await order(service, 'interfaces'), /eth|lo/)
        }
        assert.equal(fs.readFileSync(path.join(folder, 'file'), 'utf8'), 'data')
      })

      it('has the descriptors of the table and no others; nobody else holds the links', async t => {
        const jail = await run(t, {
          command: [SLEEP, '1000'],
          ro: ['/bin', '/usr/bin', '/lib', '/usr/lib', '/lib64']
        })
        if (jail === undefined) {
          return
        }
        const { pid } = await jail.start(1, level)
        const wanted = level === 'L3' ? [0, 1, 2, 3, 4, 5, 6] : [0, 1, 2, 3, 4, 5]
        // its loader opens files, and closes them: one look that finds only those is the one to judge
        let fds = descriptors(pid)
        await until('only those', () => {
          fds = descriptors(pid)
          return String([...fds.keys()].sort()) === String(wanted)
        })
        assert.equal(fds.get(0), '/dev/null')
        assert.equal(fds.get(1), fds.get(2))
        const types = unixSocketTypes()
        const type = (fd: number) => types.get(/\d+/.exec(fds.get(fd) as string)?.[0] as string)
        assert.deepEqual([1, 3, 4].map(type), ['0001', '0001', '0001'])
        assert.deepEqual(
          wanted.slice(5).map(type),
          wanted.slice(5).map(() => '0005')
        )
        const links = [...fds.values()].filter(name => name !== '/dev/null')
        for (const other of [
          jail.pid,
          ...processesBelow(jail.pid).filter(child => child !== pid)
        ]) {
          const held = [...descriptors(other).values()].filter(name => links.includes(name))
          assert.deepEqual(held, [], `of process ${other}`)
        }
      })

      it('tells every exit code and signal exactly', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        let n = 0
        for (const code of [0, 1, 71, 128, 137, 255]) {
          const service = await jail.startEcho(++n, level)
          service.control.write(`exit ${code}\n`)
          const line = await jail.expect(new RegExp(`^exit ${n} `))
          assert.match(line, new RegExp(`^exit ${n} code ${code} \\d+ \\d+$`))
          assert.ok(Number(line.split(' ')[4]) > 10_000, 'node takes more than 10 MB')
        }
        // also SIGSYS, as seccomp sends it; SIGSTOP would not end it
        for (const signal of [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14, 15, 24, 31, 34, 64]) {
          const service = await jail.start(++n, level)
          process.kill(service.pid, signal === 10 ? 'SIGKILL' : signal)
          const wanted = signal === 10 ? 9 : signal
          assert.equal(await jail.exitOf(n), `signal ${wanted}`)
        }
      })

      it('is killed by name and by number, itself and not only its init', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        let n = 0
        for (const number of [15, 2, 3, 11, 31, 9]) {
          const service = await jail.startEcho(++n, level)
          const ended = Promise.all(
            [service.control, service.data, service.log].map(link => {
              link.resume()
              return once(link, 'close')
            })
          )
          jail.send(`kill ${n} ${number}`)
          assert.equal(await jail.exitOf(n), `signal ${number}`)
          await ended
        }
        jail.send(`kill ${n} 15`, 'kill 77 9', 'close x')
        await jail.expect(/^error close x ENOENT$/)
      })

      it('gets lent sockets, before and after its start', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        await jail.ask('bind a udp4 127.0.0.1 0 0 0', /^bound a /)
        await jail.ask('give 1 a', /^error give 1 a ESRCH$/)
        await jail.ask('give 1 b', /^error give 1 b ENOENT$/)
        jail.send(`start 1 ${level}`, 'give 1 a')
        await jail.expect(/^given 1 a$/)
        await jail.links(1)
        await jail.expect(/^started 1 /)
        await jail.ask('give 1 a', /^given 1 a$/)
        // nobody reads: the queue is bounded
        let refused = false
        for (let i = 0; i < 2000 && !refused; i++) {
          refused = (await jail.ask('give 1 a', /^(given|error give) 1 a/)).startsWith('error')
        }
        assert.ok(refused)
        jail.send('kill 1 9')
        assert.equal(await jail.exitOf(1), 'signal 9')
        await jail.ask('give 1 a', /^error give 1 a ESRCH$/)
      })

      it('tells why the program does not start', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        const plain = path.join(stage, 'plain')
        fs.writeFileSync(plain, 'no program')
        const bad = open({ ...(uid !== undefined && { uid }), command: [plain], ro: [plain] })
        await assert.rejects(bad.start(1, level), /failed 1 execve EACCES/)
        const none = open({ ...(uid !== undefined && { uid }), command: ['/absent'], ro: [] })
        await assert.rejects(none.start(1, level), /failed 1 execve (ENOENT|EACCES)/)
        if (level !== 'L0') {
          await none.ask(`probe ${level}`, new RegExp(`^probed ${level} execve (ENOENT|EACCES)$`))
        }
      })

      it('leaves nothing in the jail after many starts and kills at any moment', async t => {
        const jail = await run(t)
        if (jail === undefined) {
          return
        }
        const before = openFds(jail.pid)
        for (let n = 1; n <= 60; n++) {
          jail.send(`start ${n} ${level}`)
          const links = await jail.links(n)
          for (const link of Object.values(links)) {
            link.resume()
          }
          await new Promise(resolve => setTimeout(resolve, (n % 12) * (n % 3 === 0 ? 4 : 0.5)))
          jail.send(`kill ${n} ${n % 2 === 0 ? 15 : 9}`)
          assert.match(
            await jail.expect(new RegExp(`^(failed|exit) ${n} `)),
            /ECANCELED|signal (9|15)|code 0/
          )
        }
        assert.equal(jail.events.filter(line => /^(failed|exit) /.test(line)).length, 60)
        // what was cancelled is told before it is dead
        await until('descriptors of the jail', () => openFds(jail.pid) <= before)
        await until('processes of the jail', () => processesBelow(jail.pid).length === 0)
      })
    })
  }
}

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

describe('what a level needs', () => {
  it('root without --user gets no level but L0', async t => {
    if (!root) {
      return cannotRun(t, 'needs root')
    }
    const jail = open({ launcher: ['/usr/bin/env'] })
    await jail.ask('probe L0', /^probed L0 ok$/)
    await jail.ask('probe L2', /^probed L2 user EINVAL$/)
    await jail.ask('probe L3', /^probed L3 user EINVAL$/)
  })

  it('L3 reaches what root alone can reach, and runs it as --user; L2 does not', async t => {
    if (!root) {
      return cannotRun(t, 'needs root')
    }
    const folder = fs.mkdtempSync(path.join(stage, 'private-'))
    fs.chmodSync(folder, 0o700)
    const node = place(process.execPath, folder, 'node')
    const service = place('test/fixtures/echo-service.mjs', folder)
    const jail = open({ command: [node, service], ro: readablePaths(node, service) })
    const { pid, ...links } = await jail.startEcho(1, 'L3')
    assert.equal(await echo(links.data, 'private'), 'private')
    assert.equal(status(pid, 'Uid').split('\t')[0], String(NOBODY))
    await assert.rejects(jail.start(2, 'L2'), /failed 2 execve EACCES/)
    await jail.ask('probe L2', /^probed L2 execve EACCES$/)
  })

  it('L3 passes over a path behind a link of a folder, which is there itself', async t => {
    const folder = fs.mkdtempSync(path.join(stage, 'links-'))
    fs.chmodSync(folder, 0o755)
    fs.mkdirSync(path.join(folder, 'real'))
    fs.writeFileSync(path.join(folder, 'real/file'), 'data')
    fs.symlinkSync('real', path.join(folder, 'link'))
    const ro = [...readablePaths(NODE, ECHO_SERVICE), folder, path.join(folder, 'link/file')]
    const jail = open({ ro })
    const answer = await jail.ask('probe L3', /^probed /)
    if (answer !== 'probed L3 ok') {
      return cannotRun(t, answer)
    }
    const service = await jail.startEcho(1, 'L3')
    assert.equal(await order(service, `read ${folder}/link/file`), '4')
    assert.equal(await order(service, 'read /dev/null'), '0')
  })

  it('L3 mounts nothing where a link leads to another path', async t => {
    const folder = fs.mkdtempSync(path.join(stage, 'cover-'))
    fs.chmodSync(folder, 0o755)
    fs.mkdirSync(path.join(folder, 'deep/real'), { recursive: true })
    fs.writeFileSync(path.join(folder, 'deep/q'), 'another')
    fs.writeFileSync(path.join(folder, 'q'), 'data')
    fs.symlinkSync('deep/real', path.join(folder, 'moved'))
    fs.symlinkSync('../q', path.join(folder, 'deep/real/link'))
    const given = ['q', 'moved', 'moved/link'].map(name => path.join(folder, name))
    const jail = open({ ro: [...readablePaths(NODE, ECHO_SERVICE), ...given] })
    const answer = await jail.ask('probe L3', /^probed /)
    if (answer !== 'probed L3 ok') {
      return cannotRun(t, answer)
    }
    const service = await jail.startEcho(1, 'L3')
    assert.equal(await order(service, `read ${folder}/q`), '4')
  })

  it('a mount that fails inside the namespaces fails L3 by name', async t => {
    if (!root) {
      return cannotRun(t, 'needs root, to make a folder that an ordinary user cannot enter')
    }
    const folder = fs.mkdtempSync(path.join(stage, 'closed-'))
    fs.chmodSync(folder, 0o700)
    fs.writeFileSync(path.join(folder, 'file'), '')
    const ro = [...readablePaths(NODE, ECHO_SERVICE), path.join(folder, 'file')]
    const jail = open({ uid: NOBODY, ro })
    await jail.ask('probe L3', /^probed L3 open_tree EACCES$/)
    await jail.ask('probe L2', /^probed L2 ok$/)
  })

  it('where user namespaces are forbidden, L3 fails with step and errno, and L2 works', async t => {
    const script =
      'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all "$@"'
    const words = [
      '--user',
      '--map-user=65534',
      '--map-group=65534',
      '--keep-caps',
      'sh',
      '-c',
      script,
      'sh'
    ]
    if (spawnSync('unshare', [...words, 'true']).status !== 0) {
      return cannotRun(
        t,
        'unshare and setpriv cannot make a namespace that forbids user namespaces'
      )
    }
    const env = { ...ENVIRONMENT, PATH: process.env.PATH }
    const jail = open({ launcher: ['unshare', ...words], env })
    await jail.ask('probe L3', /^probed L3 namespaces (ENOSPC|EUSERS|EPERM)$/)
    await assert.rejects(jail.start(1, 'L3'), /failed 1 namespaces (ENOSPC|EUSERS|EPERM)/)
    const service = await jail.startEcho(2, 'L2')
    assert.equal(await echo(service.data, 'still here'), 'still here')
  })

  it('L4 without a group fails, and with one that is no cgroup too', async t => {
    const jail = open()
    if ((await jail.ask('probe L3', /^probed /)) !== 'probed L3 ok') {
      return cannotRun(t, 'needs L3')
    }
    await jail.ask('probe L4', /^probed L4 cgroup EINVAL$/)
    const folder = fs.mkdtempSync(path.join(stage, 'no-cgroup-'))
    const other = open({ args: ['--cgroup', `${folder}/g-`] })
    await other.ask('probe L4', /^probed L4 cgroup ENOENT$/)
    fs.mkdirSync(`${folder}/g-1`)
    await assert.rejects(other.start(1, 'L4'), /failed 1 cgroup ENOENT/)
    assert.deepEqual(fs.readdirSync(`${folder}/g-1`), [], 'nothing is made')
  })

  it('L4 puts the service into its group, which is the root of what it sees', async t => {
    const folder = cgroupFolder()
    if (folder === undefined) {
      return cannotRunHere(t, 'no cgroup v2 folder in which this user may make groups')
    }
    const prefix = path.join(folder, `xtp-test-${process.pid}-`)
    const groups = [`${prefix}0`, `${prefix}1`]
    for (const group of groups) {
      fs.mkdirSync(group)
    }
    try {
      const jail = open({ args: ['--cgroup', prefix] })
      await jail.ask('probe L4', /^probed L4 ok$/)
      const { pid } = await jail.startEcho(1, 'L4')
      const members = fs.readFileSync(`${prefix}1/cgroup.procs`, 'utf8').split('\n')
      assert.ok(members.includes(String(pid)))
      const own = fs.readFileSync(`/proc/${jail.pid}/cgroup`, 'utf8')
      assert.notEqual(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'), own)
      jail.send('kill 1 9')
      assert.equal(await jail.exitOf(1), 'signal 9')
    } finally {
      for (const group of groups) {
        fs.rmdirSync(group)
      }
    }
  })
})

/** A cgroup v2 folder in which groups can be made. */
function cgroupFolder(): string | undefined {
  const given = process.env.XTP_TEST_CGROUP
  const mounts = fs
    .readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
  const folder = given ?? mounts.find(fields => fields[2] === 'cgroup2')?.[1]
  try {
    fs.accessSync(path.join(folder ?? '', 'cgroup.procs'), fs.constants.W_OK)
    return folder
  } catch {
    return undefined
  }
}

/** L4 is for systems that delegate a group; a machine without is no defect of CI. */
function cannotRunHere(t: TestContext, why: string): void {
  t.diagnostic(`skipped: ${why}`)
  t.skip(why)
}

describe('every supported node', () => {
  for (const from of RUNTIMES) {
    for (const level of ['L2', 'L3']) {
      it(`${execFileSync(from, ['--version'], { encoding: 'utf8' }).trim()} echoes at ${level}`, async t => {
        const folder = fs.mkdtempSync(path.join(stage, 'node-'))
        fs.chmodSync(folder, 0o755)
        const node = place(from, folder, 'node')
        const jail = open({ command: [node, ECHO_SERVICE], ro: readablePaths(node, ECHO_SERVICE) })
        const answer = await jail.ask(`probe ${level}`, /^probed /)
        if (answer !== `probed ${level} ok`) {
          return cannotRun(t, answer)
        }
        const service = await jail.startEcho(1, level)
        assert.equal(await echo(service.data, 'hello'), 'hello')
        service.control.write('exit 0\n')
        assert.equal(await jail.exitOf(1), 'code 0')
      })
    }
  }
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
