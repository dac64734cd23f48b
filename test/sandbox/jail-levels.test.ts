// What xtp-jail makes of a service at each level, with node as its service.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { openFds, until } from '../support/processes.ts'
import {
  descriptors,
  ECHO_SERVICE,
  ENVIRONMENT,
  echo,
  type JailDriver,
  type JailOptions,
  NOBODY,
  NODE,
  order,
  readablePaths,
  stage,
  status
} from './jail-driver.ts'
import { LEVELS, open, processesBelow, root } from './jails.ts'
import { cannotRun } from './must-work.ts'

/** Who runs the jail: this user, and an ordinary one. */
const RUNNERS = root ? [undefined, NOBODY] : [undefined]
const SLEEP = '/bin/sleep'

/** Type and number of unix sockets, of the network namespace of this process. */
function unixSocketTypes(): Map<string, string> {
  const rows = fs.readFileSync('/proc/net/unix', 'utf8').trim().split('\n').slice(1)
  return new Map(rows.map(row => row.split(/\s+/)).map(f => [f[6] as string, f[4] as string]))
}

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
        const abi = Number(/landlock=(\d+)/.exec(await jail.hello)?.[1])
        // Landlock keeps signals from others of the same user since Linux 6.12; before, the service's own filter does alone
        if (level === 'L3' || abi >= 6 || (root && uid === undefined)) {
          assert.match(await order(service, `kill ${jail.pid}`), /^(EPERM|ESRCH)$/)
          assert.match(await order(service, `kill ${process.pid}`), /^(EPERM|ESRCH)$/)
        }
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
