// Child side only: loads the addon that matches this platform. No parent-side file imports this.
import path from 'node:path'
import nodeGypBuild from 'node-gyp-build'
import type { Binding } from 'xtp/service'

/**
 * Loads `prebuilds/<platform>-<arch>/xtp-utp.<libc>.node`.
 *
 * @throws Error that names the platform, the places looked at and the remedy
 */
export function loadAddon(packageDir: string): Binding {
  try {
    return nodeGypBuild(packageDir) as Binding
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`
    throw new Error(
      `xtp-utp has no addon for ${platform} with Node ${process.version}: looked into ` +
        `${path.join(packageDir, 'prebuilds', platform)} and ${path.join(packageDir, 'build')} ` +
        `(${(cause as Error).message.split('\n')[0]}). Reinstall xtp-utp without leaving files out; ` +
        'on a platform without a prebuilt addon, build it from the repository with npm run build ' +
        '(needs a C++17 compiler and cmake).',
      { cause }
    )
  }
}
