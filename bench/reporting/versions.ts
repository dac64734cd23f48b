// What was measured: the commit, the packages and their libraries.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')

export interface Versions {
  /** With `-dirty` where files differ from it. */
  commit: string
  packages: Record<string, string>
  libraries: Record<string, string>
  /** Options of V8 in every process of every contestant; services have the same. */
  v8Options: string[]
}

const PACKAGES = [
  'libp2p',
  '@libp2p/tcp',
  '@libp2p/websockets',
  '@libp2p/tls',
  '@chainsafe/libp2p-noise',
  '@chainsafe/libp2p-yamux',
  '@chainsafe/libp2p-quic',
  'utp-native',
  'xtp',
  'xtp-utp',
  'xtp-quic',
  'xtp-udt'
]

const json = (file: string) =>
  JSON.parse(fs.readFileSync(path.join(root, file), 'utf8')) as { version: string }

function commit(): string {
  try {
    const git = ['describe', '--always', '--dirty', '--exclude', '*', '--abbrev=12']
    return execFileSync('git', git, { cwd: root, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

export function versions(): Versions {
  return {
    commit: commit(),
    packages: Object.fromEntries(
      PACKAGES.map(name => [name, json(`node_modules/${name}/package.json`).version])
    ),
    libraries: Object.fromEntries(
      ['libutp', 'libquic', 'libudt'].map(name => [
        name,
        json(`vendor/${name}/recipe.json`).version
      ])
    ),
    v8Options: [...process.execArgv]
  }
}
