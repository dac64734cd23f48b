// What may import what (ARCHITECTURE.md, section Layers), read from the sources themselves.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'

const src = path.resolve(import.meta.dirname, '../../src')

interface Import {
  from: string
  specifier: string
  /** Path below src for our own files, the package or `node:` name otherwise. */
  target: string
}

function sources(dir: string): string[] {
  return fs.readdirSync(dir, { withFileTypes: true }).flatMap(entry => {
    if (['node_modules', 'dist', 'prebuilds', 'build'].includes(entry.name)) {
      return []
    }
    const full = path.join(dir, entry.name)
    return entry.isDirectory() ? sources(full) : /\.(ts|js)$/.test(entry.name) ? [full] : []
  })
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)[^'"\n]*?(?:[\s\S]*?from\s*)?['"]([^'"\n]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g
const OWN: Record<string, string> = {
  xtp: 'xtp/index.ts',
  'xtp/ctl': 'xtp/ctl/index.ts',
  'xtp/service': 'xtp/service/index.ts',
  'xtp/noise': 'xtp/noise/index.ts',
  'xtp/yamux': 'xtp/yamux/index.ts'
}

function importsOf(file: string): Import[] {
  const from = path.relative(src, file)
  const text = fs.readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  return [...text.matchAll(IMPORT)].map(match => {
    const specifier = (match[1] ?? match[2]) as string
    const target = specifier.startsWith('.')
      ? path.join(path.dirname(from), specifier)
      : (OWN[specifier] ?? specifier)
    return { from, specifier, target }
  })
}

const all = sources(src).flatMap(importsOf)
const product = all.filter(({ from }) => !from.endsWith('.test.ts') && !from.includes('/testing/'))

function none(title: string, broken: (i: Import) => boolean) {
  it(title, () => {
    const wrong = product.filter(broken).map(i => `${i.from} imports ${i.specifier}`)
    assert.deepEqual(wrong, [])
  })
}

const inside = (name: string, dir: string) => name.startsWith(`xtp/${dir}/`)
const transports = fs.readdirSync(src).filter(name => name.startsWith('xtp-'))
/** The child's files of a transport package; everything else in it is the parent's. */
const childFile = /^xtp-[a-z]+\/(main|addon|binding)\.ts$/

describe('layers', () => {
  it('the test sees the imports that are there', () => {
    assert.ok(product.length > 50, `${product.length} imports`)
    assert.ok(
      product.some(i => i.from === 'xtp-utp/main.ts' && i.target === 'xtp/service/index.ts')
    )
    assert.ok(product.some(i => inside(i.from, 'client') && inside(i.target, 'ctl')))
  })
  none(
    'ctl imports nothing of ours',
    i => inside(i.from, 'ctl') && /^xtp/.test(i.target) && !inside(i.target, 'ctl')
  )
  none('ctl imports no node: module', i => inside(i.from, 'ctl') && i.target.startsWith('node:'))
  none(
    'client does not import service',
    i => inside(i.from, 'client') && inside(i.target, 'service')
  )
  none(
    'service does not import client or runner',
    i =>
      inside(i.from, 'service') &&
      (inside(i.target, 'client') || inside(i.target, 'runner') || i.target === 'xtp/index.ts')
  )
  none(
    'runner does not import client or service',
    i => inside(i.from, 'runner') && (inside(i.target, 'client') || inside(i.target, 'service'))
  )
  none(
    'muxer and encrypter import ctl, and nothing of client that knows of services, nor each other',
    i =>
      ['yamux', 'noise'].some(
        folder =>
          inside(i.from, folder) &&
          /^xtp/.test(i.target) &&
          !inside(i.target, folder) &&
          !/^xtp\/(ctl\/|client\/(young-buffers|kept-bytes)\.ts$)/.test(i.target)
      )
  )
  none('nobody imports the command line', i => inside(i.target, 'cli') && !inside(i.from, 'cli'))
  none(
    'the command line does not import service',
    i => inside(i.from, 'cli') && (inside(i.target, 'service') || /^xtp-/.test(i.target))
  )
  none(
    'only runner, service and the command line use node: modules, and the cipher of noise node:crypto',
    i =>
      i.target.startsWith('node:') &&
      (['client', 'yamux', 'noise'].some(folder => inside(i.from, folder)) ||
        i.from === 'xtp/index.ts') &&
      `${i.from} ${i.target}` !== 'xtp/noise/aead.ts node:crypto'
  )
  none(
    'no parent-side file of a transport imports its addon or its program',
    i =>
      transports.some(name => i.from.startsWith(`${name}/`)) &&
      !childFile.test(i.from) &&
      (childFile.test(i.target) ||
        i.target === 'node-gyp-build' ||
        i.target === 'xtp/service/index.ts')
  )
  none('no transport imports another', i =>
    transports.some(
      name =>
        i.from.startsWith(`${name}/`) &&
        transports.some(
          other => other !== name && (i.target === other || i.target.startsWith(`${other}/`))
        )
    )
  )
  none(
    'nobody loads an addon but addon.ts of the service',
    i => /\.node$|node-gyp-build|bindings/.test(i.specifier) && i.from !== 'xtp/service/addon.ts'
  )
})
