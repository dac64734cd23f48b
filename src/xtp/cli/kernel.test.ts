import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readText } from './kernel.ts'

test('a file that cannot be read is its errno', () => {
  assert.deepEqual(readText('/nowhere/at/all'), { errno: 'ENOENT' })
  assert.deepEqual(readText('/'), { errno: 'EISDIR' })
})
