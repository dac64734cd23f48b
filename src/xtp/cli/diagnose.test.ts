import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { diagnose } from './diagnose.ts'
import type { MachineFacts } from './facts.ts'
import type { Check, CheckId, LevelResult } from './report.ts'
import * as machines from './testing/machines.ts'

const check = (facts: MachineFacts, id: CheckId) =>
  diagnose(facts).checks.find(found => found.id === id) as Check

const states = (facts: MachineFacts) =>
  Object.fromEntries(diagnose(facts).checks.map(({ id, state }) => [id, state]))

describe('a machine with everything', () => {
  test('has nothing to complain about, and gets the strongest level', () => {
    const report = diagnose(machines.complete)
    assert.deepEqual(new Set(report.checks.map(({ state }) => state)), new Set(['ok']))
    assert.deepEqual(
      report.levels.map(({ level, state }) => `${level} ${state}`),
      ['L2 ok', 'L3 ok', 'L4 ok']
    )
    assert.deepEqual(report.sandbox, {
      level: 'L3',
      reason: 'the strongest that needs no cgroup',
      next: 'L4'
    })
    assert.equal(report.ok, true)
  })

  test('has each check once', () => {
    const ids = diagnose(machines.complete).checks.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(ids.length, 11)
  })
})

describe('Ubuntu with restricted user namespaces', () => {
  const report = diagnose(machines.ubuntu)

  test('gets L2, and hears why not L3', () => {
    assert.equal(report.ok, true)
    assert.deepEqual([report.sandbox.level, report.sandbox.next], ['L2', 'L3'])
    const { reason, ...failure } = report.levels[1] as LevelResult
    assert.deepEqual(failure, {
      level: 'L3',
      state: 'missing',
      step: 'mount_private',
      errno: 'EACCES'
    })
    assert.match(reason ?? '', /AppArmor/)
  })

  test('hears what to do about AppArmor', () => {
    const found = check(machines.ubuntu, 'user-namespaces')
    assert.equal(found.state, 'missing')
    assert.match(found.value, /restricted by AppArmor/)
    assert.match(found.remedy ?? '', /kernel\.apparmor_restrict_unprivileged_userns=0/)
  })

  test('hears the command for larger socket buffers, with both limits', () => {
    const found = check(machines.ubuntu, 'socket-buffers')
    assert.match(found.value, /rmem_max 0\.2 MiB, wmem_max 0\.2 MiB; 4 MiB are wanted/)
    assert.match(
      found.remedy ?? '',
      /sysctl -w net\.core\.rmem_max=4194304 net\.core\.wmem_max=4194304/
    )
  })

  test('hears that its group is not delegated', () => {
    const found = check(machines.ubuntu, 'cgroup')
    assert.equal(found.state, 'missing')
    assert.match(found.value, /groups cannot be made/)
    assert.match(found.remedy ?? '', /Delegate=yes/)
  })

  test('is not restricted where root runs it', () => {
    const root = { ...machines.ubuntu, uid: 0, jail: machines.complete.jail }
    assert.equal(check(root, 'user-namespaces').state, 'ok')
  })
})

describe('user namespaces', () => {
  test('that a container forbids are no matter of sysctl', () => {
    const found = check(machines.container, 'user-namespaces')
    assert.equal(found.state, 'missing')
    assert.match(found.value, /mount_private EPERM/)
    assert.match(found.remedy ?? '', /seccomp/)
    assert.doesNotMatch(found.remedy ?? '', /sysctl/)
    assert.equal(diagnose(machines.container).sandbox.level, 'L2')
  })

  test('that are switched off by number', () => {
    const found = check(machines.noNamespaces, 'user-namespaces')
    assert.match(found.remedy ?? '', /user\.max_user_namespaces=15000/)
    assert.equal(diagnose(machines.noNamespaces).sandbox.level, 'L2')
  })

  test('that are switched off for ordinary users', () => {
    const facts: MachineFacts = {
      ...machines.noNamespaces,
      files: {
        ...machines.complete.files,
        '/proc/sys/kernel/unprivileged_userns_clone': { text: '0\n' }
      }
    }
    assert.match(check(facts, 'user-namespaces').remedy ?? '', /unprivileged_userns_clone=1/)
  })

  test('that work need no switch', () => {
    const facts: MachineFacts = {
      ...machines.complete,
      files: {
        ...machines.complete.files,
        '/proc/sys/user/max_user_namespaces': { errno: 'ENOENT' }
      }
    }
    assert.equal(check(facts, 'user-namespaces').state, 'ok')
  })
})

describe('macOS', () => {
  const report = diagnose(machines.mac)

  test('has no levels and no jail, and that is no failure', () => {
    assert.equal(report.ok, true)
    assert.deepEqual(report.levels, [])
    assert.deepEqual(report.sandbox, { level: 'L0', reason: 'there is no sandbox for darwin' })
  })

  test('what only Linux has is unknown, with nothing to do', () => {
    for (const { id, state, remedy } of report.checks) {
      if (!['node', 'platform'].includes(id)) {
        assert.deepEqual([state, remedy], ['unknown', undefined], id)
      }
    }
  })
})

describe('Node', () => {
  test('20 is too old: nothing runs, whatever the machine has', () => {
    const report = diagnose(machines.node20)
    assert.equal(report.ok, false)
    assert.equal(report.sandbox.level, undefined)
    assert.match(check(machines.node20, 'node').remedy ?? '', /Node 22/)
    assert.equal(report.transports[0]?.state, 'unknown')
  })

  test('22 and later are supported', () => {
    for (const node of ['v22.0.0', 'v26.1.0', 'v100.0.0']) {
      assert.equal(check({ ...machines.complete, node }, 'node').state, 'ok', node)
    }
  })
})

describe('the jail', () => {
  test('that is missing leaves every level unknown, and fails', () => {
    const report = diagnose(machines.noJail)
    assert.equal(report.ok, false)
    assert.equal(report.sandbox.level, 'L0')
    assert.match(report.sandbox.reason, /xtp-jail is missing/)
    assert.deepEqual(new Set(report.levels.map(({ state }) => state)), new Set(['unknown']))
    assert.match(check(machines.noJail, 'jail').value, /reinstall/)
    assert.equal(check(machines.noJail, 'landlock').state, 'unknown')
  })

  test('that works and is not used is no sandbox', () => {
    const report = diagnose(machines.unused)
    assert.equal(report.ok, false)
    assert.deepEqual(report.sandbox, {
      level: 'L0',
      reason: 'started directly: no sandbox',
      next: 'L2'
    })
  })

  test('the weakest of several services counts', () => {
    const transports = [...machines.ubuntu.transports, ...machines.complete.transports]
    const report = diagnose({ ...machines.complete, transports })
    assert.deepEqual([report.sandbox.level, report.sandbox.next], ['L2', 'L3'])
  })

  test('that died half-way leaves the rest unknown', () => {
    const jail = { ...machines.complete.jail, error: 'died', probes: { L2: 'ok' as const } }
    const report = diagnose({ ...machines.complete, jail, transports: [] })
    assert.equal(report.sandbox.level, 'L2')
    assert.equal(report.levels[1]?.state, 'unknown')
  })

  test('whose levels all fail says why of the weakest', () => {
    const failure = { step: 'prefilter', errno: 'EINVAL' }
    const jail = { ...machines.complete.jail, probes: { L2: failure, L3: failure } }
    const report = diagnose({ ...machines.complete, jail, transports: [] })
    assert.deepEqual([report.ok, report.sandbox.level], [false, 'L0'])
    assert.match(report.levels[0]?.reason ?? '', /^L2 does not work here: .*prefilter: EINVAL/)
  })

  test('is believed where no transport is installed', () => {
    const report = diagnose({ ...machines.ubuntu, transports: [] })
    assert.deepEqual([report.ok, report.sandbox.level], [true, 'L2'])
    assert.match(report.sandbox.reason, /^L3 does not work here: AppArmor/)
  })
})

describe('why a level fails', () => {
  test('is told from what was recorded, not from the machine that judges', () => {
    const [, l3] = diagnose(machines.noNamespaces).levels
    assert.match(l3?.reason ?? '', /switched off.*user\.max_user_namespaces=15000/)
    const [, other] = diagnose(machines.container).levels
    assert.match(other?.reason ?? '', /in a container/)
  })
})

describe('a transport', () => {
  test('without an addon for the platform says what to do', () => {
    const [found] = diagnose(machines.noJail).transports
    assert.equal(found?.state, 'missing')
    assert.match(found?.error ?? '', /exit code 69; its last line: xtp-utp has no addon/)
    assert.match(found?.remedy ?? '', /no addon for linux-x64/)
  })

  test('that cannot be started makes the whole report fail', () => {
    const transports = machines.noJail.transports
    assert.equal(diagnose({ ...machines.complete, transports }).ok, false)
  })

  test('that is not installed is no failure', () => {
    const report = diagnose({ ...machines.complete, transports: [] })
    assert.deepEqual([report.ok, report.transports], [true, []])
  })
})

describe('what cannot be read', () => {
  test('is unknown, not missing, and does not hide what the jail proved', () => {
    const found = states(machines.hidden)
    for (const id of ['no-new-privs', 'cgroup', 'socket-buffers', 'user-namespaces']) {
      assert.equal(found[id], 'unknown', id)
    }
    assert.equal(found.landlock, 'ok')
    assert.equal(found.seccomp, 'ok')
    const silent = { ...machines.hidden, jail: { probes: {} } }
    assert.equal(check(silent, 'seccomp').state, 'unknown')
    assert.equal(diagnose(machines.hidden).ok, true)
  })

  test('nothing in a report is undefined or NaN as text', () => {
    for (const [name, facts] of Object.entries(machines)) {
      assert.doesNotMatch(JSON.stringify(diagnose(facts)), /undefined|NaN|\[object/, name)
    }
  })
})

describe('the kernel', () => {
  test('is judged by its version where nothing else tells', () => {
    const at = (kernel: string) => ({ ...machines.complete, kernel })
    assert.equal(check(at('5.4.0-generic'), 'kernel').state, 'missing')
    assert.match(check(at('5.10.0-28-amd64'), 'kernel').value, /L3 needs 5\.12/)
    assert.equal(check(at('4.15.0'), 'udp-offload').state, 'missing')
    assert.match(check(at('4.19.0'), 'udp-offload').value, /GSO yes, GRO no/)
    assert.equal(check(at('10.0.1'), 'udp-offload').state, 'ok')
  })

  test('without seccomp or Landlock says so', () => {
    const facts: MachineFacts = {
      ...machines.complete,
      files: {
        ...machines.complete.files,
        '/proc/self/status': { text: 'Pid:\t4711\nNoNewPrivs:\t0\n' },
        '/proc/sys/kernel/seccomp/actions_avail': { errno: 'ENOENT' }
      },
      jail: { ...machines.complete.jail, landlockAbi: 0, probes: {} }
    }
    assert.equal(check(facts, 'seccomp').state, 'missing')
    assert.match(check(facts, 'landlock').remedy ?? '', /lsm=/)
  })
})
