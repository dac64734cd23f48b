// npm run build:static-quic: the addon of xtp-quic with an OpenSSL of its own, for a Node whose OpenSSL
// cannot do QUIC (vendor/libopenssl). OpenSSL takes minutes of CPU, so npm run build leaves it out.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { addonFile, addonSources, checkTools, copyLicence, runLogged } from './build-addon.mjs'
import { deviation, fetchVendor } from './fetch-vendor.mjs'
import { bin, Failure, fingerprint, has, isFresh, main, root, unlessFresh } from './run.mjs'
import { ensureInstalled } from './setup.mjs'

const NAME = 'xtp-quic'
/** What CMake takes for XTP_OPENSSL_DIR: include and lib. */
const OPENSSL_DIR = '.cache/openssl'
const ADDON = addonFile(NAME, 'static/prebuilds')
const STAMP = 'static-quic'
const RECIPE = 'vendor/libopenssl/recipe.json'
const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(os.cpus().length)

const print = () =>
  fingerprint([...addonSources(NAME), RECIPE], deviation('libquic') + deviation('libopenssl'))

/** Why tests of the static variant cannot run here; undefined: they can. */
export function staticQuicMissing() {
  return isFresh(STAMP, print(), [ADDON])
    ? undefined
    : `${ADDON} is not built, or from other sources: npm run build:static-quic (minutes of CPU)`
}

/** Builds it where that has not been done; returns its prefix, for CMake's XTP_OPENSSL_DIR. */
export async function buildOpenSsl() {
  const recipe = JSON.parse(fs.readFileSync(path.join(root, RECIPE)))
  const sources = fetchVendor('libopenssl')
  await unlessFresh(
    `building OpenSSL ${recipe.version}`,
    'openssl',
    fingerprint([RECIPE], deviation('libopenssl')),
    [`${OPENSSL_DIR}/lib/libssl.a`],
    async () => {
      if (!has('perl') || !has('make')) {
        throw new Failure(
          'building OpenSSL needs perl and make. On Debian and Ubuntu: apt install perl make'
        )
      }
      const target = path.join(root, OPENSSL_DIR)
      const cwd = path.join(root, 'build/openssl')
      for (const dir of [target, cwd]) {
        fs.rmSync(dir, { recursive: true, force: true })
      }
      fs.mkdirSync(cwd, { recursive: true })
      // The prefix is compiled in: one that is the same everywhere, and read nowhere.
      const places = ['--prefix=/openssl', '--libdir=lib', '--openssldir=/nonexistent']
      const options = Object.values(recipe.configure).flatMap(words => words.split(' '))
      const configure = [path.join(sources, 'Configure'), ...places, ...options]
      await runLogged('openssl', 'perl', configure, { cwd })
      await runLogged('openssl', 'make', ['-j', jobs, 'build_libs'], { cwd })
      const install = ['install_dev', `DESTDIR=${path.dirname(target)}`]
      await runLogged('openssl', 'make', install, { cwd })
      fs.rmSync(cwd, { recursive: true })
    }
  )
  return path.join(root, OPENSSL_DIR)
}

export async function buildStaticQuic() {
  checkTools()
  const openSsl = await buildOpenSsl()
  fetchVendor('libquic')
  await unlessFresh(`building the static addon of ${NAME}`, STAMP, print(), [ADDON], async () => {
    const build = path.join(root, 'build/static-quic')
    await runLogged('static-quic', bin('cmake-js'), [
      ...['rebuild', '--directory', root, '--out', build, '--config', 'Release'],
      ...['--target', 'xtp_quic', '--parallel', jobs],
      `--CDXTP_OPENSSL_DIR=${openSsl}`
    ])
    const addon = path.join(root, ADDON)
    fs.rmSync(path.join(root, 'src', NAME, 'static'), { recursive: true, force: true })
    fs.mkdirSync(path.dirname(addon), { recursive: true })
    const strip = ['-o', addon, path.join(build, 'native/quic/xtp_quic.node')]
    await runLogged('static-quic', 'strip', strip)
    copyLicence('libopenssl', NAME)
    console.log(`${ADDON}: ${(fs.statSync(addon).size / 1e6).toFixed(1)} MB`)
  })
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    await ensureInstalled()
    await buildStaticQuic()
  })
}
