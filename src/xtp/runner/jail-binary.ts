// Where the launcher of this platform is: beside the code, in the package's prebuilds.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** How far this file is below the package: `runner/` of the sources, `dist/runner/` of a build. */
const TO_PACKAGE = import.meta.url.endsWith('.ts') ? '..' : '../..'

export type JailBinary = { file: string } | { missing: string }

/** The file of this platform, which need not be there. */
export function jailFile(): string {
  const here = path.dirname(fileURLToPath(import.meta.url))
  const name = `${process.platform}-${process.arch}`
  return path.resolve(here, TO_PACKAGE, 'prebuilds', name, 'xtp-jail')
}

/** The launcher; or why there is none and what to do, for people. */
export function findJail(
  file = jailFile(),
  platform: NodeJS.Platform = process.platform
): JailBinary {
  if (platform !== 'linux') {
    return { missing: `the sandbox needs Linux, this is ${platform}` }
  }
  try {
    // a link would have to be readable in the sandbox, too
    const found = fs.realpathSync(file)
    fs.accessSync(found, fs.constants.X_OK)
    return { file: found }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return {
      missing:
        code === 'EACCES'
          ? `this user may not execute ${file}: make it executable (chmod +x), and install on a file system without noexec`
          : `the launcher ${file} is missing (${code}): reinstall the package xtp without leaving files out; on a platform without a prebuilt one, build it from the repository with npm run build`
    }
  }
}
