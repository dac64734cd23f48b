import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ServiceGroups, sweepGroups } from './service-groups.ts'

const LIMITS = { memoryBytes: 500_000_000, processes: 64, cpu: 0.5, openFiles: 0 }
const NONE = { memoryBytes: 0, processes: 0, cpu: 0, openFiles: 0 }

// A folder that is none of the kernel's. What the kernel does with a group shows test/sandbox/jail.test.ts, where there
// is one.
let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-groups-'))
})
afterEach(() => fs.rmSync(folder, { recursive: true }))

describe('groups of services', () => {
  it('are folders behind the prefix, and gone after their end', () => {
    const groups = new ServiceGroups(folder, NONE)
    assert.equal(groups.make(7), undefined)
    assert.ok(fs.statSync(`${groups.prefix}7`).isDirectory())
    groups.remove(7)
    assert.deepEqual(fs.readdirSync(folder), [])
  })

  it('have a prefix of their own each, with the pid of this process', () => {
    const [a, b] = [new ServiceGroups(folder, NONE), new ServiceGroups(folder, NONE)]
    assert.notEqual(a.prefix, b.prefix)
    assert.ok(a.prefix.startsWith(path.join(folder, `xtp-${process.pid}-`)))
  })

  it('that lack a limit are told by its step, and removed', () => {
    const groups = new ServiceGroups(folder, LIMITS)
    assert.deepEqual(groups.make(1), { step: 'cgroup_memory', errno: 'ENOENT' })
    assert.deepEqual(fs.readdirSync(folder), [], 'no file is made that the kernel does not have')
  })

  it('turn a controller on in the folder above where they do not have it', () => {
    const above = path.join(folder, 'cgroup.subtree_control')
    fs.writeFileSync(above, '')
    const groups = new ServiceGroups(folder, { ...NONE, processes: 64 })
    assert.deepEqual(groups.make(1), { step: 'cgroup_pids', errno: 'ENOENT' })
    assert.equal(fs.readFileSync(above, 'utf8'), '+pids')
  })

  it('tell which limit they ran against, of those that were given', () => {
    // made as the kernel would have: there is nothing to turn on in this folder
    const groups = new ServiceGroups(folder, LIMITS)
    const unlimited = new ServiceGroups(folder, NONE)
    const tell = (number: number, file: string, text: string) => {
      for (const { prefix } of [groups, unlimited]) {
        fs.mkdirSync(`${prefix}${number}`, { recursive: true })
        fs.writeFileSync(`${prefix}${number}/${file}`, text)
      }
      assert.equal(unlimited.exceeded(number), undefined)
      return groups.exceeded(number)
    }
    assert.equal(groups.exceeded(9), undefined, 'there is no such group')
    assert.equal(tell(1, 'memory.events', 'low 0\nmax 12\noom 1\noom_kill 0\n'), undefined)
    assert.equal(tell(1, 'pids.events', 'max 0\n'), undefined)
    assert.equal(tell(1, 'pids.events', 'max 3\n'), 'processes')
    assert.equal(tell(1, 'memory.events', 'oom 1\noom_kill 1\n'), 'memoryBytes')
  })

  it('that cannot be made are told', () => {
    const groups = new ServiceGroups(path.join(folder, 'absent'), NONE)
    assert.deepEqual(groups.make(1), { step: 'cgroup_mkdir', errno: 'ENOENT' })
  })

  it('that cannot be removed yet are removed later', () => {
    const groups = new ServiceGroups(folder, NONE)
    groups.make(1)
    const inside = `${groups.prefix}1/busy`
    fs.mkdirSync(inside)
    groups.remove(1)
    assert.ok(fs.existsSync(inside))
    fs.rmdirSync(inside)
    groups.make(2)
    assert.deepEqual(fs.readdirSync(folder), [path.basename(`${groups.prefix}2`)])
  })
})

describe('groups of dead processes', () => {
  it('are removed where they are empty; others stay', () => {
    const gone = spawnSync(process.execPath, ['-e', '0']).pid
    const kept = [`xtp-${process.pid}-0-1`, 'xtp-x-1', 'xtp-', 'other', `xtp-${gone}-3`]
    for (const name of [...kept, `xtp-${gone}-0-1`, `xtp-${gone}-0-2`]) {
      fs.mkdirSync(path.join(folder, name))
    }
    fs.mkdirSync(path.join(folder, `xtp-${gone}-3/full`))
    sweepGroups(folder)
    assert.deepEqual(fs.readdirSync(folder).sort(), kept.sort())
    sweepGroups(path.join(folder, 'absent'))
  })
})
