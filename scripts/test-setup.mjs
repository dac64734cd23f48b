// What the tests need beyond a build: other Node versions, independent peers, native test builds.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { deviation, fetchVendor } from './fetch-vendor.mjs'
import { bin, Failure, files, fingerprint, root, run, unlessFresh } from './run.mjs'

const RUNTIMES = path.join(root, 'test/runtimes')

/** Installs Node 22, 26 and an old 22 from their npm packages, pinned in test/runtimes. */
export async function ensureRuntimes() {
  const print = fingerprint(['test/runtimes/package-lock.json'])
  await unlessFresh(
    'installing other versions of Node',
    'runtimes',
    print,
    ['test/runtimes/node_modules'],
    () => run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: RUNTIMES })
  )
}

function runtime(name) {
  const platform = `${process.platform}-${process.arch}`
  const file = path.join(RUNTIMES, `node_modules/${name}-${platform}/bin/node`)
  if (!fs.existsSync(file)) {
    throw new Failure(`no ${name} for ${platform} in test/runtimes: add its package there`)
  }
  return file
}

/** Executables of every supported Node: 22, 24 (the pinned one), 26. */
export const runtimes = () => [runtime('node22'), bin('node'), runtime('node26')]

/** The last Node 22 with an OpenSSL that is too old for QUIC. */
export const oldOpenSslRuntime = () => runtime('node22-openssl30')

function hasLibtorrent() {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import libtorrent'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Installs the independent uTP peer (libtorrent-rasterbar's Python binding) where it is missing. */
export async function ensurePeers() {
  if (hasLibtorrent()) {
    return
  }
  const remedy = 'install it: apt install python3-libtorrent (or your distribution’s package)'
  if (process.platform !== 'linux' || os.userInfo().uid !== 0) {
    throw new Failure(`the interoperability tests need libtorrent for /usr/bin/python3; ${remedy}`)
  }
  console.log('installing python3-libtorrent …')
  const quiet = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  }
  await run('apt-get', ['update', '-qq'], quiet)
  await run(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', 'python3-libtorrent'],
    quiet
  )
  if (!hasLibtorrent()) {
    throw new Failure(`libtorrent cannot be imported by /usr/bin/python3; ${remedy}`)
  }
}

/**
 * Builds the native tests (and addons) with a sanitizer ('' for none); returns the build folder.
 *
 * @param openSsl - prefix of an OpenSSL to link with instead of taking Node's; '': Node's
 */
export async function buildNative(sanitizer, openSsl = '') {
  fetchVendor('libutp')
  fetchVendor('libquic')
  const dir = `build/native${sanitizer && `-${sanitizer}`}`
  const sources = files(['CMakeLists.txt', 'native', 'vendor', 'spec/vectors'])
  await unlessFresh(
    `building native tests${sanitizer && ` with the ${sanitizer} sanitizer`}`,
    `native-${sanitizer}`,
    fingerprint(sources, deviation('libutp') + deviation('libquic') + openSsl),
    [`${dir}/CMakeCache.txt`],
    async () => {
      const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
      await run(
        'cmake',
        [
          '-S',
          '.',
          '-B',
          dir,
          '-DXTP_BUILD_TESTS=ON',
          `-DXTP_SANITIZE=${sanitizer}`,
          `-DXTP_OPENSSL_DIR=${openSsl}`,
          `-DCMAKE_BUILD_TYPE=${sanitizer ? 'RelWithDebInfo' : 'Release'}`
        ],
        quiet
      )
      await run('cmake', ['--build', dir, '--parallel', String(os.cpus().length)], quiet)
    }
  )
  return dir
}
