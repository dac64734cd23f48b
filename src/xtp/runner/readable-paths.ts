// What a service has to read to start, and nothing more: Node and its libraries, its one bundled file,
// and its addon (spec/xtp-jail.md, option --ro).
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

/** Where the dynamic loader finds the libraries, and where node writes to what nobody reads. */
const SYSTEM_FILES = ['/etc/ld.so.cache', '/dev/null']

/** Beside the folder of the bundled file: the addons, what else a service looks for, and its type. */
const PACKAGE_FILES = ['prebuilds', 'static', 'build', 'package.json']

/** For a Node that is not this one. It ends by itself. */
const ASK_TIMEOUT_MS = 10_000

interface ProcessReport {
  excludeNetwork: boolean
  getReport(): object
}

/** Shared libraries of this process, the loader included, under the names that it opened. */
function ownLibraries(): string[] {
  const report = process.report as unknown as ProcessReport
  const before = report.excludeNetwork
  // names of peers would be looked up, one after the other
  report.excludeNetwork = true
  try {
    return (report.getReport() as { sharedObjects: string[] }).sharedObjects
  } finally {
    report.excludeNetwork = before
  }
}

async function librariesOf(execPath: string): Promise<string[]> {
  if (execPath === process.execPath) {
    return ownLibraries()
  }
  const script =
    'process.report.excludeNetwork = true; JSON.stringify(process.report.getReport().sharedObjects)'
  const { stdout } = await promisify(execFile)(execPath, ['-p', script], {
    env: {},
    timeout: ASK_TIMEOUT_MS
  })
  return JSON.parse(stdout)
}

/** Libraries of Node itself: addons of the application, and what they load, are none of it. */
function isSystemLibrary(file: string): boolean {
  return path.isAbsolute(file) && /\.so(\.[0-9]+)*$/.test(file) && !file.includes('/node_modules/')
}

/** The path as it was given and as it really is: either may be opened. */
function bothNames(file: string): string[] {
  try {
    return [fs.realpathSync(file), file]
  } catch {
    return []
  }
}

/**
 * The paths for `--ro`, each once; only what exists.
 *
 * @param extra - further files and folders, for services that are not one bundled file
 */
export async function readablePaths(
  execPath: string,
  serviceEntry: string,
  extra: readonly string[] = []
): Promise<string[]> {
  const dist = path.dirname(serviceEntry)
  const libraries = (await librariesOf(execPath)).filter(isSystemLibrary)
  const all = [
    execPath,
    ...libraries,
    ...SYSTEM_FILES,
    dist,
    ...PACKAGE_FILES.map(name => path.join(dist, '..', name)),
    ...extra
  ]
  return [...new Set(all.flatMap(bothNames))]
}
