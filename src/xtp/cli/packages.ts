// Finds transport packages from a directory, without importing anything of them.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { TransportFacts } from './facts.ts'

/** What the service of a package must say that it is. */
export interface KnownTransport {
  packageName: string
  name: string
  suffix: string
  multiaddrCode: number
  /** Brings encryption and multiplexing of its own. */
  native?: true
}

/** Every transport package that there is, or will be. */
export const KNOWN_TRANSPORTS: readonly KnownTransport[] = [
  { packageName: 'xtp-utp', name: 'utp', suffix: '/utp', multiaddrCode: 302 },
  { packageName: 'xtp-quic', name: 'quic', suffix: '/quic-v1', multiaddrCode: 461, native: true },
  { packageName: 'xtp-udt', name: 'udt', suffix: '/udt', multiaddrCode: 301 }
]

function findAddon(directory: string): string | undefined {
  const folders = [`prebuilds/${process.platform}-${process.arch}`, 'build/Release']
  for (const folder of folders.map(name => path.join(directory, name))) {
    const name = fs.existsSync(folder) && fs.readdirSync(folder).find(f => f.endsWith('.node'))
    if (name) {
      return path.join(folder, name)
    }
  }
  return undefined
}

/** The transport packages that a program in `from` could import. */
export function findTransports(from: string): TransportFacts[] {
  const require = createRequire(path.join(from, 'program.js'))
  return KNOWN_TRANSPORTS.flatMap(({ packageName }) => {
    try {
      const manifest = require.resolve(`${packageName}/package.json`)
      const directory = path.dirname(manifest)
      const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'))
      return [
        {
          package: packageName,
          version: String(version),
          directory,
          addon: findAddon(directory)
        }
      ]
    } catch {
      // not installed here
      return []
    }
  })
}
