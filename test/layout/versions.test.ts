import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')

const transports = fs.readdirSync(path.join(root, 'src')).filter(name => name.startsWith('xtp-'))
for (const name of transports) {
  it(`${name} says the version of its package.json, and needs the xtp of the same version`, () => {
    const { version, dependencies } = JSON.parse(read(`src/${name}/package.json`))
    assert.match(read(`src/${name}/protocol.ts`), new RegExp(`version: '${version}'`))
    assert.equal(dependencies.xtp, JSON.parse(read('src/xtp/package.json')).version)
  })
}
