// Child side only: loads the addon that matches this platform and this Node. No parent-side file imports this.
import path from 'node:path'
import nodeGypBuild from 'node-gyp-build'
import type { Binding } from 'xtp/service'

/** What the addons need to know of the program that loads them: `process.versions`. */
export interface Versions {
  node: string
  openssl?: string
  electron?: string
}

export type Load = (dir: string) => unknown

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
export function loadAddon(
  packageDir: string,
  versions: Versions = process.versions,
  load: Load = nodeGypBuild
): Binding {
  const withStatic = path.join(packageDir, 'static')
  const dirs = hasQuicTls(versions) ? [packageDir, withStatic] : [withStatic]
  const failures: string[] = []
  let cause: unknown
  for (const dir of dirs) {
    try {
      return load(dir) as Binding
    } catch (error) {
      cause ??= error
      failures.push((error as Error).message.split('\n')[0] as string)
    }
  }
  const platform = `${process.platform}-${process.arch}`
  const places = dirs.map(dir => path.join(dir, 'prebuilds', platform)).join(' and ')
  throw new Error(
    `xtp-quic has no addon for ${platform} with Node ${versions.node} and OpenSSL ` +
      `${versions.openssl ?? 'unknown'}: looked into ${places} (${failures.join('; ')}). ` +
      (hasQuicTls(versions)
        ? 'Reinstall xtp-quic without leaving files out; on a platform without a prebuilt addon, build it ' +
          'from the repository with npm run build (needs a C++17 compiler and cmake).'
        : 'The addon for this platform uses the OpenSSL of Node, 3.5 or newer: use a Node ≥ 22.20, 24.5 or 26 ' +
          'from nodejs.org, or build the addon that has its own from the repository with ' +
          'npm run build:static-quic.'),
    { cause }
  )
}
