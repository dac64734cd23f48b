// Which sandbox a client gets, and what it says about it: as root and as an ordinary user, with and
// without user namespaces. With the defaults, whatever XTP_TEST_SANDBOX_LEVEL says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { SandboxOptions } from 'xtp'
import type { Outcome } from '../fixtures/level-run.ts'
import { patience } from '../support/counts.ts'
import { WIRES, type Wire } from '../support/wires.ts'
import { cgroupFolder } from './cgroups.ts'
import { cannotRun } from './must-work.ts'

const PROGRAM = path.resolve(import.meta.dirname, '../fixtures/level-run.ts')
const [first, ...others] = WIRES as [Wire, ...Wire[]]
const ROOT = process.getuid?.() === 0
const NOBODY = 65_534

function run(
  sandbox: SandboxOptions = {},
  { launcher = [], wire = first }: { launcher?: string[]; wire?: Wire } = {}
): Outcome {
  const command = [...launcher, process.execPath, PROGRAM, wire.name, JSON.stringify(sandbox)]
  const { stdout, stderr, status } = spawnSync(command[0] as string, command.slice(1), {
    encoding: 'utf8',
    timeout: 60_000 * patience
  })
  assert.equal(status, 0, `${stderr}\n${stdout}`)
  return JSON.parse(stdout)
}

/** What the defaults give here. */
const auto = run()
/** What they give where nothing is in the way. */
const best = cgroupFolder() === undefined ? 'L3' : 'L4'

function locked(outcome: Outcome, level: string) {
  assert.equal(outcome.error, undefined)
  assert.equal(outcome.sandbox?.level, level, outcome.sandbox?.reason)
  assert.equal(outcome.noNewPrivs, '1')
  assert.equal(outcome.seccomp, '2')
  assert.ok((outcome.filters as number) >= 2, `${outcome.filters} filters`)
  assert.equal(typeof outcome.sandbox?.landlockAbi, 'number')
}

describe('the level', () => {
  it(`is ${best} where nothing is in the way, is logged once, and the kernel confirms it`, t => {
    if (auto.sandbox?.level !== best) {
      return cannotRun(t, `this machine has ${auto.sandbox?.level}: ${auto.sandbox?.reason}`)
    }
    locked(auto, best)
    assert.match(auto.sandbox.reason, /strongest/)
    assert.equal(auto.logged.length, 1)
    assert.ok(auto.logged[0]?.includes(best))
    if (ROOT) {
      assert.equal(auto.uid, NOBODY, 'root’s service is not root')
    }
  })

  for (const wire of others) {
    it(`is the same for ${wire.name}`, t => {
      if (auto.sandbox?.level !== best) {
        return cannotRun(t, `this machine has ${auto.sandbox?.level}: ${auto.sandbox?.reason}`)
      }
      locked(run({}, { wire }), best)
      locked(run({ level: 'L2', strict: true }, { wire }), 'L2')
      assert.equal(run({ level: 'L0' }, { wire }).sandbox?.level, 'L0')
    })
  }

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
    if (auto.sandbox?.level !== best) {
      return cannotRun(t, `this machine has ${auto.sandbox?.level}: ${auto.sandbox?.reason}`)
    }
    const user = ['setpriv', '--reuid=1234', '--regid=1234', '--clear-groups']
    for (const level of ['L3', 'L2'] as const) {
      const outcome = run({ level }, { launcher: user })
      locked(outcome, level)
      assert.equal(outcome.uid, 1234)
    }
    const other = run({ user: { uid: 7, gid: 7 } }, { launcher: user })
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
    const outcome = run({}, { launcher: forbidden })
    locked(outcome, 'L2')
    assert.match(
      outcome.sandbox?.reason ?? '',
      /^(L3 does|L4 and L3 do) not work here: .*max_user_namespaces=15000/
    )
  })

  for (const wire of others) {
    it(`it is L2 for ${wire.name} as well`, t => {
      if (!works) {
        return cannotRun(t, 'unshare and setpriv cannot make a namespace that forbids them')
      }
      locked(run({}, { launcher: forbidden, wire }), 'L2')
    })
  }

  for (const sandbox of [{ require: 'L3' }, { level: 'L3' }] as const) {
    it(`${JSON.stringify(sandbox)} fails closed, with the remedy`, t => {
      if (!works) {
        return cannotRun(t, 'unshare and setpriv cannot make a namespace that forbids them')
      }
      const { error } = run(sandbox, { launcher: forbidden })
      assert.equal(error?.code, 'ERR_XTP_SANDBOX_UNAVAILABLE')
      assert.match(error?.message ?? '', /L3 .*nothing was started.*max_user_namespaces=15000/)
    })
  }
})

// where one is, cgroup.test.ts has the tests of it
if (best === 'L3') {
  describe('without a delegated group', () => {
    it('L4 fails closed, with what it needs', () => {
      const { error } = run({ require: 'L4' })
      assert.equal(error?.code, 'ERR_XTP_SANDBOX_UNAVAILABLE')
      assert.match(error?.message ?? '', /L4 .*(cgroup|delegated)/)
    })
  })
}
