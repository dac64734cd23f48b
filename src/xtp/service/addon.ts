// Loads the addon of a transport package, in its service only.
import path from 'node:path'
import nodeGypBuild from 'node-gyp-build'
import type { Binding } from './binding.ts'

export interface AddonSearch {
  packageName: string
  /** Folders with `prebuilds` in them, best first. */
  dirs: string[]
  /** The program that loads it, for messages. Default: Node and its version. */
  program?: string
  /** What to do where there is none. Default: reinstall, or build. */
  remedy?: string
}

/** Loads the addon below a folder; throws where there is none. */
export type Load = (dir: string) => unknown

/**
 * Loads `prebuilds/<platform>-<arch>/<package>.<libc>.node` of the first folder that has it.
 *
 * @throws Error that names the platform, the places looked at and the remedy
 */
export function loadAddon(search: AddonSearch, load: Load = nodeGypBuild): Binding {
  const { packageName, dirs } = search
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
  const {
    program = `Node ${process.version}`,
    remedy = `Reinstall ${packageName} without leaving files out; on a platform without a prebuilt addon, ` +
      'build it from the repository with npm run build (needs a C++17 compiler and cmake).'
  } = search
  throw new Error(
    `${packageName} has no addon for ${platform} with ${program}: looked into ${places} ` +
      `(${failures.join('; ')}). ${remedy}`,
    { cause }
  )
}
