// The program as it is started, without doctor: that one is in test/sandbox.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const MAIN = path.join(import.meta.dirname, 'main.ts')
const PACKAGE = path.join(import.meta.dirname, '../package.json')

function xtp(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['-C', 'xtp:source', MAIN, ...args],
    { encoding: 'utf8' }
  )
  return { status, stdout, stderr }
}

test('--version is that of the package', () => {
  const { version } = JSON.parse(fs.readFileSync(PACKAGE, 'utf8'))
  assert.deepEqual(xtp('--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
})

test('--help tells every option and exit code', () => {
  const { status, stdout, stderr } = xtp('--help')
  assert.deepEqual([status, stderr], [0, ''])
  for (const word of ['doctor', '--json', '--help', '--version', 'Exit code']) {
    assert.ok(stdout.includes(word), word)
  }
})

test('what it does not know is told on stderr, with the help and exit code 2', () => {
  for (const [args, complaint] of [
    [[], /^xtp: no command\n/],
    [['docter'], /^xtp: unknown command: docter\n/],
    [['doctor', 'twice'], /^xtp: unknown command: doctor twice\n/],
    [['doctor', '--yaml'], /^xtp: .*--yaml/]
  ] as const) {
    const { status, stdout, stderr } = xtp(...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, complaint)
    assert.match(stderr, /Usage: xtp doctor/)
  }
})
