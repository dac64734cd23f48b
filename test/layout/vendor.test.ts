// Third-party sources are the pinned ones, or say what they are.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'

interface Places {
  recipes: string
  from: string
  into: string
}

const SCRIPT = '../../scripts/fetch-vendor.mjs'
const { fetchVendor, deviation } = (await import(SCRIPT)) as {
  fetchVendor(name: string, places: Places): string
  deviation(name: string, into: string): string
}

describe('a vendor recipe', () => {
  let dir: string
  let places: Places
  let archive: string
  let integrity: string
  const target = () => path.join(places.into, 'lib')
  const stampOf = () => fs.readFileSync(path.join(target(), '.integrity'), 'utf8')

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'xtp-vendor-'))
    const [recipes, from, into] = ['recipes', 'from', 'into'].map(name => path.join(dir, name))
    places = { recipes, from, into } as Places
    for (const name of [path.join(places.recipes, 'lib'), places.from, path.join(dir, 'lib-1.0')]) {
      fs.mkdirSync(name, { recursive: true })
    }
    fs.writeFileSync(path.join(dir, 'lib-1.0/COPYING'), 'free')
    archive = path.join(places.from, 'lib-1.0.tar')
    execFileSync('tar', ['-cf', archive, '-C', dir, 'lib-1.0'])
    integrity = `sha256-${createHash('sha256').update(fs.readFileSync(archive)).digest('base64')}`
    fs.writeFileSync(
      path.join(places.recipes, 'lib/recipe.json'),
      JSON.stringify({
        version: '1.0',
        archive: 'lib-1.0.tar',
        integrity,
        folder: 'lib-1.0',
        licences: ['lib-1.0/COPYING'],
        release: 'file:///nonexistent/lib-1.0.tar',
        debian: { source: 'no such package', suite: 'none', version: '1.0-1', compatible: '1.' }
      })
    )
  })
  afterEach(() => fs.rmSync(dir, { recursive: true }))

  function installUnpinned(instead: string): string {
    const stamp = `unpinned 1.1 sha256-abc for ${instead}`
    fs.mkdirSync(target(), { recursive: true })
    fs.writeFileSync(path.join(target(), '.integrity'), stamp)
    return stamp
  }

  it('gives the pinned sources, and their licence', () => {
    assert.equal(fetchVendor('lib', places), target())
    assert.equal(stampOf(), integrity)
    assert.equal(deviation('lib', places.into), '')
    assert.equal(fs.readFileSync(path.join(target(), 'LICENCE.COPYING'), 'utf8'), 'free')
  })

  it('refuses an archive with another hash', () => {
    fs.appendFileSync(archive, 'more')
    assert.throws(() => fetchVendor('lib', places), /pins sha256-/)
    assert.ok(!fs.existsSync(target()))
  })

  it('keeps others only while the pinned ones cannot be had, and says so', t => {
    const stamp = installUnpinned(integrity)
    const warn = t.mock.method(console, 'warn', () => {})
    fs.renameSync(archive, `${archive}.away`)
    fetchVendor('lib', places)
    assert.equal(stampOf(), stamp)
    assert.equal(deviation('lib', places.into), stamp)
    assert.match(String(warn.mock.calls[0]?.arguments[0]), /WARNING: .*unpinned 1\.1 sha256-abc/)
    fs.writeFileSync(archive, 'something else')
    assert.throws(() => fetchVendor('lib', places), /pins sha256-/)
    fs.renameSync(`${archive}.away`, archive)
    fetchVendor('lib', places)
    assert.equal(stampOf(), integrity)
    assert.equal(warn.mock.callCount(), 1)
  })

  it('does not keep those of another recipe', () => {
    installUnpinned('sha256-older')
    fs.rmSync(archive)
    assert.throws(() => fetchVendor('lib', places), /cannot fetch lib-1\.0\.tar/)
  })
})
