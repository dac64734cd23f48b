import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')

for (const name of ['xtp-utp', 'xtp-quic']) {
  it(`${name} says the version of its package.json, and needs the xtp of the same version`, () => {
    const { version, dependencies } = JSON.parse(read(`src/${name}/package.json`))
    assert.match(read(`src/${name}/version.ts`), new RegExp(`VERSION = '${version}'`))
    assert.equal(dependencies.xtp, JSON.parse(read('src/xtp/package.json')).version)
  })
}
