// What the tests need beyond a build: other Node versions, independent peers, native test builds.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runLogged } from './build-addon.mjs'
import { deviation, fetchVendor } from './fetch-vendor.mjs'
import { bin, env, Failure, files, fingerprint, output, root, run, unlessFresh } from './run.mjs'
import { TRANSPORTS } from './transports.mjs'

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

/** Builds the template transport, as its own command does it (docs/new-transport.md). */
export async function ensureTemplate() {
  const dir = 'examples/xtp-tcp'
  const sources = files([dir, 'native/common', 'src/xtp', 'package-lock.json'])
  await unlessFresh(
    'building examples/xtp-tcp',
    'template',
    fingerprint(sources),
    [`${dir}/dist/index.js`, `${dir}/dist/service.cjs`, `${dir}/prebuilds`],
    () => runLogged('xtp-tcp', bin('node'), [`${dir}/build.mjs`])
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

let installed = Promise.resolve()

/**
 * Installs a package of Debian, as root; `why` begins the message where that cannot be done. One after the other: apt
 * does not wait for another apt.
 */
export function installDebian(name, why) {
  const done = installed.then(() => install(name, why))
  installed = done.catch(() => {})
  return done
}

async function install(name, why) {
  if (process.platform !== 'linux' || os.userInfo().uid !== 0) {
    throw new Failure(`${why}; install it: apt install ${name} (or your distribution’s package)`)
  }
  console.log(`installing ${name} …`)
  const quiet = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  }
  await run('apt-get', ['update', '-qq'], quiet)
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], quiet)
}

/** Installs the independent uTP peer (libtorrent-rasterbar's Python binding) where it is missing. */
export async function ensurePeers() {
  if (hasLibtorrent()) {
    return
  }
  const why = 'the interoperability tests need libtorrent for /usr/bin/python3'
  await installDebian('python3-libtorrent', why)
  if (!hasLibtorrent()) {
    throw new Failure(`${why}, which cannot import what apt has installed`)
  }
}

const PEERS = '.cache/peers'

/**
 * The project of the peer in Rust, with Cargo.lock: versions.lock, where each package from the registry has a line
 * more that says so in Cargo's own words. Returns its folder.
 */
function cargoProject(cargo) {
  const from = path.join(root, 'test/interop/rust-libp2p')
  const project = path.join(root, PEERS, 'rust-libp2p-project')
  fs.rmSync(project, { recursive: true, force: true })
  fs.cpSync(from, project, { recursive: true })
  const metadata = output(cargo, ['metadata', '--no-deps', '--format-version', '1'], {
    cwd: project
  })
  const { source } = JSON.parse(metadata).packages[0].dependencies[0]
  const versions = fs.readFileSync(path.join(project, 'versions.lock'), 'utf8')
  fs.writeFileSync(
    path.join(project, 'Cargo.lock'),
    versions.replace(/^checksum = /gm, `source = "${source}"\nchecksum = `)
  )
  return project
}

/** Peers of other libp2p, in test/interop: what builds them, and how. Their caches are below .cache, too. */
const FOREIGN_PEERS = {
  'go-libp2p': {
    tool: 'go',
    folder: '/usr/local/go/bin',
    version: ['version'],
    least: [1, 26],
    build: (go, output) =>
      run('nice', ['-n', '19', go, 'build', '-trimpath', '-ldflags=-s -w', '-o', output, '.'], {
        cwd: path.join(root, 'test/interop/go-libp2p'),
        env: {
          ...env,
          CGO_ENABLED: '0',
          // no toolchain is fetched; the module cache can be deleted
          GOTOOLCHAIN: 'local',
          GOFLAGS: '-mod=readonly -modcacherw',
          GOPATH: path.join(root, '.cache/go'),
          GOMODCACHE: path.join(root, '.cache/go/mod'),
          GOCACHE: path.join(root, '.cache/go/build')
        }
      })
  },
  'rust-libp2p': {
    tool: 'cargo',
    folder: path.join(os.homedir(), '.cargo/bin'),
    version: ['--version'],
    least: [1, 88],
    build: async (cargo, output) => {
      const target = path.join(root, '.cache/cargo')
      const args = ['build', '--release', '--locked', '--quiet', '--target-dir', target]
      await run('nice', ['-n', '19', cargo, ...args], { cwd: cargoProject(cargo) })
      fs.copyFileSync(path.join(target, 'release/rust-libp2p-peer'), output)
    }
  }
}

/** A program on PATH or in the folder where its installer puts it. */
function findProgram(name, folder) {
  return [...env.PATH.split(path.delimiter), folder]
    .map(each => path.join(each, name))
    .find(file => fs.existsSync(file))
}

/** The program, where it is there and new enough. */
function usableTool({ tool, folder, version, least }) {
  const found = findProgram(tool, folder)
  if (found === undefined) {
    return undefined
  }
  let text = ''
  try {
    text = output(found, version, { stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    // such as rustup's, where the user has no toolchain
  }
  const [, major, minor] = text.match(/(\d+)\.(\d+)/) ?? []
  const isNew = major > least[0] || (Number(major) === least[0] && minor >= least[1])
  return isNew ? found : undefined
}

/** Builds peers of other libp2p, last in line for the processor. Those whose tool is missing are left out,
 * and their tests say what to install. */
export async function buildForeignPeers(names = Object.keys(FOREIGN_PEERS)) {
  for (const name of names) {
    const peer = FOREIGN_PEERS[name]
    const file = path.join(PEERS, name)
    const tool = usableTool(peer)
    if (tool === undefined) {
      fs.rmSync(path.join(root, file), { force: true })
      continue
    }
    fs.mkdirSync(path.join(root, PEERS), { recursive: true })
    const print = fingerprint(files([`test/interop/${name}`]), output(tool, peer.version))
    await unlessFresh(`building a peer of ${name}`, `peer-${name}`, print, [file], () =>
      peer.build(tool, path.join(root, file))
    )
  }
}

/**
 * Builds the native tests (and addons) with a sanitizer ('' for none), last in line for the processor; returns
 * the build folder.
 *
 * @param openSsl - prefix of an OpenSSL to link with instead of taking Node's; '': Node's
 */
export async function buildNative(sanitizer, openSsl = '') {
  const libraries = Object.values(TRANSPORTS)
  for (const library of libraries) {
    fetchVendor(library)
  }
  const dir = `build/native${sanitizer && `-${sanitizer}`}`
  const sources = files(['CMakeLists.txt', 'native', 'vendor', 'spec/vectors', 'bench/networks'])
  await unlessFresh(
    `building native tests${sanitizer && ` with the ${sanitizer} sanitizer`}`,
    `native-${sanitizer}`,
    fingerprint(sources, libraries.map(name => deviation(name)).join('') + openSsl),
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
          // with OpenSSL it is all of them, at full counts
          `-DXTP_THREADS_ONLY=${sanitizer === 'thread' && openSsl === '' ? 'ON' : 'OFF'}`,
          `-DCMAKE_BUILD_TYPE=${sanitizer ? 'RelWithDebInfo' : 'Release'}`
        ],
        quiet
      )
      const jobs = String(os.cpus().length)
      await run('nice', ['-n', '19', 'cmake', '--build', dir, '--parallel', jobs], quiet)
    }
  )
  return dir
}
