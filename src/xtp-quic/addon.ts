// Child side only: which addon fits this Node. No parent-side file imports this.
import path from 'node:path'
import { type Binding, type Load, loadAddon } from 'xtp/service'
import { PROTOCOL } from './protocol.ts'

/** What the addons need to know of the program that loads them: `process.versions`. */
export interface Versions {
  node: string
  openssl?: string
  electron?: string
}

/**
 * Whether this program exports an OpenSSL that can do TLS for QUIC: 3.5 or newer. Electron has BoringSSL
 * whatever it says.
 */
export function hasQuicTls({ openssl = '', electron }: Versions): boolean {
  const [major = 0, minor = 0] = openssl.split('.').map(Number)
  return electron === undefined && (major > 3 || (major === 3 && minor >= 5))
}

/**
 * Loads the addon: the small one in `prebuilds`, which uses the OpenSSL of Node itself, or else the one
 * in `static/prebuilds`, which has its own.
 *
 * @throws Error that names the platform, the places looked at and the remedy
 */
export function loadQuicAddon(
  packageDir: string,
  versions: Versions = process.versions,
  load?: Load
): Binding {
  const withStatic = path.join(packageDir, 'static')
  const usesNodes = hasQuicTls(versions)
  return loadAddon(
    {
      packageName: PROTOCOL.packageName,
      dirs: usesNodes ? [packageDir, withStatic] : [withStatic],
      program: `Node ${versions.node} and OpenSSL ${versions.openssl ?? 'unknown'}`,
      ...(!usesNodes && {
        remedy:
          'The addon for this platform uses the OpenSSL of Node, 3.5 or newer: use a Node ≥ 22.20, 24.5 or 26 ' +
          'from nodejs.org, or build the addon that has its own from the repository with ' +
          'npm run build:static-quic.'
      })
    },
    load
  )
}
