// docs/new-transport.md shows what is in the files of the template, and names all of them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')
const page = read('docs/new-transport.md')
const SHOWN = /<!-- file: (\S+) -->\n```\w*\n([\s\S]*?)```/g

it('every snippet of docs/new-transport.md is in the file that it is said to be of', () => {
  const shown = [...page.matchAll(SHOWN)]
  assert.equal(shown.length, page.match(/<!-- file:/g)?.length, 'a marker without a snippet')
  assert.ok(shown.length > 8, `${shown.length} snippets`)
  for (const [, file = '', text = ''] of shown) {
    assert.ok(read(file).includes(text), `${file} has no such lines:\n${text}`)
  }
  const code = page.match(/```(?:cpp|ts|cmake|js)\n/g) ?? []
  assert.equal(code.length, shown.length, 'code without a marker')
})

it('the page names every file of the template', () => {
  const dir = 'examples/xtp-tcp/'
  const files = execFileSync('git', ['ls-files', dir], { cwd: root, encoding: 'utf8' })
  for (const file of files.trim().split('\n')) {
    assert.ok(page.includes(`\`${file.slice(dir.length)}\``), `${file} is not on the page`)
  }
})
