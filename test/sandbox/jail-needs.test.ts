// What a level needs of the machine, and what is told where that is missing.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  ECHO_SERVICE,
  ENVIRONMENT,
  echo,
  NOBODY,
  NODE,
  order,
  place,
  readablePaths,
  stage,
  status
} from './jail-driver.ts'
import { open, root } from './jails.ts'
import { cannotRun } from './must-work.ts'

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
})

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
