// The project for another processor than this one's: built by a cross compiler, with npm's packages for it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runLogged } from './build-addon.mjs'
import { Failure, files, fingerprint, has, root, run, unlessFresh } from './run.mjs'
import { installDebian } from './test-setup.mjs'

const TARGETS = {
  arm64: { prefix: 'aarch64-linux-gnu', processor: 'aarch64', debian: 'g++-aarch64-linux-gnu' }
}
/** xtp-udt is left out: its library is there for one platform (vendor/libudt). */
const ADDONS = { 'xtp-utp': 'utp/xtp_utp.node', 'xtp-quic': 'quic/xtp_quic.node' }

/** Builds addons, launcher and native tests for `arch` in build/ARCH. */
export async function buildForeign(arch) {
  const target = TARGETS[arch]
  if (target === undefined || process.platform !== 'linux') {
    throw new Failure(
      `no cross compiler for ${arch} is known on ${process.platform}-${process.arch}`
    )
  }
  const compiler = `${target.prefix}-g++`
  if (!has(compiler)) {
    await installDebian(target.debian, `the tests for ${arch} need ${compiler}`)
  }
  const sources = files([
    'CMakeLists.txt',
    'native',
    'vendor',
    'package-lock.json',
    'scripts/foreign.mjs'
  ])
  const dir = `build/${arch}`
  await unlessFresh(`building for ${arch}`, arch, fingerprint(sources), [dir], async () => {
    const cmake = [
      ...['-DCMAKE_BUILD_TYPE=Release', '-DCMAKE_SYSTEM_NAME=Linux'],
      `-DCMAKE_SYSTEM_PROCESSOR=${target.processor}`,
      ...[`-DCMAKE_C_COMPILER=${target.prefix}-gcc`, `-DCMAKE_CXX_COMPILER=${compiler}`],
      ...['-DXTP_BUILD_TESTS=ON', '-DXTP_LIBUDT_DIR=/nonexistent']
    ]
    await runLogged(arch, 'cmake', ['-S', '.', '-B', dir, ...cmake])
    await runLogged(arch, 'cmake', ['--build', dir, '-j', String(os.availableParallelism())])
  })
  return dir
}

/** Adds to a copy of this checkout what is there for this processor alone. */
export async function makeForeign(arch, tree) {
  const dir = await buildForeign(arch)
  // by the hashes of package-lock.json
  await run(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--os=linux', `--cpu=${arch}`],
    { cwd: tree, stdio: ['ignore', 'ignore', 'inherit'] }
  )
  const copy = (from, to) => {
    fs.mkdirSync(path.join(tree, path.dirname(to)), { recursive: true })
    fs.copyFileSync(path.join(root, dir, from), path.join(tree, to))
  }
  for (const [name, file] of Object.entries(ADDONS)) {
    copy(`native/${file}`, `src/${name}/prebuilds/linux-${arch}/${name}.glibc.node`)
  }
  copy('native/jail/xtp-jail', `src/xtp/prebuilds/linux-${arch}/xtp-jail`)
  copy('native/attacks/xtp_attacks.node', 'build/native/native/attacks/xtp_attacks.node')
  // native tests, which test/machine/native.test.ts runs
  for (const name of fs.readdirSync(path.join(root, dir, 'native'), { recursive: true })) {
    if (/_test(\.node)?$/.test(name)) {
      copy(`native/${name}`, `build/native/native/${name}`)
    }
  }
}
