// The native tests, where CTest is not: one test for each program, and for each addon that the node runs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const FOLDER = path.resolve(import.meta.dirname, '../../build/native/native')
const programs = fs
  .readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter(name => /_test(\.node)?$/.test(name))

test('there are native tests', () => assert.ok(programs.length >= 20, `${programs.length}`))

for (const name of programs.sort()) {
  test(name, () => {
    const file = path.join(FOLDER, name)
    const [command, args]: [string, string[]] = name.endsWith('.node')
      ? [process.execPath, ['-e', 'process.dlopen({exports:{}},process.argv[1])', file]]
      : [file, []]
    const { status, signal, stdout, stderr } = spawnSync(command, args, {
      encoding: 'utf8',
      timeout: 600_000
    })
    assert.equal(status, 0, `${signal}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)
  })
}
