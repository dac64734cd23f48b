// Builds the addon of one transport and leaves it in src/<package>/prebuilds, where node-gyp-build
// looks. prebuildify drives cmake-js, which finds the headers in the package node-api-headers.
import fs from 'node:fs'
import path from 'node:path'
import { fetchVendor } from './fetch-vendor.mjs'
import { bin, Failure, files, fingerprint, has, root, run, unlessFresh } from './run.mjs'

const VENDOR = { 'xtp-utp': 'libutp', 'xtp-quic': 'libquic' }

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

export function addonFile(name) {
  const dir = `src/${name}/prebuilds/${process.platform}-${process.arch}`
  const libc = process.platform === 'linux' ? '.glibc' : ''
  return `${dir}/${name}${libc}.node`
}

/** The licence of the fetched sources, where fetch-vendor.mjs put it. */
function licenceOf(vendor) {
  const dir = path.join(root, '.cache/vendor', vendor)
  return path.join(
    dir,
    fs.readdirSync(dir).find(name => name.startsWith('LICENCE.'))
  )
}

export async function buildAddon(name) {
  const short = name.replace('xtp-', '')
  const vendor = VENDOR[name]
  if (!fs.existsSync(path.join(root, 'native', short))) {
    console.log(`building the addon of ${name}: not in this version, there is no native/${short}`)
    return
  }
  const sources = files(['CMakeLists.txt', 'native/common', `native/${short}`, `vendor/${vendor}`])
  const print = fingerprint([...sources, 'package-lock.json'])
  await unlessFresh(
    `building the addon of ${name}`,
    `addon-${name}`,
    print,
    [addonFile(name)],
    async () => {
      checkTools()
      fetchVendor(vendor)
      const dir = path.join(root, 'src', name)
      fs.rmSync(path.join(dir, 'prebuilds'), { recursive: true, force: true })
      const log = path.join(root, '.cache', `build-${name}.log`)
      const out = fs.openSync(log, 'w')
      try {
        await run(
          bin('prebuildify'),
          [
            '--napi',
            '--strip',
            '--tag-libc',
            '-t',
            '22.0.0',
            `--node-gyp=${path.join(root, 'scripts/cmake-js-as-node-gyp.mjs')}`
          ],
          { cwd: dir, stdio: ['ignore', out, out] }
        )
      } catch (error) {
        const lines = fs.readFileSync(log, 'utf8').split('\n')
        const firstError = lines.findIndex(line => /error|CMake Error/i.test(line))
        const shown = lines.slice(
          Math.max(0, firstError - 3),
          firstError < 0 ? undefined : firstError + 20
        )
        throw new Failure(
          `${shown.join('\n')}\nbuilding the addon of ${name} failed (${error.message}); log: ${log}`
        )
      } finally {
        fs.closeSync(out)
      }
      fs.copyFileSync(licenceOf(vendor), path.join(dir, `LICENSE-${vendor}`))
    }
  )
}
