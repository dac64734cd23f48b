// `xtp doctor` on this machine: what it says is what the real jail and the real service do.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { DoctorReport } from '../../src/xtp/cli/report.ts'
import { abandoned, until } from '../support/processes.ts'
import { cannotRun } from './must-work.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const MAIN = path.join(ROOT, 'src/xtp/dist/cli/main.js')
const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const TIMEOUT_MS = 60_000
/** The end of a service races with the reply that announces it. */
const RUNS = 15

/** Tells on stderr, when the process ends, which addons it has mapped. */
const TELL_ADDONS = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs'
  process.on('exit', () => {
    const maps = fs.readFileSync('/proc/self/maps', 'utf8')
    fs.writeSync(2, 'mapped ' + maps.length + ' ' + JSON.stringify(maps.match(/\\S+\\.node$/gm)))
  })
`)}`

interface Run {
  uid?: number
  args?: string[]
  cwd?: string
  nodeArgs?: string[]
  env?: NodeJS.ProcessEnv
  /** A program and its arguments that starts node. */
  within?: string[]
}

function doctor({ uid, args = [], cwd = ROOT, nodeArgs = [], env = {}, within = [] }: Run = {}) {
  const [command = '', ...rest] = [
    ...within,
    process.execPath,
    ...nodeArgs,
    MAIN,
    'doctor',
    ...args
  ]
  const { status, stdout, stderr } = spawnSync(command, rest, {
    cwd,
    env,
    uid,
    gid: uid,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL'
  })
  return { status, stdout, stderr }
}

function report(run: Run = {}): DoctorReport & { status: number | null } {
  const { status, stdout, stderr } = doctor({ ...run, args: ['--json'] })
  assert.equal(stderr, '')
  return { ...JSON.parse(stdout), status }
}

const check = ({ checks }: DoctorReport, id: string) => checks.find(found => found.id === id)

function assertSound(t: TestContext, found: DoctorReport & { status: number | null }) {
  assert.equal(found.schema, 1)
  assert.equal(check(found, 'node')?.state, 'ok')
  assert.equal(check(found, 'jail')?.state, 'ok')
  assert.deepEqual(
    found.levels.map(({ level }) => level),
    ['L2', 'L3', 'L4']
  )
  const [utp] = found.transports.filter(transport => transport.package === 'xtp-utp')
  assert.equal(utp?.error, undefined)
  assert.equal(utp?.state, 'ok')
  assert.match(utp?.implementation ?? '', /^xtp-utp\/\d+\.\d+\.\d+ \(.*libutp.*\)$/)
  assert.equal(found.sandbox.level, utp?.level)
  assert.equal(found.status, found.ok ? 0 : 1)
  if (found.levels[0]?.state !== 'ok') {
    assert.equal(found.ok, false)
    cannotRun(t, `no sandbox here: L2 fails at ${found.levels[0]?.step}`)
  }
}

const linux = process.platform === 'linux'

describe('xtp doctor', { skip: linux ? false : 'the sandbox is for Linux' }, () => {
  it('finds the jail, the levels and the service of xtp-utp', t => assertSound(t, report()))

  it('finds them as an ordinary user', t => {
    if (!isRoot) {
      cannotRun(t, 'only root can become another user')
      return
    }
    assertSound(t, report({ uid: NOBODY }))
  })

  it('finds services in the strongest sandbox that the jail reaches', t => {
    const found = report()
    const reached = found.levels.findLast(({ state }) => state === 'ok')
    if (reached === undefined) {
      cannotRun(t, 'the jail reaches no level here')
      return
    }
    assert.deepEqual([found.sandbox.level, found.ok, found.status], [reached.level, true, 0])
  })

  it('says the same to people, without colours where nobody sees them', () => {
    const { stdout } = doctor()
    const { sandbox } = report()
    assert.match(stdout, new RegExp(`^[✔✘] Services run at ${sandbox.level}: `, 'm'))
    assert.match(stdout, /^✔ xtp-utp {2,}xtp-utp\//m)
    assert.ok(!stdout.includes('\x1b'))
  })

  it('maps no addon into its own process', () => {
    const { stdout, stderr } = doctor({ nodeArgs: ['--import', TELL_ADDONS] })
    assert.match(stdout, /^✔ xtp-utp /m)
    assert.match(stderr, /^mapped \d{3,} null$/)
  })

  it('always comes to its end, and leaves no process behind', async () => {
    for (let i = 0; i < RUNS; i++) {
      const { sandbox, transports } = report()
      assert.deepEqual([sandbox.level, transports[0]?.state], [transports[0]?.level, 'ok'])
    }
    await until('all are gone', () => abandoned(ROOT).length === 0)
  })

  it('looks for transports in the current directory only', () => {
    const cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-doctor-'))
    try {
      const found = report({ cwd })
      assert.deepEqual(found.transports, [])
      assert.match(doctor({ cwd }).stdout, /No transport package is installed here/)
    } finally {
      fs.rmSync(cwd, { recursive: true })
    }
  })

  it('tells the step and the errno where user namespaces are forbidden', t => {
    const within = [
      ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
      ...['unshare', '--user', '--map-current-user', '--keep-caps'],
      ...['sh', '-c', 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', 'sh']
    ]
    try {
      execFileSync(within[0] as string, [...within.slice(1), 'true'], { stdio: 'pipe' })
    } catch (error) {
      cannotRun(t, `namespaces cannot be forbidden here: ${(error as Error).message}`)
      return
    }
    const found = report({ within, env: { PATH: process.env.PATH } })
    assert.deepEqual(
      [found.levels[0]?.state, found.levels[1]?.step, found.levels[1]?.errno],
      ['ok', 'namespaces', 'ENOSPC']
    )
    assert.deepEqual([found.sandbox.level, found.sandbox.next, found.status], ['L2', 'L3', 0])
    assert.match(found.sandbox.reason, /user namespaces are switched off/)
    assert.match(check(found, 'user-namespaces')?.remedy ?? '', /max_user_namespaces=15000/)
  })

  it('believes the jail where /proc/sys cannot be read', t => {
    const within = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs none /proc/sys && exec "$@"',
      'sh'
    ]
    try {
      execFileSync(within[0] as string, [...within.slice(1), 'true'], { stdio: 'pipe' })
    } catch (error) {
      cannotRun(t, `/proc/sys cannot be hidden here: ${(error as Error).message}`)
      return
    }
    const found = report({ within, env: { PATH: process.env.PATH } })
    assert.equal(check(found, 'socket-buffers')?.state, 'unknown')
    assert.equal(check(found, 'seccomp')?.state, 'ok')
    assert.deepEqual([found.levels[0]?.state, found.ok], ['ok', true])
  })

  it('fails, and says what to do, where the jail is missing', () => {
    const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-doctor-'))
    try {
      // its dependencies are found from where the real files are
      fs.cpSync(path.join(ROOT, 'src/xtp/dist'), path.join(copy, 'dist'), { recursive: true })
      fs.copyFileSync(path.join(ROOT, 'src/xtp/package.json'), path.join(copy, 'package.json'))
      fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'))
      const { status, stdout } = spawnSync(
        process.execPath,
        [path.join(copy, 'dist/cli/main.js'), 'doctor', '--json'],
        { cwd: os.tmpdir(), env: {}, encoding: 'utf8', timeout: TIMEOUT_MS }
      )
      const found = JSON.parse(stdout)
      assert.equal(status, 1)
      assert.equal(found.ok, false)
      assert.equal(check(found, 'jail')?.state, 'missing')
      assert.match(check(found, 'jail')?.value ?? '', /ENOENT/)
      assert.equal(found.sandbox.level, 'L0')
    } finally {
      fs.rmSync(copy, { recursive: true })
    }
  })
})
