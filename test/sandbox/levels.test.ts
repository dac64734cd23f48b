// Which sandbox a client gets, and what it says about it: as root and as an ordinary user, with and
// without user namespaces. With the defaults, whatever XTP_TEST_SANDBOX_LEVEL says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { SandboxOptions } from 'xtp'
import { cannotRun } from './must-work.ts'

const UTP_ENTRY = path.resolve(import.meta.dirname, '../../src/xtp-utp/dist/index.js')
const ROOT = process.getuid?.() === 0
const NOBODY = 65_534

interface Outcome {
  sandbox?: { level: string; reason: string; landlockAbi?: number }
  /** Lines of the client's log about it. */
  logged: string[]
  /** /proc/PID/status of the service. */
  noNewPrivs?: string
  seccomp?: string
  filters?: number
  uid?: number
  error?: { code: string; message: string }
}

/** Starts a service in a program of its own: listens, dials itself, echoes; tells what it got. */
function run(sandbox: SandboxOptions | undefined, launcher: string[] = []): Outcome {
  const program = `
    import fs from 'node:fs'
    import { utpClient } from ${JSON.stringify(UTP_ENTRY)}
    const logged = []
    const log = (format, ...args) => {
      if (format.startsWith('sandbox')) logged.push([format, ...args].join(' '))
    }
    const none = Object.assign(log, { enabled: true, error() {}, trace() {}, newScope: () => none })
    const client = utpClient(${JSON.stringify({ sandbox })}, { logger: { forComponent: () => none } })
    const out = { logged }
    try {
      const listener = client.createListener({
        onConnection: connection => {
          connection.addEventListener('message', event => connection.send(event.data))
        }
      })
      await listener.listen('/ip4/127.0.0.1/udp/0/utp')
      const connection = await client.dial(listener.getAddrs()[0])
      const echoed = new Promise(resolve => connection.addEventListener('message', resolve))
      connection.send(new Uint8Array([1]))
      await echoed
      const { pid, sandbox } = client.status()
      out.sandbox = sandbox
      const text = fs.readFileSync('/proc/' + pid + '/status', 'utf8')
      const field = name => new RegExp('^' + name + ':\\\\s*(\\\\d+)', 'm').exec(text)?.[1]
      out.noNewPrivs = field('NoNewPrivs')
      out.seccomp = field('Seccomp')
      out.filters = Number(field('Seccomp_filters'))
      out.uid = Number(field('Uid'))
    } catch (error) {
      out.error = { code: error.code, message: error.message }
    }
    await client.stop()
    console.log(JSON.stringify(out))
  `
  const command = [...launcher, process.execPath, '--input-type=module', '-e', program]
  const { stdout, stderr, status } = spawnSync(command[0] as string, command.slice(1), {
    encoding: 'utf8',
    timeout: 60_000
  })
  assert.equal(status, 0, `${stderr}\n${stdout}`)
  return JSON.parse(stdout)
}

/** What the defaults give here. */
const auto = run(undefined)

function locked(outcome: Outcome, level: string) {
  assert.equal(outcome.error, undefined)
  assert.equal(outcome.sandbox?.level, level, outcome.sandbox?.reason)
  assert.equal(outcome.noNewPrivs, '1')
  assert.equal(outcome.seccomp, '2')
  assert.ok((outcome.filters as number) >= 2, `${outcome.filters} filters`)
  assert.equal(typeof outcome.sandbox?.landlockAbi, 'number')
}

describe('the level', () => {
  it('is L3 where nothing is in the way, is logged once, and the kernel confirms it', t => {
    if (auto.sandbox?.level !== 'L3') {
      return cannotRun(t, `this machine has ${auto.sandbox?.level}: ${auto.sandbox?.reason}`)
    }
    locked(auto, 'L3')
    assert.match(auto.sandbox.reason, /strongest/)
    assert.equal(auto.logged.length, 1)
    assert.match(auto.logged[0] as string, /L3/)
    if (ROOT) {
      assert.equal(auto.uid, NOBODY, 'root’s service is not root')
    }
  })

  it('is L2 at least, on Linux', t => {
    if (auto.sandbox?.level === 'L0') {
      return cannotRun(t, auto.sandbox.reason)
    }
    locked(run({ level: 'L2' }), 'L2')
    locked(run({ require: 'L2', strict: true }), auto.sandbox?.level as string)
  })

  it('L0 is had for the asking', () => {
    const { sandbox, seccomp } = run({ level: 'L0' })
    assert.equal(sandbox?.level, 'L0')
    assert.match(sandbox?.reason ?? '', /sandbox\.level is L0/)
    assert.equal(
      seccomp,
      fs.readFileSync('/proc/self/status', 'utf8').match(/Seccomp:\s*(\d)/)?.[1]
    )
  })

  it('is the same for an ordinary user', t => {
    if (!ROOT) {
      return cannotRun(t, 'root alone can become somebody else')
    }
    if (auto.sandbox?.level !== 'L3') {
      return cannotRun(t, `this machine has ${auto.sandbox?.level}: ${auto.sandbox?.reason}`)
    }
    const user = ['setpriv', '--reuid=1234', '--regid=1234', '--clear-groups']
    for (const level of ['L3', 'L2'] as const) {
      const outcome = run({ level }, user)
      locked(outcome, level)
      assert.equal(outcome.uid, 1234)
    }
    const other = run({ user: { uid: 7, gid: 7 } }, user)
    assert.equal(other.error?.code, 'ERR_XTP_SERVICE_START_FAILED')
    assert.match(other.error?.message ?? '', /sandbox\.user is for root/)
  })

  it('root’s service becomes who it is told', t => {
    if (!ROOT || auto.sandbox?.level === 'L0') {
      return cannotRun(t, 'root alone can become somebody else')
    }
    assert.equal(run({ user: { uid: 4321, gid: 4321 } }).uid, 4321)
  })
})

describe('without user namespaces', () => {
  const forbidden = [
    'unshare',
    '--user',
    '--map-user=65534',
    '--map-group=65534',
    '--keep-caps',
    'sh',
    '-c',
    'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all "$@"',
    'sh'
  ]
  const works = spawnSync(forbidden[0] as string, [...forbidden.slice(1), 'true']).status === 0

  it('it is L2, and the reason has the remedy', t => {
    if (!works) {
      return cannotRun(t, 'unshare and setpriv cannot make a namespace that forbids them')
    }
    const outcome = run(undefined, forbidden)
    locked(outcome, 'L2')
    assert.match(
      outcome.sandbox?.reason ?? '',
      /^L3 does not work here: .*max_user_namespaces=15000/
    )
  })

  for (const sandbox of [{ require: 'L3' }, { level: 'L3' }] as const) {
    it(`${JSON.stringify(sandbox)} fails closed, with the remedy`, t => {
      if (!works) {
        return cannotRun(t, 'unshare and setpriv cannot make a namespace that forbids them')
      }
      const { error } = run(sandbox, forbidden)
      assert.equal(error?.code, 'ERR_XTP_SANDBOX_UNAVAILABLE')
      assert.match(error?.message ?? '', /L3 .*nothing was started.*max_user_namespaces=15000/)
    })
  }
})

describe('L4', () => {
  it('works, or fails closed with what it needs', () => {
    const outcome = run({ require: 'L4' })
    if (outcome.error === undefined) {
      locked(outcome, 'L4')
    } else {
      assert.equal(outcome.error.code, 'ERR_XTP_SANDBOX_UNAVAILABLE')
      assert.match(outcome.error.message, /L4 .*(cgroup|delegated)/)
    }
  })
})
