import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { diagnose } from './diagnose.ts'
import type { MachineFacts } from './facts.ts'
import type { Check, CheckId } from './report.ts'
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
    assert.equal(report.sandbox.level, 'L4')
    assert.equal(report.sandbox.next, undefined)
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
    assert.deepEqual(report.sandbox, {
      level: 'L2',
      reason: 'L3 fails at mount_private (EACCES)',
      next: 'L3'
    })
    assert.deepEqual(report.levels[1], {
      level: 'L3',
      state: 'missing',
      step: 'mount_private',
      errno: 'EACCES',
      remedy: 'See user namespaces.'
    })
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
    assert.match(found.value, /unshare_mount EPERM/)
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
    assert.deepEqual(report.sandbox, {
      reason: 'xtp-jail did not run',
      next: 'L2',
      level: undefined
    })
    assert.deepEqual(new Set(report.levels.map(({ state }) => state)), new Set(['unknown']))
    assert.match(check(machines.noJail, 'jail').remedy ?? '', /Reinstall xtp/)
    assert.equal(check(machines.noJail, 'landlock').state, 'unknown')
  })

  test('that may not be executed is told how to become so', () => {
    const facts = {
      ...machines.noJail,
      jail: { ...machines.noJail.jail, error: 'EACCES' }
    }
    assert.match(check(facts, 'jail').remedy ?? '', /chmod 755/)
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

  test('that stopped half-way leaves the rest unknown', () => {
    const facts = {
      ...machines.complete,
      jail: { ...machines.complete.jail, lines: machines.complete.jail.lines.slice(0, 2) },
      transports: []
    }
    const report = diagnose(facts)
    assert.equal(report.sandbox.level, 'L2')
    assert.equal(report.levels[1]?.state, 'unknown')
  })

  test('L2 that fails is a failure with its step', () => {
    const lines = ['hello 1 5 @1 landlock=0 uid=1000', 'probed L2 prefilter EINVAL']
    const jail = { ...machines.complete.jail, lines }
    const report = diagnose({ ...machines.complete, jail, transports: [] })
    assert.equal(report.ok, false)
    assert.equal(report.sandbox.reason, 'L2 fails at prefilter (EINVAL)')
    assert.match(report.levels[0]?.remedy ?? '', /seccomp/)
  })
})

describe('each kind of failing step', () => {
  for (const [failure, remedy] of [
    ['execve EACCES', /may not execute Node/],
    ['uid_map EPERM', /See user namespaces/],
    ['pivot_root EACCES', /See user namespaces/],
    ['mount_setattr EACCES', /See user namespaces/],
    ['mount_setattr ENOSYS', /see kernel/],
    ['cgroup_memory ENOENT', /See cgroup v2 delegation/],
    ['landlock_restrict_self EPERM', /seccomp profile/],
    ['capset EPERM', /seccomp profile/],
    ['fork EAGAIN', undefined]
  ] as const) {
    test(failure, () => {
      const lines = ['hello 1 5 @1 landlock=6 uid=0', 'probed L2 ok', `probed L3 ${failure}`]
      const facts = { ...machines.complete, jail: { ...machines.complete.jail, lines } }
      const found = diagnose(facts).levels[1]
      if (remedy === undefined) {
        assert.equal(found?.remedy, undefined)
      } else {
        assert.match(found?.remedy ?? '', remedy)
      }
    })
  }
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
    const silent = { ...machines.hidden, jail: { ...machines.hidden.jail, lines: [] } }
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
      jail: { ...machines.complete.jail, lines: ['hello 1 5 @1 landlock=0 uid=1000'] }
    }
    assert.equal(check(facts, 'seccomp').state, 'missing')
    assert.match(check(facts, 'landlock').remedy ?? '', /lsm=/)
  })
})
