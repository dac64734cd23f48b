// The launcher is the one privileged part: it stays short enough to be read in one sitting.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'

const JAIL = path.resolve(import.meta.dirname, '../../native/jail')
const MOST_LINES = 999

it(`xtp-jail has at most ${MOST_LINES} lines of code, without blank lines and comments`, t => {
  const sources = fs.readdirSync(JAIL).filter(name => /\.[ch]$/.test(name))
  const lines = sources.flatMap(name => fs.readFileSync(path.join(JAIL, name), 'utf8').split('\n'))
  const code = lines.filter(line => !/^\s*(\/\/.*)?$/.test(line))
  t.diagnostic(`${code.length} lines in ${sources.length} files`)
  assert.ok(sources.length >= 5)
  assert.ok(code.length <= MOST_LINES, `${code.length} lines`)
  assert.ok(!lines.some(line => line.includes('/*')), 'a comment of another form would be counted')
})
