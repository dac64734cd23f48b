import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { delegatedCgroup, ownCgroup } from './cgroup.ts'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-cgroup-'))
after(() => fs.rmSync(dir, { recursive: true }))

function write(name: string, text: string): void {
  fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
  fs.writeFileSync(path.join(dir, name), text)
}

test('the group of a process, as systemd mounts it', () => {
  write('proc/cgroup', '0::/user.slice/app.scope\n')
  write(
    'proc/mountinfo',
    '22 1 0:20 / /proc rw - proc proc rw\n31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n'
  )
  assert.equal(ownCgroup(path.join(dir, 'proc')), '/sys/fs/cgroup/user.slice/app.scope')
  assert.equal(ownCgroup(path.join(dir, 'nowhere')), undefined)
})

test('without cgroup v2 there is none', () => {
  write('old/cgroup', '4:memory:/x\n')
  write('old/mountinfo', '31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n')
  assert.equal(ownCgroup(path.join(dir, 'old')), undefined)
})

test('the folder above is delegated where it passes memory and pids on', () => {
  write('slice/cgroup.subtree_control', 'cpu memory pids\n')
  write('slice/app/cgroup.subtree_control', '\n')
  assert.equal(delegatedCgroup(path.join(dir, 'slice/app')), path.join(dir, 'slice'))
  write('slice/cgroup.subtree_control', 'cpu pids\n')
  assert.equal(delegatedCgroup(path.join(dir, 'slice/app')), undefined)
  write('slice/app/cgroup.subtree_control', 'memory pids\n')
  assert.equal(delegatedCgroup(path.join(dir, 'slice/app')), path.join(dir, 'slice/app'))
})

test('it is where it can be told to: it has both, and processes below it alone', () => {
  write('unit/cgroup.subtree_control', '\n')
  write('unit/cgroup.controllers', 'cpu memory pids\n')
  write('unit/cgroup.procs', '')
  const own = path.join(dir, 'unit/main')
  assert.equal(delegatedCgroup(own), path.join(dir, 'unit'))
  write('unit/cgroup.procs', '17\n')
  assert.equal(delegatedCgroup(own), undefined)
  write('unit/cgroup.procs', '')
  write('unit/cgroup.controllers', 'cpu memory\n')
  assert.equal(delegatedCgroup(own), undefined)
})
