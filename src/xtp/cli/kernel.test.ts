import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cgroupDirectory, readText } from './kernel.ts'

const mount = (root: string, point: string, type = 'cgroup2') =>
  `35 24 0:30 ${root} ${point} rw,nosuid shared:9 - ${type} cgroup rw`

describe('the folder of the own cgroup', () => {
  test('is below the mount point', () => {
    assert.equal(
      cgroupDirectory('0::/user.slice/a.scope\n', mount('/', '/sys/fs/cgroup')),
      '/sys/fs/cgroup/user.slice/a.scope'
    )
  })

  test('in a hybrid system is that of version 2', () => {
    const groups = '4:memory:/x\n1:name=systemd:/y\n0::/z\n'
    const mounts = [
      mount('/', '/sys/fs/cgroup/memory', 'cgroup'),
      mount('/', '/sys/fs/cgroup/unified')
    ].join('\n')
    assert.equal(cgroupDirectory(groups, mounts), '/sys/fs/cgroup/unified/z')
  })

  test('is relative to the part that a container has mounted', () => {
    const mounts = mount('/docker/abc', '/sys/fs/cgroup')
    assert.equal(cgroupDirectory('0::/docker/abc/app\n', mounts), '/sys/fs/cgroup/app')
  })

  test('is not there with version 1 only, or without mounts', () => {
    assert.equal(cgroupDirectory('4:memory:/x\n', mount('/', '/sys/fs/cgroup')), undefined)
    assert.equal(cgroupDirectory('0::/\n', mount('/', '/x', 'cgroup')), undefined)
    assert.equal(cgroupDirectory('', ''), undefined)
  })
})

test('a file that cannot be read is its errno', () => {
  assert.deepEqual(readText('/nowhere/at/all'), { errno: 'ENOENT' })
  assert.deepEqual(readText('/'), { errno: 'EISDIR' })
})
