// Builds the addon of one transport and leaves it in src/<package>/prebuilds, where node-gyp-build
// looks. prebuildify drives cmake-js, which finds the headers in the package node-api-headers.
import fs from 'node:fs'
import path from 'node:path'
import { deviation, fetchVendor } from './fetch-vendor.mjs'
import { bin, Failure, files, fingerprint, has, root, run, unlessFresh } from './run.mjs'
import { TRANSPORTS } from './transports.mjs'

export function checkTools() {
  const missing = []
  if (!has('cmake')) {
    missing.push('cmake (3.18 or newer)')
  }
  const compiler = process.env.CXX ?? ['c++', 'g++', 'clang++'].find(has)
  if (compiler === undefined || !has(compiler)) {
    missing.push('a C++17 compiler (g++ 9 or clang 10 or newer)')
  }
  if (!has('make') && !has('ninja')) {
    missing.push('make or ninja')
  }
  if (missing.length > 0) {
    throw new Failure(
      `cannot build the native addon: ${missing.join(' and ')} not found in PATH.\n` +
        'On Debian and Ubuntu: apt install g++ make cmake. On macOS: xcode-select --install; brew install cmake.'
    )
  }
}

export function addonFile(name, prebuilds = 'prebuilds') {
  const dir = `src/${name}/${prebuilds}/${process.platform}-${process.arch}`
  const libc = process.platform === 'linux' ? '.glibc' : ''
  return `${dir}/${name}${libc}.node`
}

/** Puts the licence of fetched sources into a package, from where fetch-vendor.mjs left it. */
export function copyLicence(vendor, name) {
  const dir = path.join(root, '.cache/vendor', vendor)
  const licence = fs.readdirSync(dir).find(file => file.startsWith('LICENCE.'))
  fs.copyFileSync(path.join(dir, licence), path.join(root, 'src', name, `LICENSE-${vendor}`))
}

/** Files that an addon is built from. */
export function addonSources(name) {
  const short = name.replace('xtp-', '')
  const dirs = ['native/common', `native/${short}`, `vendor/${TRANSPORTS[name]}`]
  return files(['CMakeLists.txt', 'package-lock.json', ...dirs], file => !file.endsWith('.md'))
}

/** Runs a build whose output only matters where it fails: then its first error is shown. */
export async function runLogged(label, command, args, options = {}) {
  const log = path.join(root, '.cache', `build-${label.replaceAll(' ', '-')}.log`)
  const out = fs.openSync(log, 'w')
  try {
    await run(command, args, { ...options, stdio: ['ignore', out, out] })
  } catch (error) {
    const lines = fs.readFileSync(log, 'utf8').split('\n')
    const firstError = lines.findIndex(line => /\berror\b/i.test(line))
    const shown = lines.slice(
      Math.max(0, firstError - 3),
      firstError < 0 ? undefined : firstError + 20
    )
    throw new Failure(
      `${shown.join('\n')}\nbuilding ${label} failed (${error.message}); log: ${log}`
    )
  } finally {
    fs.closeSync(out)
  }
}

export async function buildAddon(name) {
  const vendor = TRANSPORTS[name]
  fetchVendor(vendor)
  await unlessFresh(
    `building the addon of ${name}`,
    `addon-${name}`,
    fingerprint(addonSources(name), deviation(vendor)),
    [addonFile(name)],
    async () => {
      checkTools()
      const dir = path.join(root, 'src', name)
      fs.rmSync(path.join(dir, 'prebuilds'), { recursive: true, force: true })
      await runLogged(
        name,
        bin('prebuildify'),
        [
          '--napi',
          '--strip',
          '--tag-libc',
          '-t',
          '22.0.0',
          `--node-gyp=${path.join(root, 'scripts/cmake-js-as-node-gyp.mjs')}`
        ],
        { cwd: dir }
      )
      copyLicence(vendor, name)
    }
  )
}
