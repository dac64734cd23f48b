import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, it } from 'node:test'

const FOLDER = new URL('./', import.meta.url)

// Time and I/O come from the caller; then this runs in a browser, and tests need no sleep.
const FORBIDDEN =
  /from '(node:|\.\.\/\.\.\/|\.\.\/(client|service|runner))|\b(setTimeout|setInterval|setImmediate|Date\.now|performance|process|Buffer)\b/

describe('ctl', () => {
  it('uses nothing of node, no timer and no clock of its own', () => {
    let files = 0
    for (const name of fs.readdirSync(FOLDER, { recursive: true }) as string[]) {
      if (!name.endsWith('.ts') || /\.test\.ts$|^(testing|proto)\//.test(name)) continue
      const code = fs
        .readFileSync(new URL(name, FOLDER), 'utf8')
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
      assert.doesNotMatch(code, FORBIDDEN, name)
      files++
    }
    assert.ok(files > 10, `${files} files were looked at`)
  })
})
