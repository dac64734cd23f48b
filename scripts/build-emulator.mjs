// Builds path_emulator (bench/networks), into build/emulator. Linux only.
import { fetchVendor } from './fetch-vendor.mjs'
import { Failure, files, fingerprint, run, unlessFresh } from './run.mjs'

const DIR = 'build/emulator'

export async function buildEmulator() {
  if (process.platform !== 'linux') {
    throw new Failure('networks are emulated on Linux only: they need its network namespaces')
  }
  // part of the project's tree, which is not configured without libutp's sources
  fetchVendor('libutp')
  const print = fingerprint(
    files(
      ['CMakeLists.txt', 'bench/networks', 'native/common'],
      name => /\.(cc|h|txt)$/.test(name) && !name.endsWith('_test.cc')
    )
  )
  const program = `${DIR}/bench/networks/path_emulator`
  await unlessFresh('building path_emulator', 'emulator', print, [program], async () => {
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
    await run('cmake', ['-S', '.', '-B', DIR, '-DXTP_BUILD_TESTS=ON'], quiet)
    await run('cmake', ['--build', DIR, '--target', 'path_emulator'], quiet)
  })
}
