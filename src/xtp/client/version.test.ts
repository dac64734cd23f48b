import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { VERSION } from './version.ts'

test('is that of the package', () => {
  const json = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  assert.equal(VERSION, JSON.parse(json).version)
})
